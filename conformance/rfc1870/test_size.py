"""SIZE: the declared and the real size of a message (RFC 1870)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, not_observable
from conformance.requirement import requirement
from conformance.steps import (
    must_answer,
    must_be_alive,
    must_refuse,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import SMTPProbe, stuffed
from fixtures.target import Target

# A limit beyond this is not tried out in every run.
LARGEST_TRIED_OCTETS = 64 * 1024 * 1024


def advertised_limit(probe: SMTPProbe) -> int:
    """Return the SIZE limit in octets."""
    sizes = probe.ehlo().keywords.get("SIZE")
    if not sizes or sizes[0] == "0":
        not_claimed("no size limit is advertised")
    return int(sizes[0])


@requirement("SIZE-01")
def test_declared_size_is_judged_at_mail(session: LogIn, target: Target) -> None:
    """MAIL that declares more than the limit is 552; the limit itself and 0 are accepted."""
    probe = session()
    limit = advertised_limit(probe)
    over = probe.mail(sender_of(target), f"SIZE={limit + 1}")
    must_refuse(over, f"the limit is {limit}", exactly="552 5.3.4")
    for size in (limit, 0):
        reply = probe.mail(sender_of(target), f"SIZE={size}")
        must_answer(reply, "250", f"SIZE={size} is within the limit of {limit}")
        must_answer(probe.command("RSET"), "250", "RSET always works")


@requirement("SIZE-03")
@pytest.mark.parametrize(("declared", "lines"), [(10, 200), (20_000, 1)], ids=["under", "over"])
def test_declared_size_ends_no_content(
    declared: int,
    lines: int,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A wrong SIZE is tolerated or refused; content is never taken in part."""
    probe = session()
    advertised_limit(probe)
    must_answer(probe.mail(sender_of(target), f"SIZE={declared}"), "250", "a small SIZE")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    body = b"0123456789\r\n" * lines + b"end\r\n"
    reply = must_answer(send_content(probe, message(token) + body), ("250", "552"), "whole or not")
    must_be_alive(probe)
    if reply.is_positive:
        content = arrived(token).content
        must(content.endswith(b"\r\n" + body), "the whole content", f"{len(content)} octets")


@requirement("SIZE-02")
@pytest.mark.parametrize("surplus", [0, 1])
def test_dots_do_not_count(
    surplus: int,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A message at the limit is taken however many dots are stuffed into it; one more is not."""
    if target.settings is None:
        not_observable("the limit of the relay under test is too large to be filled in every run")
    limit = 200_000
    with target.settings.changed(limits={"message_octets": limit}):
        probe = session()
        must(advertised_limit(probe) == limit, f"SIZE {limit}", probe.ehlo().raw)
        head = message(token)
        room = limit + surplus - len(head)
        content = head + b".\r\n" * (room // 3 - 1) + b"." * (1 + room % 3) + b"\r\n"
        must_answer(probe.mail(sender_of(target)), "250", "no size is declared")
        must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
        must_answer(probe.command("DATA"), "354", "the envelope is complete")
        probe.send(stuffed(content))
        reply = probe.read_reply()
        if surplus:
            must_refuse(reply, f"{len(content)} octets are too many", exactly="552 5.3.4")
            return
        must_answer(reply, "250", f"{len(content)} octets without stuffing")
    whole = arrived(token).content
    must(whole.endswith(content[len(head) :]), "the whole content", f"{len(whole)} octets")
