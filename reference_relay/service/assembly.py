"""From the store's rows to the directory that workers judge by."""

from __future__ import annotations

import calendar
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from reference_relay.service import restrictions
from reference_relay.service.address_set import AddressSet
from reference_relay.service.configurations import read_verifications
from reference_relay.service.directory import Directory
from reference_relay.service.documents import applies, rule_of, zone_of
from reference_relay.service.model import (
    Configuration,
    Instance,
    LegacyAllowlist,
    Standing,
    User,
)
from reference_relay.service.schema import (
    CONFIGURATION,
    CREDENTIAL,
    INSTANCE,
    LEGACY_ALLOWLIST,
    SMTP_USER,
)

# S-10: listed addresses go on working for six months.
_GRACE_MONTHS = 6


def read_directory(connection: Connection, profile: str) -> Directory:
    """Put the whole service together."""
    references = restrictions.references(connection)
    zones = {row.id: zone_of(row._asdict(), references) for row in restrictions.zones(connection)}
    rules = [
        (row._asdict(), rule_of(row._asdict(), zones)) for row in restrictions.rules(connection)
    ]
    configurations = _configurations(connection)
    instances = [
        Instance(
            row.id,
            row.region,
            tuple(
                rule
                for document, rule in rules
                if document["account_id"] == row.account_id
                and applies(
                    document, account_id=row.account_id, instance_id=row.id, region=row.region
                )
            ),
            tuple(configurations[row.id]),
        )
        for row in connection.execute(
            select(INSTANCE).order_by(INSTANCE.c.created_at, INSTANCE.c.id)
        )
    ]
    return Directory(profile, instances)


def deadline_of(deprecated_at: float) -> float:
    """Return the second from which an old allowlist counts no more.

    Six months of the calendar later, at the same time of day in UTC; where that month is too
    short, on its last day (D-20).
    """
    moment = datetime.fromtimestamp(deprecated_at, UTC)
    years, month = divmod(moment.month - 1 + _GRACE_MONTHS, 12)
    year, month = moment.year + years, month + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day).timestamp()


def _configurations(connection: Connection) -> dict[str, list[Configuration]]:
    users: dict[str, list[User]] = defaultdict(list)
    query = select(SMTP_USER.c.configuration_id, CREDENTIAL).join(CREDENTIAL)
    for row in connection.execute(query.order_by(SMTP_USER.c.created_at, SMTP_USER.c.id)):
        users[row.configuration_id].append(User(row.username, row.password_hash))
    legacy = {row.configuration_id: row for row in connection.execute(select(LEGACY_ALLOWLIST))}
    query = select(CONFIGURATION).order_by(CONFIGURATION.c.created_at, CONFIGURATION.c.id)
    rows = connection.execute(query).all()
    verifications = read_verifications(connection, [row.id for row in rows])
    found: dict[str, list[Configuration]] = defaultdict(list)
    for row in rows:
        states = [one.state for one in verifications[row.id]]
        found[row.instance_id].append(
            Configuration(
                id=row.id,
                domain=row.domain,
                dkim_selector=row.dkim_selector,
                dkim_key_file=None,
                verification=Standing(*states),
                users=tuple(users[row.id]),
                dkim_private_key=row.dkim_private_key,
                legacy=_legacy(legacy.get(row.id)),
            )
        )
    return found


def _legacy(row: Row[Any] | None) -> LegacyAllowlist | None:
    if row is None:
        return None
    addresses = AddressSet.union(map(AddressSet.parse, row.subnets))
    return LegacyAllowlist(addresses, deadline_of(row.deprecated_at))
