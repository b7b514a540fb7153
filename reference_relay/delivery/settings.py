"""What an operator may say about delivery."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a host may take, in seconds of real time."""

    connect_seconds: float = 30.0
    # RFC 5321 §4.5.3.2.1 to .6.
    greeting_seconds: float = 300.0
    command_seconds: float = 300.0
    data_seconds: float = 120.0
    block_seconds: float = 180.0
    content_seconds: float = 600.0
    # Kept open for the next message; hosts dislike idle guests.
    idle_seconds: float = 5.0
    quit_seconds: float = 5.0
    name_lookup_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Name servers, port, and what may be reached."""

    name_servers: tuple[tuple[str, int], ...]
    """Addresses and ports; the system's resolver is never asked."""
    port: int = 25
    reachable_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that may be reached although they are not of the public Internet (PATH-12)."""
    timeouts: Timeouts = Timeouts()
    messages_at_once: int = 200
    # Widespread senders keep to 20; this leaves room for others.
    connections_per_destination: int = 10
    # RFC 5321 §5.1: a client SHOULD try at least two addresses.
    addresses_per_attempt: int = 5
    messages_per_connection: int = 100
    # How long `stop` waits for transactions under way.
    stop_seconds: float = 5.0
    is_held: bool = False
    """Nothing is attempted; accepted mail waits until the relay runs without this."""
