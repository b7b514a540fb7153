"""What each reply rule asks of a single reply, and of the order of replies (RPL-01 … RPL-08).

Pure. A rule leans towards the relay: where a probe was ambiguous on purpose, every reasonable
reading goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from conformance.judgement import octets_shown
from fixtures.transcript import UNSOLICITED, Event, Transcript

ENHANCEMENT = "ENHANCEDSTATUSCODES"
_ANY_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_LINE = re.compile(rb"[2-5][0-5][0-9](?:[ -][^\r\n]*)?\r\n")
_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?= |\r?\n|\Z)")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_DOUBTFUL_END = re.compile(rb"(?:\A|[\r\n])\x00?\.[\x00 ]?[\r\n]")
_END_OF_DATA = re.compile(rb"(?:\A|\r\n)\.\r\n")

_LONGEST_LINE = 512  # RFC 5321 §4.5.3.1.5
# From this length on, a reply that echoes its command could burst the longest line.
_LONG_COMMAND = 254


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a reply breaks a rule."""

    rule: str
    expected: str
    observed: str
    at_seconds: float
    where: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply, what it answers, and what the probe had sent since the reply before it."""

    octets: bytes
    lines: tuple[bytes, ...]
    command: str
    sent: bytes
    at_seconds: float
    phase: str

    @property
    def digit(self) -> bytes:
        return self.octets[:1]

    @property
    def is_exempt(self) -> bool:
        # RFC 2034 §4: all but the greeting and the replies to EHLO and HELO.
        return self.command in ("greeting", "EHLO", "HELO", "LHLO")

    @property
    def is_offer(self) -> bool:
        return self.command == "EHLO" and self.octets.startswith(b"250")


def replies_heard(events: Iterable[Event]) -> Iterator[Heard]:
    """Cut a dialogue into its replies, up to the first place where they cannot be told apart."""
    sent = bytearray()
    for event in events:
        match event.direction:
            case "C":
                sent += event.octets
            case "S" if _is_tls_record(event):
                return
            case "S" if event.octets and event.label != "partial":
                words = event.label.split()
                yield Heard(
                    octets=event.octets,
                    lines=tuple(_ANY_LINE.findall(event.octets)),
                    command=words[0] if words[:1] == ["greeting"] else "".join(words[:1]).upper(),
                    sent=bytes(sent),
                    at_seconds=event.time,
                    phase="tls" if event.is_tls else "clear",
                )
                sent.clear()
                if event.label == "malformed":
                    return  # what comes after it can no longer be told apart
            case _:
                pass


# A rule returns None where it has nothing to judge, "" where all is well, else what it asks for.
_Rule = Callable[[Heard], str | None]


def _is_malformed(reply: Heard) -> str | None:
    if all(map(_LINE.fullmatch, reply.lines)):
        return ""
    return "each reply line is three digits (first 2-5), SP or hyphen, text, CRLF"


def _changes_code(reply: Heard) -> str | None:
    if len(reply.lines) == 1:
        return None
    is_uniform = len({line[:3] for line in reply.lines}) == 1
    return "" if is_uniform else "every line of a multi-line reply carries the same code"


def _is_too_long(reply: Heard) -> str | None:
    if max(map(len, reply.lines)) > _LONGEST_LINE:
        return f"reply lines of at most {_LONGEST_LINE} octets"
    is_tempting = len(reply.sent) >= _LONG_COMMAND and reply.command != "END"
    return "" if is_tempting else None


def _is_not_ascii(reply: Heard) -> str | None:
    for line in reply.lines:
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        if _CONTROL.search(text):
            return "no control octets in a reply"
        if not text.isascii():
            return _ASCII_ONLY
    is_tempting = _CONTROL.search(reply.sent.rstrip(b"\r\n")) or not reply.sent.isascii()
    return "" if is_tempting and reply.command != "END" else None


_ASCII_ONLY = "replies in ASCII unless the client asked for SMTPUTF8"


def _has_wrong_class(reply: Heard) -> str | None:
    if reply.is_exempt or reply.digit not in (b"2", b"4", b"5"):
        return None
    codes = [found[1] if (found := _ENHANCED.match(line[4:])) else None for line in reply.lines]
    present = [code for code in codes if code]
    if not present:
        return None
    if any(code[:1] != reply.digit for code in present):
        return "the class of the enhanced status equals the first digit of the reply"
    return "" if len(set(codes)) == 1 else "the same enhanced status on every line of a reply"


def _enhances_3yz(reply: Heard) -> str | None:
    if reply.digit != b"3":
        return None
    for line in reply.lines:
        text = line[4:].rstrip(b"\r\n")
        if re.match(rb"[2-5]\.\d{1,3}\.\d{1,3}(?: |\Z)", text):
            return "no enhanced status in a 3yz reply"
        if line.startswith(b"334") and not _BASE64.fullmatch(text):
            return "base64 or nothing as the text of 334"
    return ""


REPLY_RULES: Mapping[str, _Rule] = {
    "RPL-01": _is_malformed,
    "RPL-02": _changes_code,
    "RPL-03": _is_too_long,
    "RPL-04": _is_not_ascii,
    "RPL-07": _has_wrong_class,
    "RPL-08": _enhances_3yz,
}


def lacks_enhanced_status(reply: Heard) -> str | None:
    """RPL-06 for one reply, for a relay that offers the extension."""
    if reply.is_exempt or reply.digit not in (b"2", b"4", b"5"):
        return None
    if all(_ENHANCED.match(line[4:]) for line in reply.lines):
        return ""
    return f"an enhanced status in every 2yz, 4yz and 5yz reply, as {ENHANCEMENT} promises"


def miscounted(transcript: Transcript) -> list[Violation]:
    """RPL-05, up to the first place where our own octets leave room for doubt."""
    sent = bytearray()
    for event in transcript.events:
        if event.direction == "C":
            sent += event.octets
            continue
        if event.direction != "S":
            continue
        if event.label == "malformed":  # also a handshake that a check speaks by hand
            return []
        if event.label == "end of data":
            content = sent[: end.start()] if (end := _END_OF_DATA.search(sent)) else sent
            if _DOUBTFUL_END.search(content):
                return []
        if event.label.upper().startswith("BDAT ") and event.octets.startswith(b"50"):
            return []  # a relay without CHUNKING reads the chunk as commands
        if event.label == UNSOLICITED and not event.octets.startswith(b"421"):
            return [
                Violation(
                    rule="RPL-05",
                    expected="one reply to each command, one greeting, one reply to each content",
                    observed=f"unasked: {octets_shown(event.octets)}",
                    at_seconds=event.time,
                    where=transcript.name,
                )
            ]
        sent.clear()
    return _unanswered(transcript)


def _unanswered(transcript: Transcript) -> list[Violation]:
    """A reply is missing if QUIT's own 221 was the answer to an earlier command."""
    sent = b"".join(event.octets for event in transcript.events if event.direction == "C")
    heard = [event for event in transcript.events if event.direction == "S"]
    is_plain = b"\0" not in sent and not re.search(rb"\r(?!\n)|(?<!\r)\n", sent)
    if not (is_plain and heard and sent.upper().endswith(b"\r\nQUIT\r\n")):
        return []
    last = heard[-1]
    if not last.octets.startswith(b"221") or last.label.strip().upper() == "QUIT":
        return []
    before_quit = sent.splitlines()[-2][: len(last.label)].decode("utf-8", "backslashreplace")
    if before_quit != last.label:
        return []  # it ended the session at an earlier command and heard no QUIT at all
    return [
        Violation(
            rule="RPL-05",
            expected="one reply to each command",
            observed=f"no reply to {last.label!r}: the 221 came in its place",
            at_seconds=last.time,
            where=transcript.name,
        )
    ]


def _is_tls_record(event: Event) -> bool:
    # RFC 8446 §5.1: types 20 to 23, then version 3.x; such a check speaks TLS by hand.
    return (
        not event.is_tls and event.octets[:1] in b"\x14\x15\x16\x17" and event.octets[1:2] == b"\3"
    )


def offers_enhancement(reply: Heard) -> bool:
    """Tell whether a reply to EHLO offers enhanced status codes."""
    return any(line[4:].split()[:1] == [ENHANCEMENT.encode()] for line in reply.lines[1:])


def is_utf8_text(violation: Violation) -> bool:
    """Tell whether a violation is nothing but UTF-8 in a reply."""
    return violation.rule == "RPL-04" and violation.expected == _ASCII_ONLY


def broken(rule: str, expected: str, reply: Heard, where: str) -> list[Violation]:
    """Return the violation that a rule found, if it asks for something."""
    if not expected:
        return []
    return [Violation(rule, expected, octets_shown(reply.octets), reply.at_seconds, where)]
