"""A mail server of a check's own behind the relay: a fresh address, a fresh domain, any manners."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from conformance.judgement import must
from fake_dns import FakeDNS, Zone
from fixtures.sink import EXTENSIONS, Delivery, Dialect, NotDelivered, SinkMX

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class NextHop:
    """A sink that nobody else uses, so that its bad manners spoil no other check.

    Attributes:
        sink: Where the mail of the domain goes.
        domain: Recipients live here.
        address: Where the sink listens.
    """

    sink: SinkMX
    domain: str
    address: str

    def recipient(self, local_part: str = "rcpt") -> str:
        """An address whose mail comes here."""
        return f"{local_part}@{self.domain}"

    def asked_for(self, recipient: str) -> int:
        """How often RCPT has named this recipient."""
        command = f"RCPT TO:<{recipient}>".encode()
        return sum(each.octets("C").count(command) for each in self.sink.transcripts)

    def wait_until_asked(self, recipient: str, times: int, within: float = 10.0) -> bool:
        """Wait until RCPT has named this recipient so often; returns whether it did."""
        return wait_until(lambda: self.asked_for(recipient) >= times, within)

    def copies(self, recipient: str) -> tuple[Delivery, ...]:
        """What has arrived for this recipient."""
        return self.sink.deliveries(recipient=recipient)


# What the fixture `next_hop` gives: EHLO keyword lines, TLS or not, more addresses of the host, and
# the second label of its domain.
OpenNextHop = Callable[..., NextHop]


def open_next_hop(
    dns: FakeDNS,
    port: int,
    number: int,
    token: str,
    extensions: Sequence[str] = EXTENSIONS,
    tls: ssl.SSLContext | None = None,
    more_addresses: Sequence[str] = (),
    label: str = "hop",
) -> NextHop:
    """Start a sink on an address of its own, with the port that the relay delivers to.

    Raises:
        OSError: The address cannot be had.
    """
    address = f"127.0.6.{number}"
    sink = SinkMX({Dialect.STRICT: address}, port=port, extensions=extensions, tls=tls).start()
    domain = f"{token}-{number}.{label}.example"
    records: Mapping[str, object] = {
        "@": {"MX": ["10 mx"]},
        "mx": {"A": [address, *more_addresses]},
    }
    # The DNS knows A-labels only.
    dns.add(Zone(domain.encode("idna").decode("ascii"), records))
    return NextHop(sink, domain, address)


def wait_until(is_so: Callable[[], bool], within: float = 10.0) -> bool:
    """Wait for something to become true; returns whether it did."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def must_reach(
    sink: SinkMX,
    because: str,
    *,
    token: str | None = None,
    recipient: str | None = None,
    count: int = 1,
    within: float = 10.0,
) -> Delivery:
    """Demand that a message arrives; return it.

    Raises:
        NotMet: It did not.
    """
    try:
        return sink.wait_for(token=token, recipient=recipient, count=count, within=within)
    except NotDelivered as late:
        must(False, expected=because, observed=str(late))
        raise
