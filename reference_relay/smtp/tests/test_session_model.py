"""The engine against a table of the tests' own; `session_model` has it and a longer run."""

from __future__ import annotations

from reference_relay.smtp.tests.session_model import play


def test_engine_and_table_agree() -> None:
    """Whatever is said in whatever order, the reply is the one the RFCs' table names."""
    assert play(1500) >= 1500
