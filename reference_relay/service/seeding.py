"""What the configuration file says of the service, put into the store when the file changes.

Each thing the file names is applied when it is new or says something new; what the file no longer
names goes. Everything else stays as the API left it: a user deleted there does not come back with
the next start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, insert, select, update

from reference_relay.dkim import keys
from reference_relay.mail.address import domain_key
from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import SMTP_API_TYPE, Rule, Zone
from reference_relay.service.configurations import drop_unused_names, put_verification
from reference_relay.service.directory import Directory
from reference_relay.service.documents import (
    ACCOUNT,
    CONTROL_PLANE_API_TYPE_ID,
    SERVICE,
    SERVICE_NAME,
    SMTP_API_TYPE_IDS,
)
from reference_relay.service.documents import (
    INSTANCE as INSTANCE_ATTRIBUTE,
)
from reference_relay.service.model import Configuration, Instance, User
from reference_relay.service.schema import (
    CONFIGURATION,
    CREDENTIAL,
    INSTANCE,
    RULE,
    SEED,
    SMTP_USER,
    ZONE,
)
from reference_relay.service.verification import Verification, VerificationType

# The account that everything in the file belongs to.
FILE_ACCOUNT = "laptop"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Seed:
    """One thing in the file: where it goes, its key there, and what it says.

    `then` puts what lies in other tables; `compared` is what that depends on.
    """

    table: Table
    key: str
    values: Row
    then: Callable[[Connection], None] | None = None
    compared: Sequence[object] = ()

    @property
    def digest(self) -> str:
        text = json.dumps([self.values, *self.compared], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def column(self) -> Column[Any]:
        return next(iter(self.table.primary_key.columns))


def apply(connection: Connection, directory: Directory, now: float, *, is_alone: bool) -> None:
    """Bring the store up to what the file says.

    Args:
        connection: An open transaction.
        directory: The service as the file describes it.
        now: The time.
        is_alone: Whether this file is the only one; otherwise what it does not name may be
            another node's.
    """
    known = {(row.kind, row.key): row.digest for row in connection.execute(select(SEED))}
    named: set[tuple[str, str]] = set()
    for seed in _seeds(directory):
        place = (seed.table.name, seed.key)
        named.add(place)
        if known.get(place) == seed.digest:
            continue
        _put(connection, seed, now)
        connection.execute(delete(SEED).where(_at(place)))
        connection.execute(insert(SEED).values(kind=place[0], key=place[1], digest=seed.digest))
    if is_alone:
        _take_away(connection, known.keys() - named)
    drop_unused_names(connection)


def _put(connection: Connection, seed: _Seed, now: float) -> None:
    times = {"created_at": now, "updated_at": now, "modified_at": now, "revision": 1}
    own = {name: value for name, value in times.items() if name in seed.table.c}
    here = seed.column == seed.key
    if connection.execute(select(seed.column).where(here)).first() is None:
        connection.execute(
            insert(seed.table).values(own | seed.values | {seed.column.name: seed.key})
        )
    else:
        values: Row = dict(seed.values)
        if "revision" in seed.table.c:
            values["revision"] = seed.table.c.revision + 1
        connection.execute(update(seed.table).where(here).values(values))
    if seed.then is not None:
        seed.then(connection)


def _take_away(connection: Connection, gone: set[tuple[str, str]]) -> None:
    for place in gone:
        table = next(one for one in _TABLES if one.name == place[0])
        column = next(iter(table.primary_key.columns))
        connection.execute(delete(table).where(column == place[1]))
        connection.execute(delete(SEED).where(_at(place)))


# The order in which things may refer to those before them.
_TABLES = (INSTANCE, CONFIGURATION, CREDENTIAL, SMTP_USER, ZONE, RULE)


def _at(place: tuple[str, str]) -> Any:
    return (SEED.c.kind == place[0]) & (SEED.c.key == place[1])


def _seeds(directory: Directory) -> Iterator[_Seed]:
    zones = {
        zone.id: zone
        for instance in directory.instances
        for rule in instance.rules
        for context in rule.contexts
        for zone in context.zones
    }
    for zone in zones.values():
        yield _Seed(ZONE, zone.id, _zone(zone))
    for instance in directory.instances:
        values = {"account_id": FILE_ACCOUNT, "region": instance.region}
        yield _Seed(INSTANCE, instance.id, values)
        for number, rule in enumerate(instance.rules):
            key = hashlib.sha256(f"{instance.id} {number}".encode()).hexdigest()[:32]
            yield _Seed(RULE, key, _rule(rule, instance))
        for configuration in instance.configurations:
            yield _configuration(configuration, instance)
            for user in configuration.users:
                yield from _user(user, configuration, instance)


def _zone(zone: Zone) -> Row:
    return {
        "account_id": FILE_ACCOUNT,
        "name": zone.id,
        "description": "",
        "addresses": _objects(zone.included),
        "excluded": _objects(zone.excluded),
    }


def _objects(addresses: AddressSet) -> list[Mapping[str, str]]:
    return [
        {"type": "ipAddress", "value": str(first)}
        if first == last
        else {"type": "ipRange", "value": f"{first}-{last}"}
        for first, last in addresses.runs()
    ]


def _rule(rule: Rule, instance: Instance) -> Row:
    return {
        "account_id": FILE_ACCOUNT,
        "description": "",
        "contexts": [
            {
                "attributes": [
                    *(_attribute("networkZoneId", zone.id) for zone in one.zones),
                    *(
                        _attribute("endpointType", type)
                        for type in sorted(each.value for each in one.endpoint_types)
                    ),
                ]
            }
            for one in rule.contexts
        ],
        "resources": [
            {
                "attributes": [
                    _attribute(ACCOUNT, FILE_ACCOUNT),
                    _attribute(SERVICE, SERVICE_NAME),
                    _attribute(INSTANCE_ATTRIBUTE, instance.id),
                ]
            }
        ],
        "api_types": None if rule.api_types is None else _api_types(sorted(rule.api_types)),
        "enforcement_mode": rule.enforcement_mode.value,
    }


def _attribute(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def _api_types(names: Sequence[str]) -> list[str]:
    return [
        SMTP_API_TYPE_IDS[0] if name == SMTP_API_TYPE else CONTROL_PLANE_API_TYPE_ID
        for name in names
    ]


def _configuration(configuration: Configuration, instance: Instance) -> _Seed:
    key_file, standing = configuration.dkim_key_file, configuration.verification
    key = None if key_file is None else key_file.read_bytes()
    states = (standing.spf, standing.dkim, standing.en_authorization)

    def verify(connection: Connection) -> None:
        # The operator's word: it is not asked for again by itself.
        for type, state in zip(VerificationType, states, strict=True):
            put_verification(connection, configuration.id, Verification(type, state))

    values = {
        "instance_id": instance.id,
        "name": configuration.domain,
        "description": "",
        "domain": configuration.domain,
        "domain_key": domain_key(configuration.domain),
        "dkim_selector": configuration.dkim_selector,
        # The key itself: other nodes have no such file.
        "dkim_private_key": None if key is None else key.decode("ascii", "replace"),
        # A key that is not usable is a problem of the file, and was named when it was prepared.
        "dkim_value": "" if key is None else keys.record(key),
    }
    return _Seed(CONFIGURATION, configuration.id, values, verify, states)


def _user(user: User, configuration: Configuration, instance: Instance) -> Iterator[_Seed]:
    hashed = {"instance_id": instance.id, "password_hash": user.password_hash}
    yield _Seed(CREDENTIAL, user.username, hashed)
    id = hashlib.sha256(f"{configuration.id} {user.username}".encode()).hexdigest()[:32]
    yield _Seed(SMTP_USER, id, {"configuration_id": configuration.id, "username": user.username})
