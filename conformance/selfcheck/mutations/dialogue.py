"""Relays that lose their way in the dialogue."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import (
    Broken,
    allow,
    anybody_may_send,
    around,
    around_verb,
    open_to,
    replace,
    word,
)


def xclient_for_everybody() -> None:
    from reference_relay.smtp.command import VERBS, Verb

    VERBS[b"XCLIENT"] = Verb.NOOP


def verbs_in_capitals() -> None:
    from reference_relay.smtp import server_session

    @around(server_session, "split_verb")
    def exact(original: Broken, line: bytes) -> tuple[bytes, bytes]:
        verb, _, argument = line.partition(b" ")
        return verb, argument.strip(b" ")


def orders_to_openssl() -> None:
    from reference_relay.smtp import server_session

    @around(server_session, "split_verb")
    def swallowed(original: Broken, line: bytes) -> Any:
        # As s_client takes them without -quiet; but RCPT, without which there is no mail at all.
        return original(b"NOOP" if line.startswith((b"RS", b"Q")) else line)


def blanks_are_arguments() -> None:
    from reference_relay.smtp import server_session

    @around(server_session, "split_verb")
    def literal(original: Broken, line: bytes) -> tuple[bytes, bytes]:
        verb, blank, argument = line.partition(b" ")
        return verb.upper(), argument or blank


def no_patience() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.server_session import ServerSession

    replace(ServerSession, "_is_out_of_patience", lambda self: True)
    replace(replies.TOO_MANY_ERRORS, "octets", b"")


def endless_patience() -> None:
    from reference_relay.smtp import server_session

    replace(server_session.ServerSession, "_is_out_of_patience", lambda self: False)
    replace(server_session, "FOREIGN_VERBS", frozenset())


def known_verbs_unknown() -> None:
    word("COMMAND_NOT_IMPLEMENTED", "500 5.5.2 Error: command not recognized")


def arguments_ignored() -> None:
    for verb in ("DATA", "RSET", "QUIT"):

        @around_verb(verb)
        def careless(original: Broken, session: Any, argument: bytes) -> Any:
            return original(session, b"")


def mail_without_hello() -> None:
    open_to("UNAUTHENTICATED", "MAIL")
    allow("CONNECTED", "MAIL", "SENDER")
    anybody_may_send()


def rcpt_without_mail() -> None:
    allow("GREETED", "RCPT", "RECIPIENTS")


def refused_recipients_kept() -> None:
    from reference_relay.mail.envelope import Recipient
    from reference_relay.smtp import grammar
    from reference_relay.smtp.reply import Reply
    from reference_relay.smtp.transitions import State

    @around_verb("RCPT")
    def kept(original: Broken, session: Any, argument: bytes) -> Any:
        outcome = original(session, argument)
        found = grammar.match_path(argument[3:].decode(), is_strict=False)
        if isinstance(outcome, Reply) and found is not None:
            session._transaction.recipients.append(Recipient(found[0]))
            session.state = State.RECIPIENTS
        return outcome


def keep_recipients() -> None:
    """Let the recipients of the transaction before live on in the next one."""

    @around_verb("MAIL")
    def carried_on(original: Broken, session: Any, argument: bytes) -> Any:
        before = session._transaction.recipients
        outcome = original(session, argument)
        session._transaction.recipients.extend(before)
        return outcome


def second_mail() -> None:
    allow("SENDER", "MAIL", "SENDER")
    allow("RECIPIENTS", "MAIL", "RECIPIENTS")
    keep_recipients()


def bad_sequence_resets() -> None:
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "_refusal")
    def nervous(original: Broken, self: Any, verb: Any) -> Any:
        refusal = original(self, verb)
        if refusal is not None and refusal.code == 503 and self.state is not State.DENIED:
            self._end_transaction()
        return refusal


def recipients_survive() -> None:
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    replace(ServerSession, "_end_transaction", lambda self: self._move(Verb.RSET))
    keep_recipients()


def refused_sender_kept() -> None:
    from reference_relay.smtp.events import SenderProposed
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "reject")
    def kept(original: Broken, self: Any, reply: Any) -> None:
        is_sender = isinstance(self.question, SenderProposed)
        original(self, reply)
        if is_sender:
            self.state = State.SENDER


def buffer_of_255() -> None:
    from reference_relay.smtp import server_session

    replace(server_session, "MAXIMUM_COMMAND_LINE", 255)


def long_lines_cut() -> None:
    from reference_relay.smtp.receive_buffer import ReceiveBuffer

    @around(ReceiveBuffer, "next_line")
    def cut(original: Broken, self: Any) -> Any:
        if self._ending and len(self) > 4096:
            line = self.take(4096)
            found = line.find(self._ending)
            if found < 0:
                return line
            self.put_back(line)
        return original(self)


def strings_end_at_nul() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_execute")
    def cut(original: Broken, self: Any, line: bytes) -> Any:
        head, nul, _ = line.partition(b"\0")
        return original(self, head + b">" if nul and b"<" in head else head)


def lines_end_at_lf() -> None:
    from reference_relay.smtp.receive_buffer import LineEnd, ReceiveBuffer

    @around(ReceiveBuffer, "next_line")
    def lenient(original: Broken, self: Any) -> Any:
        self.line_end, self._ending = LineEnd.CRLF, b"\n"
        self._searched = self._start
        line = original(self)
        return line[:-1] if isinstance(line, bytes) and line.endswith(b"\r") else line

    @around(ReceiveBuffer, "append")
    def tolerant(original: Broken, self: Any, octets: bytes) -> None:
        original(self, octets.replace(b"\r\n", b"\n") if self._is_command(octets) else octets)

    ReceiveBuffer._is_command = staticmethod(  # type: ignore[attr-defined]
        lambda octets: len(octets) < 512 and b"\r\n.\r\n" not in octets
    )


MUTATIONS = {
    "orders-to-openssl": Mutation(
        ("INT-05",),
        orders_to_openssl,
        "RSET and QUIT in capitals do nothing.",
    ),
    "verbs-in-capitals": Mutation(
        ("CMD-01",), verbs_in_capitals, "Verbs are known in capitals alone."
    ),
    "blanks-are-arguments": Mutation(
        ("CMD-02",), blanks_are_arguments, "A blank behind DATA is an argument."
    ),
    "no-patience": Mutation(("CMD-03",), no_patience, "The first unknown verb ends the session."),
    "endless-patience": Mutation(
        ("CMD-17",), endless_patience, "Any number of nonsense lines is put up with."
    ),
    "known-verbs-unknown": Mutation(
        ("CMD-04",), known_verbs_unknown, "EXPN is answered 500 like a word nobody knows."
    ),
    "arguments-ignored": Mutation(
        ("CMD-05",), arguments_ignored, "QUIT, RSET and DATA work with an argument."
    ),
    "mail-without-hello": Mutation(
        ("CMD-06", "SUB-01"), mail_without_hello, "MAIL works without EHLO and without AUTH."
    ),
    "rcpt-without-mail": Mutation(("CMD-07",), rcpt_without_mail, "RCPT works without MAIL."),
    "refused-recipients-kept": Mutation(
        ("CMD-08",), refused_recipients_kept, "Refused recipients get the message all the same."
    ),
    "second-mail": Mutation(("CMD-09",), second_mail, "A second MAIL replaces the sender."),
    "bad-sequence-resets": Mutation(("CMD-10",), bad_sequence_resets, "503 ends the transaction."),
    "recipients-survive": Mutation(
        ("CMD-11",), recipients_survive, "The next message goes to the recipients of the last, too."
    ),
    "refused-sender-kept": Mutation(
        ("CMD-12",), refused_sender_kept, "A refused MAIL opens a transaction."
    ),
    "buffer-of-255": Mutation(("CMD-13",), buffer_of_255, "Command lines end at 255 octets."),
    "long-lines-cut": Mutation(
        ("CMD-14", "AUTH-13"), long_lines_cut, "The rest of a long line is read as the next one."
    ),
    "strings-end-at-nul": Mutation(("CMD-15",), strings_end_at_nul, "A NUL ends a command line."),
    "lines-end-at-lf": Mutation(("CMD-16",), lines_end_at_lf, "A bare LF ends a command line."),
    "xclient-for-everybody": Mutation(
        ("CMD-18", "CBR-15"), xclient_for_everybody, "XCLIENT is taken from any client."
    ),
}
