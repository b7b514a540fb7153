"""Places and allowances across connections, by a clock that the test moves."""

from __future__ import annotations

from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply
from reference_relay.submission.guard import Guard
from reference_relay.submission.settings import Limits, Rates

LIMITS = Limits(connections=3, connections_per_address=2, connections_per_user=2)
FREE = Rates()


def connect(guard: Guard, address: str, rates: Rates = FREE, now: float = 0.0) -> Reply | None:
    return guard.admit_connection(address, LIMITS, rates, now)


def test_an_address_has_so_many_connections_at_a_time() -> None:
    """The third is told 421 4.7.0; when one ends, another may come; other addresses may anyway."""
    guard = Guard()
    assert [connect(guard, "a") for _ in range(3)] == [None, None, replies.TOO_MANY_CONNECTIONS]
    assert connect(guard, "b") is None
    guard.connection_ended("a")
    assert connect(guard, "a") is None


def test_a_service_has_so_many_connections_at_a_time() -> None:
    """Whoever comes then is told 421 4.3.2, which is not about the client."""
    guard = Guard()
    assert [connect(guard, address) for address in "abcd"] == [None] * 3 + [replies.SERVICE_FULL]
    assert guard.connections == 3
    guard.connection_ended("b")
    assert connect(guard, "d") is None


def test_a_user_has_so_many_connections_at_a_time() -> None:
    """Counted apart from addresses."""
    guard = Guard()
    full = replies.TOO_MANY_CONNECTIONS_OF_USER
    assert [guard.admit_user("u", LIMITS) for _ in range(3)] == [None, None, full]
    assert guard.admit_user("v", LIMITS) is None
    guard.user_left("u")
    assert guard.admit_user("u", LIMITS) is None


def test_nothing_is_kept_of_who_has_gone() -> None:
    """Counts of zero are forgotten."""
    guard = Guard()
    for number in range(1000):
        connect(guard, f"a{number}")
        guard.connection_ended(f"a{number}")
        guard.admit_user(f"u{number}", LIMITS)
        guard.user_left(f"u{number}")
    assert guard.connections == 0
    assert not guard._by_address
    assert not guard._by_user


def test_rates_are_off_unless_somebody_sets_them() -> None:
    """Without numbers nothing is ever refused."""
    guard = Guard()
    for _ in range(1000):
        assert guard.admit_message("u", "a", FREE, 0.0) is None
        assert guard.admit_recipient("u", "a", FREE, 0.0) is None


def test_a_connection_rate_is_421() -> None:
    """The address may come again when its bucket has refilled; a refusal leaves no place taken."""
    guard = Guard()
    rates = Rates(window_seconds=60, connections_per_address=1)
    assert connect(guard, "a", rates) is None
    assert connect(guard, "a", rates) == replies.CONNECTION_RATE
    assert guard.connections == 1
    assert connect(guard, "a", rates, 60.0) is None


def test_a_message_rate_is_450_and_only_for_whom_it_is() -> None:
    """A user's allowance is the user's, an address's is for all of its users (ROB-09)."""
    guard = Guard()
    rates = Rates(window_seconds=60, messages_per_user=2, messages_per_address=3)
    first = [guard.admit_message("u", "a", rates, 0.0) for _ in range(3)]
    assert first == [None, None, replies.MESSAGE_RATE]
    assert guard.admit_message("v", "a", rates, 0.0) is None
    assert guard.admit_message("v", "a", rates, 0.0) == replies.MESSAGE_RATE
    assert guard.admit_message("v", "b", rates, 30.0) is None
    assert guard.admit_message("u", "b", rates, 30.0) is None


def test_a_recipient_rate_is_450() -> None:
    """Counted apart from messages."""
    guard = Guard()
    rates = Rates(window_seconds=60, recipients_per_user=2)
    replied = [guard.admit_recipient("u", "a", rates, 0.0) for _ in range(3)]
    assert replied == [None, None, replies.RECIPIENT_RATE]
    assert guard.admit_message("u", "a", rates, 0.0) is None


def test_new_numbers_keep_what_was_counted() -> None:
    """After a reload with a lower limit, those who are there count."""
    guard = Guard()
    for _ in range(3):
        assert guard.admit_connection("a", Limits(), FREE, 0.0) is None
    assert connect(guard, "b") == replies.SERVICE_FULL


def test_every_limit_is_answered_with_a_transient_reply_in_words() -> None:
    """A limit must not make a client drop its mail (RFC 5321 §4.2.1)."""
    for reply in (
        replies.SERVICE_FULL,
        replies.TOO_MANY_CONNECTIONS,
        replies.TOO_MANY_CONNECTIONS_OF_USER,
        replies.CONNECTION_RATE,
        replies.TOO_MANY_SIGN_INS,
        replies.MESSAGE_RATE,
        replies.RECIPIENT_RATE,
    ):
        assert 400 <= reply.code < 500
        assert reply.enhanced is not None
        assert reply.enhanced.startswith("4.")
        assert len(reply.lines[0].split()) > 3
