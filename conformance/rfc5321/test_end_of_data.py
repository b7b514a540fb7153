"""DATA: what ends no data, and what may not leave the relay (RFC 5321 §2.3.8, §4.1.1.4)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, remark
from conformance.requirement import requirement
from conformance.rfc5321.endings import MALFORMED_ENDS, has_bare_cr_or_lf
from conformance.steps import (
    NothingArrived,
    enter_data,
    must_answer,
    must_be_alive,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

malformed_end = pytest.mark.parametrize(
    "end", list(MALFORMED_ENDS.values()), ids=list(MALFORMED_ENDS)
)


@requirement("DATA-06")
@malformed_end
def test_no_malformed_sequence_ends_the_data(
    end: bytes,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """Text behind a malformed end of data is part of the message, or all of it is refused."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    # The write ends with the sequence, as a reader that looks at the end of its buffer sees it.
    probe.send(message(token) + b"before" + end)
    early = probe.silence(0.02)
    must(early == b"", expected="no reply before CRLF.CRLF", observed=early)
    probe.send(b"behind\r\n.\r\n")
    reply = must_answer(probe.read_reply(), ("250", "5yz"), "one message, or a refusal")
    must_be_alive(probe)
    if reply.is_permanent:
        nothing_arrived(token)
        return
    content = arrived(token).content
    must(content.endswith(b"behind\r\n"), "the text behind the sequence", content)
    copies = sink.deliveries(token=token)
    must(len(copies) == 1, expected="one message", observed=f"{len(copies)} messages")


@requirement("DATA-07")
@malformed_end
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_no_bare_cr_or_lf_leaves_the_relay(
    verb: str,
    end: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A message with a bare CR or LF is refused, or goes on with CRLF alone."""
    probe = session()
    content = message(token) + b"before" + end + b"behind\r\n"
    if verb == "BDAT" and "CHUNKING" not in probe.ehlo().keywords:
        return
    open_transaction(probe, sender_of(target), [target.recipient()])
    if verb == "BDAT":
        probe.send(b"BDAT %d LAST\r\n" % len(content) + content)
        reply = probe.read_reply()
    else:
        reply = send_content(probe, content)
    must_answer(reply, ("250", "5yz"), "refused or normalised")
    if reply.is_positive:
        delivery = arrived(token)
        must(
            not has_bare_cr_or_lf(delivery.raw),
            expected="no CR or LF outside CRLF on the wire",
            observed=delivery.raw,
        )
        must(delivery.content.endswith(b"behind\r\n"), "the whole message", delivery.content)


@requirement("DATA-08")
@malformed_end
def test_smuggled_transaction_stays_text(
    end: bytes,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A transaction hidden behind a malformed end is delivered by no sink, whatever its dialect."""
    injected = f"admin-{token}@victim.example"
    recipients = [
        target.recipient(f"rcpt-{token}", dialect=dialect) for dialect in ("strict", "lf", "cr")
    ]
    # The line ends of the hidden commands are those of the sequence, as its victim wants them.
    eol = b"\r" if end.endswith(b"\r") else b"\n" if not end.endswith(b"\r\n") else b"\r\n"
    hidden = eol.join(
        (
            f"MAIL FROM:<{injected}>".encode(),
            f"RCPT TO:<{recipients[0]}>".encode(),
            b"DATA",
            f"From: {injected}".encode(),
            b"Subject: smuggled " + token.encode(),
            b"",
            b"smuggled",
        )
    )
    probe = session()
    open_transaction(probe, sender_of(target), recipients)
    reply = send_content(probe, message(token) + b"before" + end + hidden + b"\r\n")
    must_answer(reply, ("250", "5yz"), "one message, or a refusal")
    must_be_alive(probe)
    if reply.is_permanent:
        nothing_arrived(token)
        return
    for recipient in recipients:
        sink.wait_for(recipient=recipient)
    smuggled = [copy for copy in sink.deliveries(token=token) if copy.reverse_path == injected]
    must(not smuggled, expected=f"no mail from {injected}", observed=smuggled)
    counts = {r: len(sink.deliveries(recipient=r)) for r in recipients}
    must(set(counts.values()) == {1}, expected="one message at each sink", observed=counts)


BARE_LF_PLACES = {
    "header": (b"Subject: x\nX-Bare: y\r\n", b""),
    "separator": (b"X-Bare: y\n\nhidden\r\n", b""),
    "body": (b"", b"one\ntwo\r\n"),
    "from": (b"X-Bare: x\nFrom: evil@evil.example\r\n", b""),
}


@requirement("DATA-09")
@pytest.mark.parametrize("place", list(BARE_LF_PLACES))
def test_bare_lf_is_refused_or_normalised(
    place: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A bare LF makes a message refused, or becomes what both policy and sink read."""
    in_header, in_body = BARE_LF_PLACES[place]
    judge_bare_line_end(
        in_header, in_body, session, target, message, token, arrived, nothing_arrived
    )


BARE_CR_PLACES = {
    "header": (b"X-Bare: x\rFrom: evil@evil.example\r\n", b""),
    "before-crlf": (b"X-Bare: y\r\r\n", b""),
    "separator": (b"X-Bare: y\r\rhidden\r\n", b""),
    "body": (b"", b"one\rtwo\r\n"),
}


@requirement("DATA-10")
@pytest.mark.parametrize("place", list(BARE_CR_PLACES))
def test_bare_cr_is_refused_or_neutralised(
    place: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A bare CR makes a message refused, or never becomes the end of a line."""
    in_header, in_body = BARE_CR_PLACES[place]
    judge_bare_line_end(
        in_header, in_body, session, target, message, token, arrived, nothing_arrived
    )


def judge_bare_line_end(
    in_header: bytes,
    in_body: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """Submit a message with a bare CR or LF; judge the refusal or what arrived."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = send_content(probe, in_header + message(token) + in_body)
    must_answer(reply, ("250", "5yz"), "refused or normalised")
    if reply.is_permanent:
        if reply.code not in (550, 554):
            remark(f"550 or 554 expected for a bare CR or LF, {reply.code} seen")
        nothing_arrived(token)
        return
    delivery = arrived(token)
    must(not has_bare_cr_or_lf(delivery.raw), "CRLF alone on the wire", delivery.raw)
    if target.claims("header_sender") is False:
        return  # no policy looks at the header
    header = delivery.content.split(b"\r\n\r\n")[0]
    must(b"\r\nFrom: evil@" not in header, "no header field that policy did not see", header)
