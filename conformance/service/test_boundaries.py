"""ATT: what lies between, before and behind the boundaries of a multipart (RFC 2046 §5.1)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, remark
from conformance.requirement import requirement
from conformance.service.mime import (
    HTML,
    TEXT,
    as_message,
    attached,
    entity,
    joined,
    multipart,
    need_attachment_rule,
)
from conformance.service.verdict_on_content import ContentAccepted, ContentRefused
from conformance.steps import NothingArrived, must_answer, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target


def bounded(parameters: str, body: bytes) -> bytes:
    """Return a multipart whose Content-Type has these parameters."""
    return entity(f"Content-Type: multipart/mixed; {parameters}", body=body)


HIDING = joined(TEXT, attached())
OTHER = joined(TEXT, attached(), boundary="b-2")
BOUNDARIES = {
    "two-parameters": bounded("boundary=b-1; boundary=b-2", OTHER),
    "two-parameters-reversed": bounded("boundary=b-2; boundary=b-1", OTHER),
    "continued": bounded("boundary*0=b-; boundary*1=2", OTHER),
    "continued-beside-plain": bounded("boundary=b-1; boundary*0=b-; boundary*1=2", OTHER),
    "charset": bounded("boundary*=us-ascii''b-2", OTHER),
    "trailing-blanks": bounded("boundary=b-1", HIDING.replace(b"--b-1\r\n", b"--b-1 \t\r\n")),
    "prefix-of-outer": multipart(
        entity(
            'Content-Type: multipart/mixed; boundary="b"',
            body=joined(TEXT, attached(), boundary="b"),
        ),
        boundary="b-1",
    ),
    "outer-inside-inner": multipart(
        entity(
            'Content-Type: multipart/mixed; boundary="inner"',
            body=b"--inner\r\n" + TEXT + b"\r\n--outer\r\n" + attached() + b"\r\n--inner--\r\n",
        ),
        boundary="outer",
    ),
    "no-close": bounded("boundary=b-1", HIDING.removesuffix(b"--b-1--\r\n")),
    "not-in-body": bounded("boundary=b-3", HIDING),
    "empty": bounded('boundary=""', joined(TEXT, attached(), boundary="")),
    "missing": bounded("charset=utf-8", HIDING),
    "too-long": bounded(f"boundary={'b' * 71}", joined(TEXT, attached(), boundary="b" * 71)),
    "bare-lf": bounded("boundary=b-1", HIDING.replace(b"\r\n--b-1", b"\n--b-1")),
    "quoted-blank-behind": bounded('boundary="b-1 "', HIDING),
    "unquoted-blank": bounded("boundary=b-1 x", HIDING),
    "case-differs": bounded("boundary=B-1", HIDING),
    "close-first": bounded("boundary=b-1", b"--b-1--\r\n" + HIDING),
}


@requirement("ATT-16")
@pytest.mark.parametrize("kind", list(BOUNDARIES))
def test_confused_boundaries_hide_no_part(
    kind: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """Where some reader finds an attachment behind a boundary, the message is refused."""
    need_attachment_rule(target)
    content = as_message(message(token), BOUNDARIES[kind])
    content_refused(token, content, "some reader finds an attachment")


def joined_with(place: str, octets: bytes, *parts: bytes) -> bytes:
    """Return the body of a multipart with these octets before or behind its parts."""
    if place == "preamble":
        return joined(*parts, preamble=octets)
    return joined(*parts, epilogue=octets)


@requirement("ATT-17")
@pytest.mark.parametrize("place", ["preamble", "epilogue"])
def test_remarks_around_the_parts_are_no_offence(
    place: str, message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """The usual note before the first part, or behind the last, is accepted."""
    note = b"This is a multi-part message in MIME format.\r\n"
    body = joined_with(place, note, TEXT, HTML)
    top = entity('Content-Type: multipart/alternative; boundary="b-1"', body=body)
    content_accepted(token, as_message(message(token), top))


@requirement("ATT-17")
@pytest.mark.parametrize("place", ["preamble", "epilogue"])
def test_parts_outside_the_parts_are_not_delivered_changed(
    place: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A part in the preamble or epilogue is refused, or delivered as the text it is."""
    hidden = joined(attached(), boundary="b-2")
    top = entity(
        'Content-Type: multipart/mixed; boundary="b-1"', body=joined_with(place, hidden, TEXT)
    )
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(probe.data(as_message(message(token), top)), ("250", "5yz"), "either way")
    if reply.is_permanent:
        nothing_arrived(token)
        return
    content = arrived(token).content
    must(content.endswith(top.partition(b"\r\n\r\n")[2]), "the body unchanged", content)
    remark(f"a part hidden in the {place} was delivered")
