"""Relays that break what they offer: PIPELINING, CHUNKING, 8BITMIME, SMTPUTF8, DSN."""

from __future__ import annotations

import re
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, allow, around, around_verb, keywords


def batch_ends_at_a_refusal() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_send")
    def final(original: Broken, self: Any, reply: Any) -> None:
        original(self, reply)
        if reply.code >= 500:
            self._buffer.take()


def replies_wait_for_whole_lines() -> None:
    from reference_relay.submission.connection import Connection

    @around(Connection, "_flush")
    def patient(original: Broken, self: Any) -> None:
        if not self._session.pending_octets:
            original(self)


def last_recipient_decides() -> None:
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "_send")
    def fickle(original: Broken, self: Any, reply: Any) -> None:
        if reply.code >= 500 and self.state is State.RECIPIENTS:
            self.state = State.SENDER
        original(self, reply)


def refused_mail_goes_on() -> None:
    from reference_relay.smtp.transitions import State

    @around_verb("MAIL")
    def optimistic(original: Broken, session: Any, argument: bytes) -> Any:
        outcome = original(session, argument)
        session.state = State.SENDER if getattr(outcome, "code", 0) >= 500 else session.state
        return outcome


def recipients_behind_data() -> None:
    from reference_relay.smtp.command import parse_rcpt

    @around_verb("DATA")
    def eager(original: Broken, session: Any, argument: bytes) -> Any:
        octets = session._buffer.take()
        for path in re.findall(rb"(?m)^RCPT (TO:<[^>\r\n]+>)", octets):
            session._transaction.propose(parse_rcpt(path, is_strict=False))
            session._transaction.keep_recipient()
        session._buffer.put_back(octets)
        return original(session, argument)


def commands_overtake_auth() -> None:
    from reference_relay.smtp import replies

    @around_verb("AUTH")
    def overtaken(original: Broken, session: Any, argument: bytes) -> Any:
        for _ in range(session._buffer.take().count(b"\n")):
            session._send(replies.AUTHENTICATION_REQUIRED)
        return original(session, argument)


