"""The configuration file: read, judged as a whole, and turned into the relay's own values.

Every problem is found in one go and named with file, key and what was expected; nothing of a
password hash is ever part of a message.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reference_relay.config_problems import ConfigError, problems
from reference_relay.config_tables import (
    DeliveryTable,
    EndpointTable,
    InstanceTable,
    ManagementTable,
    Reading,
    RelayTable,
    RuleTable,
    SwitchesTable,
)
from reference_relay.delivery.settings import DeliverySettings, Smarthost, TLSMode
from reference_relay.mail.address import domain_key
from reference_relay.queue.room import RoomLimits
from reference_relay.queue.settings import QueueSettings
from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.model import Configuration, Endpoint, Instance, User
from reference_relay.submission.settings import Limits, Rates, Switches

__all__ = [
    "Config",
    "ConfigError",
    "EndpointSettings",
    "ManagementSettings",
    "StoreSettings",
    "WorkerSettings",
    "config_of",
    "load_config",
]

# The vendor's pages of 2026 name 50 per send request.
_VENDOR_RECIPIENTS = 50


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """An endpoint, where it listens, its certificate, and the balancers before it."""

    endpoint: Endpoint
    addresses: tuple[str, ...]
    port: int
    implicit_tls_ports: tuple[int, ...]
    certificate_file: Path
    key_file: Path
    proxy_trusted: AddressSet


@dataclass(frozen=True, slots=True)
class ManagementSettings:
    """Where the management API listens, which environment variable holds its token."""

    address: str
    port: int
    token_environment: str | None
    open_metrics: bool


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the service is kept: a URL, or the environment variable that holds one; or neither."""

    url: str | None = field(default=None, repr=False)
    url_environment: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How many processes serve, and whether their event loop is "asyncio" or "uvloop"."""

    count: int = 1
    loop: str = "asyncio"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a relay needs to start. Paths are absolute or relative to the working folder.

    Attributes:
        clock: "system", or "virtual" for one that the lab API may move (D-25).
        discards_mail: Accepted mail is forgotten at once; for benchmarks.
        source: The file it came from.
        document: What the file says, for whoever has to read it again.
    """

    source: Path
    document: Mapping[str, Any] = field(repr=False)
    profile: str
    hostname: str
    state_directory: Path
    clock: str
    switches: Switches
    limits: Limits
    rates: Rates
    endpoints: tuple[EndpointSettings, ...]
    directory: Directory
    delivery: DeliverySettings
    discards_mail: bool
    queue: QueueSettings
    management: ManagementSettings | None
    store: StoreSettings
    workers: WorkerSettings
    log_level: str


