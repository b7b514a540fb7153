"""A message's status survives its way to the supervisor."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.queue.queued_message import (
    MessageStatus,
    RecipientState,
    RecipientStatus,
    StatusEvent,
)
from reference_relay.queue.status_document import from_document, to_document

EVENTS = st.builds(
    StatusEvent, st.floats(0, 4e9), st.sampled_from(RecipientState), st.text(max_size=50)
)
RECIPIENTS = st.builds(
    RecipientStatus,
    st.builds(Mailbox, st.text(min_size=1, max_size=20), st.sampled_from(["a.example", "[::1]"])),
    st.lists(EVENTS, min_size=1, max_size=4).map(tuple),
)
STATUSES = st.builds(
    MessageStatus,
    st.just("0ABCDEFGHJK00"),
    st.floats(0, 4e9),
    st.lists(RECIPIENTS, max_size=4).map(tuple),
)


@given(STATUSES)
def test_what_arrives_is_what_was_sent(status: MessageStatus) -> None:
    """Through JSON and back every value is equal."""
    assert from_document(json.loads(json.dumps(to_document(status)))) == status
