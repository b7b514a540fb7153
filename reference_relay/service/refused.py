"""Why a change is not made. Nothing is half-written when one of these is raised."""

from __future__ import annotations


class ChangeRefused(Exception):
    """The change cannot be made; the text says why, for whoever asked for it."""


class NotFound(ChangeRefused):
    """There is no such thing."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        super().__init__(f"There is no {kind} {id!r}.")


class Taken(ChangeRefused):
    """It must be unique and is in use (D-21)."""

    def __init__(self, kind: str, what: str) -> None:
        self.kind = kind
        super().__init__(what)


class LimitReached(ChangeRefused):
    """There are as many as there may be (S-20)."""


class Invalid(ChangeRefused):
    """A value means nothing here; the text says what was expected."""


class Stale(ChangeRefused):
    """It was changed by somebody else since it was read."""
