"""What the fixtures `content_accepted` and `content_refused` give."""

from __future__ import annotations

from typing import Protocol

from fixtures.sink import Delivery


class ContentAccepted(Protocol):
    """Submits a content and demands one unchanged copy of it at the sink."""

    def __call__(self, token: str, content: bytes) -> Delivery: ...


class ContentRefused(Protocol):
    """Submits a content and demands a permanent refusal and no copy at the sink."""

    def __call__(
        self, token: str, content: bytes, because: str, exactly: str | tuple[str, ...] = ...
    ) -> None: ...
