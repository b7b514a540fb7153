"""The attachment rule: what hides one (ATT-16 to ATT-21), and the switches."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.content import complete
from reference_relay.policy.no_attachment import AttachmentRules, judge_content
from reference_relay.policy.tests.mime_shapes import (
    AMBIGUOUS,
    ATTACHMENT,
    HTML,
    PDF,
    TEXT,
    TOP,
    multipart,
    single,
    verdict,
)


def _with_boundary(parameter: bytes, body: bytes) -> bytes:
    return TOP + b"Content-Type: multipart/mixed; " + parameter + b"\r\n\r\n" + body


_CLEAN = b"--b1\r\n\r\ntext\r\n--b1--\r\n"


@pytest.mark.parametrize(
    "content",
    [
        _with_boundary(b"boundary=b1; boundary=b2", _CLEAN),
        _with_boundary(b"boundary*0=b; boundary*1=1", _CLEAN),
        _with_boundary(b"boundary*=us-ascii''b1", _CLEAN),
        _with_boundary(b'boundary=""', b"--\r\n\r\ntext\r\n----\r\n"),
        _with_boundary(b"boundary=", _CLEAN),
        _with_boundary(b"x=y", _CLEAN),
        _with_boundary(b'boundary="b1 "', _CLEAN),
        _with_boundary(b'boundary="b\\1"', _CLEAN),
        _with_boundary(b'boundary="b1\r\n "', _CLEAN),
        _with_boundary(b'boundary="b1', _CLEAN),
        _with_boundary(b"boundary=b=1", _CLEAN.replace(b"b1", b"b=1")),
        _with_boundary(b"boundary=" + b"b" * 71, _CLEAN.replace(b"b1", b"b" * 71)),
        _with_boundary(b"boundary=b2", _CLEAN),
        _with_boundary(b"boundary=b1", b""),
        _with_boundary(b"boundary=b1", b"--b1\r\n\r\ntext\r\n"),
        _with_boundary(b"boundary=b1", b"--b1--\r\n")[:-2] + b"\r\n--b1\r\n" + PDF,
        _with_boundary(b"boundary=b1", b"--b1\r\n--b1--\r\n"),
        _with_boundary(b"boundary=b1", b"--b1--\r\n"),
        TOP + multipart(multipart(subtype=b"digest", boundary=b"inner")),
        _with_boundary(b"boundary=b1", _CLEAN + b"--b1\r\n\r\nafter the close\r\n--b1--\r\n"),
        _with_boundary(b"boundary=b1", b"--b1\r\n\r\nx\r\n--b1x\r\n\r\nx\r\n--b1--\r\n"),
        _with_boundary(b"boundary=b1", b"--b1 x\r\n\r\nx\r\n--b1--\r\n"),
        _with_boundary(b"boundary=b1", b"--b1\r\n\r\nx\r\n--b1--x\r\n"),
        _with_boundary(b"boundary=b1", b"--b1\r\n\r\nx\n--b1\r\n" + PDF + b"\r\n--b1--\r\n"),
        _with_boundary(b"boundary=b1", b"--b1\r\n\r\nx\r--b1\r\n" + PDF + b"\r\n--b1--\r\n"),
        TOP + multipart(multipart(TEXT, boundary=b"b1"), boundary=b"b1"),
        TOP + multipart(multipart(TEXT, boundary=b"b1x"), boundary=b"b1"),
        TOP + multipart(multipart(TEXT, boundary=b"b1"), boundary=b"b1x"),
        TOP
        + multipart(
            b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nx",
            PDF,
            boundary=b"out",
        ),
        TOP
        + multipart(
            b"Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b1x\r\n"
            b"\r\n--b1x\r\n\r\nx\r\n--b1x--",
        ),
    ],
)
def test_boundary_confusion_is_refused(content: bytes) -> None:
    """ATT-16: wherever two readers might cut the parts differently."""
    assert verdict(content) in {ATTACHMENT, AMBIGUOUS}


def test_blanks_behind_a_delimiter_are_padding() -> None:
    """ATT-16: transport padding is legal and hides no part (RFC 2046 §5.1.1)."""
    clean = _with_boundary(b"boundary=b1", b"--b1 \t\r\n\r\nx\r\n--b1-- \r\n")
    assert verdict(clean) == "accepted"
    padded = _with_boundary(b"boundary=b1", b"--b1\r\n\r\nx\r\n--b1 \r\n" + PDF + b"\r\n--b1--\r\n")
    assert verdict(padded) == ATTACHMENT


def test_ordinary_preamble_and_epilogue_are_accepted() -> None:
    """ATT-17: a note to readers without MIME is no attachment."""
    note = b"This is a multi-part message in MIME format.\r\n-- \r\nContents: none\r\n\r\n"
    assert verdict(_with_boundary(b"boundary=b1", note + _CLEAN + note)) == "accepted"


@pytest.mark.parametrize("where", ["preamble", "epilogue"])
@pytest.mark.parametrize(
    "hidden",
    [
        b"--b2\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b2--\r\n",
        b"--b2\r\ncontent-disposition : attachment\r\n\r\nx\r\n",
        b"\xef\xbb\xbfContent-Type: application/pdf\r\n",
        b"begin 644 a.bin\r\n#86)C\r\n`\r\nend\r\n",
    ],
)
def test_parts_outside_the_parts_are_refused(hidden: bytes, where: str) -> None:
    """ATT-17: what looks like a part in preamble or epilogue is not delivered."""
    body = hidden + _CLEAN if where == "preamble" else _CLEAN + hidden
    assert verdict(_with_boundary(b"boundary=b1", body)) in {ATTACHMENT, AMBIGUOUS}


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Transfer-Encoding: x-uuencode\r\n", b"x"),
        (b"Content-Transfer-Encoding:\r\n", b"x"),
        (b"Content-Transfer-Encoding: base64 (c)\r\n", b"aGVsbG8="),
        (b"Content-Transfer-Encoding: base64, 7bit\r\n", b"aGVsbG8="),
        (b"Content-Transfer-Encoding: base64\r\n", b"aGVs!bG8="),
        (b"Content-Transfer-Encoding: base64\r\n", b"aGU=bG8="),
        (b"Content-Transfer-Encoding: base64\r\n", b"aGVsbG8=\r\nfooter of a list"),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", b"eDogeQ=="),
        (
            b"Content-Type: multipart/mixed; boundary=b1\r\n"
            b"Content-Transfer-Encoding: quoted-printable\r\n",
            _CLEAN,
        ),
        (
            b"Content-Type: multipart/mixed; boundary=b1\r\nContent-Transfer-Encoding: base64\r\n",
            _CLEAN,
        ),
    ],
)
def test_transfer_encoding_tricks_are_refused(fields: bytes, body: bytes) -> None:
    """ATT-18: unknown, malformed, or wrapped around a composite."""
    assert verdict(single(fields, body)) == AMBIGUOUS


@pytest.mark.parametrize(
    "value",
    [
        b"text",
        b"/plain",
        b"text/",
        b"",
        b"text/plain/zip",
        b"text/plain; text/html",
        b"text / plain",
        b"(c)text/plain",
        b"text/(c)plain",
        b"=?utf-8?q?text/plain?=",
        b"text/plain, application/pdf",
        b"text/plain;charset=utf-8;;=x",
        b"text/pl\xc3\xa4in",
        b"text/plain\0",
        b"text/plain; charset=(x)utf-8",
        b"text/plain ((nested))",
        b"text/plain (comment)",
        b"text/plain (comment); charset=utf-8",
        b'text/plain; charset="utf-8" x',
    ],
)
def test_malformed_media_types_are_refused(value: bytes) -> None:
    """ATT-19: no fall-back to text/plain for what is not understood."""
    assert verdict(single(b"Content-Type: " + value + b"\r\n")) == AMBIGUOUS


def _uuencoded(octets: bytes) -> bytes:
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    return b"begin 644 a.bin\n" + b"".join(lines) + b"`\nend\n"


_FILES = [
    _uuencoded(bytes(range(256))),
    _uuencoded(b"abc"),
    _uuencoded(b"\0\0\0\0"),
    b"begin 0644 two words.bin\n#86)C\n",
    b"begin 644 empty\n`\nend\n",
    b"begin-base64 644 a.bin\naGVsbG8=\n====\n",
    b"=ybegin line=128 size=3 name=a.bin\nabc\n=yend size=3\n",
]


@pytest.mark.parametrize("file", _FILES)
@pytest.mark.parametrize("before", [b"", b"See below.\n\n"])
def test_files_written_into_text_are_refused(file: bytes, before: bytes) -> None:
    """ATT-20: uuencode and yEnc blocks are attachments, plain or under a transfer encoding."""
    text = before + file
    body = text.replace(b"\n", b"\r\n")
    assert verdict(single(b"", body)) == ATTACHMENT
    assert verdict(single(b"Content-Type: text/html\r\n", body)) == ATTACHMENT
    assert verdict(TOP + multipart(b"\r\n" + body)) == ATTACHMENT
    for octets in (text, body, text.replace(b"\n", b"\r")):
        encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        assert verdict(single(b"Content-Transfer-Encoding: base64\r\n", encoded)) == ATTACHMENT
    quoted = binascii.b2a_qp(body).replace(b"begin", b"=62egin").replace(b"=3Dy", b"=3D=79")
    field = b"Content-Transfer-Encoding: quoted-printable\r\n"
    assert verdict(single(field, quoted)) == ATTACHMENT


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Disposition : attachment\r\n",
        b"\xef\xbb\xbfContent-Disposition: attachment\r\n",
        b"\0Content-Disposition: attachment\r\n",
        b" \r\nContent-Disposition: attachment\r\n",
        b"X: y\r\n \r\nContent-Disposition: attachment\r\n",
        b"X: y\nContent-Disposition: attachment\r\n",
        b"text without a blank line\r\nContent-Disposition: attachment\r\n",
        b"X-Long: " + b"x" * 5000 + b"\r\nContent-Disposition: attachment\r\n",
        b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"Content-Disposition: attachment\r\n",
    ],
)
def test_header_shapes_hide_nothing(header: bytes) -> None:
    """ATT-21: whatever the header section of a part looks like."""
    assert verdict(TOP + multipart(TEXT, header + b"\r\nx")) in {ATTACHMENT, AMBIGUOUS}
    assert verdict(TOP + b"Content-Type: message/rfc822\r\n\r\n" + header + b"\r\nx") in {
        ATTACHMENT,
        AMBIGUOUS,
    }


@pytest.mark.parametrize(
    "header", [b"Content-Disposition : attachment\r\n", b" \r\n", b"X: y\r\n \r\n", b"\xffX: y\r\n"]
)
def test_a_malformed_top_header_is_refused(header: bytes) -> None:
    """ATT-21, SND-15: the scanner does not rely on the sender rule having run."""
    assert verdict(header + TOP + b"\r\nx") == AMBIGUOUS


def test_calendar_is_a_switch() -> None:
    """ATT-12, D-13: text/calendar passes when the profile says so, but never with a file name."""
    allowed = AttachmentRules(calendar=True)
    part = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR"
    content = TOP + multipart(TEXT, part, subtype=b"alternative")
    assert verdict(content) == ATTACHMENT
    assert verdict(content, allowed) == "accepted"
    named = content.replace(b"method=", b"name=a.ics; method=")
    assert verdict(named, allowed) == ATTACHMENT


def test_inline_images_are_a_switch() -> None:
    """ATT-10, D-13: images of a related HTML part pass when the profile says so, others never."""
    allowed = AttachmentRules(inline_images=True)
    image = b"Content-Type: image/png; name=a.png\r\nContent-ID: <i@x>\r\n"
    related = TOP + multipart(HTML, image + b"\r\nx", subtype=b"related")
    assert verdict(related) == ATTACHMENT
    assert verdict(related, allowed) == "accepted"
    inline = b"Content-Disposition: inline; filename=a.png\r\n"
    assert verdict(related.replace(b"Content-ID", inline + b"Content-ID"), allowed) == "accepted"
    attached = related.replace(b"Content-ID", b"Content-Disposition: attachment\r\nContent-ID")
    assert verdict(attached, allowed) == ATTACHMENT
    assert verdict(related.replace(b"Content-ID", b"X-ID"), allowed) == ATTACHMENT
    assert verdict(related.replace(b"/related", b"/mixed"), allowed) == ATTACHMENT
    assert verdict(related.replace(b"image/png", b"application/pdf"), allowed) == ATTACHMENT


def test_other_text_is_a_switch() -> None:
    """D-13: a profile may keep out text that is neither plain nor HTML, wherever it stands."""
    strict = AttachmentRules(other_text=False, calendar=True)
    for subtype in (b"markdown", b"x-amp-html", b"csv", b"rfc822-headers"):
        part = b"Content-Type: text/" + subtype + b"\r\n\r\nx"
        for content in (TOP + part, TOP + multipart(TEXT, part, subtype=b"alternative")):
            assert verdict(content) == "accepted"
            assert verdict(content, strict) == ATTACHMENT
    assert verdict(TOP + multipart(TEXT, HTML, subtype=b"alternative"), strict) == "accepted"
    assert verdict(TOP + multipart(TEXT, b"Content-Type: text/calendar\r\n\r\nx"), strict) == (
        "accepted"
    )


def test_enclosed_messages_are_a_switch() -> None:
    """ATT-11, D-13: a profile may keep out messages within the message, digests and reports."""
    strict = AttachmentRules(enclosed_messages=False)
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + TOP + TEXT
    report = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n"
    for content in (
        TOP + forwarded,
        TOP + multipart(TEXT, forwarded),
        TOP + multipart(TEXT, report, subtype=b"report; report-type=delivery-status"),
        TOP + multipart(b"\r\n" + TOP + TEXT, subtype=b"digest"),
    ):
        assert verdict(content) == "accepted"
        assert verdict(content, strict) == ATTACHMENT
    assert verdict(TOP + multipart(TEXT, HTML, subtype=b"alternative"), strict) == "accepted"


def test_a_missing_separator_changes_no_verdict() -> None:
    """D-6: what is judged is what is delivered, with or without the blank line."""
    open_ended = TOP + b"Content-Type: multipart/mixed; boundary=b1\r\n--b1\r\n"
    assert verdict(open_ended + PDF + b"\r\n--b1--\r\n") == ATTACHMENT
    assert verdict(open_ended + b"\r\ntext\r\n--b1--\r\n") == "accepted"


_PIECES = (
    b"\r\n|\r\n\r\n|\n|\r|\0| |--b1|--b1--|--b2|--|Content-Type: |Content-Disposition: |"
    b"Content-Transfer-Encoding: |text/plain|multipart/mixed; boundary=b1\r\n\r\n|message/rfc822"
    b'\r\n\r\n|multipart/digest; boundary=b2\r\n\r\n|base64\r\n|inline|attachment|; name=|"|'
    b"\\|(|)|begin 644 x\r\n|#86)C\r\n|=ybegin "
).split(b"|")
_SHAPES = st.lists(
    st.one_of(
        st.sampled_from(_PIECES),
        st.binary(max_size=4),
    ),
    max_size=25,
).map(b"".join)


@settings(derandomize=True, max_examples=1000)
@given(_SHAPES)
def test_no_octets_make_the_scanner_raise(content: bytes) -> None:
    """A content is a client's; it may be anything, and completing it changes no verdict."""
    before = judge_content(content)
    completed = complete(content, date="Mon, 24 Nov 2025 10:00:00 +0000", message_id="<a@b>")
    assert judge_content(completed) == before
