"""Passwords: the whole one counts, unknown users cost as much, the pool is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from reference_relay.service import passwords
from reference_relay.service.passwords import (
    CostProfile,
    HashPoolFull,
    PasswordVerifier,
    hash_password,
)

CHEAP = CostProfile(time_cost=1, memory_kibibytes=64)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that were really computed, in order."""
    computed: list[str] = []
    original = passwords._matches

    def matches(password_hash: str, password: bytes) -> bool:
        computed.append(password_hash)
        return original(password_hash, password)

    monkeypatch.setattr(passwords, "_matches", matches)
    return computed


@pytest.fixture
def verifier() -> Iterator[PasswordVerifier]:
    """A verifier whose dummy hash is cheap."""
    made = PasswordVerifier([CHEAP.hash(b"x")])
    yield made
    made.close()


def test_new_hashes_have_the_documented_cost() -> None:
    """hash_password gives a salted Argon2id string of 19 MiB, two passes, one lane."""
    first, second = hash_password("same"), hash_password("same")
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert CostProfile.of(first) == CostProfile()


@pytest.mark.parametrize("text", ["", "plain", "$2b$12$abc", "$argon2id$v=19$m=19456"])
def test_what_is_no_argon2id_hash_is_refused(text: str) -> None:
    """Anything but an encoded Argon2id hash is an error."""
    with pytest.raises(ValueError, match="Argon2id"):
        CostProfile.of(text)


async def both(verifier: PasswordVerifier, stored: str, tries: list[bytes]) -> list[bool]:
    return [await verifier.verify(stored, b"user", one) for one in tries]


def test_the_whole_password_counts(verifier: PasswordVerifier) -> None:
    """Two passwords of 100 octets that share the first 72 are two passwords (USR-05)."""
    right, other = b"p" * 72 + b"a" * 28, b"p" * 72 + b"b" * 28
    tries = [other, right[:72], right + b"x", right]
    assert asyncio.run(both(verifier, CHEAP.hash(right), tries)) == [False, False, False, True]


def test_an_unknown_user_costs_a_hash_every_time(
    verifier: PasswordVerifier, checked: list[str]
) -> None:
    """No stored hash means a check against the dummy, never a memory of it (AUTH-18)."""

    async def tries() -> list[bool]:
        return [await verifier.verify(None, b"nobody", b"guess") for _ in range(2)]

    assert asyncio.run(tries()) == [False, False]
    assert len(checked) == 2
    assert CostProfile.of(checked[0]) == CHEAP


def test_a_wrong_password_costs_a_hash_every_time(
    verifier: PasswordVerifier, checked: list[str]
) -> None:
    """Failures are not remembered."""
    assert asyncio.run(both(verifier, CHEAP.hash(b"right"), [b"wrong"] * 3)) == [False] * 3
    assert len(checked) == 3


def test_a_verified_credential_is_remembered_until_forgotten(
    verifier: PasswordVerifier, checked: list[str]
) -> None:
    """The second check is free; after forget() it is paid again."""
    stored = CHEAP.hash(b"right")
    assert asyncio.run(both(verifier, stored, [b"right", b"right"])) == [True, True]
    assert len(checked) == 1
    verifier.forget()
    assert asyncio.run(both(verifier, stored, [b"right"])) == [True]
    assert len(checked) == 2


def test_what_is_remembered_is_known_without_a_check(verifier: PasswordVerifier) -> None:
    """`remembers` says so of the verified credential alone, and no more after forget()."""
    stored = CHEAP.hash(b"right")
    assert not verifier.remembers(stored, b"user", b"right")
    asyncio.run(both(verifier, stored, [b"right", b"wrong"]))
    assert verifier.remembers(stored, b"user", b"right")
    assert not verifier.remembers(stored, b"user", b"wrong")
    assert not verifier.remembers(stored, b"other", b"right")
    verifier.forget()
    assert not verifier.remembers(stored, b"user", b"right")


