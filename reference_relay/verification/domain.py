"""A look at a sender domain: does SPF pass for all our addresses, is our DKIM key published?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from reference_relay.dkim import key_record
from reference_relay.dkim.key_record import UnusableKeyRecord
from reference_relay.lookup.resolver import DNSResolver, LookupFailedError, NoSuchDomainError
from reference_relay.mail.address import domain_key
from reference_relay.service.verification import DomainClaim, Verification, VerificationType
from reference_relay.spf.evaluation import check_host
from reference_relay.spf.outcome import Outcome, Result
from reference_relay.verification.finding import Absent, Finding, Proven, Unknown, Wrong, after
from reference_relay.verification.spf_lookups import SPFLookups

# RFC 7208 §4.6.4: an evaluation should be given at least 20 seconds.
_LONGEST_SECONDS = 20.0


class DomainVerifier:
    """Proves domains; satisfies `service.verification.VerifiesDomains`.

    Args:
        resolver: Makes a resolver with nothing in its memory: what an earlier look saw must not
            hide what was published since (DNS-16).
        outgoing_addresses: Of an endpoint region (D-23).
        now: The relay's clock.
    """

    def __init__(
        self,
        resolver: Callable[[], DNSResolver],
        outgoing_addresses: Callable[[str], Sequence[str]],
        now: Callable[[], float],
    ) -> None:
        self._resolver = resolver
        self._outgoing_addresses = outgoing_addresses
        self._now = now

    async def verify(self, claim: DomainClaim, type: VerificationType) -> Verification:
        """Look at DNS now; see `VerifiesDomains`."""
        before = claim.verification(type)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                finding = await self._look(claim, type)
        except LookupFailedError as error:
            finding = Unknown(f"No answer from DNS: {error}.")
        except TimeoutError:
            finding = Unknown(f"No answer from DNS within {_LONGEST_SECONDS:g} seconds.")
        return before if finding is None else after(before, finding, self._now())

    async def _look(self, claim: DomainClaim, type: VerificationType) -> Finding | None:
        match type:
            case VerificationType.SPF:
                return await self._spf(claim)
            case VerificationType.DKIM:
                return await self._dkim(claim)
            case VerificationType.EN_AUTHORIZATION:
                # Only a person gives it.
                return None

    async def _spf(self, claim: DomainClaim) -> Finding:
        resolver, domain = self._resolver(), domain_key(claim.domain).removesuffix(".")
        try:
            # S-3: the domain has an A record before anything else.
            has_address = bool(await resolver.ipv4(domain))
        except NoSuchDomainError:
            has_address = False
        if not has_address:
            return Absent(f"{domain} has no A record.")
        addresses = self._outgoing_addresses(claim.endpoint_region)
        if not addresses:
            return Wrong(f"The endpoint {claim.endpoint_region} sends from no address of its own.")
        lookups = SPFLookups(resolver)
        for address in addresses:
            outcome = await check_host(lookups, address, domain, f"postmaster@{domain}")
            if outcome.result is not Result.PASS:
                return _not_passed(outcome, address)
        return Proven()

    async def _dkim(self, claim: DomainClaim) -> Finding:
        # Only the domain may need A-labels; the rest of the name is no host name (DNS-17).
        domain = domain_key(claim.domain).removesuffix(".")
        name = claim.dkim_name.removesuffix(claim.domain) + domain
        try:
            records = await self._resolver().texts(name)
        except NoSuchDomainError:
            records = ()
        if not records:
            return Absent(f"{name} has no TXT record.")
        if not claim.dkim_value:
            return Wrong("No DKIM key was issued for this configuration.")
        issued = key_record.parse(claim.dkim_value.encode())
        notes = set()
        # RFC 6376 §3.6.2.2 leaves several records open: here each of them has to do.
        for record in records:
            try:
                found = key_record.parse(record)
            except UnusableKeyRecord as error:
                return Wrong(f"{name} is no usable key record: {error}.")
            if not found.has_key_of(issued):
                return Wrong(f"{name} publishes another key than the one that was issued.")
            if found.is_test:
                notes.add("The key record says that DKIM is in test mode (t=y).")
        return Proven(" ".join(notes))


def _not_passed(outcome: Outcome, address: str) -> Finding:
    text = f"SPF says {outcome.result.value} for {address}: {outcome.reason}."
    match outcome.result:
        case Result.TEMPERROR:
            return Unknown(text)
        case Result.NONE:
            return Absent(text)
        case _:
            return Wrong(text)
