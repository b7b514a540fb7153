"""The attachment rule: what is one, wherever it stands (ATT-01 to ATT-15)."""

from __future__ import annotations

import pytest

from reference_relay.policy.mime_structure import MAXIMUM_DEPTH, MAXIMUM_PARTS
from reference_relay.policy.tests.mime_shapes import (
    AMBIGUOUS,
    ATTACHMENT,
    HTML,
    PDF,
    TEXT,
    TOP,
    multipart,
    nested,
    single,
    verdict,
)


@pytest.mark.parametrize(
    "content",
    [
        TOP + b"\r\nhello\r\n",
        b"hello\r\n",
        b"",
        single(b"Content-Type: text/plain\r\n"),
        single(b"Content-Type: TEXT / PLAIN\r\n".replace(b" / ", b"/")),
        single(b"Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes;\r\n"),
        single(b'Content-Type: text/html;\r\n\tcharset="utf-8"\r\n'),
        single(b"Content-Type: text/plain; charset=us-ascii (Plain text)\r\n"),
        single(b"Content-Type: text/plain\r\nContent-Disposition: inline\r\n"),
        single(b"Content-Transfer-Encoding: BASE64 \r\n", b"aGVsbG8=\r\n"),
        single(b"Content-Transfer-Encoding: base64\r\n", b"\r\n"),
        single(b"Content-Transfer-Encoding: quoted-printable\r\n", b"caf=C3=A9=\r\n!\r\n"),
        single(b"Content-Language: en\r\nContent-ID: <1@example.com>\r\n"),
        TOP + multipart(TEXT, HTML, subtype=b"alternative"),
        TOP + multipart(TEXT, b"Content-Disposition: inline\r\n" + TEXT),
        TOP + multipart(multipart(TEXT, HTML, subtype=b"alternative", boundary=b"b2")),
        TOP + multipart(b"\r\nno header", b"Content-Type: text/plain\r\n"),
        TOP + multipart(HTML, subtype=b"related; type=text/html"),
        TOP + multipart(TEXT, boundary=b"simple boundary"),
        TOP + multipart(b"\r\n" + TOP + b"\r\ntext", b"\r\nSubject: y\r\n\r\n", subtype=b"digest"),
        TOP + b"Content-Type: message/rfc822\r\n\r\n" + TOP + TEXT,
        TOP
        + multipart(
            TEXT,
            b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\n"
            b"Final-Recipient: rfc822; b@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            b"Content-Type: message/rfc822\r\n\r\n" + TOP + TEXT,
            subtype=b"report; report-type=delivery-status",
        ),
        TOP + multipart(TEXT, b"Content-Type: text/rfc822-headers\r\n\r\nFrom: x@y.example\r\n"),
        TOP + nested(TEXT, 10),
    ],
)
def test_ordinary_text_mail_is_accepted(content: bytes) -> None:
    """ATT-01: text in every usual dress passes."""
    assert verdict(content) == "accepted"


@pytest.mark.parametrize(
    "body",
    [
        b"See the attachment: filename=report.pdf; Content-Disposition: attachment\r\n",
        b"> Content-Disposition: attachment; filename=a.exe\r\n> begin 644 a.zip\r\n",
        b"--b1\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\nx\r\n",
        b"begin 644 a.zip\r\nis how such a block begins, and it ends with\r\nend\r\n",
        b"begin 644 a.zip\r\n\r\nM is the length of a full line.\r\n",
        b"We begin 644 miles from here.\r\nbegin reading\r\n",
        b"=ybegin is the keyword of yEnc.\r\n",
    ],
)
def test_talking_about_attachments_is_not_attaching(body: bytes) -> None:
    """ATT-02, ATT-20: words in a text are text, pasted samples included."""
    assert verdict(single(b"Subject: attachment filename=a.pdf\r\n", body)) == "accepted"
    assert verdict(TOP + multipart(b"\r\n" + body, boundary=b"other")) == "accepted"


