"""The relaxed canonicalizations of DKIM (RFC 6376 §3.4.2, §3.4.4).

Content is in CRLF form. Mail that is canonical already is recognised by a few searches and not
copied; that is most mail, and rewriting costs ten times as much as looking.
"""

from __future__ import annotations

import re

_BLANKS = re.compile(rb"[ \t]+")


def relaxed_field(raw: bytes) -> bytes:
    """Return a header field in relaxed form, with its CRLF (RFC 6376 §3.4.2).

    Args:
        raw: the whole field with its folding and final CRLF.
    """
    name, _, value = raw.partition(b":")
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return b"%s:%s\r\n" % (name.rstrip(b" \t").lower(), unfolded.strip(b" "))


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed form (RFC 6376 §3.4.4); empty stays empty.

    A last line without CRLF counts as if it had one: transmission gives it one
    (RFC 5321 §4.1.1.4), so that is what the receiver verifies.
    """
    if not _is_relaxed(body):
        if b"\t" in body or b"  " in body:
            body = _BLANKS.sub(b" ", body)
        # Runs are single spaces now: one replacement takes the blanks off every line's end.
        body = body.replace(b" \r\n", b"\r\n").removesuffix(b" ")
        body = _without_empty_lines_at_end(body)
    return body


def _is_relaxed(body: bytes) -> bool:
    return not (
        b"  " in body
        or b"\t" in body
        or b" \r\n" in body
        or body.endswith(b"\r\n\r\n")
        or body == b"\r\n"
        or not body.endswith(b"\r\n")
    )


def _without_empty_lines_at_end(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""
