"""Numbers and switches of the inbound edge; each default says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one client may ask for. Sizes in octets, times in seconds."""

    # The vendor's EHLO line advertises this size.
    message_octets: int = 31457280
    # RFC 5321 §4.5.3.1.8: at least 100.
    recipients: int = 100
    # Postfix closes at 20; 30 leaves room for a client with 20 bad recipients.
    errors: int = 30
    # RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command.
    idle_seconds: float = 300.0
    # Ours: a handshake takes three round trips; a minute is for the slowest path.
    handshake_seconds: float = 60.0
    # Ours: bounds what a client can hold by sending an octet now and then.
    session_seconds: float = 3600.0
    # Ours: unread octets at which reading pauses until the open question is answered.
    unread_octets: int = 262144


@dataclass(frozen=True, slots=True)
class Switches:
    """Where the texts leave a choice (service decisions D-4, D-5, D-11, D-12, D-13)."""

    allows_lf_sessions: bool = True
    strict_paths: bool = False
    close_denied: bool = False
    subdomains: bool = False
    calendar: bool = False
    inline_images: bool = False
