"""ATT: no structure of a message hides a part that is no text (RFC 2046)."""

from __future__ import annotations

import base64
import time

import pytest

from conformance.judgement import must, not_claimed
from conformance.requirement import requirement
from conformance.service.mime import (
    PNG,
    TEXT,
    ZIP,
    as_message,
    attached,
    entity,
    multipart,
    need_attachment_rule,
    nested,
)
from conformance.service.verdict_on_content import ContentAccepted, ContentRefused
from fixtures.plugin import ComposeMessage
from fixtures.target import Target

LEAVES = (
    "image/png",
    "audio/mpeg",
    "video/mp4",
    "application/pdf",
    "application/octet-stream",
    "application/json",
    "font/woff2",
    "model/stl",
    "unknown/x",
    "x-texts/plain",
)


@requirement("ATT-09")
@pytest.mark.parametrize("disposition", ["", "Content-Disposition: inline"])
@pytest.mark.parametrize("media_type", LEAVES)
def test_leaves_that_are_no_text_are_refused(
    media_type: str,
    disposition: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A part that is no text is refused without any word of attachment."""
    need_attachment_rule(target)
    fields = [f"Content-Type: {media_type}", "Content-Transfer-Encoding: base64"]
    part = entity(*fields, *filter(None, [disposition]), body=ZIP + b"\r\n")
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "a leaf, no text")


def picture(*fields: str) -> bytes:
    """Return a picture that HTML refers to."""
    return entity(
        "Content-Type: image/png",
        "Content-Transfer-Encoding: base64",
        "Content-ID: <p@example.com>",
        *fields,
        body=PNG + b"\r\n",
    )


@requirement("ATT-10")
@pytest.mark.parametrize("disposition", ["", "Content-Disposition: inline"])
def test_inline_images_follow_the_profile(
    disposition: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_accepted: ContentAccepted,
    content_refused: ContentRefused,
) -> None:
    """A picture inside related HTML passes whole if the profile says so, and not otherwise."""
    need_attachment_rule(target)
    html = entity("Content-Type: text/html", body='<img src="cid:p@example.com">\r\n')
    top = multipart(html, picture(*filter(None, [disposition])), subtype="related")
    content = as_message(message(token), top)
    if target.claims("inline_images"):
        content_accepted(token, content)
    else:
        content_refused(token, content, "the profile takes no pictures")


INNER = b"From: a@example.com\r\nSubject: inner\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n"
ENCAPSULATED = {
    "rfc822": ("message/rfc822", INNER + multipart(TEXT, attached(), boundary="inner")),
    "rfc822-top": ("message/rfc822", INNER + attached()),
    "global": ("message/global", INNER + attached()),
    "partial": ('message/partial; id="x@example.com"; number=1; total=2', INNER + TEXT),
    "external-body": (
        'message/external-body; access-type=URL; URL="http://example.com/a.exe"',
        b"Content-Type: application/octet-stream\r\n\r\n",
    ),
    "unknown": ("message/x-unknown", INNER + TEXT),
}


@requirement("ATT-11")
@pytest.mark.parametrize("kind", list(ENCAPSULATED))
def test_encapsulated_messages_are_inspected(
    kind: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """An attachment inside a message inside the message is an attachment."""
    need_attachment_rule(target)
    media_type, inner = ENCAPSULATED[kind]
    part = entity(f"Content-Type: {media_type}", body=inner)
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "hidden inside")


@requirement("ATT-11")
def test_untyped_parts_of_a_digest_are_messages(
    target: Target, message: ComposeMessage, token: str, content_refused: ContentRefused
) -> None:
    """In a digest a part without type is a message, and is inspected as one (RFC 2046 §5.1.5)."""
    need_attachment_rule(target)
    top = multipart(entity(body=INNER + attached()), subtype="digest")
    content_refused(token, as_message(message(token), top), "hidden in a digest")


CONTAINERS = {
    "tnef": "application/ms-tnef",
    "smime": "application/pkcs7-mime; smime-type=signed-data",
    "pgp": "application/pgp-encrypted",
    "signature": "application/pgp-signature",
    "card-with-name": "text/vcard; name=me.vcf",
    "calendar-with-name": "text/calendar; name=invite.ics",
}


@requirement("ATT-12")
@pytest.mark.parametrize("kind", list(CONTAINERS))
def test_containers_are_refused(
    kind: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """Containers that are no text, or carry a file name, are refused."""
    need_attachment_rule(target)
    part = entity(
        f"Content-Type: {CONTAINERS[kind]}", "Content-Transfer-Encoding: base64", body=ZIP + b"\r\n"
    )
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "a container")


@requirement("ATT-12")
def test_calendars_follow_the_profile(
    target: Target,
    message: ComposeMessage,
    token: str,
    content_accepted: ContentAccepted,
    content_refused: ContentRefused,
) -> None:
    """A calendar without file name passes if the profile says so, and not otherwise."""
    need_attachment_rule(target)
    calendar = entity(
        "Content-Type: text/calendar; method=REQUEST",
        body="BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
    )
    content = as_message(message(token), multipart(TEXT, calendar, subtype="alternative"))
    if target.claims("calendar"):
        content_accepted(token, content)
    else:
        content_refused(token, content, "the profile takes no calendars")


@requirement("ATT-13")
@pytest.mark.parametrize("depth", [2, 5, 10, 50, 200])
def test_depth_hides_nothing(
    depth: int,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """An attachment is refused at every depth."""
    need_attachment_rule(target)
    content = as_message(message(token), nested(attached(), depth))
    content_refused(token, content, f"an attachment at depth {depth}")


@requirement("ATT-13")
def test_ordinary_depth_is_accepted(
    message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Text some levels deep is text."""
    content_accepted(token, as_message(message(token), nested(TEXT, 4)))


@requirement("ATT-13")
def test_the_last_of_many_parts_counts(
    target: Target, message: ComposeMessage, token: str, content_refused: ContentRefused
) -> None:
    """An attachment behind ten thousand parts is refused, and soon."""
    need_attachment_rule(target)
    begun = time.monotonic()
    top = multipart(*[b"\r\nx"] * 10_000, attached())
    content_refused(token, as_message(message(token), top), "the last part is an attachment")
    took = time.monotonic() - begun
    must(took < 120, expected="an answer within two minutes", observed=f"{took:.0f} s")


UUENCODED = "begin 644 a.zip\r\n#4$L#\r\n`\r\nend\r\n"
YENC = "=ybegin line=128 size=4 name=a.zip\r\nz\x75-.\r\n=yend size=4\r\n"


@requirement("ATT-20")
@pytest.mark.parametrize("block", [UUENCODED, YENC], ids=["uuencode", "yenc"])
@pytest.mark.parametrize("form", ["plain", "part", "base64"])
def test_files_written_as_text_follow_the_profile(
    form: str,
    block: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A uuencoded or yEnc block is refused where the profile calls it an attachment."""
    if target.claims("uuencode") != "refused":
        not_claimed("the profile does not refuse uuencoded files")
    text = f"See below.\r\n\r\n{block}\r\nRegards\r\n"
    part = entity("Content-Type: text/plain", body=text)
    encoded = entity(
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: base64",
        body=base64.encodebytes(text.encode()).replace(b"\n", b"\r\n"),
    )
    content = {
        "plain": message(token, text),
        "part": as_message(message(token), multipart(TEXT, part)),
        "base64": as_message(message(token), encoded),
    }[form]
    content_refused(token, content, "a file written as text")


PROSE = (
    "We begin 644 a.m. and end at noon.",
    "begin 644\r\nend of it",
    "begin transaction;\r\ncommit;\r\nend",
    "=ybegin is how yEnc blocks start.",
    "data:text/plain,hello is a URI.",
)


@requirement("ATT-20")
@pytest.mark.parametrize("text", PROSE, ids=range(len(PROSE)))
def test_prose_is_no_file(
    text: str, message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Prose that only resembles the beginning of a file is accepted."""
    content_accepted(token, message(token, text))
