"""The books of a run: what was acknowledged against what arrived, one octet a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A count of arrivals is one octet.
_MANY = 255

# Numbers of messages by the number of their generator process.
Numbers = Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The books of a run: accepted = arrived + missing.

    Attributes:
        accepted: Messages acknowledged with 2yz.
        arrived: Those of them the sink has, each counted once.
        missing: Those it does not have.
        doubled: Messages that arrived more than once.
        changed: Messages whose body is not the one that was sent.
        in_doubt: Messages whose final reply never came.
        in_doubt_arrived: Those of them the sink has.
        unexpected: Messages of this run that arrived although they were refused.
        refused: Messages that nobody took, and that did not arrive.
    """

    accepted: int
    arrived: int
    missing: int
    doubled: int
    changed: int
    in_doubt: int = 0
    in_doubt_arrived: int = 0
    unexpected: int = 0
    refused: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether nothing was lost, doubled, changed or let through."""
        return not (self.missing or self.doubled or self.changed or self.unexpected)


class Tally:
    """How often each message of a run arrived, by generator process and number.

    Attributes:
        counts: One octet for each message of a process.
        count: How many messages have arrived at all of their recipients.
    """

    __slots__ = ("_each", "count", "counts")

    def __init__(self, recipients: int = 1, counts: Mapping[int, bytes] | None = None) -> None:
        """Begin.

        Args:
            recipients: How many each message has, below 255; it may arrive in several parts.
            counts: What somebody else has counted already.
        """
        self._each = recipients
        self.counts = {worker: bytearray(octets) for worker, octets in (counts or {}).items()}
        self.count = sum(self._complete(octets) for octets in self.counts.values())

    def note(self, worker: int, number: int, recipients: int = 1) -> bool:
        """Count an arrival; returns whether the message is complete with it, which it is once."""
        counts = self.counts.setdefault(worker, bytearray())
        if number >= len(counts):
            counts.extend(bytes(number + 1 - len(counts)))
        before = counts[number]
        counts[number] = min(before + recipients, _MANY)
        is_complete = before < self._each <= before + recipients
        self.count += is_complete
        return is_complete

    def ledger(
        self, accepted: Numbers, in_doubt: Numbers, begun: int = 0, changed: int = 0
    ) -> Ledger:
        """Compare with what the generator says.

        Args:
            accepted: Messages whose final reply was 2yz.
            in_doubt: Messages whose final reply never came.
            begun: How many messages were begun in all.
            changed: How many arrived with another body.
        """
        arrived, doubtful = self._arrived(accepted), self._arrived(in_doubt)
        total = sum(map(len, accepted.values()))
        in_doubt_total = sum(map(len, in_doubt.values()))
        unexpected = self.count - arrived - doubtful
        return Ledger(
            accepted=total,
            arrived=arrived,
            missing=total - arrived,
            doubled=sum(
                len(counts) - sum(counts.count(few) for few in range(self._each + 1))
                for counts in self.counts.values()
            ),
            changed=changed,
            in_doubt=in_doubt_total,
            in_doubt_arrived=doubtful,
            unexpected=unexpected,
            refused=max(begun - total - in_doubt_total - unexpected, 0),
        )

    def _arrived(self, numbers: Numbers) -> int:
        found = 0
        for worker, those in numbers.items():
            counts = self.counts.get(worker, b"")
            size = len(counts)
            found += sum(1 for number in those if number < size and counts[number] >= self._each)
        return found

    def _complete(self, counts: bytearray) -> int:
        return len(counts) - sum(counts.count(few) for few in range(self._each))
