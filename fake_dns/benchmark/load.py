"""dnsperf: questions in a file, how it is run, what it found."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fake_dns.benchmark.contestant import Running, program

REPEATED: Final = (
    "example.com A",
    "example.com MX",
    "example.com TXT",
    "mx1.example.com A",
    "mx1.example.com AAAA",
    "mx2.example.com A",
    "www.example.com A",
    "s._domainkey.example.com TXT",
    "_submission._tcp.example.com SRV",
    "missing.example.com A",
)
EVER_NEW: Final = tuple(f"n{number}.example.com A" for number in range(100_000))
CLIENTS: Final = 4
# More than a slow server takes at once would be lost and not measured.
OUTSTANDING: Final = 40


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: queries that were answered, those that were lost, and what the server paid."""

    answered: int
    lost: int
    seconds: float
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Answers per second of the server's processor time."""
        return self.answered / self.cpu_seconds if self.cpu_seconds else 0.0

    @property
    def per_second(self) -> float:
        """Answers per second on the wall, generator and server on one machine."""
        return self.answered / self.seconds if self.seconds else 0.0


def write_questions(questions: tuple[str, ...], path: Path) -> Path:
    """Write a question file."""
    path.write_text("\n".join(questions) + "\n")
    return path


def measure(server: Running, questions: Path, seconds: float) -> Measured:
    """Ask as fast as answers come, for so many seconds.

    Raises:
        Missing: dnsperf is not installed.
        RuntimeError: It said something that is no result.
    """
    before = server.cpu_seconds()
    said = run_dnsperf(server.port, questions, seconds)
    paid = server.cpu_seconds() - before
    return Measured(
        _number(said, r"Queries completed:\s+([0-9]+)"),
        _number(said, r"Queries lost:\s+([0-9]+)"),
        seconds,
        paid,
    )


def run_dnsperf(port: int, questions: Path, seconds: float, rate: int | None = None) -> str:
    """Run dnsperf to its end; what it says.

    Args:
        port: Whom to ask.
        questions: The question file, gone through again and again.
        seconds: How long.
        rate: Most queries a second; None is as many as are answered.

    Raises:
        Missing: dnsperf is not installed.
        RuntimeError: It failed.
    """
    words = [program("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", str(questions)]
    words += ["-l", f"{seconds:g}", "-c", str(CLIENTS), "-q", str(OUTSTANDING), "-T", "1"]
    words += ["-Q", str(rate)] if rate is not None else []
    done = subprocess.run(  # noqa: S603  # words of our own
        words, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"dnsperf: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _number(said: str, pattern: str) -> int:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(f"dnsperf said no {pattern.partition(':')[0].lower()}:\n{said}")
    return int(found[1])
