"""What an operator may say about delivery."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a host may take, in seconds of real time."""

    connect_seconds: float = 30.0
    # RFC 5321 §4.5.3.2.1 to .6.
    greeting_seconds: float = 300.0
    handshake_seconds: float = 60.0
    command_seconds: float = 300.0
    data_seconds: float = 120.0
    block_seconds: float = 180.0
    content_seconds: float = 600.0
    # Kept open for the next message; hosts dislike idle guests.
    idle_seconds: float = 5.0
    quit_seconds: float = 5.0
    name_lookup_seconds: float = 15.0


class TLSMode(Enum):
    """How much TLS the next hop must have."""

    NONE = "none"
    MAY = "may"
    """Where it is offered, any certificate; in clear where it is not (RFC 7435)."""
    ENCRYPT = "encrypt"
    """Always, any certificate."""
    VERIFY = "verify"
    """Always, with a certificate for the host's name from an authority we trust."""


@dataclass(frozen=True, slots=True)
class Smarthost:
    """The one next hop of all mail."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)


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
    # How many wait for their destinations besides, so that a slow one keeps nobody else waiting.
    claimed_messages: int = 2_000
    # Widespread senders keep to 20; this leaves room for others.
    connections_per_destination: int = 10
    # RFC 5321 §5.1: a client SHOULD try at least two addresses.
    addresses_per_attempt: int = 5
    messages_per_connection: int = 100
    # How long `stop` waits for transactions under way.
    stop_seconds: float = 5.0
    tls_mode: TLSMode = TLSMode.MAY
    tls_authorities: str = ""
    """PEM certificates to trust in the place of the system's (`TLSMode.VERIFY`)."""
    smarthost: Smarthost | None = None
    claimed_octets: int = 64 * 1024 * 1024
    """How much content waits for its destination at a time."""
    is_held: bool = False
    """Nothing is attempted; accepted mail waits until the relay runs without this."""

    def tls_context(self) -> ssl.SSLContext:
        """Make the context for sessions with hosts.

        Raises:
            ValueError: the authorities are no certificates.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # RFC 8996.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.tls_mode is not TLSMode.VERIFY:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.tls_authorities:
            try:
                context.load_verify_locations(cadata=self.tls_authorities)
            except ssl.SSLError as error:
                raise ValueError("no certificates in PEM form") from error
        else:
            context.load_default_certs()
        return context
