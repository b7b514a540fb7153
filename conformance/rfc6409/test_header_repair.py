"""SUB: what a submission agent may add to a header, and what it must leave alone (RFC 6409 §8)."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from conformance.header import body_of, fields_named, fields_of, header_of, top_trace
from conformance.judgement import must, remark
from conformance.requirement import requirement
from conformance.steps import NothingArrived, must_answer, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target

CLOCK_TOLERANCE = timedelta(hours=1)
_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+>")


def without(content: bytes, name: bytes) -> bytes:
    """Drop the field of this name from a content that the fixture `message` composed."""
    return re.sub(rb"(?m)^%s:[^\r]*\r\n" % name, b"", content, count=1)


def submitted(session: LogIn, target: Target, content: bytes) -> bool:
    """Submit a content; tell whether it was accepted and not refused."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    return must_answer(probe.data(content), ("250", "5yz"), "repaired or refused").is_positive


def submission_time(target: Target, content: bytes) -> datetime:
    """Tell when a message was submitted: by the relay's own trace if others move its clock."""
    if target.advance is not None:
        _, _, moment = top_trace(content).rpartition(";")
        with contextlib.suppress(ValueError):
            return aware(parsedate_to_datetime(moment))
    return datetime.now(UTC)


def aware(moment: datetime) -> datetime:
    """Return a moment with its zone; RFC 5322's -0000 is read as none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


DATES = {
    "none": b"",
    "no-date": b"Date: yesterday\r\n",
    "two": b"Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nDate: Tue, 3 Mar 2026 10:00:00 +0000\r\n",
    "impossible": b"Date: Mon, 32 Foo 2026 10:00:00 +0000\r\n",
}


@requirement("SUB-03")
@pytest.mark.parametrize("kind", list(DATES))
def test_one_valid_date_leaves(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A missing or wrong Date is put right, or the message is refused."""
    if not submitted(session, target, DATES[kind] + without(message(token), b"Date")):
        must(kind != "none", "a message that may lack its Date", "refused")
        nothing_arrived(token)
        return
    content = arrived(token).content
    dates = [field.value for field in fields_named(content, "Date")]
    must(len(dates) == 1, expected="one Date", observed=dates)
    try:
        date = parsedate_to_datetime(dates[0])
    except ValueError:
        date = None
    must(date is not None, expected="a date by RFC 5322 §3.3", observed=dates[0])
    if kind != "two" and date is not None:
        age = abs(submission_time(target, content) - aware(date))
        must(age < CLOCK_TOLERANCE, expected="the time of submission", observed=dates[0])


