"""Users in the store: at most five of a configuration, each name for one password (S-19, S-20)."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from reference_relay.service.configurations import Page, drop_unused_names
from reference_relay.service.refused import LimitReached, NotFound, Taken
from reference_relay.service.schema import CONFIGURATION, CREDENTIAL, SMTP_USER

# S-20
USERS_PER_CONFIGURATION = 5

_NAME_LETTERS = string.ascii_lowercase + string.digits
_PASSWORD_LETTERS = string.ascii_letters + string.digits
# 190 bits.
_PASSWORD_LENGTH = 32


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as the API shows it."""

    id: str
    configuration_id: str
    domain: str
    username: str
    description: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A name of the service's form, 18 small letters or figures and two figures, and its hash."""

    username: str
    password_hash: str


def new_username() -> str:
    """Make a user name."""
    name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(18))
    return f"{name}{secrets.randbelow(100):02}"


def new_password() -> str:
    """Make a password."""
    return "".join(secrets.choice(_PASSWORD_LETTERS) for _ in range(_PASSWORD_LENGTH))


def create(
    connection: Connection,
    instance_id: str,
    configuration_id: str,
    *,
    credential: NewCredential,
    description: str | None,
    now: float,
) -> UserRecord:
    """Make a user.

    Raises:
        NotFound: The instance has no such configuration.
        LimitReached: It has five users.
        Taken: The name exists.
    """
    _need_room(connection, instance_id, configuration_id)
    same = CREDENTIAL.c.username == credential.username
    if connection.execute(select(CREDENTIAL.c.username).where(same)).first() is not None:
        raise Taken("username", f"There is a user {credential.username!r} already.")
    connection.execute(
        insert(CREDENTIAL).values(
            username=credential.username,
            instance_id=instance_id,
            password_hash=credential.password_hash,
        )
    )
    return _enter(connection, configuration_id, credential.username, description, now)


def clone(
    connection: Connection,
    instance_id: str,
    configuration_id: str,
    *,
    username: str,
    description: str | None,
    now: float,
) -> UserRecord:
    """Let a user of another configuration of the instance send for this one, too.

    Raises:
        NotFound: The instance has no such configuration, or no such user.
        LimitReached: The configuration has five users.
        Taken: It has this user.
    """
    _need_room(connection, instance_id, configuration_id)
    same = (CREDENTIAL.c.username == username) & (CREDENTIAL.c.instance_id == instance_id)
    if connection.execute(select(CREDENTIAL.c.username).where(same)).first() is None:
        raise NotFound("user", username)
    own = (SMTP_USER.c.configuration_id == configuration_id) & (SMTP_USER.c.username == username)
    if connection.execute(select(SMTP_USER.c.id).where(own)).first() is not None:
        raise Taken("username", f"The configuration has the user {username!r} already.")
    return _enter(connection, configuration_id, username, description, now)


def page(
    connection: Connection, instance_id: str, configuration_id: str, wanted: Page
) -> tuple[Sequence[UserRecord], int]:
    """Read a part of a configuration's users, oldest first, and how many there are in all.

    Raises:
        NotFound: The instance has no such configuration.
    """
    _need_configuration(connection, instance_id, configuration_id)
    chosen = SMTP_USER.c.configuration_id == configuration_id
    if wanted.search is not None:
        chosen &= SMTP_USER.c.username.icontains(wanted.search, autoescape=True)
    count = connection.execute(select(func.count()).select_from(SMTP_USER).where(chosen))
    query = _query().where(chosen).order_by(SMTP_USER.c.created_at, SMTP_USER.c.id)
    rows = connection.execute(query.limit(wanted.limit).offset(wanted.offset))
    return [_record(row) for row in rows], count.scalar_one()


def get(
    connection: Connection, instance_id: str, configuration_id: str, user_id: str
) -> UserRecord:
    """Read a user.

    Raises:
        NotFound: There is none.
    """
    _need_configuration(connection, instance_id, configuration_id)
    row = connection.execute(_query().where(_of(configuration_id, user_id))).first()
    if row is None:
        raise NotFound("user", user_id)
    return _record(row)


def change(
    connection: Connection,
    instance_id: str,
    configuration_id: str,
    user_id: str,
    *,
    description: str | None,
    now: float,
) -> UserRecord:
    """Change the description; None leaves it.

    Raises:
        NotFound: There is no such user.
    """
    get(connection, instance_id, configuration_id, user_id)
    values: dict[str, Any] = {"updated_at": now}
    if description is not None:
        values["description"] = description
    connection.execute(update(SMTP_USER).where(_of(configuration_id, user_id)).values(values))
    return get(connection, instance_id, configuration_id, user_id)


def remove(connection: Connection, instance_id: str, configuration_id: str, user_id: str) -> None:
    """Remove a user; the name ends with the last configuration that has it.

    Raises:
        NotFound: There is none.
    """
    get(connection, instance_id, configuration_id, user_id)
    connection.execute(delete(SMTP_USER).where(_of(configuration_id, user_id)))
    drop_unused_names(connection)


def _need_configuration(connection: Connection, instance_id: str, configuration_id: str) -> None:
    own = (CONFIGURATION.c.instance_id == instance_id) & (CONFIGURATION.c.id == configuration_id)
    if connection.execute(select(CONFIGURATION.c.id).where(own)).first() is None:
        raise NotFound("configuration", configuration_id)


def _need_room(connection: Connection, instance_id: str, configuration_id: str) -> None:
    _need_configuration(connection, instance_id, configuration_id)
    # Nobody else writes meanwhile: every writer holds the row of `change` (USR-02).
    own = SMTP_USER.c.configuration_id == configuration_id
    count = connection.execute(select(func.count()).select_from(SMTP_USER).where(own)).scalar_one()
    if count >= USERS_PER_CONFIGURATION:
        raise LimitReached(
            f"A configuration has at most {USERS_PER_CONFIGURATION} users; delete one first."
        )


def _enter(
    connection: Connection,
    configuration_id: str,
    username: str,
    description: str | None,
    now: float,
) -> UserRecord:
    id = str(uuid.uuid4())
    connection.execute(
        insert(SMTP_USER).values(
            id=id,
            configuration_id=configuration_id,
            username=username,
            description=description,
            created_at=now,
            updated_at=now,
        )
    )
    row = connection.execute(_query().where(SMTP_USER.c.id == id)).one()
    return _record(row)


def _of(configuration_id: str, user_id: str) -> Any:
    return (SMTP_USER.c.configuration_id == configuration_id) & (SMTP_USER.c.id == user_id)


def _query() -> Any:
    return select(SMTP_USER, CONFIGURATION.c.domain).join(CONFIGURATION)


def _record(row: Row[Any]) -> UserRecord:
    return UserRecord(
        row.id,
        row.configuration_id,
        row.domain,
        row.username,
        row.description,
        row.created_at,
        row.updated_at,
    )
