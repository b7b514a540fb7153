"""When the next attempt is made: a pure function of the clock (D-24, RFC 5321 §4.5.4.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The delays between attempts, all in seconds."""

    # D-24; RFC 5321 §4.5.4.1: at least 30 minutes between attempts, 4 to 5 days until giving up.
    first_seconds: float = 1800.0
    longest_seconds: float = 4 * 3600.0
    give_up_seconds: float = 5 * 86400.0
    # Custom since sendmail: after four hours a person wants to know.
    warn_seconds: float = 4 * 3600.0

    def is_overdue(self, accepted_at: float, now: float) -> bool:
        """Tell whether a message is late enough for its sender to be told."""
        return now >= accepted_at + self.warn_seconds

    def next_attempt(self, accepted_at: float, attempts: int, now: float) -> float | None:
        """Return when to try again after the `attempts`-th attempt failed at `now`.

        Delays double from the first to the longest and never shrink.
        The last one is stretched so that the last attempt falls on the give-up time itself.

        Args:
            accepted_at: when the message was accepted, seconds since the epoch.
            attempts: how many attempts were made, at least 1.
            now: the present, seconds since the epoch.

        Returns:
            The time of the next attempt, or None to give up.
        """
        deadline = accepted_at + self.give_up_seconds
        if now >= deadline:
            return None
        due = now + self._delay(attempts)
        if due + self._delay(attempts + 1) > deadline:
            # Another full delay would miss the deadline: wait for the deadline instead,
            # unless that would be sooner than the delay owed now.
            return max(due, deadline)
        return due

    def _delay(self, attempts: int) -> float:
        # The exponent is bounded because 2.0 ** 1024 overflows.
        return min(self.first_seconds * 2.0 ** min(attempts - 1, 64), self.longest_seconds)
