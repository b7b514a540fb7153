"""The reading side of the spool: sees what is durable, waits for nobody."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from reference_relay.queue import envelope_text
from reference_relay.queue.queued_message import QueuedMessage, RecipientState, StatusEvent
from reference_relay.queue.spool_file import DATABASE, QueueError

_COLUMNS = (
    "number, queue_id, accepted_at, endpoint, configuration_id, envelope,"
    " message.octets, attempts, next_attempt, is_held"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A message row with its events.

    Attributes:
        octets: Of the content, which may be gone.
        is_settled: Whether nothing is left to be done.
    """

    number: int
    message: QueuedMessage
    events: tuple[tuple[int, StatusEvent], ...]
    octets: int
    attempts: int
    next_attempt: float | None
    is_held: bool
    is_settled: bool

    @property
    def pending(self) -> tuple[int, ...]:
        """The recipients without a final outcome."""
        final = {recipient for recipient, event in self.events if event.state.is_final}
        recipients = self.message.envelope.recipients
        return tuple(r for r in range(len(recipients)) if r not in final)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages are listed, the latest first.

    Attributes:
        configuration_id: Of this configuration; None: of all.
        accepted_from: Not accepted before, seconds since the epoch.
        accepted_before: Accepted before.
        is_unsettled: Only those that are still to be delivered.
        before: A queue ID: only those that are listed behind it.
        limit: At most so many.
    """

    configuration_id: str | None = None
    accepted_from: float | None = None
    accepted_before: float | None = None
    is_unsettled: bool = False
    before: str | None = None
    limit: int = 10


class Damaged(QueueError):
    """The disk does not give back what was written."""


def checksum(content: bytes, envelope: str) -> int:
    """Return what tells a content and its envelope from damaged ones."""
    return zlib.crc32(envelope.encode(), zlib.crc32(content))


class SpoolReader:
    """One thread at a time may use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = apsw.Connection(
            str(directory / DATABASE), flags=apsw.SQLITE_OPEN_READONLY
        )
        self._connection.set_busy_timeout(1000)

    def message(self, number: int) -> Stored | None:
        """Return an unsettled message with its content, or None.

        Raises:
            Damaged: It is not as it was written.
            QueueError: The file cannot be read.
        """
        return self.messages((number,)).get(number)

    def messages(self, numbers: Sequence[int]) -> dict[int, Stored]:
        """Return several of them by their numbers, as far as they are there.

        Raises:
            Damaged: One of them is not as it was written.
            QueueError: The file cannot be read.
        """
        places = ", ".join("?" * len(numbers))
        rows = self._select(
            f"SELECT {_COLUMNS}, content.octets, checksum"  # noqa: S608 - the names above
            f" FROM message JOIN content USING (number) WHERE number IN ({places})",
            *numbers,
        )
        events: dict[int, list[tuple[int, StatusEvent]]] = {}
        for number, *event in self._select(
            "SELECT number, recipient, at, state, text FROM event"  # noqa: S608 - question marks
            f" WHERE number IN ({places}) ORDER BY rowid",
            *numbers,
        ):
            events.setdefault(number, []).append(_event(*event))
        found = {}
        for row in rows:
            if checksum(row[10], row[5]) != row[11]:
                raise Damaged(f"message {row[0]} in {self._directory} is damaged")
            history = events.get(row[0], ())
            found[row[0]] = self._stored(row[:10], row[10], history, is_settled=False)
        return found

    def each_message(self, numbers: Sequence[int]) -> dict[int, Stored | QueueError]:
        """Return several of them by their numbers, or what is wrong with each."""
        found: dict[int, Stored | QueueError] = {}
        try:
            return {**self.messages(numbers)}
        except QueueError:
            # One by one, to find out which it is.
            found.clear()
        for number in numbers:
            try:
                found[number] = self.message(number) or Damaged("its content is gone")
            except QueueError as error:
                found[number] = error
        return found

    def status(self, queue_id: str) -> Stored | None:
        """Return a message, settled or not, without its content, or None.

        Raises:
            QueueError: The file cannot be read.
        """
        found = self._select(
            f"SELECT {_COLUMNS}, content.number IS NULL"  # noqa: S608 - the names above
            " FROM message LEFT JOIN content USING (number) WHERE queue_id = ?",
            queue_id,
        )
        for row in found:
            return self._without_content(row)
        return None

    def select(self, selection: Selection) -> list[Stored]:
        """Return some messages without their contents, the latest first.

        Raises:
            QueueError: The file cannot be read.
        """
        wanted = [
            ("configuration_id = ?", selection.configuration_id),
            ("accepted_at >= ?", selection.accepted_from),
            ("accepted_at < ?", selection.accepted_before),
            ("queue_id < ?", selection.before),
        ]
        given = [(condition, value) for condition, value in wanted if value is not None]
        conditions = [condition for condition, _ in given]
        if selection.is_unsettled:
            conditions.append("content.number IS NOT NULL")
        rows = self._select(
            f"SELECT {_COLUMNS}, content.number IS NULL"  # noqa: S608 - nothing of it is given
            " FROM message LEFT JOIN content USING (number)"
            f" WHERE {' AND '.join(conditions) or 'TRUE'} ORDER BY queue_id DESC LIMIT ?",
            *(value for _, value in given),
            selection.limit,
        )
        return [self._without_content(row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _select(self, query: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        try:
            return list(self._connection.execute(query, values))
        except apsw.CorruptError as error:
            raise Damaged(f"{values} in {self._directory} is damaged: {error}") from error
        except (apsw.Error, OSError) as error:
            raise QueueError(f"{values} in {self._directory} cannot be read: {error}") from error

    def _without_content(self, row: tuple[Any, ...]) -> Stored:
        rows = self._select(
            "SELECT recipient, at, state, text FROM event WHERE number = ? ORDER BY rowid", row[0]
        )
        events = [_event(*event) for event in rows]
        return self._stored(row[:10], b"", events, is_settled=bool(row[10]))

    def _stored(
        self,
        row: tuple[Any, ...],
        content: bytes,
        events: Sequence[tuple[int, StatusEvent]],
        *,
        is_settled: bool,
    ) -> Stored:
        number, queue_id, accepted_at, endpoint, configuration_id, envelope, octets, *rest = row
        attempts, next_attempt, is_held = rest
        try:
            message = QueuedMessage(
                queue_id,
                envelope_text.read(envelope),
                content,
                endpoint,
                configuration_id,
                accepted_at,
            )
        except ValueError as error:
            raise Damaged(f"{queue_id} in {self._directory} is damaged: {error}") from error
        history = tuple(events)
        return Stored(
            number, message, history, octets, attempts, next_attempt, bool(is_held), is_settled
        )


def _event(recipient: int, at: float, state: str, text: str) -> tuple[int, StatusEvent]:
    try:
        return recipient, StatusEvent(at, RecipientState(state), text)
    except ValueError as error:
        raise Damaged(f"an event is damaged: {error}") from error
