"""Passwords: Argon2id hashes, checked off the event loop, at a cost that tells nothing (D-28).

The cost profile for new hashes is the OWASP minimum for Argon2id, 19 MiB and two passes on one
lane: some 17 ms of one core. The library's own default takes 64 MiB and ten times as long, which
on a submission endpoint is a lever for whoever wants to stall it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError


@dataclass(frozen=True, slots=True)
class CostProfile:
    """What one hash costs: passes over the memory, KiB of it, and lanes."""

    time_cost: int = 2
    memory_kibibytes: int = 19 * 1024
    parallelism: int = 1

    @classmethod
    def of(cls, password_hash: str) -> CostProfile:
        """Read the costs out of an encoded hash.

        Raises:
            ValueError: It is no encoded Argon2id hash.
        """
        try:
            parameters = argon2.extract_parameters(password_hash)
        except InvalidHashError:
            raise ValueError("expected an encoded Argon2id hash ($argon2id$…)") from None
        if parameters.type is not argon2.Type.ID:
            raise ValueError("expected Argon2id, not another variant of Argon2")
        return cls(parameters.time_cost, parameters.memory_cost, parameters.parallelism)

    def hash(self, password: bytes) -> str:
        """Hash a password with a fresh salt at this cost."""
        hasher = argon2.PasswordHasher(self.time_cost, self.memory_kibibytes, self.parallelism)
        return hasher.hash(password)


class HashPoolFull(Exception):
    """Too many passwords wait to be checked; the answer is 454 4.7.0, never 535."""


def hash_password(password: str) -> str:
    """Hash a password as it is stored: Argon2id, encoded, salted, over all of its octets."""
    return CostProfile().hash(password.encode())


class PasswordVerifier:
    """Checks passwords in a bounded pool of threads.

    A correct credential is remembered under a keyed hash of user name, password and stored hash,
    so that a changed hash is a miss. What is remembered is worth nothing outside this process.

    Args:
        hashes: The hashes in use; an unknown user costs what most of them cost (AUTH-18).
        threads: At most this many checks at a time, never more than there are cores.
        waiting: Places in the line behind them; beyond it `verify` raises HashPoolFull.
        remembered: Most verified credentials to keep.
    """

    # 64 waiting checks on two cores are about half a second, well inside a client's patience.
    def __init__(
        self,
        hashes: Iterable[str] = (),
        *,
        threads: int | None = None,
        waiting: int = 64,
        remembered: int = 4096,
    ) -> None:
        cores = os.cpu_count() or 1
        workers = min(threads or cores, cores)
        costs = Counter(CostProfile.of(password_hash) for password_hash in hashes)
        likely = costs.most_common(1)[0][0] if costs else CostProfile()
        self._dummy_hash = likely.hash(secrets.token_bytes(32))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._key = secrets.token_bytes(32)
        self._remembered = remembered
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._generation = 0

    def remembers(self, password_hash: str, username: bytes, password: bytes) -> bool:
        """Tell whether `verify` has found these right before, and would again without waiting."""
        return self._is_verified(self._credential(password_hash, username, password))

    async def verify(self, password_hash: str | None, username: bytes, password: bytes) -> bool:
        """Tell whether the password is the one behind the hash.

        Args:
            password_hash: The stored hash, or None for a user who must not get in; that takes as
                long as a wrong password does.
            username: Authentication identity, as received.
            password: All of it counts, whatever its length (USR-05).

        Raises:
            HashPoolFull: The waiting line is full, or there is no memory or thread for the check.
        """
        credential = self._credential(password_hash, username, password)
        if self._is_verified(credential):
            return True
        # Many sessions of one client start at once: they share one check.
        running = self._running.get(credential)
        if running is None:
            running = self._submit(credential, password_hash, password)
        # One session's end must not cancel the check for the others.
        return await asyncio.shield(running)

    def forget(self) -> None:
        """Forget every verified credential (deletion, rotation), also those being checked now."""
        self._generation += 1
        self._verified.clear()
        self._running.clear()

    def close(self) -> None:
        """Stop the threads; checks that still wait are cancelled."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _is_verified(self, credential: bytes) -> bool:
        # The digest is keyed with a secret, so the time of this look-up tells nothing about it.
        if credential not in self._verified:
            return False
        self._verified.move_to_end(credential)
        return True

    def _credential(self, password_hash: str | None, username: bytes, password: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in ((password_hash or "").encode(), username, password):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def _submit(
        self, credential: bytes, password_hash: str | None, password: bytes
    ) -> asyncio.Future[bool]:
        if not self._places.acquire(blocking=False):
            raise HashPoolFull
        stored = password_hash or self._dummy_hash
        try:
            future = self._pool.submit(_matches, stored, password)
        except RuntimeError as error:
            # No thread to be had, or the relay ends.
            self._places.release()
            raise HashPoolFull from error
        future.add_done_callback(self._leave)
        running = asyncio.wrap_future(future)
        self._running[credential] = running
        generation = self._generation

        def remember(done: asyncio.Future[bool]) -> None:
            if self._running.get(credential) is done:
                del self._running[credential]
            if done.cancelled() or done.exception() or generation != self._generation:
                return
            if password_hash and done.result():
                self._verified[credential] = None
                if len(self._verified) > self._remembered:
                    self._verified.popitem(last=False)

        running.add_done_callback(remember)
        return running

    def _leave(self, _: Future[bool]) -> None:
        self._places.release()


def _matches(password_hash: str, password: bytes) -> bool:
    # The library compares in constant time.
    try:
        return argon2.PasswordHasher().verify(password_hash, password)
    except VerifyMismatchError:
        return False
    except VerificationError as error:
        # No memory for the check, say: the password may well be right (AUTH-24).
        raise HashPoolFull from error
