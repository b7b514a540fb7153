"""AUTH: guessed passwords, disabled users and odd spellings (RFC 5321 §7.8, RFC 5248, RFC 8265)."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping

import pytest

from conformance.judgement import must, not_observable
from conformance.requirement import requirement
from conformance.rfc4954.credentials import encoded, hide, with_wrong_password
from conformance.steps import must_answer, must_refuse
from fixtures.plugin import Connect, LogIn
from fixtures.probe import ConnectionLost, Reply
from fixtures.refusal import Refused
from fixtures.target import Account, NotAvailable, Target

# Few, so that 20 guesses are many; without settings of ours it takes a service's own.
FREE = 4
GUESSES, GUESSES_AT_DEFAULTS = 12, 50
SLOW_SECONDS = 1.0


def guesser(target: Target) -> str:
    """Return an address for the guesser, other than the one that everybody else comes from."""
    return target.client_address("primary-only")


def is_slowed(reply: Reply | None, seconds: float) -> bool:
    """Tell whether a guess was held back, put off or sent away."""
    return reply is None or reply.code in (421, 454) or seconds > SLOW_SECONDS


def guess_on_many(secure: Connect, account: Account, source: str, count: int) -> int:
    """Guess once on each of many connections; return how many were slowed."""
    slowed = 0
    for _ in range(count):
        began = time.monotonic()
        reply: Reply | None = None
        try:
            probe = secure(source=source)
            reply = probe.auth_plain(with_wrong_password(account))
            probe.close()
        except (ConnectionLost, Refused):
            pass  # turned away: slowed as well
        slowed += is_slowed(reply, time.monotonic() - began)
    return slowed


@requirement("AUTH-20")
@pytest.mark.timeout(100)
def test_guessing_becomes_slow_across_connections(
    secure: Connect, session: LogIn, target: Target
) -> None:
    """A guesser with a new connection for each guess is slowed; the user gets in elsewhere."""
    account, source = target.account("second"), guesser(target)
    if target.settings is None:
        slowed = guess_on_many(secure, account, source, GUESSES_AT_DEFAULTS)
    else:
        with target.settings.changed(limits={"sign_in_failures": FREE}):
            slowed = guess_on_many(secure, account, source, GUESSES)
    must(slowed > 0, "guesses held back, put off or sent away", "every one answered at once")
    began = time.monotonic()
    with session("second") as probe:
        must_answer(probe.command("NOOP"), "250", "the user is not shut out")
    took = time.monotonic() - began
    must(took < 6.0, "a place for the user elsewhere, soon", f"{took:.1f} s")
    with session("primary", source=source) as probe:
        must_answer(probe.command("NOOP"), "250", "nor is another user at the same address")


@requirement("AUTH-20")
def test_guessing_on_one_connection_ends(secure: Connect, target: Target) -> None:
    """Fifty guesses on one connection are not all answered like the first."""
    account, probe = target.account("second"), secure(source=guesser(target))
    for _ in range(GUESSES_AT_DEFAULTS):
        began = time.monotonic()
        try:
            reply: Reply | None = probe.auth_plain(with_wrong_password(account))
        except ConnectionLost:
            reply = None
        if is_slowed(reply, time.monotonic() - began):
            return
    must(False, expected="an end, 421, 454 or a growing delay", observed="50 guesses at once")


@requirement("AUTH-19")
@pytest.mark.parametrize("role", ["unruled", "pending"])
def test_who_is_shut_out_is_told_to_nobody_else(role: str, secure: Connect, target: Target) -> None:
    """A wrong password for a user who is shut out is 535 5.7.8, as it is for everybody."""
    account = target.account(role)
    probe = secure()
    wrong = probe.auth_plain(with_wrong_password(account))
    must(wrong.code == 535, "535 for the wrong password", wrong.raw)
    must(wrong.enhanced in (None, "5.7.8"), "5.7.8, which says nothing of the user", wrong.raw)
    usual = probe.auth_plain(with_wrong_password(target.account("neighbour")))
    must(wrong.raw == usual.raw, "the answer that everybody gets", (wrong.raw, usual.raw))
    right = probe.auth_plain(account)
    must_answer(right, ("235", "525", "535"), "the right password of a user who is shut out")


EQUAL: Mapping[str, Callable[[str], str]] = {
    "compatible": lambda text: text.replace("\u00aa", "a"),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "soft-hyphen": lambda text: text[:2] + "\u00ad" + text[2:],
    "wide-blank": lambda text: text.replace(" ", "\u3000"),
}
FORBIDDEN: Mapping[str, Callable[[str], str]] = {
    "control": lambda text: text + "\u0007",
    "unassigned": lambda text: text + "\u0378",
    "private-use": lambda text: text + "\ue000",
}


def plain(username: str | bytes, password: str | bytes) -> bytes:
    """Return the base64 of a PLAIN message."""
    parts = (one.encode() if isinstance(one, str) else one for one in (username, password))
    return encoded(b"\0" + b"\0".join(parts))


@requirement("AUTH-21")
def test_spellings_are_treated_alike(secure: Connect, target: Target) -> None:
    """The spelling given at creation works; the equal ones all do, or none of them does."""
    account = spelled(target)
    probe = secure()
    hide(probe, account)
    must_answer(probe.auth_plain(account), "235", "the spelling given at creation")
    outcomes = {}
    for name, respell in EQUAL.items():
        probe = secure()
        password = respell(account.password)
        probe.secret(password)
        reply = probe.command(b"AUTH PLAIN " + plain(respell(account.username), password))
        must_answer(reply, ("235", "535", "501"), "right, wrong or malformed")
        outcomes[name] = reply.is_positive
    must(len(set(outcomes.values())) == 1, "one rule for all equal spellings", outcomes)


@requirement("AUTH-21")
def test_forbidden_characters_fail(secure: Connect, target: Target) -> None:
    """Characters that no preparation lets pass, and octets that are no UTF-8, log nobody in."""
    account = spelled(target)
    probe = secure()
    hide(probe, account)
    messages = [
        plain(account.username, respell(account.password)) for respell in FORBIDDEN.values()
    ]
    messages += [
        plain(respell(account.username), account.password) for respell in FORBIDDEN.values()
    ]
    messages.append(plain(account.username, account.password.encode("latin-1", "replace")))
    messages.append(plain(b"\xff\xfe", account.password))
    for message in messages:
        probe.secret(message)
        must_refuse(probe.command(b"AUTH PLAIN " + message), "no such user", exactly=("535", "501"))


def spelled(target: Target) -> Account:
    """Return the account whose spelling matters, or end the check."""
    try:
        return target.account("spelled")
    except NotAvailable as reason:
        not_observable(str(reason))
