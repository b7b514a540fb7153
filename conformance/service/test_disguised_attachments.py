"""ATT: parameters, encodings and field shapes hide no attachment (RFC 2045, RFC 2231)."""

from __future__ import annotations

import pytest

from conformance.requirement import requirement
from conformance.service.mime import (
    TEXT,
    ZIP,
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

EXTENDED = {
    "charset": "filename*=utf-8''a.exe",
    "continued": "filename*0=a.e; filename*1=xe",
    "continued-and-encoded": "filename*0*=utf-8''a; filename*1*=%2Eexe",
    "out-of-order": "filename*1=xe; filename*0=a.e",
    "beside-plain": "filename=a.txt; filename*=utf-8''a.exe",
    "on-lines": "\r\n filename*0=a.e;\r\n filename*1=xe",
    "empty-pieces": "filename*0=; filename*1=a.exe",
}


@requirement("ATT-07")
@pytest.mark.parametrize("field", ["Content-Disposition: inline; ", "Content-Type: text/plain; "])
@pytest.mark.parametrize("form", list(EXTENDED))
def test_extended_file_names_are_file_names(
    form: str,
    field: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A file name in pieces or with a charset is a file name (RFC 2231 §3, §4)."""
    need_attachment_rule(target)
    parameter = EXTENDED[form]
    if field.startswith("Content-Type"):
        parameter = parameter.replace("filename", "name")
    part = entity(field + parameter)
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "a file name")


ODD_PARAMETERS = {
    "encoded-word": b'filename="=?utf-8?b?YS5leGU=?="',
    "quote-behind": b'filename=a.exe"',
    "quote-missing": b'filename="a.exe',
    "semicolons": b";;filename=a.exe",
    "high-octets": b"filename=\x80a.exe",
    "blank-around-equals": b"filename = a.exe",
    "no-semicolon": b"x=y filename=a.exe",
    "quoted-pair": b'filename="a\\"b.exe"',
    "comment": b"(x) filename=a.exe",
    "comma": b"x=y, filename=a.exe",
}


@requirement("ATT-08")
@pytest.mark.parametrize("field", [b"Content-Disposition: inline; ", b"Content-Type: text/plain; "])
@pytest.mark.parametrize("form", list(ODD_PARAMETERS))
def test_odd_parameters_are_refused(
    form: str,
    field: bytes,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A parameter that cannot be read is no reason to think the part clean."""
    need_attachment_rule(target)
    parameter = ODD_PARAMETERS[form]
    if field.startswith(b"Content-Type"):
        parameter = parameter.replace(b"filename", b"name")
    part = entity(field + parameter)
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "a file name")


@requirement("ATT-14")
@pytest.mark.parametrize(
    "version",
    [
        "",
        "MIME-Version: 2.0",
        "MIME-Version: 1.0 (made by hand)",
        "MIME-Version: (1.0)",
        "MIME-Version:",
        "MIME-Version: 1.0\r\nMIME-Version: 1.0",
        "Mime-version: 1 . 0",
    ],
    ids=["none", "2.0", "comment", "comment-alone", "empty", "twice", "blanks"],
)
def test_mime_version_switches_nothing_off(
    version: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """An attachment is one whatever MIME-Version says."""
    need_attachment_rule(target)
    content = as_message(message(token), multipart(TEXT, attached()), version)
    content_refused(token, content, "an attachment")


MIXED = 'Content-Type: multipart/mixed; boundary="b-1"'
HIDING = joined(TEXT, attached())
CONFLICTS = {
    "text-then-multipart": entity("Content-Type: text/plain", MIXED, body=HIDING),
    "multipart-then-text": entity(MIXED, "Content-Type: text/plain", body=HIDING),
    "two-boundaries": entity('Content-Type: multipart/mixed; boundary="b-2"', MIXED, body=HIDING),
    "dispositions": multipart(
        entity("Content-Disposition: inline", "Content-Disposition: attachment")
    ),
    "dispositions-reversed": multipart(
        entity("Content-Disposition: attachment", "Content-Disposition: inline")
    ),
    "encodings": entity(
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: 7bit",
        "Content-Transfer-Encoding: base64",
        body=ZIP + b"\r\n",
    ),
    "types-of-a-part": multipart(
        entity("Content-Type: text/plain", "Content-Type: application/zip", body=ZIP + b"\r\n")
    ),
    "case-differs": entity("content-type: text/plain", MIXED.upper(), body=HIDING),
    "parameter-twice": multipart(entity("Content-Type: text/plain; charset=a; charset=b; name=x")),
}


@requirement("ATT-15")
@pytest.mark.parametrize("kind", list(CONFLICTS))
def test_conflicting_fields_are_refused(
    kind: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A Content field that stands twice, with one reading that is no text, is refused."""
    need_attachment_rule(target)
    content_refused(token, as_message(message(token), CONFLICTS[kind]), "two ways to read it")


QP_TREE = b"--b-1=0D=0AContent-Type: application/zip=0D=0A=0D=0A" + ZIP + b"=0D=0A--b-1--=0D=0A\r\n"
ENCODINGS = {
    "uuencode": entity(
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: x-uuencode",
        body="begin 644 a.zip\r\n#4$L#\r\n`\r\nend\r\n",
    ),
    "unknown": entity(
        "Content-Type: text/plain", "Content-Transfer-Encoding: x-zip", body=ZIP + b"\r\n"
    ),
    "base64-multipart": entity(
        MIXED, "Content-Transfer-Encoding: base64", body=b"LS1iLTENCg==\r\n"
    ),
    "qp-multipart": entity(MIXED, "Content-Transfer-Encoding: quoted-printable", body=QP_TREE),
    "base64-junk": entity(
        "Content-Type: application/zip",
        "Content-Transfer-Encoding: base64",
        body=b"!!" + ZIP + b"\r\n",
    ),
    "base64-early-padding": entity(
        "Content-Type: text/plain",
        "Content-Transfer-Encoding: base64",
        body=b"dGV4dA==" + ZIP + b"\r\n",
    ),
    "comment": entity(
        "Content-Type: application/zip",
        "Content-Transfer-Encoding: BASE64 (c)",
        body=ZIP + b"\r\n",
    ),
    "empty": entity(
        "Content-Type: application/zip", "Content-Transfer-Encoding:", body=ZIP + b"\r\n"
    ),
    "empty-on-text": entity(
        "Content-Type: text/plain", "Content-Transfer-Encoding:", body=ZIP + b"\r\n"
    ),
}


@requirement("ATT-18")
@pytest.mark.parametrize("where", ["part", "message"])
@pytest.mark.parametrize("kind", list(ENCODINGS))
def test_encodings_hide_nothing(
    kind: str,
    where: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """An encoding that is unknown, misplaced or broken is not taken for plain text."""
    need_attachment_rule(target)
    top = ENCODINGS[kind]
    if where == "part":
        top = multipart(TEXT, top, boundary="=_outer")
    content_refused(token, as_message(message(token), top), "nobody knows what this holds")


@requirement("ATT-19")
@pytest.mark.parametrize(
    "value",
    [
        "application",
        "/plain",
        "text/plain/zip",
        "application/zip/text",
        "=?utf-8?q?text/plain?=",
        "text;plain",
        "text\\plain",
        "x/",
    ],
)
def test_unreadable_media_types_are_not_text(
    value: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A file behind a media type that cannot be read is not let through as text."""
    need_attachment_rule(target)
    part = entity(f"Content-Type: {value}", "Content-Transfer-Encoding: base64", body=ZIP + b"\r\n")
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "not known as text")


@requirement("ATT-19")
@pytest.mark.parametrize("value", ["text", "TEXT / PLAIN", "text/plain; text/html", "TEXT/PLAIN"])
def test_odd_media_types_of_text_have_one_fate(
    value: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """Plain text behind an odd media type is refused or delivered, as a whole."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    content = as_message(message(token), entity(f"Content-Type: {value}"))
    reply = must_answer(probe.data(content), ("250", "5yz"), "either way")
    if reply.is_positive:
        arrived(token)
    else:
        nothing_arrived(token)


SHAPES = {
    "blank-before-colon": b"Content-Disposition : attachment",
    "tab-before-colon": b"Content-Disposition\t: attachment",
    "bom": b"\xef\xbb\xbfContent-Disposition: attachment",
    "nul": b"\0Content-Disposition: attachment",
    "bare-lf": b"X-Y: z\nContent-Disposition: attachment",
    "bare-cr": b"X-Y: z\rContent-Disposition: attachment",
    "blank-line": b" \r\nContent-Disposition: attachment",
    "blank-in-front": b" Content-Disposition: attachment",
    "long": b"X-Y: " + b"z" * 1200 + b"\r\nContent-Disposition: attachment",
    "many-fields": b"X-Y: z\r\n" * 1000 + b"Content-Disposition: attachment",
    "many-folds": b"X-Y: z\r\n" + b" z\r\n" * 1000 + b"Content-Disposition: attachment",
    "folded-name": b"Content-\r\n Disposition: attachment",
}


@requirement("ATT-21")
@pytest.mark.parametrize("shape", list(SHAPES))
def test_odd_part_headers_hide_nothing(
    shape: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A disposition in an oddly shaped part header is found, or the message is refused."""
    need_attachment_rule(target)
    part = entity(SHAPES[shape], "Content-Type: text/plain")
    content_refused(token, as_message(message(token), multipart(TEXT, part)), "an attachment")


@requirement("ATT-21")
def test_a_thousand_fields_are_no_offence(
    message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Many harmless fields before a harmless one are accepted."""
    part = entity("X-Y: z\r\n" * 200 + "Content-Disposition: inline", "Content-Type: text/plain")
    content_accepted(token, as_message(message(token), multipart(TEXT, part)))
