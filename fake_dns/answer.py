"""From a question to its true reply. Pure.

RFC 1034 §4.3.2 for the search, RFC 2308 for what negative answers carry, RFC 6604 for the
code at the end of a chain of aliases. Does no recursion: what is not in a zone is refused.
"""

from __future__ import annotations

from typing import Final

from fake_dns.message import Rcode, Reply, Request
from fake_dns.record import RecordSet
from fake_dns.zone_set import ZoneSet
from fake_dns.zone_tree import Alias, Delegated, Found, NoSuchName, NoSuchType

# As many restarts as BIND and unbound make; what is longer is an error, and so is a loop.
MAX_RESTARTS: Final = 11
IN: Final = 1  # RFC 1035 §3.2.4
ANY_CLASS: Final = 255  # RFC 1035 §3.2.5
_TRANSFERS: Final = frozenset({"AXFR", "IXFR"})


def answer(request: Request, zones: ZoneSet) -> Reply:
    """Answer one query as the zones say.

    Args:
        request: A well-formed query.
        zones: What the server is authoritative for.
    """
    if request.edns is not None and request.edns.version > 0:
        return Reply(Rcode.BADVERS)  # RFC 6891 §6.1.3
    if request.record_class not in {IN, ANY_CLASS} or request.type in _TRANSFERS:
        return Reply(Rcode.REFUSED)
    if request.type == "OPT":
        return Reply(Rcode.FORMERR)  # RFC 6891 §6.1.1: OPT is never asked for
    return _search(request, zones)


def _search(request: Request, zones: ZoneSet) -> Reply:
    name, type = request.name, request.type
    if (zone := zones.enclosing(name, type)) is None:
        return Reply(Rcode.REFUSED)
    # AD speaks of everything in the reply (RFC 4035 §3.2.3).
    is_authentic = request.wants_authentic
    found: tuple[RecordSet, ...] = ()
    seen = {name.key}
    rcode = Rcode.NOERROR
    while zone is not None:
        is_authentic = is_authentic and zone.is_authentic
        match zone.lookup(name, type):
            case Found(sets=sets, addresses=addresses):
                return _truth(rcode, (*found, *sets), (), addresses, is_authentic=is_authentic)
            case NoSuchType():
                return _truth(rcode, found, (zone.negative_soa,), is_authentic=is_authentic)
            case NoSuchName():
                authority = (zone.negative_soa,)
                return _truth(Rcode.NXDOMAIN, found, authority, is_authentic=is_authentic)
            case Delegated(name_servers=name_servers, glue=glue):
                # RFC 1035 §4.1.1: AA speaks of the first owner name, the alias if there is one.
                return Reply(rcode, found, (name_servers,), glue, is_authoritative=bool(found))
            case Alias(sets=sets, target=target):
                found = (*found, *sets)
                if target is None:
                    rcode = Rcode.YXDOMAIN
                    break
                if target.key in seen or len(seen) > MAX_RESTARTS:
                    # As BIND: what was found, and that it is no answer.
                    rcode = Rcode.SERVFAIL
                    break
                seen.add(target.key)
                name, zone = target, zones.enclosing(target, type)
    # The chain leaves what is served here: the rest is the resolver's to ask.
    return _truth(rcode, found, is_authentic=is_authentic)


def _truth(
    rcode: Rcode,
    found: tuple[RecordSet, ...],
    authority: tuple[RecordSet, ...] = (),
    additional: tuple[RecordSet, ...] = (),
    *,
    is_authentic: bool,
) -> Reply:
    return Reply(
        rcode, found, authority, additional, is_authoritative=True, is_authentic=is_authentic
    )
