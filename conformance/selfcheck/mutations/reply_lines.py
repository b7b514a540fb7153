"""Relays whose replies break the form, which no check asks for: the passive rules must see it."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around_verb, reword, word


def vrfy_is_answered(octets: bytes) -> None:
    """Send exactly these octets as the reply to VRFY."""
    from reference_relay.smtp.reply import Reply

    @around_verb("VRFY")
    def literal(original: Broken, session: Any, argument: bytes) -> Any:
        reply = Reply(252, None, ("?",))
        object.__setattr__(reply, "octets", octets)
        return reply


def lines_end_in_lf() -> None:
    vrfy_is_answered(b"252 2.0.0 Cannot VRFY user\n")


def codes_change_between_lines() -> None:
    vrfy_is_answered(b"252-2.0.0 Cannot VRFY user\r\n250 2.0.0 send some mail\r\n")


def noop_answered_twice() -> None:
    from reference_relay.smtp import replies

    @around_verb("NOOP")
    def twice(original: Broken, session: Any, argument: bytes) -> Any:
        session._send(replies.OK)
        return original(session, argument)


def one_reply_not_enhanced() -> None:
    word("CANNOT_VERIFY", "252 Cannot VRFY user, send some mail")


def wrong_class() -> None:
    word("CANNOT_VERIFY", "252 5.5.1 Cannot VRFY user, send some mail")


def enhanced_354() -> None:
    reword("start_content", "354 2.0.0 End data with <CR><LF>.<CR><LF>")


MUTATIONS = {
    "lines-end-in-lf": Mutation(
        ("RPL-01",), lines_end_in_lf, "The reply to VRFY ends in LF alone.", traffic=("CTL-06",)
    ),
    "codes-change-between-lines": Mutation(
        ("RPL-02",),
        codes_change_between_lines,
        "The two lines of a reply have different codes.",
        traffic=("CTL-06",),
    ),
    "noop-answered-twice": Mutation(
        ("RPL-05",), noop_answered_twice, "NOOP gets two replies.", traffic=("CTL-03",)
    ),
    "one-reply-not-enhanced": Mutation(
        ("RPL-06",),
        one_reply_not_enhanced,
        "The reply to VRFY lacks its enhanced status code.",
        traffic=("CTL-06",),
    ),
    "wrong-class": Mutation(
        ("RPL-07",), wrong_class, "252 comes with an enhanced status 5.5.1.", traffic=("CTL-06",)
    ),
    "enhanced-354": Mutation(
        ("RPL-08",), enhanced_354, "354 has an enhanced status code.", traffic=("DATA-01",)
    ),
}
