"""What a caching resolver remembers: answers for their lifetime, a "no" as long as the SOA says.

A server that is a cache stands in for the resolver that a relay really asks: what it has once
said it goes on saying until the lifetime is over, whatever the zone says by then (RFC 2308 §5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from fake_dns.message import Rcode, Reply, Request
from fake_dns.name import Key
from fake_dns.record import RecordSet

# A test asks for little; beyond this the cache starts anew.
MAX_KEPT: Final = 4096
_Question = tuple[Key, str, int, bool]


@dataclass(frozen=True, slots=True)
class _Kept:
    reply: Reply
    since: float
    seconds: int


class AnswerCache:
    """Replies by question, each until its lifetime is over on the server's clock."""

    def __init__(self) -> None:
        self._kept: Final[dict[_Question, _Kept]] = {}

    def get(self, request: Request, now: float) -> Reply | None:
        """Give what is remembered, its lifetimes run down; None when nothing is."""
        question = _question(request)
        if (kept := self._kept.get(question)) is None:
            return None
        age = int(now - kept.since)
        if not 0 <= age < kept.seconds:
            # Another thread may have made it forget everything.
            self._kept.pop(question, None)
            return None
        return _as_resolver(kept.reply, request, age)

    def put(self, request: Request, reply: Reply, now: float) -> Reply:
        """Remember a true reply, and give it as a resolver would."""
        lifetimes = [one.ttl for one in (*reply.answer, *reply.authority)]
        if reply.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN} and lifetimes and min(lifetimes) > 0:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[_question(request)] = _Kept(reply, now, min(lifetimes))
        return _as_resolver(reply, request, 0)

    def forget(self) -> None:
        """Remember nothing."""
        self._kept.clear()


def _question(request: Request) -> _Question:
    return request.name.key, request.type, request.record_class, request.wants_authentic


def _as_resolver(reply: Reply, request: Request, age: int) -> Reply:
    def aged(one: RecordSet) -> RecordSet:
        # The owner is written as it was asked this time (0x20).
        name = request.name if one.name.key == request.name.key else one.name
        return replace(one, name=name, ttl=max(0, one.ttl - age))

    return replace(
        reply,
        answer=tuple(aged(one) for one in reply.answer),
        authority=tuple(aged(one) for one in reply.authority),
        is_authoritative=False,
        is_recursion_available=True,
    )
