"""Token buckets: an allowance that may be used at once and refills evenly. Pure; time is given."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

# Ours: at some 200 octets each, what is remembered stays at two megabytes.
_KEYS = 10000


@dataclass(slots=True)
class TokenBucket:
    """The allowance of one key.

    Attributes:
        tokens: How many are left, at the time `at`.
        at: Seconds, on the clock that `take` is given.
    """

    tokens: float
    at: float

    def take(self, capacity: int, window_seconds: float, now: float) -> float:
        """Take a token.

        Args:
            capacity: How many the bucket holds; as many flow in during a window.
            window_seconds: Length of the window.
            now: A clock that was set back counts as one that stood still.

        Returns:
            0.0 when it was taken, or the seconds until there is one.
        """
        wait = self.wait(capacity, window_seconds, now)
        if not wait:
            self.tokens -= 1
        return wait

    def wait(self, capacity: int, window_seconds: float, now: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one; see `take`."""
        elapsed = max(0.0, now - self.at)
        self.tokens = min(capacity, self.tokens + elapsed * capacity / window_seconds)
        self.at = now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) * window_seconds / capacity


class TokenBuckets:
    """A bucket for each key; the keys that were quiet longest are forgotten first."""

    def __init__(self, keys: int = _KEYS) -> None:
        self._keys = keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, capacity: int, window_seconds: float, now: float) -> float:
        """Take a token out of the key's bucket; see `TokenBucket.take`."""
        return self._bucket(key, capacity, now).take(capacity, window_seconds, now)

    def wait(self, key: str, capacity: int, window_seconds: float, now: float) -> float:
        """Return the seconds until the key has a token; see `TokenBucket.wait`."""
        return self._bucket(key, capacity, now).wait(capacity, window_seconds, now)

    def _bucket(self, key: str, capacity: int, now: float) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(capacity, now)
            if len(self._buckets) > self._keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
