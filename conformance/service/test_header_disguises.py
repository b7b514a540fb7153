"""SND: no odd shape of a header hides an author from the relay and shows it to a reader."""

from __future__ import annotations

import email
import email.policy
import re
from email.utils import getaddresses

import pytest

from conformance.header import header_of
from conformance.judgement import must, must_reply
from conformance.requirement import requirement
from conformance.service.header_steps import with_from
from conformance.steps import NothingArrived, need_header_rule, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target

# Raw lines in the place of From; {own} is the honest author, evil the one to be hidden.
DISGUISES = {
    "blank-before-colon": (b"From : x@evil.example", b"From: {own}"),
    "blank-before-colon-alone": (b"From : x@evil.example",),
    "tab-in-front": (b"From: {own}", b"\tFrom: x@evil.example"),
    "blank-first": (b" From: x@evil.example", b"From: {own}"),
    "folded-name": (b"From\r\n : x@evil.example", b"From: {own}"),
    "folded-value": (b"From:\r\n x@evil.example", b"X-Other: {own}"),
    "bom": (b"\xef\xbb\xbfFrom: x@evil.example", b"From: {own}"),
    "nul-in-name": (b"Fr\0om: x@evil.example", b"From: {own}"),
    "eighth-bit": (b"Fr\xefm: x@evil.example", b"From: {own}"),
    "bare-cr": (b"X-Y: z\rFrom: x@evil.example", b"From: {own}"),
    "bare-lf": (b"X-Y: z\nFrom: x@evil.example", b"From: {own}"),
    "overlong": (b"X-Y: " + b"z" * 1200 + b"From: x@evil.example", b"From: {own}"),
    "blank-line-of-blanks": (b"X-Y: z", b" ", b"From: x@evil.example", b"From: {own}"),
    "no-colon": (b"From x@evil.example", b"From: {own}"),
    "behind-blank-line": (b"From: {own}", b" ", b"From: x@evil.example"),
    "null-name": (b": x@evil.example", b"From: {own}"),
}


@requirement("SND-15")
@pytest.mark.parametrize("kind", list(DISGUISES))
def test_no_disguise_hides_an_author(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A malformed header is refused, or every reader finds the honest author alone."""
    need_header_rule(target)
    own = sender_of(target)
    fields = [field.replace(b"{own}", own.encode()) for field in DISGUISES[kind]]
    probe = session()
    open_transaction(probe, own, [target.recipient()])
    reply = probe.data(with_from(message(token), *fields))
    must_reply(reply, ("250", "5yz"), because="refused, or judged as it is delivered")
    if reply.is_permanent:
        nothing_arrived(token)
        return
    content = arrived(token).content
    for reader, authors in authors_by_reader(content).items():
        must(authors == {own}, f"no author but {own} for {reader}", sorted(authors))


def authors_by_reader(content: bytes) -> dict[str, set[str]]:
    """Return the authors that three readers of different tolerance find in a content."""
    found = {}
    for name, policy in (
        ("a strict reader", email.policy.default),
        ("an old one", email.policy.compat32),
    ):
        values = email.message_from_bytes(content, policy=policy).get_all("From", [])
        found[name] = {address for _, address in getaddresses([str(value) for value in values])}
    # Any line end ends a line, blanks around the name do not matter.
    lines = re.split(rb"\r\n|\r|\n", header_of(content))
    lenient = [line for line in lines if re.match(rb"[^A-Za-z]*from[ \t]*:", line, re.IGNORECASE)]
    addresses = getaddresses([line.partition(b":")[2].decode("latin-1") for line in lenient])
    found["a careless one"] = {address for _, address in addresses}
    return found
