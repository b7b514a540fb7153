"""MIME entities put together octet by octet, well formed or not."""

from __future__ import annotations

import base64

from conformance.header import header_of
from conformance.judgement import not_claimed
from fixtures.target import Target

ZIP = base64.b64encode(b"PK\x03\x04" + bytes(range(256)))
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64))


def entity(*fields: str | bytes, body: str | bytes = "Some text.\r\n") -> bytes:
    """Return header fields, the empty line and a body; lines end with CRLF already or get it."""
    lines = [field if isinstance(field, bytes) else field.encode() for field in fields]
    text = body if isinstance(body, bytes) else body.encode()
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + text


def attached(*fields: str | bytes) -> bytes:
    """Return a part that is an attachment beyond doubt."""
    return entity(
        "Content-Type: application/zip; name=a.zip",
        "Content-Disposition: attachment; filename=a.zip",
        "Content-Transfer-Encoding: base64",
        *fields,
        body=ZIP + b"\r\n",
    )


TEXT = entity("Content-Type: text/plain; charset=us-ascii")
HTML = entity("Content-Type: text/html", body="<p>Some text.</p>\r\n")


def joined(
    *parts: bytes, boundary: str = "b-1", preamble: bytes = b"", epilogue: bytes = b""
) -> bytes:
    """Return the body of a multipart."""
    delimiter = f"--{boundary}".encode()
    inner = b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return preamble + inner + delimiter + b"--\r\n" + epilogue


def multipart(*parts: bytes, subtype: str = "mixed", boundary: str = "b-1") -> bytes:
    """Return a multipart entity."""
    return entity(
        f'Content-Type: multipart/{subtype}; boundary="{boundary}"',
        body=joined(*parts, boundary=boundary),
    )


def nested(part: bytes, depth: int) -> bytes:
    """Return an entity with the part inside as many multiparts."""
    for level in range(depth):
        part = multipart(part, boundary=f"level{level}-of-{depth}-")
    return part


def as_message(composed: bytes, top: bytes, mime_version: str = "MIME-Version: 1.0") -> bytes:
    """Return a message: the header of a composed one, and an entity in the place of its text."""
    version = f"{mime_version}\r\n".encode() if mime_version else b""
    return header_of(composed) + version + top


def need_attachment_rule(target: Target) -> None:
    """End the check unless the profile says that attachments are refused."""
    if target.claims("attachments") not in (None, "refused"):
        not_claimed("the profile does not refuse attachments")
