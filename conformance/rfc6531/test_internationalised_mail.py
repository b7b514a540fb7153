"""UTF8: SMTPUTF8 (RFC 6531)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.plugin import LogIn
from fixtures.probe import SMTPProbe
from fixtures.target import Target


def internationalised(session: LogIn) -> SMTPProbe:
    """Open an authenticated session that offers SMTPUTF8."""
    probe = session()
    if "SMTPUTF8" not in probe.ehlo().keywords:
        not_claimed("SMTPUTF8 is not advertised")
    return probe


@requirement("UTF8-01")
def test_smtputf8_comes_with_8bitmime(session: LogIn) -> None:
    """SMTPUTF8 is advertised without parameter and together with 8BITMIME."""
    hello = internationalised(session).ehlo()
    must(hello.keywords["SMTPUTF8"] == (), "SMTPUTF8 without parameters", hello.raw)
    must("8BITMIME" in hello.keywords, "8BITMIME beside SMTPUTF8", hello.raw)


@requirement("UTF8-01")
@pytest.mark.parametrize("local_part", ["почта", "邮箱", "بريد", "josé", "e\u0301"])
def test_utf8_mailboxes_are_accepted(local_part: str, session: LogIn, target: Target) -> None:
    """With SMTPUTF8 a mailbox in any script is accepted as sender and recipient."""
    probe = internationalised(session)
    mail = probe.mail(sender_of(target, local_part), "SMTPUTF8")
    must_answer(mail, "250", "SMTPUTF8 is advertised")
    must_answer(probe.rcpt(target.recipient(local_part)), "250", "SMTPUTF8 was asked for")


@requirement("UTF8-01")
def test_smtputf8_takes_no_value(session: LogIn, target: Target) -> None:
    """SMTPUTF8 with a value is refused."""
    reply = internationalised(session).mail(sender_of(target), "SMTPUTF8=1")
    must_refuse(reply, "SMTPUTF8 takes no value", exactly=("501", "555", "504"))


INVALID_UTF8 = {
    "over-long": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "cut-short": b"\xe2\x82",
    "too-high": b"\xf4\x90\x80\x80",
    "lone": b"\x80",
}


@requirement("UTF8-01")
@pytest.mark.parametrize("octets", list(INVALID_UTF8.values()), ids=list(INVALID_UTF8))
def test_invalid_utf8_is_refused(octets: bytes, session: LogIn, target: Target) -> None:
    """Octets that are no UTF-8 make a path wrong, with SMTPUTF8 too."""
    probe = internationalised(session)
    own = target.account().domain.encode()
    mail = probe.command(b"MAIL FROM:<a" + octets + b"@" + own + b"> SMTPUTF8")
    must_refuse(mail, "no UTF-8", exactly=("501", "500", "553"))
    must_answer(probe.mail(sender_of(target), "SMTPUTF8"), "250", "SMTPUTF8 is advertised")
    domain = target.recipient().rpartition("@")[2].encode()
    rcpt = probe.command(b"RCPT TO:<a" + octets + b"@" + domain + b">")
    must_refuse(rcpt, "no UTF-8", exactly=("501", "500", "553"))


@requirement("UTF8-03")
def test_smtputf8_is_refused_where_it_is_not_offered(session: LogIn, target: Target) -> None:
    """A relay without the extension refuses its parameter."""
    probe = session()
    if "SMTPUTF8" in probe.ehlo().keywords:
        not_claimed("SMTPUTF8 is advertised, so its parameter is understood")
    reply = probe.mail(sender_of(target), "SMTPUTF8")
    must_refuse(reply, "SMTPUTF8 is not advertised", exactly=("555", "504"))
