"""Values that cost little to make are still values."""

from __future__ import annotations

import dataclasses

from reference_relay.mail.address import Mailbox


def test_equal_fields_make_equal_values() -> None:
    """Two mailboxes of the same parts are one member of a set."""
    assert len({Mailbox("a", "example.com"), Mailbox("a", "example.com")}) == 1
    assert Mailbox("a", "example.com") != Mailbox("b", "example.com")


def test_a_value_is_changed_by_making_another() -> None:
    """`dataclasses.replace` works as with any dataclass."""
    mailbox = Mailbox("a", "example.com")
    other = dataclasses.replace(mailbox, local_part="b")
    assert (mailbox.local_part, other) == ("a", Mailbox("b", "example.com"))


def test_a_value_has_no_room_for_more() -> None:
    """A field that is none cannot be added by a slip of the pen."""
    assert not hasattr(Mailbox("a", "example.com"), "__dict__")


def test_the_type_checker_refuses_to_assign_to_a_field() -> None:
    """Strict mypy takes offence at this file as soon as the comment in it is not needed."""
    mailbox = Mailbox("a", "example.com")
    mailbox.domain = "example.net"  # type: ignore[misc]
    assert mailbox.domain == "example.net", "the docstring of `immutable` says so"
