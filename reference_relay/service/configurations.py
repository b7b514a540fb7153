"""SMTP configurations in the store: made, read, changed, verified, removed.

Every function works inside a transaction that is already open; what it raises undoes all of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from reference_relay.mail.address import domain_key
from reference_relay.service.endpoints import EndpointType, endpoint_region, host_name
from reference_relay.service.refused import NotFound, Taken
from reference_relay.service.schema import (
    CONFIGURATION,
    CREDENTIAL,
    INSTANCE,
    LEGACY_ALLOWLIST,
    QUESTIONNAIRE,
    SMTP_USER,
    VERIFICATION,
)
from reference_relay.service.verification import (
    DomainClaim,
    Verification,
    VerificationState,
    VerificationType,
)


@dataclass(frozen=True, slots=True)
class ConfigurationRecord:
    """A configuration as the API shows it; times are seconds of the relay's clock."""

    id: str
    name: str
    description: str
    domain: str
    created_at: float
    updated_at: float
    claim: DomainClaim


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A fresh key: its private half in PEM, and the record that publishes the other half."""

    private_key: str
    value: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted; `search` finds names that hold it, in any case."""

    limit: int = 10
    offset: int = 0
    search: str | None = None


def add_instance(
    connection: Connection, instance_id: str, account_id: str, region: str, now: float
) -> None:
    """Make an instance.

    Raises:
        Taken: There is one of this id.
    """
    if _instance(connection, instance_id) is not None:
        raise Taken("instance", f"There is an instance {instance_id!r} already.")
    connection.execute(
        insert(INSTANCE).values(
            id=instance_id, account_id=account_id, region=region, created_at=now
        )
    )


def need_instance(connection: Connection, instance_id: str) -> Row[Any]:
    """Return the row of an instance.

    Raises:
        NotFound: There is none.
    """
    row = _instance(connection, instance_id)
    if row is None:
        raise NotFound("instance", instance_id)
    return row


def create(
    connection: Connection,
    profile: str,
    instance_id: str,
    *,
    name: str,
    domain: str,
    description: str,
    key: DkimKey,
    now: float,
) -> ConfigurationRecord:
    """Make a configuration, nothing of it verified.

    Raises:
        NotFound: There is no such instance.
        Taken: Its name or its domain is in use in the instance (D-21).
        ValueError: The domain is none.
    """
    need_instance(connection, instance_id)
    own_key = domain_key(domain).removesuffix(".")
    _free(connection, instance_id, "name", CONFIGURATION.c.name == name, name)
    _free(connection, instance_id, "domain", CONFIGURATION.c.domain_key == own_key, domain)
    id = str(uuid.uuid4())
    connection.execute(
        insert(CONFIGURATION).values(
            id=id,
            instance_id=instance_id,
            name=name,
            description=description,
            domain=domain.removesuffix("."),
            domain_key=own_key,
            # D-17: a name of its own, so that another tenant's record proves nothing (DNS-18).
            dkim_selector=str(uuid.uuid4()),
            dkim_private_key=key.private_key,
            dkim_value=key.value,
            created_at=now,
            updated_at=now,
        )
    )
    for type in VerificationType:
        put_verification(connection, id, Verification(type))
    return get(connection, profile, instance_id, id)


def get(connection: Connection, profile: str, instance_id: str, id: str) -> ConfigurationRecord:
    """Read a configuration.

    Raises:
        NotFound: The instance has none of this id.
    """
    found = _records(connection, profile, _of(instance_id, id))
    if not found:
        need_instance(connection, instance_id)
        raise NotFound("configuration", id)
    return found[0]


def page(
    connection: Connection, profile: str, instance_id: str, wanted: Page
) -> tuple[Sequence[ConfigurationRecord], int]:
    """Read a part of an instance's list, oldest first, and how many there are in all.

    Raises:
        NotFound: There is no such instance.
    """
    need_instance(connection, instance_id)
    chosen = CONFIGURATION.c.instance_id == instance_id
    if wanted.search is not None:
        chosen &= CONFIGURATION.c.name.icontains(wanted.search, autoescape=True)
    count = connection.execute(select(func.count()).select_from(CONFIGURATION).where(chosen))
    return _records(connection, profile, chosen, wanted), count.scalar_one()


def change(
    connection: Connection,
    profile: str,
    instance_id: str,
    id: str,
    *,
    name: str | None,
    description: str | None,
    now: float,
) -> ConfigurationRecord:
    """Change name, description or both; None leaves as it is.

    Raises:
        NotFound: The instance has none of this id.
        Taken: Another one has that name.
    """
    get(connection, profile, instance_id, id)
    values: dict[str, Any] = {"updated_at": now}
    if name is not None:
        others = (CONFIGURATION.c.name == name) & (CONFIGURATION.c.id != id)
        _free(connection, instance_id, "name", others, name)
        values["name"] = name
    if description is not None:
        values["description"] = description
    connection.execute(update(CONFIGURATION).where(_of(instance_id, id)).values(values))
    return get(connection, profile, instance_id, id)


def remove(connection: Connection, instance_id: str, id: str) -> None:
    """Remove a configuration with its users; names that no other one holds go, too.

    Raises:
        NotFound: The instance has none of this id.
    """
    if connection.execute(delete(CONFIGURATION).where(_of(instance_id, id))).rowcount == 0:
        need_instance(connection, instance_id)
        raise NotFound("configuration", id)
    drop_unused_names(connection)


def drop_unused_names(connection: Connection) -> None:
    """Forget the user names that no configuration has any more."""
    used = select(SMTP_USER.c.username)
    connection.execute(delete(CREDENTIAL).where(CREDENTIAL.c.username.not_in(used)))


