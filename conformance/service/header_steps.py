"""Steps of the checks that judge the header's senders."""

from __future__ import annotations


def with_from(content: bytes, *fields: bytes) -> bytes:
    """Put these raw lines in the place of From, the first field the fixture `message` writes."""
    return b"".join(field + b"\r\n" for field in fields) + content.partition(b"\r\n")[2]
