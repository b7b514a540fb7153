"""From a true reply to the one that was planned. Pure.

What can be said in a reply is said there; what concerns octets and connections is noted in it
for `spoil` and `server`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fake_dns.fault import (
    Code,
    Delay,
    Fault,
    Flags,
    Garbled,
    HalfAnswer,
    Lame,
    NoEDNS,
    Refused,
    Reset,
    Rotating,
    ServerFailure,
    Silence,
    Stale,
    Truncated,
    WrongId,
    WrongQuestion,
)
from fake_dns.message import Delivery, Rcode, Reply, Request, Spoil, Transport
from fake_dns.name import ROOT, Name
from fake_dns.record import Pointer, RecordSet

# What a lame server names: a root that does not exist (RFC 6761 §6.4).
_UPWARD: Final = RecordSet(ROOT, "NS", 300, (Pointer("NS", Name.parse("a.root-servers.invalid.")),))


def misbehave(
    request: Request, reply: Reply, transport: Transport, fault: Fault | None
) -> Reply | None:
    """Turn the true reply into what the fault makes of it; None is silence.

    Args:
        request: What was asked.
        reply: What is true, or was when the fault wants an older truth.
        transport: How the query came; what a transport cannot do is left undone.
        fault: The misbehaviour chosen for this query, if any.
    """
    is_datagram = transport is Transport.UDP
    match fault:
        case None | Stale():
            return reply
        case Silence():
            return None
        case Delay(seconds=seconds, then=then):
            later = misbehave(request, reply, transport, then)
            return replace(later, delay_seconds=seconds) if later is not None else None
        case ServerFailure():
            return Reply(Rcode.SERVFAIL)
        case Refused():
            return Reply(Rcode.REFUSED)
        case Code(rcode=rcode):
            return Reply(rcode)
        case Lame():
            return Reply(authority=(_UPWARD,))
        case NoEDNS():
            return reply if request.edns is None else Reply(Rcode.FORMERR, speaks_edns=False)
        case Truncated():
            return replace(reply, is_truncated=is_datagram)
        case Garbled():
            return replace(reply, spoil=Spoil.GARBLED)
        case WrongId():
            return replace(reply, spoil=Spoil.WRONG_ID)
        case WrongQuestion():
            return replace(reply, spoil=Spoil.WRONG_QUESTION)
        case HalfAnswer():
            return replace(reply, delivery=Delivery.HALF)
        case Reset():
            return reply if is_datagram else replace(reply, delivery=Delivery.RESET)
        case Rotating(by=by):
            return replace(reply, answer=tuple(_rotated(one, by) for one in reply.answer))
        case Flags():
            return _flagged(reply, fault)


def _rotated(record_set: RecordSet, by: int) -> RecordSet:
    places = by % len(record_set.records)
    records = (*record_set.records[places:], *record_set.records[:places])
    return replace(record_set, records=records)


def _flagged(reply: Reply, flags: Flags) -> Reply:
    def chosen(flag: bool | None, default: bool) -> bool:
        return default if flag is None else flag

    return replace(
        reply,
        is_authoritative=chosen(flags.authoritative, reply.is_authoritative),
        is_authentic=chosen(flags.authentic, reply.is_authentic),
        is_recursion_available=chosen(flags.recursion_available, reply.is_recursion_available),
    )