@pytest.mark.parametrize(
    "value",
    [
        b"attachment",
        b"AtTaChMeNt",
        b"attachment ; x=y",
        b"\r\n attachment",
        b"\t\r\n\tattachment; filename=a.txt",
        b"x-foo",
        b"form-data",
        b"=?utf-8?q?attachment?=",
        b"(x)attachment",
        b'"attachment"',
        b"inline attachment",
        b"inline, attachment",
        b"",
        b"(inline)",
        b"inline; filename=a.pdf",
        b'inline; FileName="a.pdf"',
        b"inline;;filename=a.pdf",
        b"inline; filename*=utf-8''a.exe",
        b"inline; filename*0=a; filename*1=.exe",
        b"inline; filename*1*=.exe; filename*0*=utf-8''a",
        b"inline;\r\n filename*0=a.e;\r\n filename*1=xe",
        b'inline; filename="=?utf-8?b?YS5leGU=?="',
        b'inline; filename=a.exe"',
        b'inline; filename="a.exe',
        b"inline; filename=\x80.exe",
        b"inline; filename = a.exe",
        b"inline; size=1; name=a.exe",
        b"inline; filename",
        b"inline (filename=a.exe)",
        b"inline\0; x=y",
    ],
)
@pytest.mark.parametrize("place", ["top", "part", "deep part", "multipart", "message"])
def test_a_disposition_other_than_plain_inline_is_refused(value: bytes, place: str) -> None:
    """ATT-03 to ATT-08: on any entity, in any spelling, any disposition that is or names a file."""
    field = b"Content-Disposition: " + value + b"\r\n"
    part = field + TEXT
    contents = {
        "top": single(field),
        "part": TOP + multipart(TEXT, part),
        "deep part": TOP + nested(part, 5),
        "multipart": TOP + multipart(TEXT, fields=field),
        "message": TOP + multipart(field + b"Content-Type: message/rfc822\r\n\r\n" + TEXT),
    }
    assert verdict(contents[place]) in {ATTACHMENT, AMBIGUOUS}


def test_the_refusals_have_their_codes() -> None:
    """D-13: an attachment is 5.6.1, a structure with two readings 5.6.0."""
    assert verdict(single(b"Content-Disposition: attachment\r\n")) == ATTACHMENT
    assert verdict(single(b"Content-Disposition: x-foo\r\n")) == ATTACHMENT
    assert verdict(single(b"Content-Disposition: inline; filename=a\r\n")) == ATTACHMENT
    assert verdict(TOP + PDF) == ATTACHMENT
    assert verdict(single(b"Content-Type: text\r\n")) == AMBIGUOUS
    assert verdict(single(b"Content-Transfer-Encoding: x-uuencode\r\n")) == AMBIGUOUS


@pytest.mark.parametrize(
    "value",
    [
        b"text/plain; name=a.txt",
        b"text/html; NAME=a.html",
        b"text/plain; name*=utf-8''a.txt",
        b"text/plain; name*0*=utf-8''a; name*1=.txt",
        b'text/plain; charset=utf-8; name="=?utf-8?q?a=2Etxt?="',
        b'text/plain; name="a.txt',
        b"text/plain; filename=a.txt",
        b"text/plain; charset=utf-8 name=a.txt",
        b"text/plain (; name=a.txt)",
        b"text/plain; name=\xc3\xa4.txt",
    ],
)
def test_a_file_name_in_the_content_type_is_refused(value: bytes) -> None:
    """ATT-06 to ATT-08: a name makes a file of a text."""
    assert verdict(single(b"Content-Type: " + value + b"\r\n")) in {ATTACHMENT, AMBIGUOUS}
    part = b"Content-Type: " + value + b"\r\n\r\nx"
    assert verdict(TOP + multipart(TEXT, part)) in {ATTACHMENT, AMBIGUOUS}


