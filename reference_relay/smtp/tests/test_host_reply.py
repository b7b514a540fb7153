"""Reading what hosts say, however they say it (RLY-16)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.smtp.host_reply import HostReply, ReplyReader


def replies(*chunks: bytes) -> list[HostReply]:
    reader = ReplyReader()
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.next_reply()) is not None:
            found.append(reply)
    return found


@pytest.mark.parametrize(
    ("octets", "code", "lines"),
    [
        (b"250 2.0.0 Ok\r\n", 250, (b"2.0.0 Ok",)),
        (b"250\r\n", 250, (b"",)),
        (b"250 \r\n", 250, (b"",)),
        (b"250-a\r\n250-b\r\n250 c\r\n", 250, (b"a", b"b", b"c")),
        (b"250 bare\n", 250, (b"bare",)),
        (b"299 odd\r\n", 299, (b"odd",)),
        (b"\r\n250 x\r\n", 250, (b"x",)),
        (b"250-first\r\n550 last\r\n", 550, (b"first", b"last")),
        (b"what?\r\n", 0, (b"what?",)),
        (b"25 x\r\n", 0, (b"25 x",)),
        (b"250x\r\n", 0, (b"250x",)),
    ],
)
def test_one_reply(octets: bytes, code: int, lines: tuple[bytes, ...]) -> None:
    """Each is one reply with the code that its last line tells."""
    assert replies(octets) == [HostReply(code, lines)]


def test_thirty_lines() -> None:
    """A reply of thirty lines is one reply."""
    octets = b"".join(b"250-line %d\r\n" % number for number in range(29)) + b"250 end\r\n"
    assert [len(reply.lines) for reply in replies(octets)] == [30]


def test_endless_reply_is_given_up() -> None:
    """A reply that never ends costs no more than 64 KiB, with and without line ends."""
    assert replies(*[b"250-more and more\r\n"] * 4000)[0].code == 0
    assert replies(*[b"x" * 1000] * 70)[0].code == 0


def test_text_is_printable_and_bounded() -> None:
    """What goes to log and status holds no control characters and has an end."""
    [reply] = replies(b"550-a\x1b[2J\r\n550 " + b"b" * 900 + b"\r\n")
    assert reply.text.startswith("550 a?[2J bbb")
    assert len(reply.text) == 500


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"250-a\r\n", b"250 b\r\n"])))
def test_chunks_do_not_matter(chunks: list[bytes]) -> None:
    """Nothing makes the reader fail, and how octets arrive changes no reply before nonsense."""
    whole = b"".join(chunks)
    at_once = replies(whole)
    one_by_one = replies(*(whole[i : i + 1] for i in range(len(whole))))
    for one, other in zip(at_once, one_by_one, strict=False):
        assert one == other
        if one.code == 0:
            break