def load_config(source: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: The file cannot be read, is no TOML, or asks for something that cannot be;
            it lists all problems at once.
    """
    return config_of(source, _read(source))


def config_of(source: Path, raw: Mapping[str, Any]) -> Config:
    """Judge what a configuration file says.

    Args:
        source: The file, which names problems, and whose folder paths are relative to.
        raw: Its tables.

    Raises:
        ConfigError: As `load_config`.
    """
    context = Reading(source.parent, raw.get("profile"))
    try:
        # Through JSON, because strictness then still takes an array as a tuple, a word as an Enum.
        table = RelayTable.model_validate_json(json.dumps(raw, default=no_text), context=context)
    except ValidationError as error:
        raise ConfigError(problems(source, error)) from None
    disagreements = [f"{source}: {problem}" for problem in _disagreements(table)]
    if disagreements:
        raise ConfigError(disagreements)
    return Config(
        source=source,
        document=raw,
        profile=table.profile,
        hostname=table.hostname,
        state_directory=table.state_directory,
        clock=table.clock,
        switches=_switches(table.switches),
        limits=_limits(table, raw),
        rates=table.rates,
        endpoints=tuple(map(_endpoint, table.endpoint)),
        directory=_directory(table),
        delivery=_delivery(table.delivery),
        discards_mail=table.queue.discard,
        queue=QueueSettings(
            room=RoomLimits(table.queue.messages, table.queue.reserve_octets),
            retention_seconds=table.queue.retention_seconds,
        ),
        management=_management(table.management),
        store=StoreSettings(table.store.url, table.store.url_environment),
        workers=WorkerSettings(table.workers.count, table.workers.loop),
        log_level=table.log.level,
    )


def _read(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError([f"{source}: expected a readable file: {reason}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{source}: expected a TOML file in UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{source}: expected TOML: {error}"]) from None


def no_text(moment: object) -> dict[str, str]:
    """Keep a TOML date from passing as text in JSON: no key expects one."""
    return {"date or time": str(moment)}


def _switches(table: SwitchesTable) -> Switches:
    return Switches(
        allows_lf_sessions=table.line_discipline == "per-session",
        **table.model_dump(exclude={"line_discipline"}),
    )


def _limits(table: RelayTable, raw: Mapping[str, Any]) -> Limits:
    if table.profile == "vendor-2026" and "recipients" not in raw.get("limits", {}):
        return replace(table.limits, recipients=_VENDOR_RECIPIENTS)
    return table.limits


def _endpoint(table: EndpointTable) -> EndpointSettings:
    endpoint = Endpoint(table.region, table.type, table.host, table.outgoing_addresses)
    return EndpointSettings(
        endpoint,
        table.addresses,
        table.port,
        table.implicit_tls_ports,
        table.certificate_file,
        table.key_file,
        AddressSet.union(table.proxy_trusted),
    )


def _management(table: ManagementTable | None) -> ManagementSettings | None:
    if table is None:
        return None
    return ManagementSettings(
        table.address, table.port, table.token_environment, table.open_metrics
    )


def _delivery(table: DeliveryTable) -> DeliverySettings:
    named, smarthost = table.smarthost, None
    if named is not None:
        password = _secret(named.password_file)
        smarthost = Smarthost(named.host, named.port, named.username, password)
    authorities = table.tls_authorities_file
    return DeliverySettings(
        name_servers=table.name_servers,
        port=table.port,
        reachable_networks=table.reachable_networks,
        tls_mode=table.tls,
        tls_authorities=authorities.read_text("ascii", "replace") if authorities else "",
        smarthost=smarthost,
        is_held=table.hold,
    )


def _secret(file: Path | None) -> str:
    return file.read_text("utf-8").strip("\r\n") if file else ""


def _directory(table: RelayTable) -> Directory:
    zones = {
        zone.id: Zone(zone.id, AddressSet.union(zone.addresses), AddressSet.union(zone.excluded))
        for zone in table.zone
    }
    return Directory(table.profile, [_instance(one, zones) for one in table.instance])


def _instance(table: InstanceTable, zones: dict[str, Zone]) -> Instance:
    configurations = tuple(
        Configuration(
            id=one.id,
            domain=one.domain,
            dkim_selector=one.dkim_selector,
            dkim_key_file=one.dkim_key_file,
            verification=one.verification,
            users=tuple(User(user.username, user.password_hash) for user in one.user),
        )
        for one in table.configuration
    )
    rules = tuple(_rule(one, zones) for one in table.rule)
    return Instance(table.id, table.region, rules, configurations)


def _rule(table: RuleTable, zones: dict[str, Zone]) -> Rule:
    contexts = [(one.zones, one.endpoint_types) for one in table.context]
    if table.zones:
        contexts.insert(0, (table.zones, table.endpoint_types))
    return Rule(
        tuple(Context(tuple(zones[id] for id in ids), types) for ids, types in contexts),
        table.enforcement_mode,
        table.api_types,
    )


def _delivery_disagreements(table: DeliveryTable) -> Iterator[str]:
    smarthost = table.smarthost
    if smarthost is not None and smarthost.username:
        if table.tls not in (TLSMode.ENCRYPT, TLSMode.VERIFY):
            yield 'delivery.tls: expected "encrypt" or "verify": a password never goes in clear'
        if smarthost.password_file is None:
            yield "delivery.smarthost.password_file: expected one beside a username"
    try:
        _delivery(table).tls_context()
    except (OSError, ValueError) as error:
        yield f"delivery.tls_authorities_file: expected PEM certificates: {error}"


def _disagreements(table: RelayTable) -> Iterator[str]:
    """Name what the tables cannot agree on: references to nothing, and things that exist twice."""
    yield from _delivery_disagreements(table.delivery)
    zone_ids = {zone.id for zone in table.zone}
    unique = _Unique()
    for n, endpoint in enumerate(table.endpoint):
        name = f"{endpoint.region}/{endpoint.type.value}"
        yield from unique("endpoint", name, f"endpoint[{n}].type")
        named = [("port", endpoint.port)]
        named += [("implicit_tls_ports", port) for port in endpoint.implicit_tls_ports]
        for key, port in named:
            for address in endpoint.addresses if port else ():
                yield from unique("socket", f"{address} {port}", f"endpoint[{n}].{key}")
    for n, zone in enumerate(table.zone):
        yield from unique("zone", zone.id, f"zone[{n}].id")
    for n, instance in enumerate(table.instance):
        here = f"instance[{n}]"
        yield from unique("instance", instance.id, f"{here}.id")
        for m, rule in enumerate(instance.rule):
            yield from _rule_disagreements(rule, f"{here}.rule[{m}]", zone_ids)
        for m, configuration in enumerate(instance.configuration):
            there = f"{here}.configuration[{m}]"
            yield from unique("configuration", configuration.id, f"{there}.id")
            # D-21: a domain is taken once per instance.
            domain = f"{domain_key(configuration.domain)} in instance {instance.id}"
            yield from unique("domain", domain, f"{there}.domain")
            for k, user in enumerate(configuration.user):
                yield from unique("user name", user.username, f"{there}.user[{k}].username")


def _rule_disagreements(rule: RuleTable, here: str, zone_ids: set[str]) -> Iterator[str]:
    if not rule.zones and not rule.context:
        yield f"{here}.zones: expected at least one zone"
    named = [(f"{here}.zones", rule.zones)]
    named += [(f"{here}.context[{n}].zones", one.zones) for n, one in enumerate(rule.context)]
    for key, ids in named:
        for id in ids:
            if id not in zone_ids:
                yield f"{key}: expected the id of a [[zone]], found {id!r}"


class _Unique:
    """Remembers where a thing of a kind was first, and names every later one."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def __call__(self, kind: str, name: str, key: str) -> Iterator[str]:
        first = self._first.setdefault((kind, name), key)
        if first != key:
            yield f"{key}: expected each {kind} once, {name!r} is also at {first}"
