"""What the AUTH checks send: right and wrong credentials, as PLAIN messages and as base64."""

from __future__ import annotations

import base64

from conformance.judgement import not_claimed
from conformance.steps import must_answer, must_refuse, sender_of, verdict_on_sender
from fixtures.probe import SMTPProbe
from fixtures.target import Account, Target

WRONG_PASSWORD = "not-the-password"
UNKNOWN_USER = "nobody-has-this-name"


def encoded(octets: bytes | str) -> bytes:
    """Return the base64 form of octets or text."""
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets)


def plain_message(username: str, password: str, authorization_identity: str = "") -> bytes:
    """Return a PLAIN message (RFC 4616 §2)."""
    return "\0".join((authorization_identity, username, password)).encode()


def hide(probe: SMTPProbe, account: Account, *messages: bytes) -> None:
    """Mark the password, and PLAIN messages that hold it, as secret."""
    probe.secret(account.password)
    for each in messages:
        probe.secret(each)
        probe.secret(encoded(each))


def need_mechanism(target: Target, mechanism: str) -> None:
    """End the check unless the profile claims the mechanism."""
    claimed = target.claims("auth_mechanisms")
    if claimed is not None and mechanism not in claimed:
        not_claimed(f"the profile offers {' and '.join(claimed)}, not {mechanism}")


def with_wrong_password(account: Account) -> Account:
    """Return the account with a password that is not its own."""
    return Account(account.role, account.username, WRONG_PASSWORD, account.domain)


def must_be_unauthenticated(probe: SMTPProbe, target: Target) -> None:
    """Demand that the session lives and that nobody is logged in."""
    must_answer(probe.command("NOOP"), "250", "the session goes on")
    reply = verdict_on_sender(probe, probe.mail(sender_of(target)), target)
    must_refuse(reply, "nobody is authenticated", exactly="530 5.7.0")
