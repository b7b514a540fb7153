"""The scanner against the stdlib's `email`, under both of its kinds of policy.

The scanner may refuse what `email` finds harmless, never accept what `email` shows as a file.
"""

from __future__ import annotations

import email
import email.policy
from email.message import Message

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.content import complete
from reference_relay.policy.no_attachment import judge_content

_TYPES = (
    b"text/plain|text/html; charset=utf-8|TEXT/Plain;|text|text/plain; name=a|application/pdf|"
    b"image/png|message/rfc822|message/delivery-status|message/partial|text/plain (c)|"
    b'text/plain; charset="utf-8"|application/x (c)|text/plain; x="; name=a"|text/plain;\r\n '
    b'name=a|text/plain; name*=x|"text"/plain|text/plain; charset=utf-8 ; format=flowed'
).split(b"|")
_DISPOSITIONS = (
    b"inline|attachment|inline; filename=a|inline; filename*0=a|x|inline;|(c) inline|"
    b'inline; x="filename=a"|inline ; size=3|INLINE|inline; filename="|'
).split(b"|")
_ENCODINGS = b"7bit|8bit|base64|quoted-printable|x-y|binary |".split(b"|")
_NAMES = (
    b"Content-Type: |content-type:|Content-Type : |\tContent-Type: |\xef\xbb\xbfContent-Type: |"
    b"Content-Type:\r\n "
).split(b"|")
_BODIES = (
    b"hello|hello\r\n|aGVsbG8=|--a|--b\r\n\r\nx\r\n--b--|begin 644 x|"
    b"Content-Disposition: attachment\r\n\r\nx|\r\n\r\n"
).split(b"|")
_BOUNDARIES = b'a|b|"a b"|ab|"a"|"a "|""|a=b|abc'.split(b"|")
_SEPARATORS: tuple[bytes, ...] = (b"\r\n",) * 6 + (
    b"",
    b" \r\n",
    b"\n",
    b"text\r\n",
    b"X: y\r\n \r\n\r\n",
)


def _often(value: bytes, others: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.just(value), st.just(value), st.sampled_from(others))


@st.composite
def _fields(draw: st.DrawFn, media_types: st.SearchStrategy[bytes]) -> bytes:
    found = [
        draw(_often(b"Content-Type: ", _NAMES)) + draw(media_types) + b"\r\n"
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 2])))
    ]
    if draw(st.integers(0, 3)) == 0:
        found.append(b"Content-Disposition: " + draw(st.sampled_from(_DISPOSITIONS)) + b"\r\n")
    if draw(st.integers(0, 3)) == 0:
        found.append(b"Content-Transfer-Encoding: " + draw(st.sampled_from(_ENCODINGS)) + b"\r\n")
    return b"".join(draw(st.permutations(found)))


@st.composite
def _leaf(draw: st.DrawFn) -> bytes:
    fields: bytes = draw(_fields(_often(b"text/plain", _TYPES)))
    return fields + draw(st.sampled_from(_SEPARATORS)) + draw(st.sampled_from(_BODIES))


@st.composite
def _multipart(draw: st.DrawFn, entities: st.SearchStrategy[bytes]) -> bytes:
    parameter = draw(st.sampled_from(_BOUNDARIES))
    boundary = parameter.strip(b'"')
    subtype = draw(st.sampled_from([b"mixed", b"alternative", b"digest", b"x"]))
    fields: bytes = draw(_fields(st.just(b"multipart/" + subtype + b"; boundary=" + parameter)))
    parts = draw(st.lists(entities, max_size=3))
    preamble = draw(_often(b"", [b"note", b"--c\r\nContent-Type: x/y\r\n\r\nz"]))
    pieces = [preamble]
    for part in parts:
        padding = draw(_often(b"", [b" ", b"\t", b"x", b"--"]))
        pieces.append(b"\r\n--" + boundary + padding + b"\r\n" + part)
    pieces.append(draw(_often(b"\r\n--" + boundary + b"--", [b"", b"\r\n--" + boundary])))
    pieces.append(draw(_often(b"\r\n", [b"", b" \r\nnote", b"\r\n--" + boundary + b"\r\n\r\nx"])))
    return fields + draw(st.sampled_from(_SEPARATORS)) + b"".join(pieces)


@st.composite
def _message(draw: st.DrawFn, entities: st.SearchStrategy[bytes]) -> bytes:
    fields: bytes = draw(_fields(st.just(b"message/rfc822")))
    return fields + draw(st.sampled_from(_SEPARATORS)) + b"Subject: x\r\n" + draw(entities)


ENTITIES = st.recursive(
    _leaf(),
    lambda inner: st.one_of(_multipart(inner), _multipart(inner), _message(inner)),
    max_leaves=6,
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    content = b"From: a@example.com\r\n" + draw(ENTITIES)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.integers(0, 3))
        piece = draw(
            st.sampled_from([b"", b"\r\n", b"\n", b"\r", b" ", b"\0", b"--", b'"', b";", b"("])
        )
        content = content[:at] + piece + content[at + cut :]
    return content


CONTENTS = _mutated()


def shows_a_file(message: Message) -> bool:
    """Whether a parsed message has a part that a reader would offer to save."""
    for part in message.walk():
        try:
            if part.get_filename() is not None:
                return True
            if part.get_content_disposition() not in {None, "inline"}:
                return True
            if part.get_content_maintype() not in {"text", "multipart", "message"}:
                return True
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            continue  # the stdlib itself stumbles over some fields
    return False


def accepted_against_the_stdlib(content: bytes) -> bool:
    """Whether the scanner accepts what a kind of `email` shows as a file."""
    if judge_content(content) is not None:
        return False
    delivered = complete(content, date="Mon, 24 Nov 2025 10:00:00 +0000", message_id="<a@b>")
    policies: tuple[email.policy.Policy, ...] = (email.policy.compat32, email.policy.SMTP)
    return any(
        shows_a_file(email.message_from_bytes(delivered, policy=policy)) for policy in policies
    )


@settings(derandomize=True, max_examples=600, deadline=None)
@given(_mutated())
def test_nothing_is_accepted_that_the_stdlib_shows_as_a_file(content: bytes) -> None:
    """ATT-15 to ATT-19, ATT-21: no plausible reader finds a file in what was accepted."""
    assert not accepted_against_the_stdlib(content)


def test_the_comparison_can_fail() -> None:
    """The oracle itself sees files, else its silence would prove nothing."""
    for fields in (b"Content-Type: application/pdf", b"Content-Disposition: attachment"):
        message = email.message_from_bytes(fields + b"\r\n\r\nx")
        assert shows_a_file(message)