def test_a_changed_hash_is_a_miss(verifier: PasswordVerifier) -> None:
    """Rotation counts at once, even without forget() (USR-06)."""
    assert asyncio.run(both(verifier, CHEAP.hash(b"old"), [b"old"])) == [True]
    assert asyncio.run(both(verifier, CHEAP.hash(b"new"), [b"old", b"new"])) == [False, True]


def test_parts_of_a_credential_do_not_run_together(
    verifier: PasswordVerifier, checked: list[str]
) -> None:
    """User name and password are kept apart in what is remembered."""
    stored = CHEAP.hash(b"bc")

    async def tries() -> tuple[bool, bool]:
        return await verifier.verify(stored, b"a", b"bc"), await verifier.verify(
            stored, b"ab", b"c"
        )

    assert asyncio.run(tries()) == (True, False)
    assert len(checked) == 2


def test_the_memory_is_bounded(checked: list[str]) -> None:
    """The credential used longest ago is forgotten first."""
    hashes = [CHEAP.hash(b"pw") for _ in range(3)]
    verifier = PasswordVerifier(hashes, remembered=2)

    async def tries() -> None:
        for index in (0, 1, 0, 2, 0, 1):
            assert await verifier.verify(hashes[index], b"user", b"pw")

    asyncio.run(tries())
    verifier.close()
    assert checked == [hashes[index] for index in (0, 1, 2, 1)]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds every check back until it is set."""
    opened = threading.Event()
    original = passwords._matches

    def matches(password_hash: str, password: bytes) -> bool:
        opened.wait(10)
        return original(password_hash, password)

    monkeypatch.setattr(passwords, "_matches", matches)
    yield opened
    opened.set()


def test_a_full_line_raises_and_recovers(gate: threading.Event) -> None:
    """Beyond the waiting line there is HashPoolFull at once, and room again afterwards."""
    stored = CHEAP.hash(b"right")
    verifier = PasswordVerifier([stored], threads=1, waiting=2)

    async def storm() -> None:
        running = [
            asyncio.create_task(verifier.verify(stored, b"user", b"wrong %d" % n)) for n in range(3)
        ]
        await asyncio.sleep(0)
        with pytest.raises(HashPoolFull):
            await verifier.verify(stored, b"user", b"one more")
        gate.set()
        assert await asyncio.gather(*running) == [False] * 3
        assert await verifier.verify(stored, b"user", b"right")

    asyncio.run(storm())
    verifier.close()


def test_a_check_without_a_thread_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started there is HashPoolFull, and no place is lost by it."""
    stored = CHEAP.hash(b"right")
    verifier = PasswordVerifier([stored], threads=1, waiting=0)

    def starved(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def tries() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", starved)
            for _ in range(3):
                with pytest.raises(HashPoolFull):
                    await verifier.verify(stored, b"user", b"right")
        assert await verifier.verify(stored, b"user", b"right")

    asyncio.run(tries())
    verifier.close()


def test_equal_credentials_share_one_check(gate: threading.Event) -> None:
    """Many sessions of one client take one place; the end of one does not harm the others."""
    stored = CHEAP.hash(b"right")
    verifier = PasswordVerifier([stored], threads=1, waiting=0)

    async def crowd() -> None:
        tasks = [asyncio.create_task(verifier.verify(stored, b"user", b"right")) for _ in range(20)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        gate.set()
        assert await asyncio.gather(*tasks[1:]) == [True] * 19

    asyncio.run(crowd())
    verifier.close()


def test_forget_covers_checks_under_way(gate: threading.Event, checked: list[str]) -> None:
    """A check that began before forget() is not remembered after it."""
    stored = CHEAP.hash(b"right")
    verifier = PasswordVerifier([stored])

    async def race() -> None:
        early = asyncio.create_task(verifier.verify(stored, b"user", b"right"))
        await asyncio.sleep(0)
        verifier.forget()
        gate.set()
        await early
        await verifier.verify(stored, b"user", b"right")

    asyncio.run(race())
    verifier.close()
    assert len(checked) == 2