def empty_chunk_refused() -> None:
    from reference_relay.smtp import replies

    @around_verb("BDAT")
    def narrow(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.CHUNK_SYNTAX if argument == b"0 LAST" else original(session, argument)


def chunks_unstuffed() -> None:
    from reference_relay.smtp.content_reader import ChunkReader

    @around(ChunkReader, "content")
    def transparent(original: Broken, self: Any) -> bytes:
        content: bytes = original(self)
        return content.replace(b"\r\n.", b"\r\n")


def refused_chunk_is_commands() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_skip_chunk")
    def unread(original: Broken, self: Any, argument: bytes, refusal: Any) -> Any:
        return refusal


def data_behind_chunks() -> None:
    allow("CHUNKS", "DATA", "GREETED")


def chunks_survive_rset() -> None:
    @around_verb("RSET")
    def keeping(original: Broken, session: Any, argument: bytes) -> Any:
        session.left = session._transaction.chunks
        return original(session, argument)

    @around_verb("BDAT")
    def resumed(original: Broken, session: Any, argument: bytes) -> Any:
        transaction = session._transaction
        transaction.chunks = transaction.chunks or getattr(session, "left", None)
        session.left = None
        return original(session, argument)


def odd_sizes_are_nought() -> None:
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Bdat

    @around(server_session, "parse_bdat")
    def lenient(original: Broken, argument: bytes) -> Any:
        found = original(argument)
        return found if isinstance(found, Bdat) else Bdat(0, is_last=False)


def chunks_unjudged() -> None:
    from reference_relay.smtp.events import ContentReceived
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_complete")
    def trusting(original: Broken, self: Any, octets: bytes) -> Any:
        if self._transaction.chunks is None:
            return original(self, octets)
        return ContentReceived(self._transaction.envelope(), octets)


def high_bits_cleared() -> None:
    from reference_relay.smtp.content_reader import DataReader

    @around(DataReader, "content")
    def stripped(original: Broken, self: Any) -> bytes:
        return bytes(octet & 0x7F for octet in original(self))


def undeclared_octets_replaced() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_complete")
    def replaced(original: Broken, self: Any, octets: bytes) -> Any:
        if self._transaction.mail.body == "7BIT":
            octets = octets.decode("ascii", "replace").encode("ascii", "replace")
        return original(self, octets)


def smtputf8_hidden() -> None:
    keywords(lambda lines: tuple(line for line in lines if line != "SMTPUTF8"))


def argument_becomes(change: Any) -> None:
    """Change the arguments of MAIL before they are read."""
    from reference_relay.smtp import server_session

    @around(server_session, "parse_mail")
    def changed(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        return original(change(argument), is_strict=is_strict)


def binarymime_taken() -> None:
    argument_becomes(lambda argument: argument.replace(b"=BINARYMIME", b"=8BITMIME"))


def unknown_body_is_7bit() -> None:
    argument_becomes(lambda argument: argument.replace(b"=9BIT", b"=7BIT"))


def unknown_ret_is_full() -> None:
    argument_becomes(lambda argument: argument.replace(b"RET=ALL", b"RET=FULL"))


def smtputf8_takes_a_value() -> None:
    argument_becomes(lambda argument: argument.replace(b"SMTPUTF8=1", b"SMTPUTF8"))


def invalid_utf8_replaced() -> None:
    argument_becomes(lambda argument: argument.decode("utf-8", "replace").encode())


def smtputf8_without_8bitmime() -> None:
    keywords(lambda lines: tuple(line for line in lines if line != "8BITMIME"))


MUTATIONS = {
    "batch-ends-at-a-refusal": Mutation(
        ("PIPE-01",), batch_ends_at_a_refusal, "What was sent behind a refused command is lost."
    ),
    "replies-wait-for-whole-lines": Mutation(
        ("PIPE-02",), replies_wait_for_whole_lines, "Half a command holds the replies back."
    ),
    "last-recipient-decides": Mutation(
        ("PIPE-03",), last_recipient_decides, "DATA is refused when the last RCPT was."
    ),
    "refused-mail-goes-on": Mutation(
        ("PIPE-04", "CMD-12"), refused_mail_goes_on, "RCPT works behind a refused MAIL."
    ),
    "recipients-behind-data": Mutation(
        ("PIPE-05",), recipients_behind_data, "RCPT lines sent behind DATA add recipients."
    ),
    "commands-overtake-auth": Mutation(
        ("PIPE-06",), commands_overtake_auth, "Commands behind AUTH are answered before it."
    ),
    "empty-chunk-refused": Mutation(
        ("CHNK-01",), empty_chunk_refused, "BDAT 0 LAST is a syntax error."
    ),
    "chunks-unstuffed": Mutation(
        ("CHNK-02",), chunks_unstuffed, "Leading dots are removed from chunks."
    ),
    "refused-chunk-is-commands": Mutation(
        ("CHNK-03",), refused_chunk_is_commands, "The octets of a refused chunk run as commands."
    ),
    "data-behind-chunks": Mutation(("CHNK-04",), data_behind_chunks, "DATA works behind BDAT."),
    "chunks-survive-rset": Mutation(
        ("CHNK-05",), chunks_survive_rset, "Chunks sent before RSET are in the next message."
    ),
    "odd-sizes-are-nought": Mutation(
        ("CHNK-06",), odd_sizes_are_nought, "A chunk size that is no number counts as 0."
    ),
    "chunks-unjudged": Mutation(
        ("CHNK-07",), chunks_unjudged, "Line ends in chunks are taken as they come."
    ),
    "binarymime-taken": Mutation(
        ("CHNK-08",), binarymime_taken, "BODY=BINARYMIME works without being offered."
    ),
    "high-bits-cleared": Mutation(
        ("8BIT-01",), high_bits_cleared, "The high bit of every octet is cleared."
    ),
    "undeclared-octets-replaced": Mutation(
        ("8BIT-02",), undeclared_octets_replaced, "Undeclared octets above 127 become ?."
    ),
    "smtputf8-hidden": Mutation(
        ("UTF8-03",), smtputf8_hidden, "SMTPUTF8 is not offered, and taken all the same."
    ),
    "unknown-body-is-7bit": Mutation(
        ("8BIT-02",), unknown_body_is_7bit, "An unknown BODY counts as 7BIT."
    ),
    "unknown-ret-is-full": Mutation(
        ("DSN-02",), unknown_ret_is_full, "An unknown RET counts as FULL."
    ),
    "smtputf8-takes-a-value": Mutation(
        ("UTF8-01",), smtputf8_takes_a_value, "SMTPUTF8=1 counts as SMTPUTF8."
    ),
    "invalid-utf8-replaced": Mutation(
        ("UTF8-01",), invalid_utf8_replaced, "Octets that are no UTF-8 become another character."
    ),
    "smtputf8-without-8bitmime": Mutation(
        ("UTF8-01",), smtputf8_without_8bitmime, "SMTPUTF8 is offered without 8BITMIME."
    ),
}
