"""When a connection ends, by a clock that the test moves."""

from __future__ import annotations

from reference_relay.submission.deadlines import Deadlines
from reference_relay.submission.settings import Limits

LIMITS = Limits(idle_seconds=300, handshake_seconds=60, session_seconds=3600)


def test_idleness_is_counted_from_the_last_reply() -> None:
    """A client has five minutes for its next command (RFC 5321 §4.5.3.2.7)."""
    deadlines = Deadlines(opened_at=0, active_at=0)
    deadlines.answered(200)
    assert deadlines.due(LIMITS, is_encrypted=True) == 500


def test_an_octet_now_and_then_is_no_progress() -> None:
    """One octet every twenty seconds does not keep a connection (ROB-02)."""
    deadlines = Deadlines(opened_at=0, active_at=0)
    for second in range(0, 300, 20):
        deadlines.received(1, second)
    assert deadlines.due(LIMITS, is_encrypted=True) == 300


def test_a_content_on_its_way_is_progress() -> None:
    """Four kilobytes in five minutes are enough, though no reply is due in between."""
    deadlines = Deadlines(opened_at=0, active_at=0)
    for second in range(250):
        deadlines.received(20, second)
    assert 300 < deadlines.due(LIMITS, is_encrypted=True) <= 550


def test_a_session_ends_whatever_it_does() -> None:
    """The total time holds for busy sessions, too."""
    deadlines = Deadlines(opened_at=10, active_at=10)
    deadlines.answered(3600)
    assert deadlines.due(LIMITS, is_encrypted=True) == 3610


def test_a_handshake_is_counted_from_its_own_start() -> None:
    """Not from the opening, and not from the last octet."""
    deadlines = Deadlines(opened_at=0, active_at=100, handshake_since=100)
    for second in range(100, 150):
        deadlines.received(100, second)
    assert deadlines.due(LIMITS, is_encrypted=True) == 160
    deadlines.handshake_since = None
    assert deadlines.due(LIMITS, is_encrypted=True) > 160


def test_nobody_stays_in_clear_for_long() -> None:
    """Replies in clear do not lengthen the time before TLS."""
    deadlines = Deadlines(opened_at=0, active_at=0)
    deadlines.answered(299)
    assert deadlines.due(LIMITS, is_encrypted=False) == 300
