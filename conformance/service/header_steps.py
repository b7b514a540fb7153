"""Steps of the checks that judge the header's senders."""

from __future__ import annotations

from conformance.judgement import not_claimed
from fixtures.target import Target


def judged(target: Target) -> None:
    """End the check unless the profile says that the header is judged."""
    if target.claims("header_sender") is False:
        not_claimed("the profile judges the envelope alone")


def with_from(content: bytes, *fields: bytes) -> bytes:
    """Put these raw lines in the place of From, the first field the fixture `message` writes."""
    return b"".join(field + b"\r\n" for field in fields) + content.partition(b"\r\n")[2]
