"""Packets that are no questions: made by Hypothesis, and found by atheris where it is installed."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fake_dns.benchmark.contestant import Missing, environment

_QUESTION: Final = b"\x07example\x03com\x00\x00\x01\x00\x01"
_OPT: Final = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
# Small bursts: the socket buffers of a small machine hold some two hundred packets.
_BURST: Final = 20
_BURSTS_PER_SECOND: Final = 50


def packet(body: bytes, flags: int, counts: tuple[int, int, int, int]) -> bytes:
    """A packet with this header and body."""
    return struct.pack("!6H", 0xABCD, flags, *counts) + body


def made_packets(count: int) -> list[bytes]:
    """Packets that Hypothesis makes: any octets, spoilt queries, headers that promise too much.

    Raises:
        Missing: Hypothesis is not installed.
    """
    try:
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import strategies as st
    except ImportError as error:
        raise Missing("Hypothesis is not installed; expected it beside pytest") from error
    whole = [
        packet(_QUESTION, 0, (1, 0, 0, 0)),
        packet(_QUESTION + _OPT, 0x0100, (1, 0, 0, 1)),
    ]
    spoilt = st.builds(
        lambda base, at, cut, junk: base[: at % len(base)] + junk + base[at % len(base) + cut :],
        st.sampled_from(whole),
        st.integers(0, 60),
        st.integers(0, 6),
        st.binary(max_size=12),
    )
    promising = st.builds(
        packet,
        st.one_of(st.just(_QUESTION), st.binary(max_size=300)),
        st.integers(0, 0xFFFF),
        st.tuples(*[st.integers(0, 0xFFFF)] * 4),
    )
    found: set[bytes] = set()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(st.binary(max_size=600), spoilt, promising))
    def collect(octets: bytes) -> None:
        found.add(octets)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collect()
    return sorted(found)


def fuzzed_packets(directory: Path, seconds: int) -> list[bytes]:
    """Packets that atheris finds interesting, by what they make our own code do.

    Returns:
        None of them where atheris is not installed.

    Raises:
        RuntimeError: It found a packet that raises; the message shows it.
    """
    if find_spec("atheris") is None:
        return []
    for number, octets in enumerate(made_packets(100)):
        (directory / f"seed-{number}").write_bytes(octets)
    words = [sys.executable, str(Path(__file__).parent / "fuzz.py"), str(directory)]
    words += [f"-max_total_time={seconds}", "-seed=1", "-max_len=700", "-print_final_stats=1"]
    words += [f"-artifact_prefix={directory}/"]
    done = subprocess.run(  # noqa: S603  # words of our own
        words,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
        env=environment(),
    )
    if done.returncode != 0:
        raise RuntimeError(f"atheris found a packet that raises:\n{done.stderr[-4000:]}")
    return [path.read_bytes() for path in sorted(directory.iterdir())]


class HostileClient:
    """Sends the packets again and again, over UDP and TCP, until the block ends."""

    def __init__(self, port: int, packets: list[bytes]) -> None:
        self._address: Final = ("127.0.0.1", port)
        self._packets: Final = packets
        self._ended: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._run, daemon=True)
        self.sent = 0

    def __enter__(self) -> HostileClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            datagrams.connect(self._address)
            bursts = 0
            while not self._ended.wait(1 / _BURSTS_PER_SECOND):
                for _ in range(_BURST):
                    octets = self._packets[self.sent % len(self._packets)]
                    with suppress(OSError):
                        datagrams.send(octets)
                    self.sent += 1
                with suppress(OSError):
                    while datagrams.recv(4096):
                        pass
                bursts += 1
                if bursts % 10 == 0:
                    self._open_stream(framed=bursts % 20 == 0)

    def _open_stream(self, *, framed: bool) -> None:
        """Say something over TCP, in frames or not, and hang up."""
        octets = self._packets[self.sent % len(self._packets)]
        with suppress(OSError), socket.create_connection(self._address, timeout=1) as stream:
            stream.sendall(len(octets).to_bytes(2, "big") + octets if framed else octets)
            stream.settimeout(0.01)
            stream.recv(4096)
        self.sent += 1
