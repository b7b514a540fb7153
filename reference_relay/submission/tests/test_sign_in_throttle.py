"""Password guessing becomes slow, and nobody else notices (AUTH-20)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reference_relay.submission.settings import Limits
from reference_relay.submission.sign_in_throttle import SignInThrottle

LIMITS = replace(
    Limits(),
    sign_in_failures=5,
    sign_in_failures_per_address=20,
    sign_in_failures_per_user=10,
    sign_in_delay_seconds=1.0,
    sign_in_longest_delay_seconds=60.0,
)
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def fail(throttle: SignInThrottle, times: int, user: bytes = b"u", address: str = HERE) -> None:
    for _ in range(times):
        assert throttle.begin(user, address, LIMITS, 0.0) is not None


def test_the_first_failures_are_free_then_the_delay_doubles() -> None:
    """After the free ones each further failure makes the pair wait twice as long, to a limit."""
    throttle = SignInThrottle()
    fail(throttle, 5)
    now, delays = 0.0, []
    for _ in range(12):
        begun = now
        while throttle.begin(b"u", HERE, LIMITS, now) is None:
            now += 0.25
        delays.append(now - begun)
    assert delays[:5] == [1, 2, 4, 8, 16]
    # One failure is forgiven every minute, meanwhile too: it ends at one or two guesses a minute.
    assert all(25 <= delay <= 60 for delay in delays[5:])


def test_a_refused_attempt_counts_for_nothing() -> None:
    """Trying in vain while locked does not lock for longer."""
    throttle = SignInThrottle()
    fail(throttle, 5)
    for _ in range(100):
        assert throttle.begin(b"u", HERE, LIMITS, 0.5) is None
    assert throttle.begin(b"u", HERE, LIMITS, 1.0) == 0.0


def test_a_guesser_locks_out_nobody_else() -> None:
    """The same user elsewhere, and another user here, go on at once."""
    throttle = SignInThrottle()
    fail(throttle, 5)
    assert throttle.begin(b"u", HERE, LIMITS, 0.0) is None
    assert throttle.begin(b"u", ELSEWHERE, LIMITS, 0.0) == 0.0
    assert throttle.begin(b"other", HERE, LIMITS, 0.0) == 0.0


def test_an_address_that_guesses_for_many_users_is_slowed_down() -> None:
    """One failure for each of many users is guessing, too; users known at the address go on."""
    throttle = SignInThrottle()
    assert throttle.begin(b"neighbour", HERE, LIMITS, 0.0) == 0.0
    throttle.succeeded(b"neighbour", HERE)
    for number in range(20):
        fail(throttle, 1, b"%d" % number)
    assert throttle.begin(b"21", HERE, LIMITS, 0.0) is None
    assert throttle.begin(b"neighbour", HERE, LIMITS, 0.0) == 0.0
    assert throttle.begin(b"21", ELSEWHERE, LIMITS, 0.0) == 0.0


def test_a_user_guessed_at_from_many_addresses_is_held_back_but_never_refused() -> None:
    """The user signs in from a new address after some seconds, from a known one at once."""
    throttle = SignInThrottle()
    assert throttle.begin(b"u", HERE, LIMITS, 0.0) == 0.0
    throttle.succeeded(b"u", HERE)
    holds = [throttle.begin(b"u", f"203.0.113.{n}", LIMITS, 0.0) for n in range(16)]
    assert holds[:10] == [0.0] * 10
    assert holds[10:] == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert throttle.begin(b"u", ELSEWHERE, LIMITS, 0.0) == 5.0
    assert throttle.begin(b"u", HERE, LIMITS, 0.0) == 0.0


def test_success_clears_the_pair_but_not_the_address() -> None:
    """A guesser with an account of his own cannot wash the address clean with it."""
    throttle = SignInThrottle()
    for number in range(20):
        fail(throttle, 1, b"%d" % number)
        if throttle.begin(b"own", HERE, LIMITS, 0.0) is not None:
            throttle.succeeded(b"own", HERE)
    assert throttle.begin(b"21", HERE, LIMITS, 0.0) is None
    fail(throttle, 4, b"own")
    throttle.succeeded(b"own", HERE)
    fail(throttle, 5, b"own")


def test_many_at_a_time_gain_nothing() -> None:
    """Attempts whose passwords are still being checked count already."""
    throttle = SignInThrottle()
    begun = [throttle.begin(b"u", HERE, LIMITS, 0.0) for _ in range(1000)]
    assert begun.count(0.0) == 5


def test_what_was_never_judged_does_not_count() -> None:
    """A full hash pool is our trouble, not the client's."""
    throttle = SignInThrottle()
    for _ in range(50):
        assert throttle.begin(b"u", HERE, LIMITS, 0.0) == 0.0
        throttle.withdrawn(b"u", HERE)


def test_failures_are_forgiven_one_a_minute() -> None:
    """A client that fails now and then is never slowed down."""
    throttle = SignInThrottle()
    for number in range(100):
        assert throttle.begin(b"u", HERE, LIMITS, 61.0 * number) == 0.0


@pytest.mark.parametrize("back", [10.0, 1e9])
def test_a_clock_that_was_set_back_locks_for_no_longer_than_the_delay(back: float) -> None:
    """The delay is measured on the new time then."""
    throttle = SignInThrottle()
    for _ in range(5):
        throttle.begin(b"u", HERE, LIMITS, 2e9)
    assert throttle.begin(b"u", HERE, LIMITS, 2e9 - back) is None
    assert throttle.begin(b"u", HERE, LIMITS, 2e9 - back + 1.0) == 0.0