@pytest.mark.parametrize(
    "media",
    [
        b"image/png",
        b"audio/basic",
        b"video/mp4",
        b"application/octet-stream",
        b"application/ms-tnef",
        b"application/pkcs7-mime",
        b"application/x-ygwiz",
        b"font/woff",
        b"model/vrml",
        b"unknown/x",
        b"x-text/plain",
        b"texts/plain",
        b"text/calendar",
        b"message/partial; id=x; number=1; total=2",
        b"message/external-body; access-type=URL; URL=x",
        b"message/x-unknown",
        b"message/http",
    ],
)
@pytest.mark.parametrize("disposition", [b"", b"Content-Disposition: inline\r\n"])
def test_what_is_not_text_is_refused(media: bytes, disposition: bytes) -> None:
    """ATT-09, ATT-11, ATT-12: a leaf that is no text is an attachment whatever its disposition."""
    field = b"Content-Type: " + media + b"\r\n" + disposition
    assert verdict(single(field)) == ATTACHMENT
    assert verdict(TOP + multipart(TEXT, field + b"\r\nx")) == ATTACHMENT


@pytest.mark.parametrize(
    "content",
    [
        TOP + multipart(TEXT, PDF, subtype=b"signed"),
        TOP + multipart(b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", PDF),
        TOP + b"Content-Type: message/rfc822\r\n\r\n" + TOP + PDF,
        TOP + b"Content-Type: message/global\r\n\r\n" + TOP + PDF,
        TOP + multipart(TEXT, b"Content-Type: message/rfc822\r\n\r\n" + TOP + multipart(PDF)),
        TOP + multipart(b"\r\n" + TOP + PDF, subtype=b"digest"),
        TOP + multipart(b"X: y\r\n\r\n" + TOP + PDF, subtype=b"digest"),
        TOP + multipart(b"Content-Type: message/delivery-status\r\n\r\n" + PDF),
        TOP + multipart(b"Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\n" + PDF),
    ],
)
def test_encapsulated_content_is_inspected(content: bytes) -> None:
    """ATT-11, ATT-12: a message inside a message hides nothing."""
    assert verdict(content) in {ATTACHMENT, AMBIGUOUS}


@pytest.mark.parametrize("depth", [1, 2, 10, MAXIMUM_DEPTH, MAXIMUM_DEPTH + 1, 50, 200])
def test_an_attachment_is_refused_at_any_depth(depth: int) -> None:
    """ATT-13: no nesting is so deep that nobody looks."""
    assert verdict(TOP + nested(PDF, depth)) in {ATTACHMENT, AMBIGUOUS}
    messages = b"Content-Type: message/rfc822\r\n\r\n" * depth
    assert verdict(TOP + messages + PDF) in {ATTACHMENT, AMBIGUOUS}


def test_absurd_structures_are_refused_quickly() -> None:
    """ATT-13: limits on depth and parts, reached in bounded work."""
    assert verdict(TOP + nested(TEXT, MAXIMUM_DEPTH)) == "accepted"
    assert verdict(TOP + nested(TEXT, MAXIMUM_DEPTH + 1)) == AMBIGUOUS
    assert verdict(TOP + multipart(*[TEXT] * MAXIMUM_PARTS)) == "accepted"
    assert verdict(TOP + multipart(*[TEXT] * 10_000)) == AMBIGUOUS


@pytest.mark.parametrize(
    "version", [b"", b"MIME-Version: 2.0\r\n", b"MIME-Version: 1.0 (x)\r\nMIME-Version: 1.0\r\n"]
)
def test_an_odd_mime_version_switches_nothing_off(version: bytes) -> None:
    """ATT-14: readers parse MIME without asking for its version."""
    assert verdict(version + multipart(TEXT, PDF)) == ATTACHMENT
    assert verdict(version + multipart(TEXT)) == "accepted"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b1\r\n",
        b"Content-Type: text/plain\r\ncontent-type: text/plain\r\n",
        b"Content-Disposition: inline\r\nContent-Disposition: attachment\r\n",
        b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
        b"Content-ID: <a@b>\r\nContent-Id: <a@b>\r\n",
        b"Content-Type: text/plain; charset=utf-8; charset=utf-7\r\n",
        b"Content-Type: text/plain; x=1; X=1\r\n",
    ],
)
def test_repeated_fields_and_parameters_are_refused(fields: bytes) -> None:
    """ATT-15: first wins here, last wins there: neither is taken."""
    assert verdict(single(fields)) == AMBIGUOUS
    assert verdict(TOP + multipart(fields + b"\r\nx")) == AMBIGUOUS
