"""When a connection has to end (RFC 5321 §4.5.3.2). Pure; time is given, in seconds of one clock.

Only progress counts as activity: a reply of ours, or a good part of a content. Whoever sends an
octet now and then makes none (ROB-02).
"""

from __future__ import annotations

from dataclasses import dataclass

from reference_relay.submission.settings import Limits

# Ours: twice the longest command line, so that no single line ever counts.
_PROGRESS_OCTETS = 4096


@dataclass(slots=True)
class Deadlines:
    """The marks of one connection.

    Attributes:
        opened_at: When it was accepted.
        active_at: The last progress.
        handshake_since: When the TLS handshake began; None unless one is going on.
        unanswered_octets: What came since the last progress.
    """

    opened_at: float
    active_at: float
    handshake_since: float | None = None
    unanswered_octets: int = 0

    def received(self, octets: int, now: float) -> None:
        """Take note of octets from the client that got no answer."""
        self.unanswered_octets += octets
        if self.unanswered_octets > _PROGRESS_OCTETS:
            self.answered(now)

    def answered(self, now: float) -> None:
        """Take note of progress."""
        self.active_at = now
        self.unanswered_octets = 0

    def due(self, limits: Limits, *, is_encrypted: bool) -> float:
        """Return when the connection ends unless there is progress until then."""
        due = min(self.active_at + limits.idle_seconds, self.opened_at + limits.session_seconds)
        if self.handshake_since is not None:
            return min(due, self.handshake_since + limits.handshake_seconds)
        if not is_encrypted:
            # Nothing can be sent in clear, so there is no reason to stay there for long.
            return min(due, self.opened_at + limits.idle_seconds)
        return due
