"""Notifications, read by the standard library's parser."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.dsn import Action, Notification, Report, from_xtext, is_wanted
from reference_relay.mail.envelope import Envelope, Recipient

SENDER = Mailbox("a", "example.com")
ORIGINAL = b"From: a@example.com\r\nMessage-ID: <1@example.com>\r\nSubject: s\r\n\r\nhello\r\n"
DATE = "Mon, 02 Mar 2026 10:00:02 +0000"


def notification(
    *reports: Report,
    content: bytes = ORIGINAL,
    ret: str | None = None,
    envid: str | None = None,
    name: str = "Q1",
) -> Notification:
    recipients = tuple(report.recipient for report in reports)
    envelope = Envelope(SENDER, recipients, ret=ret, envid=envid)
    return Notification(
        envelope, content, reports, "relay.example.net", DATE, DATE, "<Q1@relay.example.net>", name
    )


def failed(recipient: Recipient | None = None, action: Action = Action.FAILED) -> Report:
    return Report(
        recipient or Recipient(Mailbox("b", "example.org")),
        action,
        "5.1.1",
        "mx.example.org [192.0.2.1]: 550 5.1.1 nobody here",
        "mx.example.org",
        "550 5.1.1 nobody here",
    )


def parsed(content: bytes) -> EmailMessage:
    assert b"\n" not in content.replace(b"\r\n", b""), "CRLF alone ends lines"
    message = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def parts(content: bytes) -> list[EmailMessage]:
    found = list(parsed(content).iter_parts())
    assert len(found) == 3
    for part in found:
        assert isinstance(part, EmailMessage)
    return found  # type: ignore[return-value]  # just seen


def status_groups(content: bytes) -> list[EmailMessage]:
    """The groups of fields in the second part."""
    groups = parts(content)[1].get_payload()
    assert isinstance(groups, list)
    return groups  # type: ignore[return-value]  # what the parser makes of this type


def test_report_has_the_fields_it_must_have() -> None:
    """A failure is a multipart/report with the fields of RFC 3464 and the original."""
    content = notification(failed(), envid="QQ+2B1").compose()
    message = parsed(content)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "a@example.com"
    assert message["References"] == "<1@example.com>"
    assert message["Auto-Submitted"] == "auto-replied"
    explanation, status, original = parts(content)
    assert "550 5.1.1 nobody here" in explanation.get_content()
    assert status.get_content_type() == "message/delivery-status"
    about_message, about_recipient = status_groups(content)
    assert dict(about_message.items()) == {
        "Original-Envelope-Id": "QQ+1",
        "Reporting-MTA": "dns; relay.example.net",
        "Arrival-Date": DATE,
    }
    assert dict(about_recipient.items()) == {
        "Final-Recipient": "rfc822; b@example.org",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.org",
        "Diagnostic-Code": "smtp; 550 5.1.1 nobody here",
        "Last-Attempt-Date": DATE,
    }
    assert original.get_content_type() == "message/rfc822"
    assert ORIGINAL in content


def test_each_recipient_has_a_group() -> None:
    """Several recipients are reported one by one, with what the sender called them."""
    second = Recipient(Mailbox("c", "example.org"), None, "rfc822;C+2Blist@old.example")
    _, one, two = status_groups(notification(failed(), failed(second)).compose())
    assert one["Original-Recipient"] is None
    assert two["Original-Recipient"] == "rfc822; C+list@old.example"
    assert two["Final-Recipient"] == "rfc822; c@example.org"


@pytest.mark.parametrize(
    ("ret", "action", "size", "is_whole"),
    [
        (None, Action.FAILED, 10, True),
        (None, Action.FAILED, 100_000, False),
        ("FULL", Action.FAILED, 100_000, True),
        ("HDRS", Action.FAILED, 10, False),
        ("FULL", Action.DELAYED, 10, False),
        ("FULL", Action.RELAYED, 10, False),
    ],
)
def test_ret_decides_what_comes_back(
    ret: str | None, action: Action, size: int, is_whole: bool
) -> None:
    """RET concerns failures; without it small mail comes back whole (RFC 3461 §4.3)."""
    content = notification(
        failed(action=action), content=ORIGINAL + b"x" * size + b"\r\n", ret=ret
    ).compose()
    kind = parts(content)[2].get_content_type()
    assert kind == ("message/rfc822" if is_whole else "text/rfc822-headers")
    assert (b"hello" in content) == is_whole
    assert b"Subject: s\r\n" in content


def test_addresses_beyond_ascii_have_the_forms_of_their_own() -> None:
    """Non-ASCII addresses and header sections come in the global types (RFC 6533)."""
    recipient = Recipient(Mailbox("jörg", "example.org"))
    content = notification(failed(recipient), content="Subject: ü\r\n\r\nx\r\n".encode()).compose()
    assert b"Content-Type: message/global-delivery-status\r\n" in content
    assert b"Content-Type: message/global\r\n" in content
    assert "Final-Recipient: utf-8; jörg@example.org\r\n".encode() in content


NOTIFY: dict[str, frozenset[str] | None] = {
    "none": None,
    "never": frozenset({"NEVER"}),
    "success": frozenset({"SUCCESS"}),
    "failure": frozenset({"FAILURE"}),
    "delay": frozenset({"DELAY"}),
    "all": frozenset({"SUCCESS", "FAILURE", "DELAY"}),
}


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        (Action.FAILED, {"none", "failure", "all"}),
        (Action.DELAYED, {"none", "delay", "all"}),
        (Action.RELAYED, {"success", "all"}),
    ],
)
def test_senders_hear_what_they_asked_for(action: Action, wanted: set[str]) -> None:
    """NOTIFY decides, and nobody is told about mail from the null reverse-path."""
    mailbox = Mailbox("b", "example.org")
    told = {
        name
        for name, notify in NOTIFY.items()
        if is_wanted(SENDER, Recipient(mailbox, notify), action)
    }
    assert told == wanted
    assert not any(is_wanted(None, Recipient(mailbox, each), action) for each in NOTIFY.values())


def test_xtext_never_makes_a_second_field() -> None:
    """What stands for control octets stays encoded."""
    assert from_xtext("a+2Bb") == "a+b"
    assert from_xtext("a+0D+0AAction: delivered") == "a+0D+0AAction: delivered"


def test_the_boundary_is_in_no_part() -> None:
    """An original that holds the boundary does not cut the report."""
    content = notification(failed(), content=ORIGINAL + b"--=_Q1\r\n--=_Q1--\r\n").compose()
    assert b"--=_Q1--\r\n" in parts(content)[2].as_bytes(policy=email.policy.SMTP)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=500))
def test_whatever_the_host_said_lines_are_lines(reply: str) -> None:
    """A host's words make no field of their own and no endless line."""
    spoken = "550 " + reply
    report = Report(
        Recipient(Mailbox("b", "x.example")), Action.FAILED, "5.0.0", spoken, "mx", spoken
    )
    content = notification(report).compose()
    groups = status_groups(content)
    assert [group["Action"] for group in groups] == [None, "failed"]
    assert max(len(line) for line in content.split(b"\r\n")) <= 4 * 520
