"""DSN: the parameters by which a client asks for notifications (RFC 3461 §4)."""

from __future__ import annotations

import pytest

from conformance.judgement import not_claimed
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.plugin import LogIn
from fixtures.probe import SMTPProbe
from fixtures.target import Target


def notifying(session: LogIn) -> SMTPProbe:
    """Open an authenticated session that offers DSN."""
    probe = session()
    if "DSN" not in probe.ehlo().keywords:
        not_claimed("DSN is not advertised")
    return probe


@requirement("DSN-01")
@pytest.mark.parametrize(
    "parameters",
    [
        "RET=FULL",
        "RET=HDRS",
        "ret=full",
        "ENVID=QQ314159",
        "RET=HDRS ENVID=a+2Bb",
        f"ENVID={'e' * 100}",
    ],
    ids=["full", "hdrs", "lower", "envid", "both", "100-octets"],
)
def test_valid_mail_parameters_change_nothing(
    parameters: str, session: LogIn, target: Target
) -> None:
    """A well-formed RET or ENVID does not change the reply to MAIL."""
    reply = notifying(session).mail(sender_of(target), parameters)
    must_answer(reply, "250", "DSN is advertised")


@requirement("DSN-01")
@pytest.mark.parametrize(
    "parameters",
    [
        "NOTIFY=NEVER",
        "NOTIFY=SUCCESS,FAILURE,DELAY",
        "notify=failure",
        "ORCPT=rfc822;Bob@Example.COM",
        "NOTIFY=DELAY ORCPT=rfc822;a+2Bb@x.example",
        "ORCPT=" + ("rfc822;" + "o" * 493),
    ],
    ids=["never", "list", "lower", "orcpt", "both", "500-octets"],
)
def test_valid_rcpt_parameters_change_nothing(
    parameters: str, session: LogIn, target: Target
) -> None:
    """A well-formed NOTIFY or ORCPT does not change the reply to RCPT."""
    probe = notifying(session)
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_answer(probe.rcpt(target.recipient(), parameters), "250", "DSN is advertised")


@requirement("DSN-02")
@pytest.mark.parametrize(
    "parameters",
    ["RET=ALL", "RET", "RET=FULL RET=HDRS", "ENVID=a+0", "ENVID=a ENVID=b", "ENVID=", "ENVID=a=b"],
)
def test_malformed_mail_parameters_are_refused(
    parameters: str, session: LogIn, target: Target
) -> None:
    """A malformed or repeated RET or ENVID is 501."""
    probe = notifying(session)
    refusal = probe.mail(sender_of(target), parameters)
    must_refuse(refusal, "a wrong parameter", exactly="501 5.5.4")
    must_refuse(probe.rcpt(target.recipient()), "no transaction is open", exactly="503")


@requirement("DSN-02")
@pytest.mark.parametrize(
    "parameters",
    [
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=ALWAYS",
        "NOTIFY=",
        "NOTIFY=DELAY NOTIFY=FAILURE",
        "ORCPT=rfc822",
        "ORCPT=;a@x.example",
        "ORCPT=rfc822;a+0@x.example",
    ],
)
def test_malformed_rcpt_parameters_are_refused(
    parameters: str, session: LogIn, target: Target
) -> None:
    """A malformed or repeated NOTIFY or ORCPT is 501."""
    probe = notifying(session)
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    refusal = probe.rcpt(target.recipient(), parameters)
    must_refuse(refusal, "a wrong parameter", exactly="501 5.5.4")
    must_refuse(probe.command("DATA"), "no recipient was accepted", exactly=("503", "554"))
