"""What header section, fields and completion are, octet for octet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.content import (
    MAXIMUM_HEADER_OCTETS,
    complete,
    fields,
    outline,
    split,
)

DATE = "Mon, 24 Nov 2025 10:00:00 +0000"
MESSAGE_ID = "<1@relay.example.net>"
HEADER = b"From: a@example.com\r\nDate: " + DATE.encode() + b"\r\nMessage-ID: <x@example.com>\r\n"

# Octets that matter to the grammar come up often, all others now and then.
_PIECES = st.one_of(
    st.sampled_from(
        [
            b"\r\n",
            b"\r",
            b"\n",
            b"\0",
            b" ",
            b"\t",
            b":",
            b"From",
            b"Date: ",
            b"Date:",
            b"message-id: <a@b>\r\n",
            b"Message-ID: 1\r\n",
            b"Bcc: c@example.com\r\n",
            b"Return-Path: <>\r\n",
            b"\xef\xbb\xbf",
            b"text",
            b"x: y\r\n",
            b"--b\r\n",
        ]
    ),
    st.binary(max_size=6),
)
CONTENTS = st.lists(_PIECES, max_size=14).map(b"".join)


def completed(content: bytes) -> bytes:
    return complete(content, date=DATE, message_id=MESSAGE_ID)


def test_the_blank_line_separates_header_and_body() -> None:
    """The first empty line ends the header section and belongs to neither side."""
    assert split(b"A: 1\r\nB: 2\r\n\r\ntext\r\n\r\nC: 3\r\n") == (
        b"A: 1\r\nB: 2\r\n",
        b"text\r\n\r\nC: 3\r\n",
    )


def test_the_seed_message_keeps_its_text_line() -> None:
    """INT-03: without a blank line the first line that is no field starts the body."""
    header = (
        b"from: Mailer <mailer@example.com>\r\nto: Recipient <recipent@test.com>\r\n"
        b"Subject: IBM Cloud Event Notifications SMTP interface\r\n"
    )
    text = b"Get the all events securely from IBM EN SMTP Interface\r\n"
    assert split(header + text) == (header, text)
    assert completed(header + text) == (
        header + f"Date: {DATE}\r\nMessage-ID: {MESSAGE_ID}\r\n\r\n".encode() + text
    )


def test_a_header_alone_is_a_message() -> None:
    """DATA-18: a content without blank line and body gets its blank line."""
    assert split(HEADER) == (HEADER, b"")
    assert completed(HEADER) == HEADER + b"\r\n"


def test_an_empty_content_is_a_message() -> None:
    """DATA-18: nothing at all becomes a header section of the two added fields."""
    assert split(b"") == (b"", b"")
    assert fields(b"") == ()
    assert completed(b"").startswith(b"Date: ")


@pytest.mark.parametrize(
    "line",
    [
        b"From : x@evil.example",
        b"From\t: x@evil.example",
        b"\xef\xbb\xbfFrom: x@evil.example",
        b"Fr\0om: x@evil.example",
        b"Fr\x7fom: x@evil.example",
        b"Fr\xc3\xb6m: x@evil.example",
        b" ",
        b"\t ",
    ],
)
@pytest.mark.parametrize("before", [b"", b"Subject: x\r\n"])
def test_a_line_that_resembles_a_field_stays_in_the_header(before: bytes, line: bytes) -> None:
    """SND-15: what a lenient reader could take for a field is kept where it will be judged."""
    content = before + line + b"\r\nSubject: y\r\n\r\ntext\r\n"
    header, body = split(content)
    assert header + body == content
    assert b"" in [field.name for field in fields(header)]
    assert not outline(content).is_well_formed


@pytest.mark.parametrize(
    "line", [b"Dear Sir: we write", b"From x@evil.example Mon", b"no colon", b": nameless", b"--b"]
)
def test_a_line_nobody_takes_for_a_field_starts_the_body(line: bytes) -> None:
    """D-6: the missing blank line goes in front of it, so it is text to every reader."""
    content = HEADER + line + b"\r\nFrom: x@evil.example\r\n"
    assert completed(content) == HEADER + b"\r\n" + line + b"\r\nFrom: x@evil.example\r\n"


def test_a_bare_line_end_in_a_field_is_not_well_formed() -> None:
    """DATA-10, SND-15: a CR or LF alone must not hide a field in another one's value."""
    for octet in (b"\r", b"\n", b"\0"):
        header = b"Subject: x" + octet + b"From: x@evil.example\r\n"
        assert [field.name for field in fields(header)] == [b""]


def test_folded_fields_are_one_field() -> None:
    """RFC 5322 §2.2.3: name as written, raw with its folding, value without."""
    (first, second) = fields(b"SUBJECT: one\r\n\ttwo\r\nTo:\r\n b@example.net \r\n")
    assert (first.name, first.key, first.value) == (b"SUBJECT", b"subject", b"one\ttwo")
    assert second.raw == b"To:\r\n b@example.net \r\n"
    assert second.value == b"b@example.net"


