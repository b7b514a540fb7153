"""Relays that prove sender domains wrongly, or believe for ever what was proven once."""

from __future__ import annotations

import dataclasses
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def spf_becomes(look: Any) -> None:
    """Verify SPF by the records alone: `look(records, issued)`."""
    from reference_relay.verification import finding
    from reference_relay.verification.domain import DomainVerifier

    async def spf(self: Any, claim: Any) -> Any:
        records = await self._resolver().texts(claim.domain)
        is_good = look([one.decode() for one in records], claim.spf_value)
        return finding.Proven() if is_good else finding.Wrong("not as issued")

    replace(DomainVerifier, "_spf", spf)


def dkim_becomes(look: Any) -> None:
    """Verify DKIM by the records alone: `look(records, issued)`."""
    from reference_relay.verification import finding
    from reference_relay.verification.domain import DomainVerifier

    async def dkim(self: Any, claim: Any) -> Any:
        records = await self._resolver().texts(claim.dkim_name)
        is_good = look([one.decode() for one in records], claim.dkim_value)
        return finding.Proven() if is_good else finding.Wrong("not as issued")

    replace(DomainVerifier, "_dkim", dkim)


def spf_to_the_letter() -> None:
    spf_becomes(lambda records, issued: issued in records)


def spf_by_substring() -> None:
    spf_becomes(lambda records, issued: any(issued.split()[1] in one for one in records))


def selection_becomes(select: Any) -> None:
    """Choose the SPF record among the TXT records of a name otherwise."""
    from reference_relay.spf import evaluation

    replace(evaluation, "select", select)


def spf_version_by_its_beginning() -> None:
    def select(texts: Any) -> Any:
        for text in texts:
            if text.strip(b' "').startswith(b"v=spf1"):
                return b"v=spf1 " + text.strip(b' "').partition(b" ")[2]
        return None

    selection_becomes(select)


def best_spf_record() -> None:
    def select(texts: Any) -> Any:
        found = [text for text in texts if text.startswith(b"v=spf1")]
        return max(found, key=lambda text: b"include:_spf" in text, default=None)

    selection_becomes(select)


def strings_joined_with_blanks() -> None:
    from dns.rdatatype import TXT

    from reference_relay.lookup.resolver import DNSResolver

    @around(DNSResolver, "texts")
    async def texts(original: Broken, self: Any, name: str) -> Any:
        await original(self, name)
        return [b" ".join(one.strings) for one in await self._records(name, TXT)]


def redirect_beside_all() -> None:
    from reference_relay.spf import evaluation
    from reference_relay.spf.record import All

    @around(evaluation, "parse")
    def parse(original: Broken, text: bytes) -> Any:
        record = original(text)
        if record.redirect is None:
            return record
        rest = tuple(one for one in record.directives if not isinstance(one.mechanism, All))
        return dataclasses.replace(record, directives=rest)


def spf_limit_for_each_record() -> None:
    from reference_relay.spf.evaluation import _Evaluation

    @around(_Evaluation, "_record")
    async def record(original: Broken, self: Any, domain: str) -> Any:
        # Loops still end, so that it is the count that gives the relay away.
        self.read = getattr(self, "read", 0) + 1
        if self.read < 20:
            self._lookups = 0
        return await original(self, domain)


def dkim_to_the_letter() -> None:
    dkim_becomes(lambda records, issued: issued in records)


def dkim_key_is_there() -> None:
    dkim_becomes(lambda records, issued: any("p=" in one for one in records))


def first_record_decides() -> None:
    from reference_relay.lookup.resolver import DNSResolver

    @around(DNSResolver, "texts")
    async def texts(original: Broken, self: Any, name: str) -> Any:
        return (await original(self, name))[:1]


def aliases_not_followed() -> None:
    from reference_relay.lookup.resolver import DNSResolver, NoSuchDomainError

    @around(DNSResolver, "_ask")
    async def ask(original: Broken, self: Any, name: Any, kind: Any) -> Any:
        answer = await original(self, name, kind)
        if answer.canonical_name != name:
            raise NoSuchDomainError(f"{name} has no such record")
        return answer


def silence_suspends() -> None:
    from reference_relay.verification import finding

    def without_answer(before: Any, reason: str, now: float) -> Any:
        return finding.after(before, finding.Wrong(reason), now)

    replace(finding, "_without_answer", without_answer)


