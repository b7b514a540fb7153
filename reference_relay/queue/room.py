"""Back-pressure: refuse mail while there is still room to finish what was accepted."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)

# Ours: how old the figure of the disk may be. At 100 Mbit/s twelve megabytes come in meanwhile.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """When no more mail is accepted (452 4.3.1, RFC 5321 §4.2.2)."""

    # Ours: memory knows about 600 octets of each, so this is 300 MB.
    messages: int = 500_000
    # Ours: one batch of the journal (64 MiB), SQLite's log twice (32 MiB, and moved once), and
    # as much again for delivery status and whoever else writes to this disk.
    reserve_octets: int = 256 * 1024 * 1024


class Room:
    """Tells whether a queue has room. Looks at the disk at most once a second."""

    def __init__(self, directory: Path, limits: RoomLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._looked_at = float("-inf")
        self._is_disk_full = False
        self._was_full = False

    def is_full(self, depth: int) -> bool:
        """Tell whether mail has to be refused now.

        Args:
            depth: How many messages are in the queue.
        """
        now = time.monotonic()  # Of the disk, not of the mail: it does not follow a virtual clock.
        if not 0 <= now - self._looked_at < _LOOK_SECONDS:
            self._looked_at = now
            self._is_disk_full = self._free_octets() < self._limits.reserve_octets
        is_full = self._is_disk_full or depth >= self._limits.messages
        if is_full is not self._was_full:
            self._was_full = is_full
            self._tell(depth)
        return is_full

    def _free_octets(self) -> int:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            # The commit will say what is wrong.
            return self._limits.reserve_octets
        return found.f_bavail * found.f_frsize

    def _tell(self, depth: int) -> None:
        if self._was_full:
            reason = "disk" if self._is_disk_full else "messages"
            _log.error("event=queue_full reason=%s messages=%d: mail is refused", reason, depth)
        else:
            _log.warning("event=queue_has_room messages=%d: mail is accepted again", depth)
