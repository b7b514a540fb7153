"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_change_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "reference",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reference")),
    )
    op.create_table(
        "rule",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("contexts", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("api_types", sa.JSON(), nullable=True),
        sa.Column("enforcement_mode", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("modified_at", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule")),
    )
    op.create_index(op.f("ix_rule_account_id"), "rule", ["account_id"], unique=False)
    op.create_table(
        "seed",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_seed")),
    )
    op.create_table(
        "zone",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("excluded", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("modified_at", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_zone_account_id_name")),
    )
    op.create_table(
        "configuration",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("instance_id", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", sa.String(length=512), nullable=False),
        sa.Column("domain", sa.String(length=512), nullable=False),
        sa.Column("domain_key", sa.String(length=512), nullable=False),
        sa.Column("dkim_selector", sa.String(length=256), nullable=False),
        sa.Column("dkim_private_key", sa.Text(), nullable=True),
        sa.Column("dkim_value", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.id"],
            name=op.f("fk_configuration_instance_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration")),
        sa.UniqueConstraint(
            "instance_id", "domain_key", name=op.f("uq_configuration_instance_id_domain_key")
        ),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_configuration_instance_id_name")),
    )
    op.create_index(
        op.f("ix_configuration_instance_id"), "configuration", ["instance_id"], unique=False
    )
    op.create_table(
        "credential",
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("instance_id", sa.String(length=256), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.id"],
            name=op.f("fk_credential_instance_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("username", name=op.f("pk_credential")),
    )
    op.create_table(
        "legacy_allowlist",
        sa.Column("configuration_id", sa.String(length=256), nullable=False),
        sa.Column("subnets", sa.JSON(), nullable=False),
        sa.Column("deprecated_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name=op.f("fk_legacy_allowlist_configuration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("configuration_id", name=op.f("pk_legacy_allowlist")),
    )
    op.create_table(
        "questionnaire",
        sa.Column("configuration_id", sa.String(length=256), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("submitted_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name=op.f("fk_questionnaire_configuration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("configuration_id", name=op.f("pk_questionnaire")),
    )
    op.create_table(
        "smtp_user",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("configuration_id", sa.String(length=256), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=512), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name=op.f("fk_smtp_user_configuration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["username"],
            ["credential.username"],
            name=op.f("fk_smtp_user_username"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_smtp_user")),
        sa.UniqueConstraint(
            "configuration_id", "username", name=op.f("uq_smtp_user_configuration_id_username")
        ),
    )
    op.create_index(op.f("ix_smtp_user_username"), "smtp_user", ["username"], unique=False)
    op.create_table(
        "verification",
        sa.Column("configuration_id", sa.String(length=256), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("last_checked", sa.Float(), nullable=True),
        sa.Column("next_check", sa.Float(), nullable=True),
        sa.Column("temporary_failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["configuration.id"],
            name=op.f("fk_verification_configuration_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("configuration_id", "type", name=op.f("pk_verification")),
    )
    op.execute("INSERT INTO change (id, revision) VALUES (1, 1)")
