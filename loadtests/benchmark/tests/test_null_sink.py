from __future__ import annotations

import smtplib
from pathlib import Path

from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.server import ADDRESS
from loadtests.benchmark.servers.null_sink import NullSink


def test_the_sink_counts_what_it_has_taken(tmp_path: Path) -> None:
    """Each message is counted by the time its 250 is read."""
    sink = NullSink(tmp_path, Cores.choose())
    try:
        with smtplib.SMTP(ADDRESS, sink.port, timeout=10) as client:
            for number in (1, 2):
                client.sendmail("a@example.com", "b@example.net", "Subject: t\r\n\r\n.dot\r\n")
                assert sink.count() == number
    finally:
        sink.stop()