def part_taken_for_the_whole() -> None:
    import dns.asyncquery
    from dns.nameserver import Do53Nameserver

    async def async_query(self: Any, request: Any, *limits: Any, backend: Any, **_: Any) -> Any:
        return await dns.asyncquery.udp(
            request, self.address, timeout=limits[0], port=self.port, backend=backend
        )

    replace(Do53Nameserver, "async_query", async_query)


def only_spf_rechecked() -> None:
    from reference_relay.verification import rechecker

    @around(rechecker, "is_due")
    def is_due(original: Broken, verification: Any, now: float) -> Any:
        return verification.type.value == "spf" and original(verification, now)


def suspension_for_ever() -> None:
    from reference_relay.verification import domain

    @around(domain, "after")
    def after(original: Broken, before: Any, found: Any, now: float) -> Any:
        return before if before.state.value == "FAILED" else original(before, found, now)


def absence_remembered_for_a_day() -> None:
    from reference_relay.lookup.resolver import DNSResolver

    absent: dict[str, float] = {}

    @around(DNSResolver, "texts")
    async def texts(original: Broken, self: Any, name: str) -> Any:
        if self._now() < absent.get(name, 0.0):
            return ()
        found = await original(self, name)
        if not found:
            absent[name] = self._now() + 86400
        return found


def u_labels_asked_for() -> None:
    import dns.name

    from reference_relay.lookup.resolver import DNSResolver
    from reference_relay.verification import domain

    replace(domain, "domain_key", lambda name: name)

    @around(DNSResolver, "_records")
    async def records(original: Broken, self: Any, name: str, kind: Any) -> Any:
        if name.isascii():
            return await original(self, name, kind)
        labels = [label.encode() for label in name.split(".")]
        return (await self._ask(dns.name.Name([*labels, b""]), kind)).rrset or ()


def any_key_will_do() -> None:
    from reference_relay.dkim.key_record import KeyRecord

    @around(KeyRecord, "has_key_of")
    def has_key_of(original: Broken, self: Any, other: Any) -> bool:
        return bool(original(self, other)) or True


MUTATIONS = {
    "spf-to-the-letter": Mutation(
        ("DNS-01",), spf_to_the_letter, "SPF is verified when a record equals the issued one."
    ),
    "spf-by-substring": Mutation(
        ("DNS-02",),
        spf_by_substring,
        "SPF is verified when a record holds the include, wherever it stands.",
    ),
    "spf-version-by-its-beginning": Mutation(
        ("DNS-03",), spf_version_by_its_beginning, "Whatever begins like v=spf1 is an SPF record."
    ),
    "best-spf-record": Mutation(
        ("DNS-04",), best_spf_record, "Of two SPF records the better one counts."
    ),
    "strings-joined-with-blanks": Mutation(
        ("DNS-05",),
        strings_joined_with_blanks,
        "The strings of a TXT record are joined with blanks.",
    ),
    "redirect-beside-all": Mutation(
        ("DNS-06",), redirect_beside_all, "redirect is followed although there is an all."
    ),
    "spf-limit-for-each-record": Mutation(
        ("DNS-07",), spf_limit_for_each_record, "Each SPF record has ten look-ups of its own."
    ),
    "dkim-to-the-letter": Mutation(
        ("DNS-08",), dkim_to_the_letter, "DKIM is verified when a record equals the issued one."
    ),
    "dkim-key-is-there": Mutation(
        ("DNS-09",), dkim_key_is_there, "DKIM is verified when a record has a p."
    ),
    "first-record-decides": Mutation(
        ("DNS-10",), first_record_decides, "Of several records the first one counts."
    ),
    "aliases-not-followed": Mutation(
        ("DNS-11",), aliases_not_followed, "Records behind an alias are not seen."
    ),
    "silence-suspends": Mutation(
        ("DNS-12",), silence_suspends, "One look-up without an answer suspends."
    ),
    "part-taken-for-the-whole": Mutation(
        ("DNS-13",), part_taken_for_the_whole, "A truncated answer is read as it is."
    ),
    "only-spf-rechecked": Mutation(("DNS-14",), only_spf_rechecked, "Only SPF is looked at again."),
    "suspension-for-ever": Mutation(
        ("DNS-15",), suspension_for_ever, "What has failed once stays so."
    ),
    "absence-remembered-for-a-day": Mutation(
        ("DNS-16",),
        absence_remembered_for_a_day,
        "That there was no record is remembered for a day.",
    ),
    "u-labels-asked-for": Mutation(
        ("DNS-17",), u_labels_asked_for, "Domains are asked for in UTF-8."
    ),
    "any-key-will-do": Mutation(("DNS-18",), any_key_will_do, "Any key at the selector will do."),
}
