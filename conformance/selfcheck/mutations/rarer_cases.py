"""Relays that do the usual thing right and get a rarer case of the same requirement wrong."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.dialogue import no_patience
from conformance.selfcheck.patching import (
    Broken,
    allow,
    around,
    around_verb,
    forbid,
    keywords,
    word,
)


def argument_becomes(parser: str, change: Any) -> None:
    """Change the arguments of MAIL (`parse_mail`) or RCPT (`parse_rcpt`) before they are read."""
    from reference_relay.smtp import server_session

    @around(server_session, parser)
    def changed(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        return original(change(argument), is_strict=is_strict)


def keyword_repeated() -> None:
    keywords(lambda lines: (*lines, "DSN"))


def dsn_not_offered() -> None:
    keywords(lambda lines: tuple(line for line in lines if line != "DSN"))


def empty_lines_ignored() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_execute")
    def deaf(original: Broken, self: Any, line: bytes) -> Any:
        return original(self, line) if line.strip() else self._understand()


def mail_without_hello_in_clear() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "_refusal")
    def early(original: Broken, self: Any, verb: Any) -> Any:
        is_early = verb is Verb.MAIL and self.state is State.CONNECTED and not self.is_encrypted
        return replies.OK if is_early else original(self, verb)


def data_without_rcpt() -> None:
    allow("SENDER", "DATA", "GREETED")


def refused_second_mail_counts() -> None:
    from reference_relay.smtp.command import parse_mail
    from reference_relay.smtp.reply import Reply
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_execute")
    def sly(original: Broken, self: Any, line: bytes) -> Any:
        outcome = original(self, line)
        if (
            self._transaction.recipients
            and isinstance(outcome, Reply)
            and line.startswith(b"MAIL ")
        ):
            self._transaction.mail = parse_mail(line[5:], is_strict=False)
        return outcome


def lines_end_at_cr() -> None:
    from reference_relay.smtp.receive_buffer import ReceiveBuffer

    @around(ReceiveBuffer, "append")
    def lenient(original: Broken, self: Any, octets: bytes) -> None:
        original(self, re.sub(rb"\r(?!\n|\Z)", b"\r\n", octets))


def rset_needs_hello() -> None:
    forbid("CONNECTED", "RSET")


def quit_sends_what_is_open() -> None:
    import asyncio

    from reference_relay.mail.content import outline
    from reference_relay.submission import accept
    from reference_relay.submission.connection import Connection

    @around(Connection, "_end")
    def eager(original: Broken, self: Any, reason: str) -> None:
        transaction, answers = self._session._transaction, self._answers
        if reason == "QUIT" and transaction.recipients:
            message = accept.prepare(
                self._context,
                answers._endpoint,
                answers._account,
                transaction.envelope(),
                outline(b"\r\n"),
                client_name=self._session.hello_name,
                client_address="127.0.0.1",
                cipher=None,
            )
            self.eager = asyncio.ensure_future(self._context.queue.commit(message))
        original(self, reason)


def bare_path_is_null() -> None:
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Mail

    @around(server_session, "parse_mail")
    def careless(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        mail = original(argument, is_strict=is_strict)
        if isinstance(mail, Mail) and not argument.upper().startswith(b"FROM:<"):
            return dataclasses.replace(mail, reverse_path=None)
        return mail


def final_dot_only_in_rcpt() -> None:
    argument_becomes("parse_rcpt", lambda argument: argument.replace(b".>", b">"))


def final_dot_kept() -> None:
    from reference_relay.mail.address import Mailbox
    from reference_relay.mail.envelope import Recipient
    from reference_relay.smtp import server_session

    @around(server_session, "parse_rcpt")
    def kept(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        outcome = original(argument.replace(b".>", b">"), is_strict=is_strict)
        if b".>" not in argument or not isinstance(outcome, Recipient):
            return outcome
        mailbox = outcome.mailbox
        return Recipient(Mailbox(mailbox.local_part, f"{mailbox.domain}."))

    argument_becomes("parse_mail", lambda argument: argument.replace(b".>", b">"))


def null_sender_refused() -> None:
    from reference_relay.smtp import replies
    from reference_relay.submission import accept

    @around(accept, "judge_sender")
    def narrow(original: Broken, *arguments: Any) -> Any:
        return replies.SENDER_FOREIGN if arguments[-1] is None else original(*arguments)


def encoded_words_refused() -> None:
    from reference_relay.smtp import replies

    @around_verb("RCPT")
    def narrow(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.RECIPIENT_SYNTAX if b"=?" in argument else original(session, argument)


def other_pair_in_a_session() -> None:
    word("NEED_MAIL", "503 5.0.0 Error: need MAIL command")


MUTATIONS = {
    "keyword-repeated": Mutation(("GRT-03",), keyword_repeated, "EHLO lists DSN twice."),
    "dsn-not-offered": Mutation(
        ("GRT-04",), dsn_not_offered, "DSN works although EHLO does not list it."
    ),
    "empty-lines-ignored": Mutation(
        ("CMD-03",), empty_lines_ignored, "An empty line has no reply."
    ),
    "mail-without-hello-in-clear": Mutation(
        ("CMD-06",), mail_without_hello_in_clear, "MAIL as the first command of all is accepted."
    ),
    "data-without-rcpt": Mutation(("CMD-08",), data_without_rcpt, "DATA works right behind MAIL."),
    "refused-second-mail-counts": Mutation(
        ("CMD-09",), refused_second_mail_counts, "A second MAIL is refused, and its sender is used."
    ),
    "lines-end-at-cr": Mutation(("CMD-16",), lines_end_at_cr, "A bare CR ends a command."),
    "rset-needs-hello": Mutation(("CTL-01",), rset_needs_hello, "RSET before EHLO is refused."),
    "quit-sends-what-is-open": Mutation(
        ("CTL-04",), quit_sends_what_is_open, "QUIT sends an empty message to who was named."
    ),
    "refusals-hang-up": Mutation(("CTL-05",), no_patience, "The first refusal ends the session."),
    "bare-path-is-null": Mutation(
        ("PATH-08",), bare_path_is_null, "A sender without brackets counts as the null path."
    ),
    "final-dot-only-in-rcpt": Mutation(
        ("PATH-15",), final_dot_only_in_rcpt, "A final dot is legal in RCPT and not in MAIL."
    ),
    "final-dot-kept": Mutation(
        ("PATH-15",), final_dot_kept, "A final dot is legal, and a recipient's goes on with it."
    ),
    "null-sender-refused": Mutation(("PATH-17",), null_sender_refused, "MAIL FROM:<> is refused."),
    "encoded-words-refused": Mutation(
        ("PATH-22",), encoded_words_refused, "A local part with =? in it is refused."
    ),
    "other-pair-in-a-session": Mutation(
        ("RPL-09",), other_pair_in_a_session, "503 comes with 5.0.0 in the place of 5.5.1."
    ),
}
