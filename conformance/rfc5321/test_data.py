"""DATA: the data phase and transparency (RFC 5321 §4.1.1.4, §4.5.2)."""

from __future__ import annotations

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    due_reply,
    enter_data,
    must_answer,
    must_be_alive,
    must_refuse,
    need_attachment_rule,
    need_header_rule,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target


@requirement("DATA-01")
def test_final_reply_names_the_queue_id(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """354, content and CRLF.CRLF give one final reply that carries a queue ID."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(send_content(probe, message(token)), "250", "the message is valid")
    found = target.queue_id_pattern.search(reply.text)
    must(found is not None, expected="a queue ID in the final reply", observed=reply.raw)
    must_be_alive(probe)
    arrived(token)
    copies = sink.deliveries(token=token)
    must(len(copies) == 1, expected="one copy at the sink", observed=f"{len(copies)} copies")


@requirement("DATA-02")
@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"..", b"."),
        (b"...x", b"..x"),
        (b".x", b"x"),
        (b" .", b" ."),
        (b"a.", b"a."),
        (b"..\r\n..\r\n...", b".\r\n.\r\n.."),
    ],
    ids=["dot", "two-dots", "needless", "blank-dot", "dot-behind", "in-a-row"],
)
def test_one_leading_dot_is_removed(
    sent: bytes,
    meant: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Of each line that begins with a dot the first dot is removed, and no other octet."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = send_content(probe, message(token) + sent + b"\r\nend\r\n")
    must_answer(reply, "250", "the message is valid")
    content = arrived(token).content
    wanted = b"\r\n" + meant + b"\r\nend\r\n"
    must(content.endswith(wanted), expected=f"content that ends in {wanted!r}", observed=content)


@requirement("DATA-03")
def test_leading_dots_are_stuffed_again(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """A line that is a single dot travels on with its text behind it."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = send_content(probe, message(token) + b"above\r\n..\r\nbelow\r\n..leading\r\n")
    must_answer(reply, "250", "the message is valid")
    delivery = arrived(token)
    wanted = b"above\r\n.\r\nbelow\r\n.leading\r\n"
    must(delivery.content.endswith(wanted), f"the whole text {wanted!r}", delivery.content)
    must(
        b"above\r\n..\r\nbelow\r\n..leading\r\n" in delivery.raw,
        expected="the dots stuffed on the wire",
        observed=delivery.raw,
    )


@requirement("DATA-04")
def test_end_of_data_in_two_pieces(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """The end of data and a stuffed dot are recognised wherever the octets are divided."""
    tail = b"x\r\n..stuffed\r\n.\r\n"
    probe = session()
    for cut in range(1, len(tail)):
        open_transaction(probe, sender_of(target), [target.recipient()])
        enter_data(probe)
        probe.send(message(token) + tail[:cut])
        early = probe.silence(0.005)
        must(early == b"", f"no reply before the end, cut at {cut}", early)
        probe.send(tail[cut:])
        reply = due_reply(probe, f"the end of data, cut at {cut}")
        must_answer(reply, "250", "the message is valid")
    sink.wait_for(token=token, count=len(tail) - 1)
    copies = sink.deliveries(token=token)
    wrong = [copy.content for copy in copies if not copy.content.endswith(b"x\r\n.stuffed\r\n")]
    must(not wrong, expected="the same content every time", observed=wrong[:1])


@requirement("DATA-04")
def test_end_of_data_octet_by_octet(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Content whose last octets come one at a time ends in the same place."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    probe.send(message(token))
    for octet in b"x\r\n..stuffed\r\n.\r":
        probe.send(bytes([octet]))
        # A pause, or the relay would read several octets at once.
        must(probe.silence(0.005) == b"", "no reply before the end")
    probe.send(b"\n")
    must_answer(due_reply(probe, "the end of data"), "250", "the message is valid")
    content = arrived(token).content
    must(content.endswith(b"x\r\n.stuffed\r\n"), "the whole content", content)


@requirement("DATA-05")
def test_commands_behind_the_end_of_data(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Octets that follow the end of data in the same segment are the next commands."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    follow = f"MAIL FROM:<{sender_of(target)}>\r\nRCPT TO:<{target.recipient()}>\r\n"
    probe.send(message(token) + b".\r\n" + follow.encode() + b"RSET\r\nQUIT\r\n")
    for wanted, why in (
        ("250", "the message is valid"),
        ("250", "MAIL follows in the same segment"),
        ("250", "RCPT follows in the same segment"),
        ("250", "RSET follows in the same segment"),
        ("221", "QUIT follows in the same segment"),
    ):
        must_answer(due_reply(probe, f"what was sent: {why}"), wanted, why)
    arrived(token)


@requirement("DATA-15")
def test_content_of_64_kib(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """A message of 64 KiB is accepted and arrives whole."""
    content = message(token)
    line = b"0123456789abcdef" * 4 + b"\r\n"
    content += line * ((65_536 - len(content)) // len(line) + 1)
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(content), "250", f"{len(content)} octets are within the limit")
    delivered = arrived(token).content
    must(
        delivered.endswith(content[-65_000:]),
        expected="the whole body",
        observed=f"{len(delivered)} octets",
    )


@requirement("DATA-17")
@pytest.mark.parametrize("reason", ["foreign-from", "attachment", "two-froms"])
def test_refused_content_reaches_nobody(
    reason: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """After a refusal at the end of data none of several recipients gets a copy."""
    (need_attachment_rule if reason == "attachment" else need_header_rule)(target)
    content = {
        "foreign-from": lambda: message(token, From=FOREIGN_SENDER),
        "attachment": lambda: message(
            token, **{"MIME-Version": "1.0", "Content-Disposition": 'attachment; filename="a.txt"'}
        ),
        "two-froms": lambda: b"From: " + FOREIGN_SENDER.encode() + b"\r\n" + message(token),
    }[reason]()
    probe = session()
    recipients = [target.recipient(f"{name}-{token}") for name in ("one", "two", "three")]
    open_transaction(probe, sender_of(target), recipients)
    must_refuse(probe.data(content), f"refused for {reason}", exactly=("550", "554"))
    must_be_alive(probe)
    nothing_arrived(token)


@requirement("DATA-18")
def test_empty_content_gets_one_reply(session: LogIn, target: Target) -> None:
    """A data phase that ends at once is answered once, and the session goes on."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = send_content(probe, b"")
    must_answer(reply, ("250", "5yz"), "accepted or refused")
    must_be_alive(probe)


@requirement("DATA-18")
@pytest.mark.parametrize("part", ["header", "body"])
def test_half_a_message_has_one_fate(
    part: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A message without body or without header is refused, or arrives as a valid message."""
    header, _, _ = message(token).partition(b"\r\n\r\n")
    content = header + b"\r\n" if part == "header" else b"\r\nonly text " + token.encode() + b"\r\n"
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(send_content(probe, content), ("250", "5yz"), "accepted or refused")
    must_be_alive(probe)
    if reply.is_positive:
        delivered = arrived(token).content
        names = [
            line.split(b":")[0].lower() for line in delivered.split(b"\r\n\r\n")[0].split(b"\r\n")
        ]
        must(b"from" in names and b"date" in names, "From and Date in the header", delivered)


@requirement("DATA-19")
@pytest.mark.parametrize("tail", [b"end\r\n", b"end\r\n\r\n\r\n"], ids=["one", "three"])
def test_no_line_is_added_at_the_end(
    tail: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """The body ends at the sink as it ended at the client."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(send_content(probe, message(token) + tail), "250", "the message is valid")
    content = arrived(token).content
    must(content.endswith(b"\r\n" + tail), f"content that ends in {tail!r}", content)


@requirement("DATA-20")
def test_commands_inside_content_are_text(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Lines that look like commands are part of the message."""
    lines = b"QUIT\r\nRSET\r\nSTARTTLS\r\n*\r\nBDAT 0 LAST\r\nAUTH PLAIN\r\nDATA\r\n"
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(send_content(probe, message(token) + lines), "250", "the message is valid")
    must_be_alive(probe)
    content = arrived(token).content
    must(content.endswith(b"\r\n" + lines), "the lines as text", content)