def test_a_complete_message_is_left_alone() -> None:
    """SUB-08: what lacks nothing leaves octet for octet as it came."""
    odd = (
        b"From:a@example.com\r\nX-Odd:  \t x \r\n   folded\t\r\n"
        b"DATE: " + DATE.encode() + b"\r\nMESSAGE-ID:\r\n <a+b@example.com>\r\n"
        b"\r\n.\r\n trailing \t\r\n\r\n\r\n"
    )
    assert completed(odd) == odd
    assert completed(HEADER + b"\r\n" + b"\x00\xff\r\n") == HEADER + b"\r\n\x00\xff\r\n"


def test_a_missing_date_and_message_id_are_added_at_the_end_of_the_header() -> None:
    """SUB-03, SUB-04: each is supplied exactly once, the client's fields stay on top."""
    assert completed(b"From: a@example.com\r\n\r\ntext\r\n") == (
        b"From: a@example.com\r\n"
        + f"Date: {DATE}\r\nMessage-ID: {MESSAGE_ID}\r\n".encode()
        + b"\r\ntext\r\n"
    )


@pytest.mark.parametrize("value", [b"1", b"", b"<a>", b"a@b", b"<a b@c>", b"<a@b> <c@d>"])
def test_an_invalid_message_id_is_replaced(value: bytes) -> None:
    """SUB-04: a Message-ID that is no msg-id gives way to ours (RFC 6409 §8.3)."""
    content = b"Message-ID: " + value + b"\r\nDate: x\r\n\r\n"
    assert completed(content) == b"Date: x\r\nMessage-ID: " + MESSAGE_ID.encode() + b"\r\n\r\n"


@pytest.mark.parametrize("value", [b"<a@b>", b" <a@[192.0.2.1]>", b"<a$b.c@x.y> ", b"\r\n <a@b>"])
def test_a_valid_message_id_is_kept(value: bytes) -> None:
    """SUB-04: clients correlate by their own Message-ID."""
    content = b"Message-ID:" + value + b"\r\nDate: x\r\n\r\n"
    assert completed(content) == content


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: secret@example.net\r\n",
        b"BCC:\r\n secret@example.net,\r\n\tother@example.net\r\n",
        b"Resent-Bcc: secret@example.net\r\n",
        b"Return-Path: <secret@example.net>\r\n",
        b"bcc:\r\nBcc: secret@example.net\r\n",
    ],
)
def test_fields_that_must_not_leave_are_removed(field: bytes) -> None:
    """SUB-07, SND-12: Bcc, Resent-Bcc and Return-Path go, nothing else does."""
    assert completed(HEADER + field + b"To: b@example.net\r\n\r\nBcc: text\r\n") == (
        HEADER + b"To: b@example.net\r\n\r\nBcc: text\r\n"
    )


@settings(derandomize=True, max_examples=300)
@given(CONTENTS)
def test_split_loses_no_octet(content: bytes) -> None:
    """Header, blank line if there is one, and body are the content."""
    header, body = split(content)
    assert content in (header + b"\r\n" + body, header + body)


@settings(derandomize=True, max_examples=300)
@given(CONTENTS)
def test_fields_lose_no_octet(content: bytes) -> None:
    """The raw fields joined are the header section, whatever the octets."""
    header, _ = split(content)
    found = fields(header)
    assert b"".join(field.raw for field in found) == header
    assert outline(content).is_well_formed == (b"" not in [field.name for field in found])


def test_a_malformed_header_is_not_touched() -> None:
    """SND-15: repairing what will be refused could only hide something."""
    content = b"From : a@example.com\r\nBcc: b@example.net\r\n\r\ntext\r\n"
    assert completed(content) == content


@settings(derandomize=True, max_examples=300)
@given(CONTENTS)
def test_complete_is_idempotent(content: bytes) -> None:
    """What was completed once is complete."""
    once = completed(content)
    assert completed(once) == once


@settings(derandomize=True, max_examples=300)
@given(CONTENTS)
def test_complete_keeps_the_split(content: bytes) -> None:
    """The header judged before completion is the header delivered, plus what was added."""
    header, body = split(content)
    if not outline(content).is_well_formed:
        return
    touched = {b"date", b"message-id", b"bcc", b"resent-bcc", b"return-path"}
    delivered_header, delivered_body = split(completed(content))
    assert delivered_body == body
    assert [field for field in fields(delivered_header) if field.key not in touched] == [
        field for field in fields(header) if field.key not in touched
    ]


def test_an_endless_header_is_not_well_formed() -> None:
    """ROB-04: the work for a header section is bounded, what exceeds the bound is refused."""
    fit = b"X: y\r\n" * (MAXIMUM_HEADER_OCTETS // 6)
    assert outline(fit + b"\r\ntext").is_well_formed
    for content in (fit + b"X: y\r\n\r\ntext", b"X: " + b"y" * MAXIMUM_HEADER_OCTETS + b"\r\n\r\n"):
        assert not outline(content).is_well_formed
        assert b"" in [field.name for field in fields(split(content)[0])]
