"""Relays that change, cut, misjudge or lose content."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.end_of_data import LenientReader
from conformance.selfcheck.patching import Broken, around, content_becomes, replace

# RFC 5321 §4.5.3.1.6: a text line without its CRLF.
_LONGEST_LINE = 998


def limit_becomes(octets: int) -> None:
    """Change the limit of content that the relay keeps to and advertises."""
    from reference_relay.submission.context import SubmissionContext

    @around(SubmissionContext, "session_settings")
    def limited(original: Broken, self: Any, endpoint: Any) -> Any:
        return dataclasses.replace(original(self, endpoint), message_octets=octets)


def line_ends_pass(*passing: bytes) -> None:
    """Let content through although CR or LF stand alone in it."""
    from reference_relay.smtp import server_session

    @around(server_session, "normalise")
    def careless(original: Broken, content: bytes, line_end: Any) -> Any:
        left = content.replace(b"\r\n", b"")
        bare = {octet for octet in (b"\r", b"\n") if octet in left}
        return content if bare and bare <= set(passing) else original(content, line_end)


def all_leading_dots_removed() -> None:
    from reference_relay.smtp.content_reader import DataReader

    @around(DataReader, "content")
    def greedy(original: Broken, self: Any) -> bytes:
        return re.sub(rb"(?m)^\.+", b"", original(self))


def dots_not_stuffed_again() -> None:
    from reference_relay.smtp.outgoing import OutgoingContent

    replace(OutgoingContent, "stuffed", property(lambda self: self.raw + b".\r\n"))


def end_searched_in_each_segment() -> None:
    from reference_relay.smtp import server_session

    class SegmentReader(LenientReader):
        def feed(self, octets: bytes) -> bytes | None:
            if self.ends[0] not in octets and octets != b".\r\n":
                self._octets += octets
                return None
            return super().feed(octets)

    replace(server_session, "DataReader", SegmentReader)


def rest_of_the_segment_dropped() -> None:
    from reference_relay.smtp.content_reader import DataReader

    @around(DataReader, "feed")
    def hasty(original: Broken, self: Any, octets: bytes) -> bytes | None:
        return None if original(self, octets) is None else b""


def bare_line_ends_relayed() -> None:
    line_ends_pass(b"\r", b"\n")


def bare_lf_relayed() -> None:
    line_ends_pass(b"\n")


def bare_cr_relayed() -> None:
    line_ends_pass(b"\r")


def content_ends_at_nul() -> None:
    from reference_relay.smtp import server_session

    @around(server_session, "normalise")
    def cut(original: Broken, content: bytes, line_end: Any) -> Any:
        head, nul, _ = content.partition(b"\0")
        return original(head + b"\r\n" if nul else content, line_end)


def trailing_blanks_removed() -> None:
    content_becomes(lambda content: re.sub(rb"[ \t]+\r\n", b"\r\n", content))


def lines_of_990_octets() -> None:
    from reference_relay.smtp import content_reader

    replace(content_reader, "MAXIMUM_TEXT_LINE", 990)


def long_lines_wrapped() -> None:
    from reference_relay.smtp import server_session

    long_line = re.compile(rb"([^\r\n]{%d})(?=[^\r\n])" % _LONGEST_LINE)

    @around(server_session, "normalise")
    def wrapped(original: Broken, content: bytes, line_end: Any) -> Any:
        return original(long_line.sub(rb"\1\r\n", content), line_end)


def at_most_60000_octets() -> None:
    limit_becomes(60_000)


def oversize_ends_the_data() -> None:
    from reference_relay.smtp.content_reader import DataReader

    @around(DataReader, "feed")
    def impatient(original: Broken, self: Any, octets: bytes) -> bytes | None:
        rest: bytes | None = original(self, octets)
        return b"" if rest is None and self.is_oversize else rest

    # A low limit, or the check would have to send 30 MB first.
    limit_becomes(100_000)


def empty_content_answered_twice() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_complete")
    def twice(original: Broken, self: Any, octets: bytes) -> Any:
        if not octets:
            self._send(replies.OK)
        return original(self, octets)


def line_added_at_the_end() -> None:
    content_becomes(lambda content: content + b"\r\n")


def delivered_before_answered() -> None:
    import asyncio

    from reference_relay.queue.queued_message import RecipientState
    from reference_relay.smtp import replies
    from reference_relay.submission.answers import Answers

    async def delivered(self: Any, message: Any) -> None:
        queue = self._context.queue
        await queue.commit(message)
        states = [RecipientState.SUBMITTED]
        while RecipientState.SUBMITTED in states:
            await asyncio.sleep(0.02)
            states = [one.state for one in queue.status(message.queue_id).recipients]
        if RecipientState.BOUNCED in states:
            self._session.reject(replies.ACCESS_DENIED)
        else:
            self._session.accept(self._context.wording.message_queued(message.queue_id))
        self._go_on()

    @around(Answers, "_commit")
    def patient(original: Broken, self: Any, message: Any) -> None:
        self._patient = asyncio.get_running_loop().create_task(delivered(self, message))


def commands_taken_out_of_content() -> None:
    content_becomes(lambda content: re.sub(rb"(?m)^(?:QUIT|RSET|DATA)\r\n", b"", content))


def end_searched_in_two_segments() -> None:
    from reference_relay.smtp import server_session

    class PairReader(LenientReader):
        before = b"\r\n"

        def feed(self, octets: bytes) -> bytes | None:
            if self.ends[0] not in self.before + octets:
                self._octets += octets
                self.before = octets
                return None
            return super().feed(octets)

    replace(server_session, "DataReader", PairReader)


def empty_line_behind_received() -> None:
    from reference_relay.mail import trace

    @around(trace, "received")
    def closed(original: Broken, **facts: Any) -> bytes:
        field: bytes = original(**facts)
        return field + b"\r\n"


MUTATIONS = {
    "all-leading-dots-removed": Mutation(
        ("DATA-02",), all_leading_dots_removed, "Every dot at the start of a line is removed."
    ),
    "dots-not-stuffed-again": Mutation(
        ("DATA-03",), dots_not_stuffed_again, "Leading dots are sent on as they are."
    ),
    "end-searched-in-each-segment": Mutation(
        ("DATA-04",), end_searched_in_each_segment, "An end of data in two segments is missed."
    ),
    "rest-of-the-segment-dropped": Mutation(
        ("DATA-05",), rest_of_the_segment_dropped, "Commands behind the end of data are lost."
    ),
    "bare-line-ends-relayed": Mutation(
        ("DATA-07", "DATA-08"), bare_line_ends_relayed, "A bare CR or LF is passed on as it is."
    ),
    "bare-lf-relayed": Mutation(
        ("DATA-09",), bare_lf_relayed, "A bare LF is passed on, a bare CR is not."
    ),
    "bare-cr-relayed": Mutation(
        ("DATA-10",), bare_cr_relayed, "A bare CR is passed on, a bare LF is not."
    ),
    "content-ends-at-nul": Mutation(
        ("DATA-11",), content_ends_at_nul, "What follows a NUL in the content is lost."
    ),
    "trailing-blanks-removed": Mutation(
        ("DATA-12",), trailing_blanks_removed, "Blanks at the end of a line are removed."
    ),
    "lines-of-990-octets": Mutation(
        ("DATA-13",), lines_of_990_octets, "Lines of more than 990 octets are refused."
    ),
    "long-lines-wrapped": Mutation(
        ("DATA-14",), long_lines_wrapped, "Lines over the limit are broken in two."
    ),
    "at-most-60000-octets": Mutation(
        ("DATA-15",), at_most_60000_octets, "Content of 64 KiB is too large."
    ),
    "oversize-ends-the-data": Mutation(
        ("DATA-16",), oversize_ends_the_data, "The rest of content over the limit runs as commands."
    ),
    "empty-content-answered-twice": Mutation(
        ("DATA-18",), empty_content_answered_twice, "Content without octets gets two replies."
    ),
    "line-added-at-the-end": Mutation(
        ("DATA-19",), line_added_at_the_end, "An empty line is added at the end."
    ),
    "commands-taken-out-of-content": Mutation(
        ("DATA-20",), commands_taken_out_of_content, "Lines like QUIT vanish from the content."
    ),
    "delivered-before-answered": Mutation(
        ("DATA-21",), delivered_before_answered, "The client waits for the reply of the next host."
    ),
    "end-searched-in-two-segments": Mutation(
        ("DATA-04",), end_searched_in_two_segments, "An end of data in three segments is missed."
    ),
    "empty-line-behind-received": Mutation(
        ("DATA-18",), empty_line_behind_received, "An empty line on top ends the header."
    ),
}
