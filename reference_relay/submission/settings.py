"""Numbers and switches of the inbound edge; each default says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one client may ask for. Sizes in octets, times in seconds.

    Counts are kept by each worker on its own: with N workers the service admits up to N times as
    much, since the kernel spreads the connections of one address over all of them.
    """

    # -- a message --
    # The vendor's EHLO line advertises this size.
    message_octets: int = 31457280
    # RFC 5321 §4.5.3.1.8: at least 100.
    recipients: int = 100

    # -- a session --
    # Postfix closes at 20; 30 leaves room for a client with 20 bad recipients.
    errors: int = 30
    # RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command.
    idle_seconds: float = 300.0
    # Ours: a handshake takes three round trips; a minute is for the slowest path.
    handshake_seconds: float = 60.0
    # The PROXY protocol asks for at least three; a balancer sends its header with the first packet.
    proxy_header_seconds: float = 5.0
    # Ours: bounds what a client can hold by sending an octet now and then.
    session_seconds: float = 3600.0
    # Ours: unread octets at which reading pauses until the open question is answered.
    unread_octets: int = 262144
    # Ours: what a stop grants to open transactions; supervisors of services wait longer than this.
    stop_seconds: float = 10.0

    # -- connections open at a time --
    # Ours: twice the 5,000 idle sessions that one worker is measured with.
    connections: int = 10000
    # Ours: Postfix grants 50 to an address, but here a tenant's gateway is one address too.
    connections_per_address: int = 1000
    # Ours: as many as an address; a user behind one gateway gets no less than the gateway.
    connections_per_user: int = 1000

    # -- failed sign-ins before the delays begin (AUTH-20); one is forgiven every minute --
    # Ours: as many as a session has errors, so that a client with an old password is not shut out.
    sign_in_failures: int = 30
    # Ours: ten such clients behind one gateway.
    sign_in_failures_per_address: int = 300
    # Ours: a user has few addresses; more failures than three of them make is a guesser at work.
    sign_in_failures_per_user: int = 100
    # Ours: the first delay, which doubles with each further failure, and the longest. A guesser
    # ends at a guess or two a minute; somebody who mends a password waits no longer than that.
    sign_in_delay_seconds: float = 1.0
    sign_in_longest_delay_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How much may be asked for in a window of time; None, the default, is as much as one likes.

    A bucket of tokens: the whole allowance at once, then as it refills. The numbers are the
    operator's, since no text of the service names any. Each worker keeps its own buckets.
    """

    window_seconds: float = 60.0
    connections_per_address: int | None = None
    messages_per_user: int | None = None
    messages_per_address: int | None = None
    recipients_per_user: int | None = None
    recipients_per_address: int | None = None


@dataclass(frozen=True, slots=True)
class Switches:
    """Where the texts leave a choice (service decisions D-4, D-5, D-11, D-12, D-13)."""

    allows_lf_sessions: bool = True
    strict_paths: bool = False
    close_denied: bool = False
    subdomains: bool = False
    calendar: bool = False
    inline_images: bool = False
    other_text: bool = True
    enclosed_messages: bool = True