@requirement("SUB-03")
@pytest.mark.parametrize(
    "date",
    [
        "Mon, 2 Mar 2026 10:00:00 +0000",
        "2 Mar 2026 10:00 -0330",
        "Mon, 02 Mar 2026 10:00:00 GMT",
        "Mon, 2 Mar 2026 10:00:00 +0100 (CET)",
    ],
)
def test_a_valid_date_is_kept(
    date: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A valid Date of the client is not touched."""
    must(submitted(session, target, message(token, Date=date)), "250 for a valid Date", "refused")
    dates = [field.value for field in fields_named(arrived(token).content, "Date")]
    must(dates == [date], expected=f"Date: {date}", observed=dates)


MESSAGE_IDS = {"none": b"", "invalid": b"Message-ID: 1\r\n", "empty": b"Message-ID: \r\n"}


@requirement("SUB-04")
@pytest.mark.parametrize("kind", list(MESSAGE_IDS))
def test_a_message_id_is_supplied(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A missing or invalid Message-ID is replaced by a valid one of the relay."""
    if not submitted(session, target, MESSAGE_IDS[kind] + without(message(token), b"Message-ID")):
        must(kind != "none", "a message that may lack its Message-ID", "refused")
        nothing_arrived(token)
        return
    found = [field.value for field in fields_named(arrived(token).content, "Message-ID")]
    must(len(found) == 1, expected="one Message-ID", observed=found)
    must(_MESSAGE_ID.fullmatch(found[0]), expected="a valid Message-ID", observed=found[0])


@requirement("SUB-04")
def test_supplied_message_ids_differ(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """No two messages get the same Message-ID."""
    content = without(message(token), b"Message-ID")
    for _ in range(2):
        must(submitted(session, target, content), "250 for a valid message", "refused")
    ids = [fields_named(arrived(token, count=n).content, "Message-ID") for n in (1, 2)]
    must(ids[0] != ids[1], expected="two different Message-IDs", observed=ids)


@requirement("SUB-04")
@pytest.mark.parametrize("value", ["<{token}@client.example>", "<{token}$+/=x@[192.0.2.1]>"])
def test_a_valid_message_id_is_kept(
    value: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A valid Message-ID of the client arrives octet for octet."""
    value = value.format(token=token)
    content = message(token, Message_ID=value)
    must(submitted(session, target, content), "250 for a valid Message-ID", "refused")
    found = [field.raw for field in fields_named(arrived(token).content, "Message-ID")]
    must(found == [f"Message-ID: {value}\r\n".encode()], f"Message-ID: {value}", found)


SINGLE_FIELDS = ("From", "Sender", "Reply-To", "To", "Cc", "Subject", "Message-ID")


@requirement("SUB-05")
@pytest.mark.parametrize("name", SINGLE_FIELDS)
def test_single_fields_are_single(
    name: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A field that may occur once is refused when it occurs twice, or leaves only once."""
    own = sender_of(target)
    value = {"Subject": f"Test {token}", "Message-ID": f"<again-{token}@client.example>"}.get(
        name, own
    )
    before = f"{name}: {value}\r\n".encode()
    if not fields_named(message(token), name):
        before += before.replace(name.encode(), name.upper().encode())
    if not submitted(session, target, before + message(token)):
        nothing_arrived(token)
        return
    found = [field.raw for field in fields_named(arrived(token).content, name)]
    must(len(found) == 1, expected=f"one {name}", observed=found)


@requirement("SUB-07")
def test_blind_recipients_stay_hidden(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """No copy tells of the recipients in Bcc, nor of all recipients of the envelope."""
    seen, hidden = target.recipient(f"seen-{token}"), target.recipient(f"hidden-{token}")
    probe = session()
    open_transaction(probe, sender_of(target), [seen, hidden])
    content = message(
        token, To=seen, Bcc=f"Hidden <{hidden}>,\r\n another@{target.account().domain}"
    )
    must_answer(probe.data(content), "250", "the message is valid")
    for recipient in (seen, hidden):
        delivery = arrived(token, recipient=recipient)
        bcc = "".join(field.value for field in fields_named(delivery.content, "Bcc"))
        must(bcc == "", expected="no Bcc, or an empty one", observed=bcc)
        header = header_of(delivery.content)
        if hidden.encode() in header:
            others = set(delivery.recipients) != {hidden}
            must(not others, expected="no hidden recipient in this copy", observed=header)
            remark("the copy of a blind recipient names that recipient")


SIGNED = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=client.example; s=x;\r\n"
    b"\th=From:To:Subject; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    b"        b=AAAA\r\n\tBBBB==\r\n"
)
ODD_FIELDS = (
    b"X-Folded: one\r\n\ttwo\r\n   three  \r\n"
    b"X-Blanks:   around   \r\n"
    b"X-No-Blank:value\r\n"
    b"x-lower-CASE: kept\r\n"
    b"X-Empty:\r\n"
    b"X-Long: " + b"y" * 900 + b"\r\n"
    b"X-Repeated: 1\r\nX-Repeated: 2\r\n"
    b"List-Unsubscribe: <mailto:a@example.com>,\r\n <https://example.com/u>\r\n"
)
ODD_BODY = (
    b"trailing blanks  \r\n\ttab\t\r\n"
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n- -- \r\n"
    b"=3D quoted =\r\n.dot\r\nFrom here\r\n>From there\r\n\r\n\r\n"
)


@requirement("SUB-08")
def test_nothing_else_is_modified(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """All fields of the client arrive octet for octet in their order, and so does the body."""
    own = message(token)
    content = SIGNED + ODD_FIELDS + header_of(own) + b"\r\n" + body_of(own) + ODD_BODY
    must(submitted(session, target, content), "250 for a valid message", "refused")
    delivered = arrived(token).content
    sent = [field.raw for field in fields_of(content)]
    left = [field.raw for field in fields_of(delivered)]
    must(left[-len(sent) :] == sent, expected="all fields, in their order", observed=left)
    must(body_of(delivered) == body_of(content), "the same body", body_of(delivered))
