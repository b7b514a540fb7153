"""ROB: many clients at once, slow ones and too many (RFC 5321 §4.5.4.2, §7.8)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from conformance.judgement import must, not_observable
from conformance.requirement import requirement, takes_seconds
from conformance.robustness.crowd import EncryptedSlowClient, SlowClient, keep_trickling
from conformance.steps import due_reply, must_answer, sender_of
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, SMTPProbe
from fixtures.settings import Settings
from fixtures.target import Target

SLOW_OF_A_KIND = 10
# The limits of the whole phase that the slow clients are measured by; the real ones take minutes.
SHORT = {"idle_seconds": 2.0, "handshake_seconds": 2.0, "session_seconds": 4.0}
PATIENCE_SECONDS = 12.0
NORMAL_SECONDS = 2.0


def settings_of(target: Target) -> Settings:
    """Return the settings of the relay under test, or end the check."""
    if target.settings is None:
        not_observable("the limits of the relay under test cannot be changed")
    return target.settings


def slow_clients(target: Target, stack: ExitStack) -> list[SlowClient]:
    """Open slow clients in every phase: greeted, shaking hands, authenticating, in content."""
    endpoint, account = target.endpoint(), target.account()
    content = (
        b"AUTH LOGIN\r\n",
        b"dXNlcm5hbWU=\r\ncGFzc3dvcmQ=\r\n",
        f"MAIL FROM:<{account.sender}>\r\n".encode(),
    )
    hello = b"EHLO slow.example"
    kinds: tuple[Callable[[], SlowClient], ...] = (
        lambda: SlowClient(endpoint, hello + b" "),
        lambda: SlowClient(endpoint, hello + b"\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00"),
        lambda: EncryptedSlowClient(endpoint, b"A", [b"EHLO a\r\n", content[0]]),
        lambda: EncryptedSlowClient(endpoint, b"NOOP ", list(content)),
    )
    # Each is put where it will be closed before the next one is opened.
    return [
        stack.enter_context(closing(client())) for _ in range(SLOW_OF_A_KIND) for client in kinds
    ]


@requirement("ROB-02")
@takes_seconds(3)
def test_trickling_clients_are_cut_off(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """An octet now and then keeps no phase alive, and a normal client is served meanwhile."""
    with settings_of(target).changed(limits=SHORT), ExitStack() as stack:
        clients = slow_clients(target, stack)
        trickling = threading.Thread(
            target=keep_trickling, args=(clients, 0.25, PATIENCE_SECONDS), daemon=True
        )
        trickling.start()
        began = time.monotonic()
        with session() as probe:
            probe.submit(sender_of(target), target.recipient(), message(token))
        took = time.monotonic() - began
        must(took < NORMAL_SECONDS, f"a normal session in {NORMAL_SECONDS:g} s", f"{took:.2f} s")
        trickling.join(PATIENCE_SECONDS + 5)
        left = sum(not client.is_closed for client in clients)
        must(left == 0, "an end to each of the slow connections", f"{left} still open")
        heard = {client.heard[-80:] for client in clients[::4]}
        told = all(b"421 " in said for said in heard)
        must(told, "421 where it can be said", heard)
    arrived(token)


@requirement("ROB-03")
@pytest.mark.timeout(90)
def test_a_crowd_is_served_or_sent_away(
    connect: Connect, session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """Beyond the limit newcomers hear 421 at once, and have a place as soon as others leave."""
    with settings_of(target).changed(limits={"connections_per_address": 40}):
        with session() as inside:
            crowd = [connect() for _ in range(60)]
            answers = [due_reply(one, "a connection").code for one in crowd]
            must(set(answers) <= {220, 421}, "220 or 421 for each of 60", answers)
            must(421 in answers, "421 for some of 60 where 40 have a place", answers)
            must_answer(inside.command("NOOP"), "250", "who is inside goes on")
            for one in crowd:
                one.close()
        deadline = time.monotonic() + 10.0
        while (reply := greeting_of(connect())) != 220 and time.monotonic() < deadline:
            pass
        must(reply == 220, "a place for newcomers once the crowd has left", reply)


def greeting_of(probe: SMTPProbe) -> int:
    """Read the greeting and close."""
    with probe:
        return probe.read_reply().code


@requirement("ROB-03")
def test_a_slow_handshake_holds_up_nobody(
    clear: Connect, session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """While one client dawdles in its handshake, others are greeted and served."""
    slow = clear()
    must_answer(slow.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(slow.command("STARTTLS"), "220", "STARTTLS is offered")
    slow.send(b"\x16\x03\x01")
    began = time.monotonic()
    try:
        with session() as probe:
            probe.submit(sender_of(target), target.recipient(), message(token))
    except ConnectionLost as lost:
        must(False, expected="service for others meanwhile", observed=lost)
    took = time.monotonic() - began
    must(took < NORMAL_SECONDS, f"a normal session in {NORMAL_SECONDS:g} s", f"{took:.2f} s")
