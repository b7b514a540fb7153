"""Content on its way out (RFC 5321 §4.5.2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.smtp.outgoing import OutgoingContent, Transaction

_piece = st.sampled_from([b".", b"..", b"\r\n", b"\r\n.\r\n", b"text", b"\xe4"])
contents = st.lists(_piece, max_size=20).map(b"".join)


def received(octets: bytes) -> bytes:
    """Read content as RFC 5321 §4.5.2 tells a server to, line by line."""
    lines = octets.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""], "nothing follows the final dot"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@given(contents)
def test_round_trip(content: bytes) -> None:
    """A server that takes the dots away has the content, ended by CRLF, and nothing else."""
    outgoing = OutgoingContent.of(content)
    ended = content if content.endswith(b"\r\n") else content + b"\r\n"
    assert received(outgoing.stuffed) == ended
    assert len(outgoing.raw) == len(ended)


def test_eight_bits_are_noticed() -> None:
    """Header and body are looked at apart."""
    assert OutgoingContent.of(b"Subject: x\r\n\r\nx\r\n").is_7bit
    body = OutgoingContent.of(b"Subject: x\r\n\r\n\xe4\r\n")
    assert (body.is_7bit, body.is_header_ascii) == (False, True)
    header = OutgoingContent.of(b"Subject: \xc3\xa4\r\n\r\nx\r\n")
    assert (header.is_7bit, header.is_header_ascii) == (False, False)


def test_need_of_smtputf8() -> None:
    """SMTPUTF8 is needed only when it was asked for and something does need it."""
    plain = OutgoingContent.of(b"Subject: x\r\n\r\nx\r\n")
    envelope = Envelope(Mailbox("a", "example.com"), (), is_smtputf8=True)
    ascii_only = (Recipient(Mailbox("b", "example.org")),)
    beyond = (Recipient(Mailbox("jörg", "example.org")),)
    assert not Transaction(envelope, ascii_only, plain).needs_smtputf8
    assert Transaction(envelope, beyond, plain).needs_smtputf8
