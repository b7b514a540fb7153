"""Why the scanner refuses what no reader objects to: the first reason whose mark it bears."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A mark in a content, and why that is enough to refuse it."""

    name: str
    why: str
    mark: re.Pattern[bytes]


# A header section from one of its fields on, without the blank line that ends it.
_SAME_SECTION = rb"(?:(?!\r\n\r\n).)*?"

REASONS = (
    Reason(
        "a line of blanks in the header section",
        "for some readers the body begins there, for others the header goes on (RFC 5322 §4.5):"
        " fields behind it count here and not there",
        re.compile(rb"^[!-9;-~]+:[^\r\n]*\r\n[ \t]+\r\n", re.MULTILINE),
    ),
    Reason(
        "octets that decide lines: NUL, bare CR or LF",
        "a reader that ends lines at them sees other fields and other delimiters (ATT-16, ATT-21);"
        " the session refuses them too (D-4)",
        re.compile(rb"\0|\r(?!\n)|(?<!\r)\n"),
    ),
    Reason(
        "a Content field twice",
        "the first counts for one reader, the last for another (ATT-15)",
        re.compile(rb"(?ims)^(content-[a-z-]+):" + _SAME_SECTION + rb"^\1:"),
    ),
    Reason(
        "a blank or a BOM around the name of a Content field",
        "for some readers it is that field, for others none (ATT-21)",
        re.compile(rb"(?im)^(?:[ \t\xef\xbb\xbf]++content-[a-z-]*+:|content-[a-z-]*+[ \t]++:)"),
    ),
    Reason(
        "a Content-Type that readers take apart differently",
        "comments, quotes that do not close, or a type without a subtype: what it says depends on"
        " the reader (ATT-08, ATT-19)",
        re.compile(
            rb"(?im)^content-type:(?:[^\"\r(]*+\(|[ \t]*+\"|[^/\r]*+\r\n(?![ \t])"
            rb"|[^\"\r]*+(?:\"[^\"\r]*+\"[^\"\r]*+)*+\"[^\"\r]*+\r\n)"
        ),
    ),
    Reason(
        "a boundary that needs quotes and has none",
        "readers end it at different places (ATT-16)",
        re.compile(rb"(?i)boundary=[^\";\r]*[()<>@,:\\/\[\]?= ]"),
    ),
    Reason(
        "a disposition other than inline",
        "RFC 2183 §2.8: what is not known is an attachment; these libraries ignore what they"
        " cannot read",
        re.compile(rb"(?im)^content-disposition:[ \t]*+(?!inline[ \t]*+(?:;|\r\n))"),
    ),
    Reason(
        "a file name on a part",
        "D-13: any file name; these readers drop it where they cannot read the parameter",
        re.compile(rb"(?i);[ \t\r\n]*+(?:file)?name\*?[0-9]*\*?="),
    ),
    Reason(
        "a part that is no text: image, application, calendar, partial message",
        "D-13; libraries render a calendar or drop such a part, others offer it",
        re.compile(
            rb"(?im)^content-type:\s*+(?:(?!text/|message/|multipart/)[!-.0-~]+/"
            rb"|text/calendar|message/(?:partial|external-body))"
        ),
    ),
    Reason(
        "a transfer encoding that is unknown",
        "RFC 2045 §6.4: what is in it cannot be known, and makes an octet-stream of it",
        re.compile(
            rb"(?im)^content-transfer-encoding:[ \t]*+"
            rb"(?!(?:7bit|8bit|binary|base64|quoted-printable)[ \t]*+\r\n)"
        ),
    ),
    Reason(
        "a transfer encoding on a multipart or a message",
        "RFC 2045 §6.4 forbids it: some readers undo it and find parts, others find none (ATT-18)",
        re.compile(
            rb"(?ims)^content-type:\s*+(?:multipart|message)/" + _SAME_SECTION
            + rb"^content-transfer-encoding:[ \t]*+(?:base64|quoted-printable)"
            rb"|^content-transfer-encoding:[ \t]*+(?:base64|quoted-printable)" + _SAME_SECTION
            + rb"^content-type:\s*+(?:multipart|message)/"
        ),
    ),
    Reason(
        "base64 that is none",
        "behind junk or early padding decoders find different octets (ATT-18)",
        re.compile(rb"(?im)^content-transfer-encoding:[ \t]*+base64"),
    ),
    Reason(
        "a file in the text: uuencode or yEnc",
        "D-13 names both; these libraries leave decoding to the program that shows the text",
        re.compile(rb"^(?:begin [0-7]{3,4} |=ybegin )", re.MULTILINE),
    ),
    Reason(
        "a header section of a part without its blank line",
        "where its body begins is a guess (ATT-21)",
        re.compile(rb"(?im)^content-[a-z-]+:[^\r\n]*\r\n(?!(?:[!-9;-~]+:|[ \t]|\r\n))"),
    ),
    Reason(
        "boundaries that readers see differently",
        "none, no token, one the beginning of another, no close delimiter, no part between them,"
        " or what looks like a part in preamble and epilogue (ATT-16, ATT-17)",
        re.compile(rb"(?im)^content-type:\s*+multipart/"),
    ),
)  # fmt: skip


def reason_for(content: bytes) -> Reason | None:
    """Return why a content is refused that no reader objects to; None when nothing fits."""
    return next((reason for reason in REASONS if reason.mark.search(content)), None)
