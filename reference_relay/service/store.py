"""The database behind the service: one transaction after another, each whole or not at all.

Functions of `configurations`, `users`, `restrictions` and `seeding` say what happens inside a
transaction; here is how it is opened, committed and told to other nodes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from reference_relay.service.schema import CHANGE, METADATA
from reference_relay.service.verification import StoreUnavailable

_log = logging.getLogger(__name__)

# What nodes on one PostgreSQL call each other by.
CHANNEL = "reference_relay"
# Ours: a control plane that cannot be reached within this is gone for whoever waits at the API.
_CONNECT_SECONDS = 3
# The schema of this version; `migrations` has the way to it from every earlier one.
HEAD = "0001"

T = TypeVar("T")


class StoreUnusable(Exception):
    """The store cannot be opened as it is configured; the text says why."""


class Store:
    """A database. All calls of one store are made from one thread at a time.

    Args:
        url: Where it is.

    Raises:
        StoreUnusable: The URL is none, or nothing usable is there.
    """

    def __init__(self, url: str) -> None:
        self.url = parsed_url(url)
        self._engine = _engine(self.url)
        try:
            self._bring_up_to_date()
        except (SQLAlchemyError, OSError) as error:
            self._engine.dispose()
            raise StoreUnusable(f"{shown(self.url)}: {_first_line(error)}") from None

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may change it, too."""
        return self._engine.dialect.name == "postgresql"

    def read(self, work: Callable[[Connection], T]) -> tuple[T, int]:
        """Do something that changes nothing; return its result and the revision it saw.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                if self.is_shared:
                    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                revision = connection.execute(select(CHANGE.c.revision)).scalar_one()
                return work(connection), revision
        except DBAPIError as error:
            raise self._gone(error) from error

    def write(self, work: Callable[[Connection], T]) -> tuple[T, int]:
        """Do something in a transaction of its own; return its result and the new revision.

        Raises:
            StoreUnavailable: The database does not answer; nothing was changed.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                connection.execute(update(CHANGE).values(revision=CHANGE.c.revision + 1))
                revision = connection.execute(select(CHANGE.c.revision)).scalar_one()
                result = work(connection)
                if self.is_shared:
                    notify = text("SELECT pg_notify(:channel, :revision)")
                    connection.execute(notify, {"channel": CHANNEL, "revision": str(revision)})
                return result, revision
        except IntegrityError:
            # A fault of ours: every rule is asked before it is broken.
            raise
        except DBAPIError as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _gone(self, error: DBAPIError) -> StoreUnavailable:
        self._engine.dispose()
        return StoreUnavailable(f"{shown(self.url)}: {_first_line(error)}")

    def _bring_up_to_date(self) -> None:
        # The usual ways, new and unchanged, need nothing of Alembic, which takes a while to load.
        with self._engine.connect() as connection, connection.begin():
            if self.is_shared:
                # Two nodes that start at once must not both create the tables.
                connection.execute(text("SELECT pg_advisory_xact_lock(587)"))
            found = inspect(connection).get_table_names()
            if "alembic_version" in found:
                version = connection.execute(text("SELECT version_num FROM alembic_version"))
                if version.scalar_one() == HEAD:
                    return
            elif not found:
                METADATA.create_all(connection)
                connection.execute(insert(CHANGE).values(id=1, revision=1))
                connection.execute(
                    text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
                )
                connection.execute(
                    text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD}
                )
                return
            else:
                raise StoreUnusable(f"{shown(self.url)}: expected an empty database or our own")
        from reference_relay.service.migrations import upgrade

        upgrade(self._engine)


class Line:
    """Hears of changes that other nodes make to a shared store, in a thread of its own.

    Args:
        url: The store's.
        changed: Called, in that thread, after every change and whenever the line is new.
        lost: Called when the line breaks.
    """

    def __init__(self, url: URL, changed: Callable[[], None], lost: Callable[[], None]) -> None:
        self._url = url
        self._changed = changed
        self._lost = lost
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="store-line", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._is_over.set()
        self._thread.join()

    def _listen(self) -> None:
        import psycopg

        target = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._is_over.is_set():
            try:
                with psycopg.connect(
                    target, autocommit=True, connect_timeout=_CONNECT_SECONDS
                ) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    # What was missed while there was no line is seen now.
                    self._changed()
                    while not self._is_over.is_set():
                        for _ in connection.notifies(timeout=0.2, stop_after=1):
                            self._changed()
            except psycopg.Error:
                self._lost()
                self._is_over.wait(0.5)


def parsed_url(text: str) -> URL:
    """Read the URL of a store.

    Raises:
        StoreUnusable: It is none, or names a database that we do not speak to.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreUnusable("expected a URL like postgresql://user@host/database") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "postgresql+psycopg"):
        return url
    raise StoreUnusable(f"expected a URL of sqlite or postgresql, found {url.drivername}")


def sqlite_url(path: Path) -> str:
    """Return the URL of a database in a file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def shown(url: URL) -> str:
    """Write a URL for people; its password stays hidden."""
    return url.render_as_string(hide_password=True)


def _engine(url: URL) -> Engine:
    if url.drivername == "sqlite":
        engine = create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 0.5}
        )

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _: object) -> None:
            # The file is ours alone, and what it promises is on disk (D-27).
            connection.isolation_level = None
            for pragma in ("foreign_keys=ON", "synchronous=FULL", "locking_mode=EXCLUSIVE"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def began(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"connect_timeout": _CONNECT_SECONDS},
    )


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(error).__name__])[0]
