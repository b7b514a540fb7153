"""Who gets a place and how often: the limits across connections, as replies. Pure; time is given.

One guard serves all listeners of a worker. The numbers come with each call, so that a reload of
the configuration changes them and keeps what was counted.
"""

from __future__ import annotations

from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply
from reference_relay.submission.settings import Limits, Rates
from reference_relay.submission.sign_in_throttle import SignInThrottle
from reference_relay.submission.token_bucket import TokenBuckets


class Guard:
    """What is open and what was used, by address and by user."""

    def __init__(self) -> None:
        self.sign_ins = SignInThrottle()
        self._open = 0
        self._by_address: dict[str, int] = {}
        self._by_user: dict[str, int] = {}
        self._connections_of_address = TokenBuckets()
        self._messages_of_user = TokenBuckets()
        self._messages_of_address = TokenBuckets()
        self._recipients_of_user = TokenBuckets()
        self._recipients_of_address = TokenBuckets()

    @property
    def connections(self) -> int:
        """How many connections have a place."""
        return self._open

    def admit_connection(
        self, address: str, limits: Limits, rates: Rates, now: float
    ) -> Reply | None:
        """Give a connection its place, or say why it gets none; then it must not leave one."""
        full = self.refuse_connection(address, limits, rates, now)
        if full is not None:
            return full
        if (allowed := rates.connections_per_address) is not None:
            self._connections_of_address.take(address, allowed, rates.window_seconds, now)
        self._open += 1
        self._by_address[address] = self._by_address.get(address, 0) + 1
        return None

    def refuse_connection(
        self, address: str, limits: Limits, rates: Rates, now: float
    ) -> Reply | None:
        """Say why a connection would get no place, or None; nothing is counted."""
        if self._open >= limits.connections:
            return replies.SERVICE_FULL
        if self._by_address.get(address, 0) >= limits.connections_per_address:
            return replies.TOO_MANY_CONNECTIONS
        allowed = rates.connections_per_address
        if allowed is not None and self._connections_of_address.wait(
            address, allowed, rates.window_seconds, now
        ):
            return replies.CONNECTION_RATE
        return None

    def connection_ended(self, address: str) -> None:
        """Take a connection's place back."""
        self._open -= 1
        _count_out(self._by_address, address)

    def admit_user(self, username: str, limits: Limits) -> Reply | None:
        """Give a user's connection its place, or say why it gets none."""
        if self._by_user.get(username, 0) >= limits.connections_per_user:
            return replies.TOO_MANY_CONNECTIONS_OF_USER
        self._by_user[username] = self._by_user.get(username, 0) + 1
        return None

    def user_left(self, username: str) -> None:
        """Take the place of a user's connection back."""
        _count_out(self._by_user, username)

    def admit_message(self, username: str, address: str, rates: Rates, now: float) -> Reply | None:
        """Count a transaction, or say that the allowance is used up (ROB-09)."""
        window = rates.window_seconds
        allowed = rates.messages_per_user
        if allowed and self._messages_of_user.take(username, allowed, window, now):
            return replies.MESSAGE_RATE
        allowed = rates.messages_per_address
        if allowed and self._messages_of_address.take(address, allowed, window, now):
            return replies.MESSAGE_RATE
        return None

    def admit_recipient(
        self, username: str, address: str, rates: Rates, now: float
    ) -> Reply | None:
        """Count a recipient, or say that the allowance is used up (ROB-09)."""
        window = rates.window_seconds
        allowed = rates.recipients_per_user
        if allowed and self._recipients_of_user.take(username, allowed, window, now):
            return replies.RECIPIENT_RATE
        allowed = rates.recipients_per_address
        if allowed and self._recipients_of_address.take(address, allowed, window, now):
            return replies.RECIPIENT_RATE
        return None


def _count_out(counts: dict[str, int], key: str) -> None:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
