"""The evaluator's look-ups, answered by the relay's resolver."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from reference_relay.lookup.resolver import DNSResolver, LookupFailedError, NoSuchDomainError
from reference_relay.spf.outcome import TemporaryError

T = TypeVar("T")


class SPFLookups:
    """Satisfies `spf.resolver.Resolver`."""

    def __init__(self, resolver: DNSResolver) -> None:
        self._resolver = resolver

    async def txt(self, name: str) -> Sequence[bytes]:
        """Return the TXT records."""
        return await _found(self._resolver.texts(name))

    async def ipv4(self, name: str) -> Sequence[str]:
        """Return the A records."""
        return await _found(self._resolver.ipv4(name))

    async def ipv6(self, name: str) -> Sequence[str]:
        """Return the AAAA records."""
        return await _found(self._resolver.ipv6(name))

    async def mail_hosts(self, name: str) -> Sequence[str]:
        """Return the hosts of the MX records."""
        return [one.host for one in await _found(self._resolver.mail_exchanges(name))]

    async def reverse(self, address: str) -> Sequence[str]:
        """Return the names of the PTR records."""
        return await _found(self._resolver.reverse(address))


async def _found(answer: Awaitable[Sequence[T]]) -> Sequence[T]:
    try:
        return await answer
    except NoSuchDomainError:
        return ()
    except LookupFailedError as error:
        raise TemporaryError(str(error)) from error