def claims(connection: Connection, profile: str) -> Sequence[DomainClaim]:
    """Read every configuration with its verifications."""
    return [one.claim for one in _records(connection, profile, None)]


def put_verification(
    connection: Connection, configuration_id: str, verification: Verification
) -> bool:
    """Keep a verification; False if the configuration is gone."""
    exists = select(CONFIGURATION.c.id).where(CONFIGURATION.c.id == configuration_id)
    if connection.execute(exists).first() is None:
        return False
    own = (VERIFICATION.c.configuration_id == configuration_id) & (
        VERIFICATION.c.type == verification.type.value
    )
    connection.execute(delete(VERIFICATION).where(own))
    connection.execute(
        insert(VERIFICATION).values(
            configuration_id=configuration_id,
            type=verification.type.value,
            state=verification.state.value,
            reason=verification.reason,
            last_checked=verification.last_checked,
            next_check=verification.next_check,
            temporary_failures=verification.temporary_failures,
        )
    )
    return True


def put_answers(
    connection: Connection, configuration_id: str, answers: Mapping[str, Any], now: float
) -> None:
    """Keep the answers of the questionnaire (S-5); the approval is pending from now on."""
    own = QUESTIONNAIRE.c.configuration_id == configuration_id
    connection.execute(delete(QUESTIONNAIRE).where(own))
    connection.execute(
        insert(QUESTIONNAIRE).values(
            configuration_id=configuration_id, answers=dict(answers), submitted_at=now
        )
    )
    put_verification(
        connection,
        configuration_id,
        Verification(VerificationType.EN_AUTHORIZATION, reason="The answers wait for review."),
    )


def answers(connection: Connection, configuration_id: str) -> Mapping[str, Any] | None:
    """Read the answers of the questionnaire; None if there are none yet."""
    own = QUESTIONNAIRE.c.configuration_id == configuration_id
    row = connection.execute(select(QUESTIONNAIRE.c.answers).where(own)).first()
    return None if row is None else row.answers


def put_legacy(
    connection: Connection,
    configuration_id: str,
    subnets: Sequence[str],
    deprecated_at: float,
    now: float,
) -> None:
    """Set the old allowlist of a configuration (D-20)."""
    own = LEGACY_ALLOWLIST.c.configuration_id == configuration_id
    connection.execute(delete(LEGACY_ALLOWLIST).where(own))
    connection.execute(
        insert(LEGACY_ALLOWLIST).values(
            configuration_id=configuration_id,
            subnets=list(subnets),
            deprecated_at=deprecated_at,
            updated_at=now,
        )
    )


def legacy(connection: Connection, configuration_id: str) -> Row[Any] | None:
    """Read the old allowlist of a configuration, if it has one."""
    own = LEGACY_ALLOWLIST.c.configuration_id == configuration_id
    return connection.execute(select(LEGACY_ALLOWLIST).where(own)).first()


def _instance(connection: Connection, instance_id: str) -> Row[Any] | None:
    return connection.execute(select(INSTANCE).where(INSTANCE.c.id == instance_id)).first()


def _of(instance_id: str, id: str) -> Any:
    return (CONFIGURATION.c.instance_id == instance_id) & (CONFIGURATION.c.id == id)


def _free(connection: Connection, instance_id: str, kind: str, same: Any, value: str) -> None:
    found = select(CONFIGURATION.c.id).where((CONFIGURATION.c.instance_id == instance_id) & same)
    if connection.execute(found).first() is not None:
        raise Taken(kind, f"Another configuration of the instance has the {kind} {value!r}.")


def _records(
    connection: Connection, profile: str, chosen: Any, wanted: Page | None = None
) -> list[ConfigurationRecord]:
    query = select(CONFIGURATION, INSTANCE.c.region).join(INSTANCE)
    query = query.order_by(CONFIGURATION.c.created_at, CONFIGURATION.c.id)
    if chosen is not None:
        query = query.where(chosen)
    if wanted is not None:
        query = query.limit(wanted.limit).offset(wanted.offset)
    rows = connection.execute(query).all()
    verifications = read_verifications(connection, [row.id for row in rows])
    return [_record(row, profile, verifications[row.id]) for row in rows]


def read_verifications(
    connection: Connection, ids: Iterable[str]
) -> dict[str, tuple[Verification, Verification, Verification]]:
    """Read the three verifications of each of these configurations."""
    found = {id: {type: Verification(type) for type in VerificationType} for id in ids}
    query = select(VERIFICATION).where(VERIFICATION.c.configuration_id.in_(found))
    for row in connection.execute(query):
        type = VerificationType(row.type)
        found[row.configuration_id][type] = replace(
            found[row.configuration_id][type],
            state=VerificationState(row.state),
            reason=row.reason,
            last_checked=row.last_checked,
            next_check=row.next_check,
            temporary_failures=row.temporary_failures,
        )
    spf, dkim, approval = VerificationType
    return {id: (own[spf], own[dkim], own[approval]) for id, own in found.items()}


def _record(
    row: Row[Any],
    profile: str,
    verifications: tuple[Verification, Verification, Verification],
) -> ConfigurationRecord:
    region = endpoint_region(profile, row.region)
    claim = DomainClaim(
        configuration_id=row.id,
        instance_id=row.instance_id,
        endpoint_region=region,
        domain=row.domain,
        # D-16: one name of the endpoint, behind which its outgoing addresses may change.
        spf_value=f"v=spf1 include:_spf.{host_name(region, EndpointType.PUBLIC)} ~all",
        dkim_name=f"{row.dkim_selector}._domainkey.{row.domain}",
        dkim_value=row.dkim_value,
        verifications=verifications,
    )
    return ConfigurationRecord(
        row.id, row.name, row.description, row.domain, row.created_at, row.updated_at, claim
    )
