"""Addresses in the status: every second character of the local part is hidden."""

from __future__ import annotations

import pytest

from reference_relay.mail.address import Mailbox
from reference_relay.queue.masking import masked, masked_text

BOB = Mailbox("bobby", "example.org")


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [("b", "b@x.example"), ("bo", "b*@x.example"), ("noreply", "n*r*p*y@x.example")],
)
def test_every_second_character_is_hidden(local_part: str, expected: str) -> None:
    """The first character stays, the second does not; the domain is clear."""
    assert masked(Mailbox(local_part, "x.example")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 <bobby@example.org>: no such user", "550 <b*b*y@example.org>: no such user"),
        ("550 BOBBY@Example.ORG unknown", "550 b*b*y@example.org unknown"),
        ("550 no such user", "550 no such user"),
        ("550 notbobby@example.org", "550 notbobby@example.org"),
    ],
)
def test_remote_words_are_masked_too(text: str, expected: str) -> None:
    """What a remote host quotes of the recipient is masked as well, and nothing else."""
    assert masked_text(text, BOB) == expected
