"""The grammar's limits of length (RFC 5321 §4.5.3.1, RFC 1035 §2.3.4)."""

from __future__ import annotations

from reference_relay.smtp.grammar import match_path


def test_mailboxes_are_measured_alike_on_both_sides_of_the_short_way() -> None:
    """Whether a path is short enough to need no measuring never changes what is accepted."""
    for local in range(1, 67):
        for label in range(1, 66):
            found = match_path(f"<{'l' * local}@{'d' * label}.example>", is_strict=True)
            assert (found is not None) is (local <= 64 and label <= 63), (local, label)


def test_short_paths_are_looked_into_for_literals() -> None:
    """An address literal of a few characters still has to be an address."""
    assert match_path("<a@[192.0.2.1]>", is_strict=True) is not None
    assert match_path("<a@[192.0.2]>", is_strict=True) is None
