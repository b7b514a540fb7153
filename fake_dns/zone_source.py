"""Zone files of either kind, and looking whether they changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from fake_dns.master_file import read_master_file
from fake_dns.name_server import FakeDNS
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

# Quick enough for somebody who saves a file and looks; some 20 stat calls a second for ten zones.
WATCH_SECONDS: Final = 0.5

_State = tuple[int, int, int] | None


def read_zone(path: str, warn: Callable[[str], None] | None = None) -> Zone:
    """Read a zone file: TOML by its ending `.toml`, a standard master file with any other.

    Args:
        path: The file.
        warn: Told of names that may have lost their final dot.

    Raises:
        ZoneError: With the path in front.
    """
    if Path(path).suffix == ".toml":
        return Zone.from_toml(path)
    return read_master_file(path, warn=warn)


def read_zones(paths: Sequence[str], warn: Callable[[str], None] | None = None) -> dict[str, Zone]:
    """Read zone files, one zone each.

    Raises:
        ZoneError: With the path in front; also when two files have one origin.
    """
    zones: dict[str, Zone] = {}
    for path in paths:
        zone = read_zone(path, warn)
        _check_origins(zones, path, zone)
        zones[path] = zone
    return zones


class ZoneWatch:
    """Reloads zones when their files change; a file that is wrong changes nothing."""

    def __init__(
        self,
        dns: FakeDNS,
        zones: Mapping[str, Zone],
        report: Callable[[str], None],
        every_seconds: float = WATCH_SECONDS,
    ) -> None:
        """Watch the files that these zones were read from.

        Args:
            dns: Where changed zones are put in force.
            zones: What was read, by path.
            report: Told in one line of every reload and every file that is wrong.
            every_seconds: How often files are looked at.
        """
        self._dns: Final = dns
        self._zones: Final = dict(zones)
        self._report: Final = report
        self._every: Final = every_seconds
        self._states: Final = {path: _state(path) for path in zones}
        # A signal may have all files read anew while the thread looks at them.
        self._reading: Final = threading.Lock()
        self._ended: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._run, name="zone-watch", daemon=True)

    def __enter__(self) -> ZoneWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.look()

    def look(self) -> None:
        """Look once, and reload what changed."""
        with self._reading:
            for path, before in tuple(self._states.items()):
                now = _state(path)
                if now != before:
                    self._states[path] = now
                    self._reload(path)

    def reload(self) -> None:
        """Read every file anew, changed or not."""
        with self._reading:
            for path in tuple(self._zones):
                self._states[path] = _state(path)
                self._reload(path)

    def _reload(self, path: str) -> None:
        try:
            zone = read_zone(path, self._report)
            others = {other: known for other, known in self._zones.items() if other != path}
            _check_origins(others, path, zone)
        except ZoneError as error:
            self._report(f"{error}; the running zone stays")
            return
        old = self._zones[path]
        self._zones[path] = zone
        self._dns.replace(zone, instead_of=[old.origin.absolute_text])
        self._report(f"{path}: {zone.origin.text} reloaded")


def _check_origins(known: Mapping[str, Zone], path: str, zone: Zone) -> None:
    for other_path, other in known.items():
        if other.origin.key == zone.origin.key:
            raise ZoneError(
                f"{path}: origin: {zone.origin.text} is also that of {other_path};"
                " expected one file per zone"
            )


def _state(path: str) -> _State:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
