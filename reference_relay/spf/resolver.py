"""The look-ups an evaluation asks for. Who answers them is nobody's business here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Resolver(Protocol):
    """Answers about names; nothing found, for whichever reason, is an empty sequence.

    Every method raises TemporaryError when there was no answer (RFC 7208 §4.4: anything but
    RCODE 0 and 3).
    """

    async def txt(self, name: str) -> Sequence[bytes]:
        """Return the TXT records, the strings of each joined with nothing between (§3.3)."""
        ...

    async def ipv4(self, name: str) -> Sequence[str]:
        """Return the A records."""
        ...

    async def ipv6(self, name: str) -> Sequence[str]:
        """Return the AAAA records."""
        ...

    async def mail_hosts(self, name: str) -> Sequence[str]:
        """Return the hosts of the MX records, without a final dot."""
        ...

    async def reverse(self, address: str) -> Sequence[str]:
        """Return the names of the PTR records of an IP address, without a final dot."""
        ...
