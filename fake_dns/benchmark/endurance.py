"""A minute of dnsperf with hostile packets mixed in: every question answered, memory flat."""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from fake_dns.benchmark.contestant import Running, ours, running
from fake_dns.benchmark.hostile import HostileClient, fuzzed_packets, made_packets
from fake_dns.benchmark.load import EVER_NEW, REPEATED, run_dnsperf, write_questions

# Bounded by plan: enough to go round every cache, little enough for a machine that is shared.
QUERIES_PER_SECOND: Final = 3000
KEPT_QUERIES: Final = 20_000
WARM_UP_SECONDS: Final = 12.0
MOST_GROWTH: Final = 0.05
_PACKETS: Final = 3000


@dataclass(frozen=True, slots=True)
class Endured:
    """What came of it."""

    asked: int
    answered: int
    hostile: int
    fuzzed: int
    memory_before: int
    memory_most: int
    said: str
    codes: str

    @property
    def growth(self) -> float:
        """By how much the memory grew after the warm-up, in parts of it."""
        return self.memory_most / self.memory_before - 1.0

    @property
    def faults(self) -> list[str]:
        """What should not have been."""
        found = []
        if self.answered != self.asked:
            found.append(f"{self.asked - self.answered} of {self.asked} questions not answered")
        if set(re.findall(r"([A-Z]+) [0-9]+ \(", self.codes)) - {"NOERROR", "NXDOMAIN"}:
            found.append(f"well-formed questions answered {self.codes}")
        if self.growth > MOST_GROWTH:
            found.append(f"memory grew by {self.growth:.1%}; expected at most {MOST_GROWTH:.0%}")
        if self.said:
            found.append(f"the server said:\n{self.said}")
        return found


def endure(seconds: float, fuzz_seconds: int, warm_up_seconds: float = WARM_UP_SECONDS) -> int:
    """Run it and say what came of it; 1 when something should not have been.

    Raises:
        Missing: dnsperf or Hypothesis is not installed.
        RuntimeError: A packet made our own code raise.
    """
    with tempfile.TemporaryDirectory(prefix="fake-dns-") as name:
        directory = Path(name)
        corpus = directory / "corpus"
        corpus.mkdir()
        fuzzed = fuzzed_packets(corpus, fuzz_seconds) if fuzz_seconds else []
        packets = made_packets(_PACKETS) + fuzzed
        ended = _run(directory, packets, len(fuzzed), (warm_up_seconds, seconds))
    sys.stdout.write(
        f"{ended.asked} questions, {ended.answered} answered ({ended.codes});"
        f" {ended.hostile} hostile packets in between, {ended.fuzzed} found by atheris;"
        f" memory {ended.memory_before / 2**20:.1f} MiB after the warm-up,"
        f" {ended.memory_most / 2**20:.1f} MiB at most ({ended.growth:+.1%})\n"
    )
    for fault in ended.faults:
        sys.stderr.write(f"{fault}\n")
    return int(bool(ended.faults))


def _run(
    directory: Path, packets: list[bytes], fuzzed: int, lengths: tuple[float, float]
) -> Endured:
    warm_up_seconds, seconds = lengths
    mixed = tuple(line for new in EVER_NEW[:20_000] for line in (new, REPEATED[len(new) % 10]))
    questions = write_questions(mixed, directory / "questions")
    server = ours("auto", "--keep-queries", str(KEPT_QUERIES))
    with running(server, directory) as found, HostileClient(found.port, packets) as hostile:
        # Log and caches fill up first; what they hold is bounded and no leak.
        run_dnsperf(found.port, questions, warm_up_seconds, QUERIES_PER_SECOND)
        before = found.memory_octets()
        with _MemoryWatch(found) as memory:
            said = run_dnsperf(found.port, questions, seconds, QUERIES_PER_SECOND)
        sent = hostile.sent
    output = [
        line
        for line in (directory / "output").read_text(errors="replace").splitlines()
        if not line.startswith('{"event": "ready"')
    ]
    return Endured(
        _number(said, "Queries sent"),
        _number(said, "Queries completed"),
        sent,
        fuzzed,
        before,
        max(memory.most, before),
        "\n".join(output),
        _line(said, "Response codes"),
    )


class _MemoryWatch:
    """Looks at a server's memory twice a second."""

    def __init__(self, server: Running) -> None:
        self._server: Final = server
        self._ended: Final = Event()
        self._thread: Final = Thread(target=self._run, daemon=True)
        self.most = 0

    def __enter__(self) -> _MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, self._server.memory_octets())


def _line(said: str, label: str) -> str:
    found = re.search(rf"{label}:\s+(.+)", said)
    if found is None:
        raise RuntimeError(f"dnsperf said nothing of {label.lower()}:\n{said}")
    return found[1].strip()


def _number(said: str, label: str) -> int:
    return int(_line(said, label).split()[0])
