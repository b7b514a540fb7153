"""Relays that let in whom no rule admits, or serve the wrong region."""

from __future__ import annotations

import contextlib
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def admitted_becomes(change: Any) -> None:
    """Change the addresses that rules admit: `change(original, rules, type, everybody)`."""
    from reference_relay.service import cbr, directory
    from reference_relay.service.address_set import AddressSet

    everybody = AddressSet.parse("0.0.0.0/0") | AddressSet.parse("::/0")
    original = cbr.admitted_addresses

    def changed(rules: Any, endpoint_type: Any) -> Any:
        return change(original, rules, endpoint_type, everybody)

    replace(directory, "admitted_addresses", changed)


def no_rule_admits_everyone() -> None:
    admitted_becomes(lambda original, rules, type, all: original(rules, type) if rules else all)


def any_rule_admits_everyone() -> None:
    admitted_becomes(lambda original, rules, type, all: all if rules else original(rules, type))


def last_address_left_out() -> None:
    from reference_relay.service.address_set import AddressSet

    @around(AddressSet, "__contains__")
    def short(original: Broken, self: Any, address: Any) -> bool:
        return original(self, address) and not any(address == str(last) for last in _ends(self))


def _ends(addresses: Any) -> list[Any]:
    from ipaddress import IPv4Address

    return [IPv4Address(last) for first, last in addresses.intervals if first < last < 2**32]


def addresses_as_text() -> None:
    from reference_relay.service.address_set import AddressSet
    from reference_relay.service.directory import Directory

    @around(AddressSet, "parse")
    def literal(original: Broken, text: str) -> Any:
        return original(text) if ":" not in text or text == "::1" else AddressSet()

    @around(Directory, "admits_connection")
    def careless(original: Broken, self: Any, endpoint: Any, address: str, now: float) -> Any:
        return original(self, endpoint, address, now)


def exclusions_ignored() -> None:
    from reference_relay.service.cbr import Zone

    replace(Zone, "admitted", property(lambda self: self.included))


def endpoint_types_ignored() -> None:
    import dataclasses

    from reference_relay.service.cbr import Context

    @around(Context, "admitted")
    def any_type(original: Broken, self: Any, endpoint_type: Any) -> Any:
        return original(dataclasses.replace(self, endpoint_types=frozenset()), endpoint_type)


def never_narrowed() -> None:
    from reference_relay.service.directory import Directory

    @around(Directory, "admits_account")
    def shared(
        original: Broken, self: Any, account: Any, endpoint: Any, address: str, now: float
    ) -> bool:
        return bool(self._endpoint_regions.get(account.instance.id) == endpoint.region)


def users_everywhere() -> None:
    from reference_relay.service.directory import Directory

    @around(Directory, "admits_account")
    def replicated(
        original: Broken, self: Any, account: Any, endpoint: Any, address: str, now: float
    ) -> bool:
        return address in self._by_instance[account.instance.id, endpoint.type]


def london_in_europe() -> None:
    from reference_relay.service import endpoints

    endpoints._SEED["eu-gb"] = "eu-de"


def private_name_of_the_region() -> None:
    from reference_relay.management import lab
    from reference_relay.service.endpoints import EndpointType

    asked: list[str] = []

    @around(lab, "endpoint_region")
    def remembered(original: Broken, profile: str, region: str) -> str:
        asked.append(region)
        return str(original(profile, region))

    @around(lab, "host_name")
    def wrong(original: Broken, region: str, type: Any) -> str:
        return str(original(asked[-1] if type is EndpointType.PRIVATE else region, type))


def unknown_regions_in_dallas() -> None:
    from reference_relay.management import lab

    @around(lab, "endpoint_region")
    def lenient(original: Broken, profile: str, region: str) -> str:
        try:
            return str(original(profile, region))
        except ValueError:
            return "us-south"


def implicit_tls_in_clear() -> None:
    from reference_relay.submission.listener import Listener

    @around(Listener, "serve")
    async def upgrading(original: Any, self: Any, listening: Any, **named: Any) -> None:
        await original(self, listening, **{**named, "is_encrypted": False})


def another_port_open() -> None:
    from reference_relay.submission.listener import Listener
    from reference_relay.submission.listening_socket import bind

    @around(Listener, "serve")
    async def generous(original: Any, self: Any, listening: Any, **named: Any) -> None:
        with contextlib.suppress(OSError):
            await original(self, bind(listening.getsockname()[0], 2525), **named)
        await original(self, listening, **named)


MUTATIONS = {
    "no-rule-admits-everyone": Mutation(
        ("CBR-01",), no_rule_admits_everyone, "An empty set of rules admits everyone."
    ),
    "any-rule-admits-everyone": Mutation(
        ("CBR-02",), any_rule_admits_everyone, "Any rule at all opens the door to everyone."
    ),
    "last-address-left-out": Mutation(
        ("CBR-03",), last_address_left_out, "The last address of a zone is outside."
    ),
    "addresses-as-text": Mutation(
        ("CBR-04",), addresses_as_text, "IPv6 addresses are compared as they are written."
    ),
    "exclusions-ignored": Mutation(("CBR-06",), exclusions_ignored, "Exclusions are ignored."),
    "endpoint-types-ignored": Mutation(
        ("CBR-10",), endpoint_types_ignored, "A rule for public endpoints opens private ones."
    ),
    "never-narrowed": Mutation(
        ("CBR-11",), never_narrowed, "After AUTH the rules of all instances count."
    ),
    "london-in-europe": Mutation(
        ("EPT-01",), london_in_europe, "eu-gb is served by eu-de because it is in Europe."
    ),
    "private-name-of-the-region": Mutation(
        ("EPT-02",),
        private_name_of_the_region,
        "Private names have the instance's region.",
    ),
    "unknown-regions-in-dallas": Mutation(
        ("EPT-03",), unknown_regions_in_dallas, "Unknown regions are served by us-south."
    ),
    "implicit-tls-in-clear": Mutation(
        ("EPT-04",),
        implicit_tls_in_clear,
        "The port for implicit TLS greets in clear and waits for STARTTLS.",
        target="vendor-2026",
    ),
    "another-port-open": Mutation(("EPT-04",), another_port_open, "Port 2525 serves SMTP, too."),
    "users-everywhere": Mutation(
        ("EPT-05",), users_everywhere, "Users are known at every endpoint."
    ),
}
