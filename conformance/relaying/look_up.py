"""Looking names up where the correspondents of the relay under test would."""

from __future__ import annotations

from typing import Protocol

import dns.exception
import dns.resolver

from fixtures.target import Target


class LookUp(Protocol):
    """Returns the TXT record of a name, b"" if there is none; the form that dkimpy wants."""

    def __call__(self, name: bytes | str, timeout: float = 5) -> bytes: ...


def look_up_for(target: Target) -> LookUp:
    """Return a look-up that asks the fake name server, or the system's where it is not ours."""
    resolver = dns.resolver.Resolver(configure=target.dns is None)
    if target.dns is not None:
        resolver.nameservers = [target.dns.address]
        resolver.port = target.dns.port

    def look_up(name: bytes | str, timeout: float = 5) -> bytes:
        text = name.decode() if isinstance(name, bytes) else name
        try:
            answer = resolver.resolve(text, "TXT", lifetime=timeout)
        except dns.exception.DNSException:
            return b""
        return b"".join(next(iter(answer)).strings)

    return look_up
