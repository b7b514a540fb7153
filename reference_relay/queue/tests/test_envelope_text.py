"""Envelopes as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue import envelope_text

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
mailboxes = st.builds(Mailbox, words, words)
recipients = st.builds(
    Recipient,
    mailboxes,
    st.none() | st.frozensets(st.sampled_from(["NEVER", "SUCCESS", "FAILURE", "DELAY"])),
    st.none() | words,
)
envelopes = st.builds(
    Envelope,
    st.none() | mailboxes,
    st.lists(recipients, max_size=4).map(tuple),
    st.sampled_from(["7BIT", "8BITMIME"]),
    st.booleans(),
    st.none() | words,
    st.none() | words,
)


@given(envelopes)
def test_round_trip(envelope: Envelope) -> None:
    """What was written is read back the same, quotes and at-signs included."""
    assert envelope_text.read(envelope_text.write(envelope)) == envelope


def test_readable() -> None:
    """A person can read who writes to whom."""
    text = envelope_text.write(
        Envelope(Mailbox("jörg", "example.com"), (Recipient(Mailbox("ann", "example.org")),))
    )
    assert '"local_part":"jörg","domain":"example.com"' in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"reverse_path":null,"recipients":[1]}', "nul"])
def test_not_an_envelope(text: str) -> None:
    """Anything else is a ValueError that shows the text."""
    with pytest.raises(ValueError, match="not an envelope"):
        envelope_text.read(text)
