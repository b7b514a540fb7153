"""Relays that lose their composure: slow clients, crowds, missing resources, broken connections."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, word


def impatient() -> None:
    from reference_relay.submission.deadlines import Deadlines

    @around(Deadlines, "due")
    def short(original: Broken, self: Any, *arguments: Any, **named: Any) -> float:
        return float(min(original(self, *arguments, **named), self.active_at + 2.0))


def silence_has_no_last_word() -> None:
    from reference_relay.smtp import replies
    from reference_relay.submission.connection import Connection

    @around(Connection, "_say_farewell")
    def rude(original: Broken, self: Any, reply: Any) -> None:
        if reply is replies.IDLE_TOO_LONG:
            self._end("idle")
        else:
            original(self, reply)


def every_octet_is_progress() -> None:
    from reference_relay.submission.deadlines import Deadlines

    @around(Deadlines, "received")
    def generous(original: Broken, self: Any, octets: int, now: float) -> None:
        self.answered(now)

    @around(Deadlines, "due")
    def endless(original: Broken, self: Any, limits: Any, **named: Any) -> Any:
        return self.active_at + limits.idle_seconds


def handshake_blocks() -> None:
    from reference_relay.submission.tls_layer import TLSLayer

    @around(TLSLayer, "receive")
    def waiting(original: Broken, self: Any, ciphertext: Any) -> Any:
        if not self.is_established and len(ciphertext) < 5:
            time.sleep(3.0)
        return original(self, ciphertext)


def crowd_waits_for_ever() -> None:
    from reference_relay.submission.connection import Connection

    @around(Connection, "_turn_away")
    def mute(original: Broken, self: Any, reply: Any, answers: Any) -> None:
        self._has_place = False


def lines_collected_whole() -> None:
    from reference_relay.smtp.receive_buffer import ReceiveBuffer

    @around(ReceiveBuffer, "_bound")
    def patient(original: Broken, self: Any) -> None:
        self._searched = len(self._octets)


def early_leavers_count_twice() -> None:
    import asyncio

    from reference_relay.queue.queue import Queue

    @around(Queue, "hand_over")
    def again(original: Broken, self: Any, message: Any, done: Any) -> Any:
        loop, answers = asyncio.get_running_loop(), done.func.__self__

        def look(error: Any) -> None:
            done(error)
            # A 250 that reaches nobody is taken for a failure.
            if error is None and answers._username is None:
                twin = dataclasses.replace(message, queue_id=answers._context.next_queue_id())
                original(self, twin, lambda _error: None)

        return original(self, message, lambda error: loop.call_later(0.1, look, error))


def stop_hangs_up() -> None:
    from reference_relay.submission.listener import Listener

    @around(Listener, "stop")
    async def abrupt(original: Any, self: Any) -> None:
        for connection in tuple(self._connections):
            connection.abort()
        await original(self)


def full_disk_is_a_success() -> None:
    from reference_relay.submission.answers import Answers

    @around(Answers, "_committed")
    def careless(original: Broken, self: Any, message: Any, error: Any) -> None:
        original(self, message, None)


def rates_are_final() -> None:
    word("MESSAGE_RATE", "550 5.7.1 Error: message rate exceeded")


def octet_255_raises() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_execute")
    def strict(original: Broken, self: Any, line: bytes) -> Any:
        line.decode("utf-8")
        return original(self, line)


def store_down_is_wrong_password() -> None:
    from reference_relay.service.passwords import HashPoolFull, PasswordVerifier

    @around(PasswordVerifier, "verify")
    async def final(original: Any, self: Any, *arguments: Any) -> bool:
        try:
            return bool(await original(self, *arguments))
        except HashPoolFull:
            return False


def failures_of_a_connection_alone() -> None:
    from reference_relay.submission.sign_in_throttle import SignInThrottle

    @around(SignInThrottle, "begin")
    def forgetful(original: Broken, self: Any, *arguments: Any) -> float:
        return 0.0


def disabled_is_said_to_all() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply
    from reference_relay.submission import answers

    @around(answers, "sign_in")
    async def chatty(original: Any, context: Any, endpoint: Any, given: Any, address: str) -> Any:
        verdict = await original(context, endpoint, given, address)
        name = given.authentication_identity.decode("utf-8", "replace")
        account = context.directory().account(name)
        if verdict is replies.CREDENTIALS_INVALID and account is not None:
            now = context.now()
            if not context.directory().admits_account(account, endpoint, address, now):
                return Reply.of("525 5.7.13 User account disabled")
        return verdict


def prepared_at_creation_only() -> None:
    import unicodedata

    from reference_relay.service.directory import Directory

    @around(Directory, "__init__")
    def prepared(original: Broken, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._accounts = {
            unicodedata.normalize("NFKC", name): found for name, found in self._accounts.items()
        }


def stuffing_counts() -> None:
    from reference_relay.smtp.content_reader import DataReader

    @around(DataReader, "_judge_size")
    def literal(original: Broken, self: Any) -> None:
        self.is_oversize = True
        self._pieces.clear()


def requiretls_ignored() -> None:
    from conformance.selfcheck.mutations.rarer_cases import argument_becomes

    argument_becomes("parse_mail", lambda argument: argument.replace(b" REQUIRETLS", b""))


def literals_are_bad_syntax() -> None:
    from conformance.selfcheck.patching import around_verb
    from reference_relay.smtp import replies

    @around_verb("RCPT")
    def narrow(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.RECIPIENT_SYNTAX if b"@[" in argument else original(session, argument)


def utf8_regardless() -> None:
    from reference_relay.smtp import outgoing_commands

    @around(outgoing_commands, "obstacle")
    def bold(original: Broken, *arguments: Any, **named: Any) -> Any:
        return None


def encryption_rule_dropped() -> None:
    from reference_relay.config import ConfigError
    from reference_relay.relay import Relay

    @around(Relay, "reload")
    async def lax(original: Any, self: Any, wanted: Any) -> Any:
        try:
            return await original(self, wanted)
        except ConfigError:
            for listener in self._worker._listeners.values():
                settings = dataclasses.replace(listener.session_settings, requires_tls=False)
                listener.session_settings = settings
            raise


MUTATIONS = {
    "impatient": Mutation(("ROB-01",), impatient, "The session ends after two seconds."),
    "silence-has-no-last-word": Mutation(
        ("ROB-01",), silence_has_no_last_word, "A silent client is hung up on without a 421."
    ),
    "every-octet-is-progress": Mutation(
        ("ROB-02",), every_octet_is_progress, "Each octet starts the timer again."
    ),
    "handshake-blocks": Mutation(
        ("ROB-03",), handshake_blocks, "One slow handshake holds up everybody."
    ),
    "crowd-waits-for-ever": Mutation(
        ("ROB-03",), crowd_waits_for_ever, "Who is too much hears nothing and is kept waiting."
    ),
    "lines-collected-whole": Mutation(
        ("ROB-04",), lines_collected_whole, "A line is collected before its length is looked at."
    ),
    "early-leavers-count-twice": Mutation(
        ("ROB-06",), early_leavers_count_twice, "A 250 that reaches nobody sends the mail again."
    ),
    "stop-hangs-up": Mutation(
        ("ROB-07",), stop_hangs_up, "A stop request ends every connection at once."
    ),
    "full-disk-is-a-success": Mutation(
        ("ROB-08", "RPL-10"), full_disk_is_a_success, "250 is said although the write failed."
    ),
    "rates-are-final": Mutation(("ROB-09",), rates_are_final, "Too much for now is a 550."),
    "octet-255-raises": Mutation(
        ("ROB-10",), octet_255_raises, "Octets that are no UTF-8 raise an error nobody catches."
    ),
    "store-down-is-wrong-password": Mutation(
        ("RPL-10", "AUTH-24"),
        store_down_is_wrong_password,
        "A password that cannot be checked is a wrong one.",
    ),
    "failures-of-a-connection-alone": Mutation(
        ("AUTH-20",),
        failures_of_a_connection_alone,
        "Failed sign-ins are counted for a single connection only.",
    ),
    "disabled-is-said-to-all": Mutation(
        ("AUTH-19",), disabled_is_said_to_all, "525 comes for a wrong password too."
    ),
    "prepared-at-creation-only": Mutation(
        ("AUTH-21",),
        prepared_at_creation_only,
        "Names are prepared at creation and compared raw at sign-in.",
    ),
    "stuffing-counts": Mutation(
        ("SIZE-02",), stuffing_counts, "Octets are counted as they pass the wire."
    ),
    "requiretls-ignored": Mutation(
        ("LIM-01",), requiretls_ignored, "REQUIRETLS is taken and not acted on."
    ),
    "literals-are-bad-syntax": Mutation(
        ("PATH-11",), literals_are_bad_syntax, "A well-formed address literal is a 501."
    ),
    "utf8-regardless": Mutation(
        ("UTF8-02",), utf8_regardless, "The envelope goes out in UTF-8 regardless."
    ),
    "encryption-rule-dropped": Mutation(
        ("TLS-12",), encryption_rule_dropped, "Without a certificate mail is taken in clear."
    ),
}
