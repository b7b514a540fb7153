from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.smtp import replies
from reference_relay.smtp.content_reader import DataReader, has_long_line, normalise
from reference_relay.smtp.receive_buffer import LineEnd

text_lines = st.lists(st.binary(max_size=12).map(lambda one: one.translate(None, b"\r\n\0")))


@given(text_lines, st.sampled_from(LineEnd), st.integers(1, 7))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_transparency_round_trip(lines: list[bytes], line_end: LineEnd, step: int) -> None:
    """What a client stuffs comes out as it was, whatever the segmentation (RFC 5321 §4.5.2)."""
    ending = line_end.value
    stuffed = b"".join((b"." if line[:1] == b"." else b"") + line + ending for line in lines)
    wire = stuffed + b"." + ending + b"NOOP" + ending
    reader = DataReader(line_end, 100000)
    rest: bytes | None = None
    for start in range(0, len(wire), step):
        if rest is not None:
            rest += wire[start : start + step]
        else:
            rest = reader.feed(wire[start : start + step])
    assert rest == b"NOOP" + ending
    assert reader.content() == b"".join(line + ending for line in lines)


@pytest.mark.parametrize(
    "fake",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\n.\r",
        b"\r.\n",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\r\n. \r\n",
        b"\r\n..\r\n",
    ],
)
def test_only_crlf_dot_crlf_ends_the_data(fake: bytes) -> None:
    """No malformed sequence ends the data in a CRLF session (DATA-06)."""
    reader = DataReader(LineEnd.CRLF, 100000)
    assert reader.feed(b"a" + fake + b"b\r\n") is None
    assert reader.feed(b".\r\n") == b""


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"\n", b"a\r\n\r", b"a\r\r\n"])
def test_a_bare_line_end_is_refused(content: bytes) -> None:
    """Content that two readers would split differently is not taken (DATA-09, DATA-10)."""
    assert normalise(content, LineEnd.CRLF) is replies.BARE_LINE_END_IN_CONTENT


def test_lf_content_leaves_in_crlf() -> None:
    """An LF session's content is stored with CRLF (D-4)."""
    assert normalise(b"a\nb\n", LineEnd.LF) == b"a\r\nb\r\n"
    assert normalise(b"a\r\nb\n", LineEnd.LF) is replies.BARE_LINE_END_IN_CONTENT


@given(st.lists(st.integers(0, 1200), max_size=6), st.booleans())
@settings(max_examples=300, derandomize=True, deadline=None)
def test_long_lines_are_found(lengths: list[int], is_ended: bool) -> None:
    """A line of 998 octets passes, one of 999 does not, wherever it stands."""
    content = b"\r\n".join(b"x" * length for length in lengths) + (b"\r\n" if is_ended else b"")
    assert has_long_line(content) is any(length > 998 for length in lengths)


def test_stuffed_dots_do_not_count_towards_the_size() -> None:
    """Exactly the limit passes however many dots are stuffed; one more does not (RFC 1870 §5)."""
    content = b".x\r\n" * 25
    for limit, is_oversize in ((100, False), (99, True)):
        reader = DataReader(LineEnd.CRLF, limit)
        wire = content.replace(b".x", b"..x") + b".\r\n"
        for start in range(0, len(wire), 3):
            reader.feed(wire[start : start + 3])
        assert reader.is_oversize is is_oversize


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b".", b"\xff", b"\x0b"])))
@settings(max_examples=300)
def test_a_bare_line_end_is_found_wherever_it_is(pieces: list[bytes]) -> None:
    """What passes holds CR and LF in pairs alone, and what holds only pairs passes."""
    content = b"".join(pieces)
    left = content.replace(b"\r\n", b"")
    refused = replies.BARE_LINE_END_IN_CONTENT
    is_bare = b"\r" in left or b"\n" in left
    assert normalise(content, LineEnd.CRLF) == (refused if is_bare else content)
    in_crlf = content.replace(b"\n", b"\r\n")
    assert normalise(content, LineEnd.LF) == (refused if b"\r" in content else in_crlf)


@given(st.lists(st.sampled_from([b".", b"..", b"\r\n", b"\r", b"\n", b"x"])), st.integers(1, 9))
@settings(max_examples=300)
def test_the_first_dot_line_ends_the_data(pieces: list[bytes], step: int) -> None:
    """However the octets are cut, data ends at the first line that is a dot, and no other."""
    sent = b"".join(pieces) + b"\r\n.\r\nNOOP\r\n"
    end = (b"\r\n" + sent).find(b"\r\n.\r\n")
    reader = DataReader(LineEnd.CRLF, 1000)
    rest = None
    for position in range(0, len(sent), step):
        rest = reader.feed(sent[position : position + step])
        if rest is not None:
            rest += sent[position + step :]
            break
    assert rest == sent[end + 3 :]
    stuffed = b"\r\n" + sent[:end]
    assert reader.content() == stuffed.replace(b"\r\n.", b"\r\n")[2:]
