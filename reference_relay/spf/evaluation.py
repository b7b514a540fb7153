"""check_host: may this address send for that domain? (RFC 7208 §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from reference_relay.spf.macro import MacroString, Values, expand_domain, explanation_string
from reference_relay.spf.outcome import Outcome, PermanentError, Result, TemporaryError
from reference_relay.spf.record import (
    Addresses,
    All,
    Directive,
    Exists,
    Include,
    Mechanism,
    Network,
    Record,
    Reverse,
    parse,
    select,
)
from reference_relay.spf.resolver import Resolver

# §4.6.4: terms that ask; answers with nothing in them; hosts of one mx; names of one ptr.
_MAXIMUM_LOOKUPS = 10
_MAXIMUM_VOID_LOOKUPS = 2
_MAXIMUM_MAIL_HOSTS = 10
_MAXIMUM_REVERSE_NAMES = 10
_LABEL_OCTETS = 63
_NAME_OCTETS = 253

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends, and to whom: what the macros speak of.

    Attributes:
        address: The connecting address.
        sender: The reverse-path, or the HELO name when that is null.
        helo: The name given with HELO or EHLO.
        receiver: The host that checks, for the macro r.
        timestamp: Seconds since the epoch, for the macro t.
    """

    address: Address
    sender: str
    helo: str
    receiver: str = "unknown"
    timestamp: int = 0


async def check_host(
    resolver: Resolver, address: str, domain: str, sender: str, *, helo: str = "unknown"
) -> Outcome:
    """Evaluate the SPF record of a domain for an address and a sender (§4).

    Args:
        resolver: Answers the look-ups.
        address: IPv4 or IPv6, as text; an IPv4-mapped one counts as IPv4 (§5).
        domain: The domain whose record is asked for.
        sender: The reverse-path; without a local part "postmaster" is put there (§4.3).
        helo: For the macro h.

    Raises:
        ValueError: The address is none.
    """
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    local_part, at, of_domain = sender.rpartition("@")
    full = f"{local_part or 'postmaster'}@{of_domain if at else sender}"
    return await evaluate(resolver, Client(mapped or parsed, full, helo), domain)


async def evaluate(resolver: Resolver, client: Client, domain: str) -> Outcome:
    """Evaluate the record of a domain for a client; see `check_host`."""
    return await _Evaluation(resolver, client).check(domain)


