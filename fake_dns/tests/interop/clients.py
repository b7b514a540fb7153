"""Five clients that ask one question and say what they found, in one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import pytest

from fake_dns.tests.interop.tools import library, run, tool

ADDRESS = "127.0.0.1"
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Found:
    """What a client says; a section is None where the client does not show it."""

    status: str
    answer: frozenset[str] | None
    authority: frozenset[str] | None


Ask = Callable[[int, str, str], Found]


def record(owner: str, type: str, value: str) -> str:
    """One record in the form in which clients are compared: dnspython's, owner in lower case."""
    rdata = dns.rdata.from_text("IN", type, value)
    return f"{owner.lower()} {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}"


def records(lines: Iterable[str]) -> frozenset[str]:
    """`owner type value` lines in the same form."""
    return frozenset(record(*line.split(maxsplit=2)) for line in lines)


def ask_dnspython(port: int, name: str, type: str) -> Found:
    """Over UDP, and over TCP when that is truncated."""
    query = dns.message.make_query(name, type, use_edns=True)
    reply, _ = dns.query.udp_with_fallback(query, ADDRESS, TIMEOUT_SECONDS, port)
    return _found(reply)


def ask_recursively(port: int, name: str, type: str) -> Found:
    """A resolver in front, asked with RD."""
    query = dns.message.make_query(name, type, use_edns=True)
    reply, _ = dns.query.udp_with_fallback(query, ADDRESS, TIMEOUT_SECONDS, port)
    assert reply.flags & dns.flags.RA
    return _found(reply)


def _found(reply: dns.message.Message) -> Found:
    return Found(
        dns.rcode.to_text(reply.rcode()), _section(reply.answer), _section(reply.authority)
    )


def _section(section: list[dns.rrset.RRset]) -> frozenset[str]:
    return frozenset(
        record(rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype), rdata.to_text())
        for rrset in section
        for rdata in rrset
    )


def ask_dig(port: int, name: str, type: str, *options: str) -> Found:
    """BIND's dig."""
    words = (
        f"@{ADDRESS}",
        "-p",
        str(port),
        *options,
        "+norecurse",
        "+tries=1",
        "+nosplit",
        name,
        type,
    )
    return _printed(run(tool("dig"), *words))


def ask_kdig(port: int, name: str, type: str, *options: str) -> Found:
    """Knot's kdig."""
    words = (
        f"@{ADDRESS}",
        "-p",
        str(port),
        *options,
        "+norecurse",
        "+edns",
        "+retry=0",
        name,
        type,
    )
    return _printed(run(tool("kdig"), *words))


def _printed(text: str) -> Found:
    """What dig and kdig print."""
    assert "WARNING" not in text, text
    assert "malformed" not in text, text
    status = re.search(r"status: ([A-Z]+)", text)
    assert status is not None, text
    sections: dict[str, list[str]] = {"ANSWER": [], "AUTHORITY": []}
    current: list[str] = []
    for line in text.splitlines():
        if heading := re.match(r";; (\w+) SECTION:", line):
            current = sections.setdefault(heading[1], [])
        elif line and not line.startswith(";"):
            owner, _, _, rest = line.split(maxsplit=3)
            current.append(f"{owner} {rest}")
    return Found(status[1], records(sections["ANSWER"]), records(sections["AUTHORITY"]))


def ask_pycares(port: int, name: str, type: str) -> Found:
    """c-ares through pycares; it shows sections of positive answers only."""
    result, error = resolve_pycares(port, name, type)
    pycares = library("pycares")
    match error:
        case None:
            pass
        case pycares.errno.ARES_ENODATA:
            return Found("NOERROR", None, None)
        case pycares.errno.ARES_ENOTFOUND:
            return Found("NXDOMAIN", None, None)
        case _:
            pytest.fail(f"c-ares: {pycares.errno.strerror(error)}")
    given = frozenset(_ares_record(one) for one in result.answer)
    return Found("NOERROR", given, frozenset(_ares_record(one) for one in result.authority))


def resolve_pycares(
    port: int, name: str, type: str, *, timeout: float = TIMEOUT_SECONDS, over_tcp: bool = False
) -> tuple[Any, int | None]:
    """Ask once through c-ares: the result, or its error."""
    pycares = library("pycares")
    code = getattr(pycares, f"QUERY_TYPE_{type}", None)
    if code is None:
        pytest.skip(f"not observable: c-ares does not know {type}")
    outcome: list[tuple[Any, int | None]] = []
    channel = pycares.Channel(
        servers=[f"{ADDRESS}:{port}"],
        flags=pycares.ARES_FLAG_EDNS
        | pycares.ARES_FLAG_NOSEARCH
        | (pycares.ARES_FLAG_USEVC if over_tcp else 0),
        timeout=timeout,
        tries=1,
    )
    try:
        channel.query(name, code, callback=lambda result, error: outcome.append((result, error)))
        assert channel.wait(timeout + 10)
    finally:
        channel.close()
    return outcome[0]


def _ares_record(one: Any) -> str:
    type, value = dns.rdatatype.to_text(one.type), one.data
    match type:
        case "A" | "AAAA":
            text = value.addr
        case "CNAME" | "NS" | "PTR":
            text = f"{getattr(value, {'CNAME': 'cname', 'NS': 'nsdname', 'PTR': 'dname'}[type])}."
        case "MX":
            text = f"{value.priority} {value.exchange}."
        case "TXT":
            text = f"\\# {len(_strings(value.data))} {_strings(value.data).hex()}"
        case "SRV":
            text = f"{value.priority} {value.weight} {value.port} {value.target}."
        case "SOA":
            times = (value.serial, value.refresh, value.retry, value.expire, value.minimum)
            text = f"{value.mname}. {value.rname}. {' '.join(map(str, times))}"
        case "CAA":
            text = f'{value.critical} {value.tag} "{value.value}"'
        case "TLSA":
            data = value.cert_association_data.hex()
            text = f"{value.cert_usage} {value.selector} {value.matching_type} {data}"
        case "NAPTR":
            text = (
                f'{value.order} {value.preference} "{value.flags}" "{value.service}"'
                f' "{value.regexp}" {value.replacement}.'
            )
        case "HTTPS":
            octets = value.priority.to_bytes(2, "big") + b"\x00"
            for key, data in value.params:
                octets += key.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data
            text = f"\\# {len(octets)} {octets.hex()}"
        case _:
            raise AssertionError(f"{type} from c-ares")
    return record(f"{one.name}.", type, text)


def _strings(octets: bytes) -> bytes:
    """c-ares joins the strings of a TXT; cut again as the server cuts."""
    parts = [octets[at : at + 255] for at in range(0, len(octets), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)
