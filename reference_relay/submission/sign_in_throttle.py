"""Password guessing is slowed down, and nobody else pays for it (AUTH-20). Pure; time is given.

Failures are counted three ways, each with a number that is free:

- of one user from one address. Beyond it the pair has to wait, twice as long after each further
  failure, and is refused meanwhile *before* the password is looked at: right and wrong get the same
  454, so a guess made while locked tells nothing.
- from one address, whoever it claims to be: the same, but not for users who are known to sign in
  from there, such as the neighbours behind one gateway.
- of one user, wherever from. Locking would let a stranger shut a user out, so here the answer is
  only held back for some seconds, and not at addresses where the user is known.

An attempt counts as failed from the moment it begins, so that a thousand at a time gain nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from reference_relay.submission.settings import Limits

# Ours: what a guesser's machines can make us remember stays at a few megabytes.
_KEYS = 10000
# Ours: one failure is forgiven in this time.
_FORGIVEN_SECONDS = 60.0
# Ours: the longest time an answer is held back; clients wait for minutes, people do not.
_LONGEST_HOLD_SECONDS = 5.0
# 2 ** 30 seconds are above any sensible longest delay.
_DOUBLINGS = 30

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Failures:
    count: float
    at: float


class _Record(Generic[K]):
    """Failures by key; the keys that were quiet longest are forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[K, _Failures] = OrderedDict()

    def delay(self, key: K, free: int, limits: Limits, now: float) -> float:
        """Seconds for which the key still has to wait."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        # A clock that was set back must not lock for longer than the delay itself.
        failures.at = min(failures.at, now)
        elapsed = now - failures.at
        excess = ceil(failures.count - elapsed / _FORGIVEN_SECONDS) - free
        if excess < 0:
            return 0.0
        grown = limits.sign_in_delay_seconds * 2.0 ** min(excess, _DOUBLINGS)
        return max(0.0, min(grown, limits.sign_in_longest_delay_seconds) - elapsed)

    def add(self, key: K, now: float) -> None:
        failures = self._failures.get(key)
        if failures is None:
            self._failures[key] = _Failures(1.0, now)
            if len(self._failures) > _KEYS:
                self._failures.popitem(last=False)
            return
        forgiven = max(0.0, now - failures.at) / _FORGIVEN_SECONDS
        failures.count = max(0.0, failures.count - forgiven) + 1
        failures.at = now
        self._failures.move_to_end(key)

    def take_back(self, key: K) -> None:
        failures = self._failures.get(key)
        if failures is not None:
            failures.count -= 1
            if failures.count <= 0:
                del self._failures[key]

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)


class SignInThrottle:
    """Who has failed how often; the caller says who and when."""

    def __init__(self) -> None:
        self._of_pair: _Record[tuple[bytes, str]] = _Record()
        self._of_address: _Record[str] = _Record()
        self._of_user: _Record[bytes] = _Record()
        # Where users signed in before; a set that forgets its oldest entries.
        self._known: OrderedDict[tuple[bytes, str], None] = OrderedDict()

    def begin(self, username: bytes, address: str, limits: Limits, now: float) -> float | None:
        """Count an attempt in, unless it comes too soon.

        Args:
            username: As the client gave it, known to us or not.
            address: The client's.
            limits: The numbers in force.
            now: Seconds on any one clock.

        Returns:
            Seconds to hold the attempt back, mostly 0.0; None when it is to be refused unjudged.
        """
        pair = (username, address)
        if self._of_pair.delay(pair, limits.sign_in_failures, limits, now):
            return None
        hold = 0.0
        if pair not in self._known:
            if self._of_address.delay(address, limits.sign_in_failures_per_address, limits, now):
                return None
            hold = self._of_user.delay(username, limits.sign_in_failures_per_user, limits, now)
        self._of_pair.add(pair, now)
        self._of_address.add(address, now)
        self._of_user.add(username, now)
        return min(hold, _LONGEST_HOLD_SECONDS)

    def succeeded(self, username: bytes, address: str) -> None:
        """The attempt was right: the user is known at this address from now on."""
        pair = (username, address)
        self._of_pair.forget(pair)
        # Only this attempt: a guesser with an account of his own gains nothing by using it.
        self._of_address.take_back(address)
        self._of_user.take_back(username)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _KEYS:
            self._known.popitem(last=False)

    def withdrawn(self, username: bytes, address: str) -> None:
        """The attempt was never judged: it counts for nothing."""
        self._of_pair.take_back((username, address))
        self._of_address.take_back(address)
        self._of_user.take_back(username)