class _Evaluation:
    """One evaluation, with its counts, which included records share (§4.6.4)."""

    def __init__(self, resolver: Resolver, client: Client) -> None:
        self._resolver = resolver
        self._client = client
        self._lookups = 0
        self._voids = 0

    async def check(self, domain: str) -> Outcome:
        """Evaluate the record of a domain, with its explanation if it says fail."""
        try:
            record, domain, directive = await self._decide(domain)
        except PermanentError as error:
            return Outcome(Result.PERMERROR, str(error))
        except TemporaryError as error:
            return Outcome(Result.TEMPERROR, str(error))
        if record is None:
            return Outcome(Result.NONE, f"{domain} has no SPF record")
        if directive is None:
            return Outcome(Result.NEUTRAL, "no mechanism matched")
        reason = f"matched {directive.text!r} of {domain}"
        explanation = None
        if directive.result is Result.FAIL and record.explanation is not None:
            explanation = await self._explain(record.explanation, domain)
        return Outcome(directive.result, reason, explanation)

    async def _decide(self, domain: str) -> tuple[Record | None, str, Directive | None]:
        """Find the directive that decides: the record it is in, that record's domain, and it."""
        record = await self._record(domain)
        while record is not None:
            for directive in record.directives:
                if await self._matches(directive.mechanism, domain):
                    return record, domain, directive
            if record.redirect is None or any(
                isinstance(one.mechanism, All) for one in record.directives
            ):
                return record, domain, None
            # §6.1: from here on the other record counts, and there has to be one.
            self._count_lookup()
            domain = await self._name(record.redirect, domain)
            record = await self._record(domain)
            if record is None:
                raise PermanentError(f"redirect to {domain}, which has no SPF record")
        return None, domain, None

    async def _record(self, domain: str) -> Record | None:
        if not _is_name(domain):
            return None
        text = select(await self._resolver.txt(domain))
        return None if text is None else parse(text)

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        address = self._client.address
        match mechanism:
            case All():
                return True
            case Network(network):
                return address.version == network.version and address in network
            case Include(spec):
                self._count_lookup()
                return await self._includes(await self._name(spec, domain))
            case Addresses() as addresses:
                self._count_lookup()
                return await self._has_address(addresses, domain)
            case Reverse(spec):
                self._count_lookup()
                target = domain if spec is None else await self._name(spec, domain)
                names = await self._validated(may_be_void=False)
                return any(_is_within(name, target) for name in names)
            case Exists(spec):
                self._count_lookup()
                name = await self._name(spec, domain)
                # §5.7: an A look-up, whatever the connection's own kind.
                found = await self._resolver.ipv4(name) if _may_be_asked(name) else ()
                return bool(self._answer(found))

    async def _includes(self, domain: str) -> bool:
        record, _, directive = await self._decide(domain)
        if record is None:
            # §5.2: none becomes a permanent error.
            raise PermanentError(f"include of {domain}, which has no SPF record")
        return directive is not None and directive.result is Result.PASS

    async def _has_address(self, mechanism: Addresses, domain: str) -> bool:
        name = domain if mechanism.domain is None else await self._name(mechanism.domain, domain)
        if not _may_be_asked(name):
            return False
        is_ipv4 = self._client.address.version == 4
        length = mechanism.ipv4_length if is_ipv4 else mechanism.ipv6_length
        network = ip_network((self._client.address, length), strict=False)
        if not mechanism.of_mail_hosts:
            found = self._answer(await self._addresses(name))
            return any(ip_address(one) in network for one in found)
        hosts = self._answer(await self._resolver.mail_hosts(name))
        if len(hosts) > _MAXIMUM_MAIL_HOSTS:
            raise PermanentError(f"{name} has more than {_MAXIMUM_MAIL_HOSTS} mail hosts")
        for host in filter(_may_be_asked, hosts):
            if any(ip_address(one) in network for one in await self._addresses(host)):
                return True
        return False

    async def _addresses(self, name: str) -> Sequence[str]:
        if self._client.address.version == 4:
            return await self._resolver.ipv4(name)
        return await self._resolver.ipv6(name)

    async def _validated(self, *, may_be_void: bool) -> Sequence[str]:
        """Return the names of the client's address that lead back to it (§5.5)."""
        try:
            names = await self._resolver.reverse(str(self._client.address))
        except TemporaryError:
            # §5.5: an error of the PTR look-up is no match, and no error.
            return ()
        if not may_be_void:
            self._answer(names)
        validated = []
        for name in filter(_may_be_asked, names[:_MAXIMUM_REVERSE_NAMES]):
            try:
                found = await self._addresses(name)
            except TemporaryError:
                continue
            if any(ip_address(one) == self._client.address for one in found):
                validated.append(name)
        return validated

    async def _explain(self, spec: MacroString, domain: str) -> str | None:
        """Fetch and expand an explanation; any trouble means there is none (§6.2)."""
        try:
            name = await self._name(spec, domain)
            texts = await self._resolver.txt(name) if _may_be_asked(name) else ()
            if len(texts) != 1:
                return None
            explanation = explanation_string(texts[0].decode("ascii"))
        except (PermanentError, TemporaryError, UnicodeDecodeError):
            return None
        return explanation.expand(await self._values(explanation, domain))

    async def _name(self, spec: MacroString, domain: str) -> str:
        return expand_domain(spec, await self._values(spec, domain))

    async def _values(self, spec: MacroString, domain: str) -> Values:
        client, letters = self._client, spec.letters
        local_part, _, of_domain = client.sender.rpartition("@")
        is_ipv4 = client.address.version == 4
        nibbles = client.address.exploded.replace(":", "").upper()
        return {
            "s": client.sender,
            "l": local_part,
            "o": of_domain,
            "d": domain,
            "i": str(client.address) if is_ipv4 else ".".join(nibbles),
            "p": await self._best_name(domain) if "p" in letters else "",
            "v": "in-addr" if is_ipv4 else "ip6",
            "h": client.helo,
            "c": str(client.address),
            "r": client.receiver,
            "t": str(client.timestamp),
        }

    async def _best_name(self, domain: str) -> str:
        """Choose the validated name for the macro p (§7.3): the domain, one in it, any other."""
        names = await self._validated(may_be_void=True)
        for name in names:
            if _key(name) == _key(domain):
                return name
        inside = (name for name in names if _is_within(name, domain))
        return next(inside, names[0] if names else "unknown")

    def _count_lookup(self) -> None:
        self._lookups += 1
        if self._lookups > _MAXIMUM_LOOKUPS:
            raise PermanentError(f"more than {_MAXIMUM_LOOKUPS} terms that ask the DNS")

    def _answer(self, found: Sequence[str]) -> Sequence[str]:
        if not found:
            self._voids += 1
            if self._voids > _MAXIMUM_VOID_LOOKUPS:
                raise PermanentError(f"more than {_MAXIMUM_VOID_LOOKUPS} look-ups without a result")
        return found


def _key(name: str) -> str:
    return name.removesuffix(".").lower()


def _is_within(name: str, domain: str) -> bool:
    inner, outer = _key(name), _key(domain)
    return inner == outer or inner.endswith("." + outer)


def _may_be_asked(name: str) -> bool:
    """Whether a name fits into a question."""
    labels = name.removesuffix(".").split(".")
    return len(name) <= _NAME_OCTETS and all(0 < len(label) <= _LABEL_OCTETS for label in labels)


def _is_name(domain: str) -> bool:
    """§4.3: well formed, and of several labels."""
    return _may_be_asked(domain) and "." in domain.removesuffix(".")
