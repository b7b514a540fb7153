"""What the program says while it runs: a moving line on a terminal, else one line per stage."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console


class Progress:
    """The stages of a run; a context manager."""

    def __init__(self, console: Console) -> None:
        """Say it on this console."""
        self._console = console
        self._status = console.status("")
        self._stage = ""

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def stage(self, text: str) -> None:
        """Something new begins."""
        self._stage = text
        if self._console.is_terminal:
            self._status.update(text)
        else:
            self._console.print(text)

    def detail(self, text: str) -> None:
        """How far it is; shown on a terminal only."""
        if self._console.is_terminal:
            self._status.update(f"{self._stage}: {text}")
