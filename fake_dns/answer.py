"""From a question to its reply: zones, then the fault planned for it. Pure.

RFC 1034 §4.3.2 for the search, RFC 2308 for what negative answers carry, RFC 6604 for the
code at the end of a chain of aliases. Does no recursion: what is not in a zone is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fake_dns.fault import Delay, Fault, Garbled, Refused, ServerFailure, Silence, Truncated
from fake_dns.message import Rcode, Reply, Request, Transport
from fake_dns.record import RecordSet
from fake_dns.zone import Alias, Delegated, Found, NoSuchName, NoSuchType, ZoneSet

# Resolvers give up sooner (BIND after 16 restarts, unbound after 11); a longer chain is cut.
MAX_ALIASES: Final = 16
IN: Final = 1  # RFC 1035 §3.2.4
ANY_CLASS: Final = 255  # RFC 1035 §3.2.5
_TRANSFERS: Final = frozenset({"AXFR", "IXFR"})


def answer(
    request: Request,
    zones: ZoneSet,
    transport: Transport = Transport.UDP,
    fault: Fault | None = None,
) -> Reply | None:
    """Answer one query, or misbehave as planned; None is silence.

    Args:
        request: A well-formed query.
        zones: What the server is authoritative for.
        transport: How the query came; some faults depend on it.
        fault: The misbehaviour chosen for this query, if any.
    """
    match fault:
        case None:
            return _true_reply(request, zones)
        case Silence():
            return None
        case Delay(seconds=seconds):
            return replace(_true_reply(request, zones), delay_seconds=seconds)
        case ServerFailure():
            return Reply(Rcode.SERVFAIL)
        case Refused():
            return Reply(Rcode.REFUSED)
        case Truncated():
            reply = _true_reply(request, zones)
            return replace(reply, is_truncated=True) if transport is Transport.UDP else reply
        case Garbled():
            return replace(_true_reply(request, zones), is_garbled=True)


def _true_reply(request: Request, zones: ZoneSet) -> Reply:
    if request.edns is not None and request.edns.version > 0:
        return Reply(Rcode.BADVERS)  # RFC 6891 §6.1.3
    if request.record_class not in {IN, ANY_CLASS} or request.type in _TRANSFERS:
        return Reply(Rcode.REFUSED)
    if request.type == "OPT":
        return Reply(Rcode.FORMERR)  # RFC 6891 §6.1.1: OPT is never asked for
    return _search(request, zones)


def _search(request: Request, zones: ZoneSet) -> Reply:
    name = request.name
    if (zone := zones.enclosing(name)) is None:
        return Reply(Rcode.REFUSED)
    chain: list[RecordSet] = []
    seen = {name.key}
    while zone is not None:
        match zone.lookup(name, request.type):
            case Found(sets=sets):
                return _authoritative(Rcode.NOERROR, (*chain, *sets))
            case NoSuchType():
                return _authoritative(Rcode.NOERROR, tuple(chain), (zone.negative_soa,))
            case NoSuchName():
                return _authoritative(Rcode.NXDOMAIN, tuple(chain), (zone.negative_soa,))
            case Delegated(name_servers=name_servers, glue=glue):
                # RFC 1035 §4.1.1: AA speaks of the first owner name, the alias if there is one.
                return Reply(
                    answer=tuple(chain),
                    authority=(name_servers,),
                    additional=glue,
                    is_authoritative=bool(chain),
                )
            case Alias(record_set=record_set, target=target):
                chain.append(record_set)
                if target.key in seen or len(chain) == MAX_ALIASES:
                    break
                seen.add(target.key)
                name, zone = target, zones.enclosing(target)
    # A loop, a chain too long, or a target in nobody's zone: what was found is the answer.
    return _authoritative(Rcode.NOERROR, tuple(chain))


def _authoritative(
    rcode: Rcode, answer: tuple[RecordSet, ...], authority: tuple[RecordSet, ...] = ()
) -> Reply:
    return Reply(rcode, answer, authority, is_authoritative=True)
