"""Zone files that change while they are served."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from fake_dns import FakeDNS
from fake_dns.zone_source import ZoneWatch, read_zones

MASTER = "$ORIGIN b.example.\n@ SOA ns1 hostmaster 1 2 3 4 5\nwww A 127.0.0.1\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A TOML zone and a master file."""
    (tmp_path / "a.toml").write_text('origin = "a.example"\n[records]\n"@" = { A = "127.0.0.1" }\n')
    (tmp_path / "b.zone").write_text(MASTER)
    return [str(tmp_path / "a.toml"), str(tmp_path / "b.zone")]


@pytest.fixture
def said() -> list[str]:
    """What the watch reports."""
    return []


@pytest.fixture
def watch(files: list[str], said: list[str]) -> tuple[FakeDNS, ZoneWatch]:
    """A server that is not started, and the watch over its files; looked at by hand."""
    zones = read_zones(files)
    dns = FakeDNS(zones.values())
    return dns, ZoneWatch(dns, zones, said.append)


_STAMPS = itertools.count(time.time_ns(), 10_000_000_000)


def rewrite(path: str, text: str) -> None:
    """Write a file with a time of its own, however coarse the file system counts."""
    Path(path).write_text(text)
    stamp = next(_STAMPS)
    os.utime(path, ns=(stamp, stamp))


def origins(dns: FakeDNS) -> set[str]:
    """The zones in force."""
    return {zone.origin.text for zone in dns.zones}


def test_a_changed_file_is_served(
    watch: tuple[FakeDNS, ZoneWatch], files: list[str], said: list[str]
) -> None:
    """Of either kind, at the next look; one that did not change is left alone."""
    dns, looking = watch
    looking.look()
    assert said == []
    before = dns.zone("a.example")
    rewrite(files[1], MASTER + "new A 127.0.0.2\n")
    looking.look()
    assert said == [f"{files[1]}: b.example reloaded"]
    zone = dns.zone("b.example")
    assert zone is not None
    assert any(one.name.text == "new.b.example" for one in zone.record_sets)
    assert dns.zone("a.example") is before


def test_a_file_that_is_wrong_changes_nothing(
    watch: tuple[FakeDNS, ZoneWatch], files: list[str], said: list[str]
) -> None:
    """One message with file and line; so is a file that is gone; mended, it is served."""
    dns, looking = watch
    before = dns.zone("b.example")
    rewrite(files[1], MASTER + "new A nonsense\n")
    looking.look()
    looking.look()
    assert len(said) == 1
    assert said[0].startswith(f'{files[1]}:4: "nonsense" does not fit A; expected')
    assert said[0].endswith("; the running zone stays")
    Path(files[1]).unlink()
    looking.look()
    assert "No such file" in said[1]
    assert dns.zone("b.example") is before
    rewrite(files[1], MASTER)
    looking.look()
    assert said[2].endswith("reloaded")


def test_an_origin_may_change(
    watch: tuple[FakeDNS, ZoneWatch], files: list[str], said: list[str]
) -> None:
    """The zone of the old origin goes; that of another file may not be taken."""
    dns, looking = watch
    rewrite(files[1], MASTER.replace("b.example", "c.example"))
    looking.look()
    assert origins(dns) == {"a.example", "c.example"}
    rewrite(files[1], MASTER.replace("b.example", "a.example"))
    looking.look()
    assert "a.example is also that of" in said[-1]
    assert origins(dns) == {"a.example", "c.example"}


def test_all_files_may_be_read_anew(
    watch: tuple[FakeDNS, ZoneWatch], files: list[str], said: list[str]
) -> None:
    """Changed or not."""
    _, looking = watch
    looking.reload()
    assert len(said) == 2


def test_the_watch_looks_by_itself(files: list[str], said: list[str]) -> None:
    """In a thread, until it ends."""
    zones = read_zones(files)
    dns = FakeDNS(zones.values())
    with ZoneWatch(dns, zones, said.append, every_seconds=0.01):
        rewrite(files[0], 'origin = "a.example"\n[records]\n"@" = { A = "127.0.0.2" }\n')
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.005)
    assert said == [f"{files[0]}: a.example reloaded"]
