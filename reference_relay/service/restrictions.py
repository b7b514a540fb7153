"""Network zones and rules in the store; a change of either has to name what it was read as."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from reference_relay.service.documents import addresses_of, attributes_of
from reference_relay.service.refused import Invalid, LimitReached, NotFound, Stale, Taken
from reference_relay.service.schema import REFERENCE, RULE, ZONE

# Ours: as many as an account of the vendor may have, by its documentation.
ZONES_PER_ACCOUNT = 500
RULES_PER_ACCOUNT = 500


@dataclass(frozen=True, slots=True)
class ZoneDraft:
    """What a zone is to be; addresses are objects as the API writes them."""

    account_id: str
    name: str
    description: str
    addresses: Sequence[Mapping[str, Any]]
    excluded: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """What a rule is to be; contexts and resources are objects as the API writes them.

    Attributes:
        api_types: Ids of API types; None is all of them.
    """

    account_id: str
    description: str
    contexts: Sequence[Mapping[str, Any]]
    resources: Sequence[Mapping[str, Any]]
    api_types: Sequence[str] | None
    enforcement_mode: str


def create_zone(connection: Connection, draft: ZoneDraft, now: float) -> Row[Any]:
    """Make a zone.

    Raises:
        Taken: The account has one of this name.
        Invalid: An address is none.
        LimitReached: The account has as many as it may have.
    """
    _judge_zone(connection, draft, None)
    if _count(connection, ZONE, draft.account_id) >= ZONES_PER_ACCOUNT:
        raise LimitReached(f"An account has at most {ZONES_PER_ACCOUNT} zones.")
    return _create(connection, ZONE, _zone_values(draft), now)


def replace_zone(
    connection: Connection, id: str, draft: ZoneDraft, revision: int | None, now: float
) -> Row[Any]:
    """Put another zone in its place.

    Args:
        connection: An open transaction.
        id: Which one.
        draft: All of it.
        revision: As it was read; None fits nothing.
        now: The time.

    Raises:
        NotFound: There is none.
        Stale: It has another revision now.
        Taken: Another zone of the account has this name.
        Invalid: An address is none.
    """
    _need_fresh(connection, ZONE, "zone", id, revision)
    _judge_zone(connection, draft, id)
    return _replace(connection, ZONE, id, _zone_values(draft), now)


def create_rule(connection: Connection, draft: RuleDraft, now: float) -> Row[Any]:
    """Make a rule.

    Raises:
        Invalid: It names a zone that the account does not have.
        LimitReached: The account has as many as it may have.
    """
    _judge_rule(connection, draft)
    if _count(connection, RULE, draft.account_id) >= RULES_PER_ACCOUNT:
        raise LimitReached(f"An account has at most {RULES_PER_ACCOUNT} rules.")
    return _create(connection, RULE, _rule_values(draft), now)


def replace_rule(
    connection: Connection, id: str, draft: RuleDraft, revision: int | None, now: float
) -> Row[Any]:
    """Put another rule in its place; see `replace_zone`.

    Raises:
        NotFound: There is none.
        Stale: It has another revision now.
        Invalid: It names a zone that the account does not have.
    """
    _need_fresh(connection, RULE, "rule", id, revision)
    _judge_rule(connection, draft)
    return _replace(connection, RULE, id, _rule_values(draft), now)


def get_zone(connection: Connection, id: str) -> Row[Any]:
    """Read a zone.

    Raises:
        NotFound: There is none.
    """
    return _need(connection, ZONE, "zone", id)


def get_rule(connection: Connection, id: str) -> Row[Any]:
    """Read a rule.

    Raises:
        NotFound: There is none.
    """
    return _need(connection, RULE, "rule", id)


def zones(connection: Connection, account_id: str | None = None) -> Sequence[Row[Any]]:
    """Read the zones of an account, or all, oldest first."""
    return _rows(connection, ZONE, account_id)


def rules(connection: Connection, account_id: str | None = None) -> Sequence[Row[Any]]:
    """Read the rules of an account, or all, oldest first."""
    return _rows(connection, RULE, account_id)


def remove_zone(connection: Connection, id: str) -> None:
    """Remove a zone.

    Raises:
        NotFound: There is none.
        Taken: A rule names it.
    """
    row = _need(connection, ZONE, "zone", id)
    for rule in rules(connection, row.account_id):
        if id in zone_ids(rule.contexts):
            raise Taken("zone", f"The rule {rule.id!r} names the zone; change that first.")
    connection.execute(delete(ZONE).where(ZONE.c.id == id))


def remove_rule(connection: Connection, id: str) -> None:
    """Remove a rule.

    Raises:
        NotFound: There is none.
    """
    _need(connection, RULE, "rule", id)
    connection.execute(delete(RULE).where(RULE.c.id == id))


def zone_ids(contexts: Sequence[Mapping[str, Any]]) -> set[str]:
    """Collect the zones that contexts name."""
    return {id for one in contexts for id in attributes_of(one).get("networkZoneId", ())}


def references(connection: Connection) -> dict[str, Sequence[str]]:
    """Read which addresses are behind each VPC, service or instance."""
    return {row.name: row.addresses for row in connection.execute(select(REFERENCE))}


def put_reference(connection: Connection, name: str, addresses: Sequence[str]) -> None:
    """Say which addresses are behind a VPC, service or instance.

    Raises:
        Invalid: An address is none.
    """
    objects = [{"type": "ipRange", "value": text} for text in addresses]
    _judge_addresses(objects)
    connection.execute(delete(REFERENCE).where(REFERENCE.c.name == name))
    connection.execute(insert(REFERENCE).values(name=name, addresses=list(addresses)))


def _judge_zone(connection: Connection, draft: ZoneDraft, own_id: str | None) -> None:
    same = (ZONE.c.account_id == draft.account_id) & (ZONE.c.name == draft.name)
    found = connection.execute(select(ZONE.c.id).where(same)).first()
    if found is not None and found.id != own_id:
        raise Taken("zone", f"The account has a zone {draft.name!r} already.")
    _judge_addresses(draft.addresses)
    _judge_addresses(draft.excluded)


def _judge_addresses(addresses: Sequence[Mapping[str, Any]]) -> None:
    try:
        addresses_of(addresses, {})
    except ValueError as error:
        raise Invalid(str(error)) from None


def _judge_rule(connection: Connection, draft: RuleDraft) -> None:
    known = {row.id for row in zones(connection, draft.account_id)}
    for id in sorted(zone_ids(draft.contexts) - known):
        raise Invalid(f"expected the id of a zone of the account, found {id!r}")


def _zone_values(draft: ZoneDraft) -> dict[str, Any]:
    return {
        "account_id": draft.account_id,
        "name": draft.name,
        "description": draft.description,
        "addresses": list(map(dict, draft.addresses)),
        "excluded": list(map(dict, draft.excluded)),
    }


def _rule_values(draft: RuleDraft) -> dict[str, Any]:
    return {
        "account_id": draft.account_id,
        "description": draft.description,
        "contexts": list(map(dict, draft.contexts)),
        "resources": list(map(dict, draft.resources)),
        "api_types": None if draft.api_types is None else list(draft.api_types),
        "enforcement_mode": draft.enforcement_mode,
    }


def _create(connection: Connection, table: Table, values: dict[str, Any], now: float) -> Row[Any]:
    id = uuid.uuid4().hex
    own = {"id": id, "created_at": now, "modified_at": now, "revision": 1}
    connection.execute(insert(table).values(values | own))
    return connection.execute(select(table).where(table.c.id == id)).one()


def _replace(
    connection: Connection, table: Table, id: str, values: dict[str, Any], now: float
) -> Row[Any]:
    values |= {"modified_at": now, "revision": table.c.revision + 1}
    connection.execute(update(table).where(table.c.id == id).values(values))
    return connection.execute(select(table).where(table.c.id == id)).one()


def _need(connection: Connection, table: Table, kind: str, id: str) -> Row[Any]:
    row = connection.execute(select(table).where(table.c.id == id)).first()
    if row is None:
        raise NotFound(kind, id)
    return row


def _need_fresh(
    connection: Connection, table: Table, kind: str, id: str, revision: int | None
) -> None:
    row = _need(connection, table, kind, id)
    if row.revision != revision:
        raise Stale(f"The {kind} {id!r} has changed; read it again and use its new ETag.")


def _rows(connection: Connection, table: Table, account_id: str | None) -> Sequence[Row[Any]]:
    query = select(table).order_by(table.c.created_at, table.c.id)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    return connection.execute(query).all()


def _count(connection: Connection, table: Table, account_id: str) -> int:
    query = select(func.count()).select_from(table).where(table.c.account_id == account_id)
    return int(connection.execute(query).scalar_one())
