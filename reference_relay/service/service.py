"""The service's durable state, and the directory that follows from it.

Every change is a transaction of the store; it returns when the new directory is enforced (D-27).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from reference_relay.service import configurations, seeding
from reference_relay.service.assembly import read_directory
from reference_relay.service.directory import Directory
from reference_relay.service.store import Line, Store
from reference_relay.service.verification import DomainClaim, StoreUnavailable, Verification

_log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]
Enforce = Callable[[Directory], Awaitable[None]]


class Service:
    """Who may send, from where: kept in a store, enforced by workers.

    Args:
        store: Where it is kept; closed by `stop`.
        profile: The key of the endpoint table in force.
        now: The relay's clock (D-25).
    """

    def __init__(self, store: Store, profile: str, now: Callable[[], float]) -> None:
        self.profile = profile
        self.now = now
        self._store = store
        # One thread: the store has one connection, and its writers stand in a line anyway.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._enforce: Enforce | None = None
        self._enforcing = asyncio.Lock()
        self._enforced = 0
        self._line: Line | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._is_up = True

    @property
    def is_up(self) -> bool:
        """Whether the store answered when it was asked last."""
        return self._is_up

    async def seed(self, directory: Directory) -> Directory:
        """Apply what the configuration file says; return what holds then, not yet enforced.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        apply = partial(
            seeding.apply, directory=directory, now=self.now(), is_alone=not self._store.is_shared
        )
        await self._run(partial(self._store.write, apply))
        found, self._enforced = await self._read_directory()
        return found

    def start(self, enforce: Enforce) -> None:
        """Enforce every change from now on, those of other nodes, too.

        Args:
            enforce: Returns when every worker judges by the directory.
        """
        self._enforce = enforce
        if self._store.is_shared:
            loop = asyncio.get_running_loop()

            def soon(act: Callable[[], None]) -> Callable[[], None]:
                def told() -> None:
                    loop.call_soon_threadsafe(act)

                return told

            self._line = Line(self._store.url, soon(self._catch_up), soon(self._lost))
            self._line.start()

    async def stop(self) -> None:
        """Let what is under way come to its end, and close the store."""
        if self._line is not None:
            await asyncio.to_thread(self._line.stop)
        if self._catching_up is not None:
            await asyncio.wait((self._catching_up,))
        self._thread.shutdown()
        self._store.close()

    async def read(self, work: Work[T]) -> T:
        """Read in a transaction.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        result, _ = await self._run(partial(self._store.read, work))
        return result

    async def change(self, work: Work[T]) -> T:
        """Change in a transaction, and return when what follows is enforced (D-27).

        Raises:
            StoreUnavailable: The store does not answer.
            ChangeRefused: As `work` raises it; nothing is changed.
        """
        result, revision = await self._run(partial(self._store.write, work))
        # A caller that goes away must not leave a change that nobody enforces.
        await asyncio.shield(self._enforce_up_to(revision))
        return result

    # -- what whoever proves domains asks --------------------------------------------------

    async def domain_claims(self) -> Sequence[DomainClaim]:
        """See `KeepsVerifications`."""
        return await self.read(lambda connection: configurations.claims(connection, self.profile))

    async def record(self, configuration_id: str, verification: Verification) -> bool:
        """See `KeepsVerifications`."""
        return await self.change(
            lambda connection: configurations.put_verification(
                connection, configuration_id, verification
            )
        )

    # ----------------------------------------------------------------------------------------

    async def _run(self, work: Callable[[], tuple[T, int]]) -> tuple[T, int]:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except StoreUnavailable as error:
            self._note(is_up=False, why=str(error))
            raise
        self._note(is_up=True)
        return answer

    def _note(self, *, is_up: bool, why: str = "") -> None:
        if is_up and not self._is_up:
            _log.warning("event=store_available")
        elif self._is_up and not is_up:
            _log.error("event=store_unavailable: the relay goes on with what it knows: %s", why)
        self._is_up = is_up

    async def _read_directory(self) -> tuple[Directory, int]:
        return await self._run(
            partial(self._store.read, partial(read_directory, profile=self.profile))
        )

    async def _enforce_up_to(self, revision: int) -> None:
        if self._enforce is None:
            return
        async with self._enforcing:
            # Whoever had the lock before may have read our change with his own.
            if self._enforced >= revision:
                return
            directory, found = await self._read_directory()
            await self._enforce(directory)
            self._enforced = found

    def _catch_up(self) -> None:
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._follow(), name="store-line")

    async def _follow(self) -> None:
        try:
            while True:
                _, revision = await self._run(partial(self._store.read, _nothing))
                if revision <= self._enforced:
                    return
                await self._enforce_up_to(revision)
        except StoreUnavailable:
            # The line will say when it is back.
            return

    def _lost(self) -> None:
        self._note(is_up=False, why="no line to it")


def _nothing(_: Connection) -> None:
    return None
