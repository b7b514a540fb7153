"""Contents in the shapes that the attachment rule is tried with, and its verdict in short."""

from __future__ import annotations

from reference_relay.policy.no_attachment import AttachmentRules, judge_content

TOP = b"From: a@example.com\r\nMIME-Version: 1.0\r\n"
PDF = b"Content-Type: application/pdf\r\n\r\n%PDF"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello"
HTML = b"Content-Type: text/html\r\n\r\n<p>hello</p>"
ATTACHMENT = "554 5.6.1"
AMBIGUOUS = "554 5.6.0"


def verdict(content: bytes, rules: AttachmentRules | None = None) -> str:
    refusal = judge_content(content, rules or AttachmentRules())
    return "accepted" if refusal is None else f"{refusal.code} {refusal.enhanced}"


def single(fields: bytes, body: bytes = b"hello\r\n") -> bytes:
    return TOP + fields + b"\r\n" + body


def multipart(
    *parts: bytes, subtype: bytes = b"mixed", boundary: bytes = b"b1", fields: bytes = b""
) -> bytes:
    """An entity, not a whole message: put TOP in front of it."""
    delimiter = b"\r\n--" + boundary
    return (
        b"Content-Type: multipart/" + subtype + b'; boundary="' + boundary + b'"\r\n' + fields
        + delimiter.join([b"", *(b"\r\n" + part for part in parts)])
        + delimiter + b"--\r\n"
    )  # fmt: skip


def nested(innermost: bytes, depth: int) -> bytes:
    entity = innermost
    for level in range(depth):
        entity = multipart(entity, boundary=b"level-%d." % level)
    return entity
