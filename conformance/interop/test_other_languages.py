"""INT: Nodemailer, PHPMailer and JavaMail in their ordinary ways."""

from __future__ import annotations

import pytest

from conformance.header import body_of
from conformance.interop.other_languages import End, Mail, javamail, nodemailer, phpmailer
from conformance.judgement import must
from conformance.requirement import requirement
from conformance.rfc4954.credentials import need_mechanism
from conformance.steps import FOREIGN_SENDER, need_attachment_rule, sender_of
from fixtures.plugin import Arrived, NothingArrived
from fixtures.target import Target

# A line that begins with a dot, and letters beyond ASCII.
TEXT = "The text of {token}.\r\n.\r\nGr\u00fc\u00dfe, and it goes on.\r\n"


def mail(target: Target, token: str, *, sender: str = "", attachment: str = "") -> Mail:
    """A message from the account's own sender."""
    own = sender_of(target)
    return Mail(
        sender=sender or own,
        recipients=(target.recipient(),),
        subject=f"Test {token}",
        text=TEXT.format(token=token),
        from_=own,
        attachment=attachment,
    )


def must_submit(ends: list[End], arrived: Arrived, token: str) -> None:
    """Demand success for each message, and that all have come whole."""
    for end in ends:
        must(end.ok, expected="a successful submission", observed=end.said)
    body = body_of(arrived(token, count=len(ends)).content)
    must(b"it goes on." in body, expected="the whole text", observed=body)


def must_be_told(end: End, what: str) -> None:
    """Demand a permanent refusal that the client passes on to its caller."""
    must(not end.ok, expected=f"an error for {what}", observed=end.said)
    must(end.code // 100 == 5, expected=f"5yz for {what}, as the caller sees it", observed=end)


@requirement("INT-07")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("keeps", [False, True], ids=["single", "pool"])
def test_nodemailer_submits(
    *, keeps: bool, mechanism: str, target: Target, token: str, arrived: Arrived
) -> None:
    """Nodemailer submits over single connections and over a pooled one, which it resets."""
    need_mechanism(target, mechanism)
    ends = nodemailer(target, mechanism, [mail(target, token)] * 3, keeps=keeps)
    must_submit(ends, arrived, token)


@requirement("INT-07")
def test_nodemailer_names_what_was_refused(target: Target, token: str) -> None:
    """A foreign sender is an EENVELOPE, and the pooled connection goes on."""
    mails = [mail(target, token, sender=FOREIGN_SENDER), mail(target, token)]
    refused, accepted = nodemailer(target, "", mails, keeps=True)
    must_be_told(refused, "a foreign sender")
    must(refused.kind == "EENVELOPE", expected="EENVELOPE", observed=refused)
    must(accepted.ok, expected="the next message accepted", observed=accepted.said)


@requirement("INT-08")
@pytest.mark.parametrize("mechanism", ["", "PLAIN", "LOGIN"])
@pytest.mark.parametrize("keeps", [False, True], ids=["single", "keep-alive"])
def test_phpmailer_submits(
    *, keeps: bool, mechanism: str, target: Target, token: str, arrived: Arrived
) -> None:
    """PHPMailer submits with its default and with each mechanism, PLAIN in two steps."""
    if mechanism:
        need_mechanism(target, mechanism)
    ends = phpmailer(target, mechanism, [mail(target, token)] * 2, keeps=keeps)
    must_submit(ends, arrived, token)


def must_show_why_an_attachment_fails(
    end: End, token: str, nothing_arrived: NothingArrived
) -> None:
    """Demand that the refusal at the end of data reaches the caller, and that nothing arrives."""
    must_be_told(end, "an attachment")
    must(str(end.code) in end.said, expected="the relay's words", observed=end.said)
    nothing_arrived(token)


@requirement("INT-07")
def test_nodemailer_shows_why_an_attachment_fails(
    target: Target, token: str, nothing_arrived: NothingArrived
) -> None:
    """The caller sees EMESSAGE and the words of the refusal."""
    need_attachment_rule(target)
    (end,) = nodemailer(target, "", [mail(target, token, attachment="x")], keeps=False)
    must(end.kind == "EMESSAGE", expected="EMESSAGE", observed=end)
    must_show_why_an_attachment_fails(end, token, nothing_arrived)


@requirement("INT-08")
def test_phpmailer_shows_why_an_attachment_fails(
    target: Target, token: str, nothing_arrived: NothingArrived
) -> None:
    """The caller sees the words of the refusal."""
    need_attachment_rule(target)
    (end,) = phpmailer(target, "", [mail(target, token, attachment="x")], keeps=False)
    must_show_why_an_attachment_fails(end, token, nothing_arrived)


@requirement("INT-09")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("chunk", ["", "64"], ids=["data", "bdat"])
def test_javamail_submits(
    mechanism: str, chunk: str, target: Target, token: str, arrived: Arrived
) -> None:
    """JavaMail submits with each mechanism, by DATA and BDAT; its test of a connection is met."""
    need_mechanism(target, mechanism)
    *ends, tested = javamail(target, mechanism, [mail(target, token)] * 2, chunk=chunk)
    must_submit(ends, arrived, token)
    must(tested.ok, expected="250 to NOOP between messages", observed="a connection given up")


@requirement("INT-09")
def test_javamail_sees_refusals(target: Target, token: str) -> None:
    """A foreign sender is an exception with the relay's code."""
    refused, *_ = javamail(target, "PLAIN", [mail(target, token, sender=FOREIGN_SENDER)], chunk="")
    must_be_told(refused, "a foreign sender")
