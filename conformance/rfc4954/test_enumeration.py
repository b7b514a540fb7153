"""AUTH: nobody learns from a refusal which users exist (RFC 6409 §7)."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence
from itertools import chain

import pytest

from conformance.judgement import inconclusive, must, remark
from conformance.requirement import requirement
from conformance.rfc4954.credentials import (
    UNKNOWN_USER,
    WRONG_PASSWORD,
    need_mechanism,
    plain_message,
)
from conformance.rfc4954.credentials import encoded as base64_of
from conformance.steps import must_answer, must_refuse
from fixtures.plugin import Connect
from fixtures.probe import SMTPProbe
from fixtures.target import Target

# Attempts of each kind; interleaved, so that whatever slows the machine slows all of them.
ROUNDS = 25
# Only a difference that is both certain and plain to see counts as a leak.
CERTAIN = 1e-4
PLAIN_RATIO = 1.5


def guesses(target: Target) -> dict[str, str]:
    """Return user names whose wrong password must all be refused alike."""
    return {
        "known": target.account().username,
        "other-tenant": target.account("neighbour").username,
        "unknown": UNKNOWN_USER,
    }


@requirement("AUTH-18")
def test_plain_refusals_are_all_alike(secure: Connect, target: Target) -> None:
    """An unknown user and a wrong password bring the same octets in PLAIN."""
    need_mechanism(target, "PLAIN")
    probe = secure()
    replies = {}
    for kind, username in guesses(target).items():
        reply = probe.command(b"AUTH PLAIN " + base64_of(plain_message(username, WRONG_PASSWORD)))
        must_refuse(reply, "the credentials are wrong", exactly="535 5.7.8")
        replies[kind] = reply.raw
    must(len(set(replies.values())) == 1, "the same reply to each", replies)


@requirement("AUTH-18")
def test_login_refusals_are_all_alike(secure: Connect, target: Target) -> None:
    """LOGIN asks for the password of an unknown user, too, and refuses it with the same octets."""
    need_mechanism(target, "LOGIN")
    probe = secure()
    dialogues = {}
    for kind, username in guesses(target).items():
        must_answer(probe.command("AUTH LOGIN"), "334", "the user name is asked for")
        prompt = must_answer(probe.command(base64_of(username)), "334", "the password is asked for")
        reply = probe.command(base64_of(WRONG_PASSWORD))
        must_refuse(reply, "the credentials are wrong", exactly="535 5.7.8")
        dialogues[kind] = prompt.raw + reply.raw
    must(len(set(dialogues.values())) == 1, "the same dialogue with each", dialogues)


@requirement("AUTH-18")
@pytest.mark.timeout(60)
@pytest.mark.usefixtures("forgiven")
def test_refusals_take_the_same_time(secure: Connect, target: Target, token: str) -> None:
    """The time to a refusal does not tell whether the user exists."""
    need_mechanism(target, "PLAIN")
    # A name of its own: one that others have failed with may be locked.
    users = guesses(target) | {"unknown": f"nobody-{token}"}
    order = random.Random(4954)
    seconds: dict[str, list[float]] = {kind: [] for kind in users}
    probe = secure()
    for number in range(ROUNDS):
        if number % 5 == 4:  # below any limit on failures in one session
            probe.close()
            probe = secure()
        for kind in order.sample(sorted(users), len(users)):
            seconds[kind].append(timed_refusal(probe, users[kind]))
    for kind in ("known", "other-tenant"):
        judge_difference(kind, seconds[kind], seconds["unknown"])


def timed_refusal(probe: SMTPProbe, username: str) -> float:
    """Return the seconds that a wrong password takes to be refused."""
    line = b"AUTH PLAIN " + base64_of(plain_message(username, WRONG_PASSWORD))
    begun = time.perf_counter()
    reply = probe.command(line)
    elapsed = time.perf_counter() - begun
    if reply.code != 535:
        inconclusive(f"{reply.code} where 535 was due: the relay throttles, so time tells nothing")
    return elapsed


def judge_difference(kind: str, known: Sequence[float], unknown: Sequence[float]) -> None:
    """Demand that two samples of seconds could be one; remark on a doubtful difference."""
    chance = mann_whitney(known, unknown)
    slow, fast = sorted((statistics.median(known), statistics.median(unknown)), reverse=True)
    seen = (
        f"median of {kind} {statistics.median(known) * 1000:.2f} ms, of unknown "
        f"{statistics.median(unknown) * 1000:.2f} ms, p = {chance:.1g}, n = {len(known)}"
    )
    is_leak = chance < CERTAIN and slow > PLAIN_RATIO * fast
    must(not is_leak, "refusals whose time does not tell them apart", seen)
    if chance < 0.01:
        remark(f"times to refusal differ a little: {seen}")


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of the Mann-Whitney U test, by its normal approximation."""
    ranked = sorted(chain(((each, 0) for each in one), ((each, 1) for each in other)))
    rank_sum = sum(rank for rank, (_, sample) in enumerate(ranked, start=1) if sample == 0)
    n, m = len(one), len(other)
    u = rank_sum - n * (n + 1) / 2
    deviation = math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(u - n * m / 2) / deviation / math.sqrt(2))
