"""What is due is looked at: when its time comes, and when the clock jumps there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reference_relay.clock import Clock
from reference_relay.service.verification import (
    DomainClaim,
    StoreUnavailable,
    Verification,
    VerificationState,
    VerificationType,
)
from reference_relay.verification.finding import INTERVAL_SECONDS, Absent, Proven, after
from reference_relay.verification.rechecker import Rechecker

SPF, DKIM, APPROVAL = VerificationType


@dataclass
class Store:
    """Keeps one claim in memory; `is_away` makes it unreachable."""

    clock: Clock
    is_away: bool = False
    is_proven: bool = True
    looked_at: list[VerificationType] = field(default_factory=list)
    was_read: asyncio.Event = field(default_factory=asyncio.Event)
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        now = self.clock()
        verified = VerificationState.VERIFIED
        self.claim = DomainClaim(
            "c",
            "i",
            "us-south",
            "example.com",
            "",
            "",
            "",
            (
                Verification(SPF, verified, "", now, now + INTERVAL_SECONDS),
                Verification(DKIM, verified, "", now, now + 2 * INTERVAL_SECONDS),
                Verification(APPROVAL, verified, "", now, None),
            ),
        )

    async def domain_claims(self) -> Sequence[DomainClaim]:
        self.was_read.set()
        if self.is_away:
            raise StoreUnavailable
        return [self.claim]

    async def record(self, configuration_id: str, verification: Verification) -> bool:
        kept = tuple(
            verification if one.type is verification.type else one
            for one in self.claim.verifications
        )
        spf, dkim, approval = kept
        self.claim = replace(self.claim, verifications=(spf, dkim, approval))
        self.recorded.set()
        return True

    async def verify(self, claim: DomainClaim, type: VerificationType) -> Verification:
        self.looked_at.append(type)
        finding = Proven() if self.is_proven else Absent("gone")
        return after(claim.verification(type), finding, self.clock())


def test_only_what_is_due_is_looked_at() -> None:
    """SPF after six hours, SPF and DKIM after twelve, the approval never."""

    async def run() -> None:
        clock = Clock(is_virtual=True)
        store = Store(clock)
        rechecker = Rechecker(store, store, clock)
        assert await rechecker.check_due() == store.claim.verifications[0].next_check
        assert store.looked_at == []
        clock.advance(INTERVAL_SECONDS)
        await rechecker.check_due()
        assert store.looked_at == [SPF]
        clock.advance(INTERVAL_SECONDS)
        await rechecker.check_due()
        assert sorted(one.value for one in store.looked_at[1:]) == ["dkim", "spf"]

    asyncio.run(run())


def test_a_jump_wakes_the_rechecker() -> None:
    """A record that is gone is found without anybody asking, as soon as the clock gets there."""

    async def run() -> None:
        clock = Clock(is_virtual=True)
        store = Store(clock, is_proven=False)
        rechecker = Rechecker(store, store, clock)
        rechecker.start()
        await asyncio.wait_for(store.was_read.wait(), 5)
        clock.advance(INTERVAL_SECONDS)
        await asyncio.wait_for(store.recorded.wait(), 5)
        assert store.claim.verification(SPF).state is VerificationState.FAILED
        assert store.claim.verification(DKIM).state is VerificationState.VERIFIED
        await rechecker.stop()

    asyncio.run(run())


def test_a_store_that_comes_back_is_asked_again() -> None:
    """While the store is away nothing is decided, and the look is made up for afterwards."""

    async def run() -> None:
        clock = Clock(is_virtual=True)
        store = Store(clock, is_away=True)
        rechecker = Rechecker(store, store, clock)
        rechecker.start()
        await asyncio.wait_for(store.was_read.wait(), 5)
        store.is_away = False
        clock.advance(INTERVAL_SECONDS)
        await asyncio.wait_for(store.recorded.wait(), 5)
        assert store.looked_at == [SPF]
        await rechecker.stop()

    asyncio.run(run())
