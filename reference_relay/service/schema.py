"""The tables of the store. Times are seconds since the epoch, by the relay's clock."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# Names of constraints that both databases agree on; migrations need them.
METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _belongs_to(column: str) -> ForeignKey:
    return ForeignKey(column, ondelete="CASCADE")


# One row. Its lock puts all writers in a line, its number names what the directory was made of.
CHANGE = Table(
    "change",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# What the configuration file said when it was applied last, so that only its changes are applied.
SEED = Table(
    "seed",
    METADATA,
    Column("kind", String(16), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("digest", String(64), nullable=False),
)

INSTANCE = Table(
    "instance",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("account_id", String(64), nullable=False),
    Column("region", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

CONFIGURATION = Table(
    "configuration",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("instance_id", String(256), _belongs_to("instance.id"), nullable=False, index=True),
    Column("name", String(512), nullable=False),
    Column("description", String(512), nullable=False),
    Column("domain", String(512), nullable=False),
    Column("domain_key", String(512), nullable=False),
    Column("dkim_selector", String(256), nullable=False),
    Column("dkim_private_key", Text),
    Column("dkim_value", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("instance_id", "name"),
    UniqueConstraint("instance_id", "domain_key"),
)

VERIFICATION = Table(
    "verification",
    METADATA,
    Column("configuration_id", String(256), _belongs_to("configuration.id"), primary_key=True),
    Column("type", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("last_checked", Float),
    Column("next_check", Float),
    Column("temporary_failures", Integer, nullable=False),
)

QUESTIONNAIRE = Table(
    "questionnaire",
    METADATA,
    Column("configuration_id", String(256), _belongs_to("configuration.id"), primary_key=True),
    Column("answers", JSON, nullable=False),
    Column("submitted_at", Float, nullable=False),
)

# A name and its password once, however many configurations it is good for by cloning.
CREDENTIAL = Table(
    "credential",
    METADATA,
    Column("username", String(255), primary_key=True),
    Column("instance_id", String(256), _belongs_to("instance.id"), nullable=False),
    Column("password_hash", Text, nullable=False),
)

SMTP_USER = Table(
    "smtp_user",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column(
        *("configuration_id", String(256), _belongs_to("configuration.id")),
        nullable=False,
    ),
    Column(
        *("username", String(255), _belongs_to("credential.username")),
        nullable=False,
        index=True,
    ),
    Column("description", String(512)),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("configuration_id", "username"),
)

ZONE = Table(
    "zone",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("account_id", String(64), nullable=False),
    Column("name", String(256), nullable=False),
    Column("description", Text, nullable=False),
    Column("addresses", JSON, nullable=False),
    Column("excluded", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("account_id", "name"),
)

RULE = Table(
    "rule",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("account_id", String(64), nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("contexts", JSON, nullable=False),
    Column("resources", JSON, nullable=False),
    Column("api_types", JSON),
    Column("enforcement_mode", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
)

# The addresses behind a VPC, a service or an instance that zones name.
REFERENCE = Table(
    "reference",
    METADATA,
    Column("name", String(512), primary_key=True),
    Column("addresses", JSON, nullable=False),
)

LEGACY_ALLOWLIST = Table(
    "legacy_allowlist",
    METADATA,
    Column("configuration_id", String(256), _belongs_to("configuration.id"), primary_key=True),
    Column("subnets", JSON, nullable=False),
    Column("deprecated_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)
