"""The reply rules, judged over everything the relay under test ever said (RPL-01 … RPL-08).

No check has to ask for it: the transcript of every probe of a run passes here. Pure, and it
leans towards the relay: where a probe was ambiguous on purpose, every reasonable reading goes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

from conformance.judgement import octets_shown
from conformance.verdict import Verdict
from fixtures.transcript import UNSOLICITED, Event, Transcript

RULE_IDS = ("RPL-01", "RPL-02", "RPL-03", "RPL-04", "RPL-05", "RPL-06", "RPL-07", "RPL-08")

_ENHANCEMENT = "ENHANCEDSTATUSCODES"
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
class Examination:
    """What the rules found on one connection, or on several; plain values, ready to be shipped.

    Attributes:
        judged: How often each rule had something to judge.
        violations: What broke a rule.
        offered_in: The phases ("clear", "tls") in which EHLO offered ENHANCEDSTATUSCODES.
        unasked: What breaks RPL-06 in a phase where nobody sent EHLO; it counts only if another
            connection was offered the extension in that phase.
    """

    judged: Mapping[str, int] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    offered_in: frozenset[str] = frozenset()
    unasked: tuple[tuple[str, Violation], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain values; `from_json` is the way back."""
        return {
            "judged": dict(self.judged),
            "violations": [asdict(violation) for violation in self.violations],
            "offered_in": sorted(self.offered_in),
            "unasked": [[phase, asdict(violation)] for phase, violation in self.unasked],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Examination:
        """Read back what `to_json` wrote."""
        violations = cast("list[dict[str, object]]", document["violations"])
        unasked = cast("list[tuple[str, dict[str, object]]]", document["unasked"])
        return cls(
            judged=cast("Mapping[str, int]", document["judged"]),
            violations=tuple(_violation(each) for each in violations),
            offered_in=frozenset(cast("list[str]", document["offered_in"])),
            unasked=tuple((phase, _violation(each)) for phase, each in unasked),
        )


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule has to say about a whole run."""

    verdict: Verdict
    judged: int = 0
    violations: tuple[Violation, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
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


def examine(transcript: Transcript) -> Examination:
    """Judge one connection; what our own sink said is not held against the relay."""
    if transcript.side != "probe":
        return Examination()
    replies = list(_replies(transcript.events))
    judged: Counter[str] = Counter()
    violations: list[Violation] = []
    for reply in replies:
        for rule, check in _RULES.items():
            if (expected := check(reply)) is not None:
                judged[rule] += 1
                violations += _broken(rule, expected, reply, transcript.name)
    judged["RPL-05"] = len(replies)
    violations += _miscounted(transcript)
    if any(b"SMTPUTF8" in reply.sent.upper() for reply in replies):
        # RFC 6531 §3.7.4.2: such a client has asked for UTF-8 in replies.
        violations = [each for each in violations if not _is_utf8_text(each)]

    asked = {reply.phase for reply in replies if reply.is_offer}
    offered = {reply.phase for reply in replies if reply.is_offer and _offers(reply)}
    unasked: list[tuple[str, Violation]] = []
    for reply in replies:
        if (expected := _lacks_enhanced_status(reply)) is not None:
            broken = _broken("RPL-06", expected, reply, transcript.name)
            if reply.phase in offered:
                judged["RPL-06"] += 1
                violations += broken
            elif reply.phase not in asked:
                unasked += [(reply.phase, each) for each in broken]
    return Examination(+judged, tuple(violations), frozenset(offered), tuple(unasked))


def combined(examinations: Iterable[Examination]) -> Examination:
    """Join the examinations of several connections."""
    judged: Counter[str] = Counter()
    violations: list[Violation] = []
    offered_in: set[str] = set()
    unasked: list[tuple[str, Violation]] = []
    for each in examinations:
        judged.update(each.judged)
        violations += each.violations
        offered_in |= each.offered_in
        unasked += each.unasked
    return Examination(+judged, tuple(violations), frozenset(offered_in), tuple(unasked))


def judge(examination: Examination) -> dict[str, RuleOutcome]:
    """Judge a run from the joined examinations of its connections; one outcome per rule."""
    late = (each for phase, each in examination.unasked if phase in examination.offered_in)
    violations = (*examination.violations, *late)
    outcomes = {}
    for rule in RULE_IDS:
        judged = examination.judged.get(rule, 0)
        if broken := tuple(each for each in violations if each.rule == rule):
            outcomes[rule] = RuleOutcome(Verdict.NOT_MET, judged, broken)
        elif judged:
            outcomes[rule] = RuleOutcome(Verdict.MET, judged)
        elif rule == "RPL-06" and examination.judged:
            reason = f"the target offers no {_ENHANCEMENT}"
            outcomes[rule] = RuleOutcome(Verdict.NOT_CLAIMED, reason=reason)
        else:
            reason = "nothing in the traffic of this run puts the rule to the test"
            outcomes[rule] = RuleOutcome(Verdict.UNCHECKED, reason=reason)
    return outcomes


def _replies(events: Iterable[Event]) -> Iterator[_Heard]:
    sent = bytearray()
    for event in events:
        match event.direction:
            case "C":
                sent += event.octets
            case "S" if _is_tls_record(event):
                return
            case "S" if event.octets and event.label != "partial":
                words = event.label.split()
                yield _Heard(
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
_Rule = Callable[[_Heard], str | None]


def _is_malformed(reply: _Heard) -> str | None:
    if all(map(_LINE.fullmatch, reply.lines)):
        return ""
    return "each reply line is three digits (first 2-5), SP or hyphen, text, CRLF"


def _changes_code(reply: _Heard) -> str | None:
    if len(reply.lines) == 1:
        return None
    is_uniform = len({line[:3] for line in reply.lines}) == 1
    return "" if is_uniform else "every line of a multi-line reply carries the same code"


def _is_too_long(reply: _Heard) -> str | None:
    if max(map(len, reply.lines)) > _LONGEST_LINE:
        return f"reply lines of at most {_LONGEST_LINE} octets"
    is_tempting = len(reply.sent) >= _LONG_COMMAND and reply.command != "END"
    return "" if is_tempting else None


def _is_not_ascii(reply: _Heard) -> str | None:
    for line in reply.lines:
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        if _CONTROL.search(text):
            return "no control octets in a reply"
        if not text.isascii():
            return _ASCII_ONLY
    is_tempting = _CONTROL.search(reply.sent.rstrip(b"\r\n")) or not reply.sent.isascii()
    return "" if is_tempting and reply.command != "END" else None


_ASCII_ONLY = "replies in ASCII unless the client asked for SMTPUTF8"


def _has_wrong_class(reply: _Heard) -> str | None:
    if reply.is_exempt or reply.digit not in (b"2", b"4", b"5"):
        return None
    codes = [found[1] if (found := _ENHANCED.match(line[4:])) else None for line in reply.lines]
    present = [code for code in codes if code]
    if not present:
        return None
    if any(code[:1] != reply.digit for code in present):
        return "the class of the enhanced status equals the first digit of the reply"
    return "" if len(set(codes)) == 1 else "the same enhanced status on every line of a reply"


def _enhances_3yz(reply: _Heard) -> str | None:
    if reply.digit != b"3":
        return None
    for line in reply.lines:
        text = line[4:].rstrip(b"\r\n")
        if re.match(rb"[2-5]\.\d{1,3}\.\d{1,3}(?: |\Z)", text):
            return "no enhanced status in a 3yz reply"
        if line.startswith(b"334") and not _BASE64.fullmatch(text):
            return "base64 or nothing as the text of 334"
    return ""


_RULES: Mapping[str, _Rule] = {
    "RPL-01": _is_malformed,
    "RPL-02": _changes_code,
    "RPL-03": _is_too_long,
    "RPL-04": _is_not_ascii,
    "RPL-07": _has_wrong_class,
    "RPL-08": _enhances_3yz,
}


def _lacks_enhanced_status(reply: _Heard) -> str | None:
    if reply.is_exempt or reply.digit not in (b"2", b"4", b"5"):
        return None
    if all(_ENHANCED.match(line[4:]) for line in reply.lines):
        return ""
    return f"an enhanced status in every 2yz, 4yz and 5yz reply, as {_ENHANCEMENT} promises"


def _miscounted(transcript: Transcript) -> list[Violation]:
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


def _offers(reply: _Heard) -> bool:
    return any(line[4:].split()[:1] == [_ENHANCEMENT.encode()] for line in reply.lines[1:])


def _is_utf8_text(violation: Violation) -> bool:
    return violation.rule == "RPL-04" and violation.expected == _ASCII_ONLY


def _broken(rule: str, expected: str, reply: _Heard, where: str) -> list[Violation]:
    if not expected:
        return []
    return [Violation(rule, expected, octets_shown(reply.octets), reply.at_seconds, where)]


def _violation(document: Mapping[str, object]) -> Violation:
    return Violation(
        rule=str(document["rule"]),
        expected=str(document["expected"]),
        observed=str(document["observed"]),
        at_seconds=float(cast("float", document["at_seconds"])),
        where=str(document["where"]),
    )
