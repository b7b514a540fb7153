"""ROB: rates are counted for each user, and what is too much is put off (RFC 5321 §4.2.1)."""

from __future__ import annotations

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.robustness.test_crowds import settings_of
from conformance.steps import must_answer, open_transaction, sender_of
from fixtures.plugin import Connect, LogIn
from fixtures.probe import Reply
from fixtures.target import Target

ALLOWED = 3
WINDOW_SECONDS = 3.0


def must_be_put_off(reply: Reply) -> None:
    """Demand 4yz with a word on why."""
    must(reply.is_transient, "4yz: too much for now", reply.raw)
    must(reply.enhanced is None or reply.enhanced.startswith("4.7."), "4.7.x", reply.raw)


@requirement("ROB-09")
@pytest.mark.parametrize("what", ["messages", "recipients"])
def test_too_much_of_one_user_is_put_off(what: str, session: LogIn, target: Target) -> None:
    """Who exceeds the rate hears 4yz, another user notices nothing, and it passes."""
    rates = {"window_seconds": WINDOW_SECONDS, f"{what}_per_user": ALLOWED}
    with settings_of(target).changed(rates=rates):
        busy, other = session("primary"), session("neighbour")
        replies = []
        for number in range(ALLOWED + 2):
            if what == "messages" or number == 0:
                replies.append(busy.mail(sender_of(target)))
            if what == "recipients":
                replies.append(busy.rcpt(target.recipient()))
            else:
                busy.command("RSET")
        refused = [reply for reply in replies if not reply.is_positive]
        must(refused, f"{what} beyond {ALLOWED} put off", replies[-1].raw)
        for reply in refused:
            must_be_put_off(reply)
        open_transaction(other, target.account("neighbour").sender, [target.recipient()])
        busy.command("RSET")
        busy.silence(WINDOW_SECONDS / ALLOWED + 0.2)
        must_answer(busy.mail(sender_of(target)), "250", "the window is over")


@requirement("ROB-09")
def test_too_many_connections_of_one_user_are_put_off(
    secure: Connect, session: LogIn, target: Target
) -> None:
    """The connection of a user that is one too many hears 421, another user gets in."""
    with settings_of(target).changed(limits={"connections_per_user": 2}):
        held = [session("second"), session("second")]
        probe = secure()
        must_be_put_off(probe.auth_plain(target.account("second")))
        with session("neighbour") as other:
            must_answer(other.command("NOOP"), "250", "another user is served")
        held[0].command("QUIT")
        with session("second") as again:
            must_answer(again.command("NOOP"), "250", "there is room again")
