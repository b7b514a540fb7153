"""The store: its schema, its transactions, and what it says when it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text

from reference_relay.service import configurations
from reference_relay.service.migrations import upgrade
from reference_relay.service.refused import Taken
from reference_relay.service.schema import METADATA
from reference_relay.service.store import HEAD, Store, StoreUnusable, sqlite_url


def test_migrations_lead_to_the_schema_in_use(tmp_path: Path) -> None:
    """A database that came all the way by migrations is as one that was made at once."""
    engine = create_engine(sqlite_url(tmp_path / "old.sqlite"))
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        version = connection.execute(text("SELECT version_num FROM alembic_version"))
        assert version.scalar_one() == HEAD
    engine.dispose()
    store = Store(sqlite_url(tmp_path / "old.sqlite"))
    assert store.read(lambda connection: len(inspect(connection).get_table_names()))[0] > 8
    store.close()


def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Whatever was written before the refusal is undone, the revision included."""
    store = Store(sqlite_url(tmp_path / "s.sqlite"))

    def twice(connection: Connection) -> None:
        for _ in range(2):
            configurations.add_instance(connection, "i", "a", "us-south", 0.0)

    _, before = store.read(lambda _: None)
    with pytest.raises(Taken):
        store.write(twice)
    count = text("SELECT count(*) FROM instance")
    assert store.read(lambda connection: connection.execute(count).scalar_one()) == (0, before)
    store.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense", "expected a URL like postgresql"),
        ("mysql://localhost/x", "expected a URL of sqlite or postgresql"),
        ("sqlite:////nowhere/at/all.sqlite", "unable to open"),
        ("postgresql://u:hush@127.0.0.1:1/x", "refused"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_password(url: str, expected: str) -> None:
    """One line that says what was expected, and no secret in it."""
    with pytest.raises(StoreUnusable, match=expected) as raised:
        Store(url)
    assert "hush" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    """Tables that we do not know are no place for ours."""
    engine = create_engine(sqlite_url(tmp_path / "s.sqlite"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    engine.dispose()
    with pytest.raises(StoreUnusable, match="empty database or our own"):
        Store(sqlite_url(tmp_path / "s.sqlite"))
