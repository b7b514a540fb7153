"""The effects of a whole run, in one place: what the relay answered beside what the sink took.

A refused message arrives nowhere; an accepted one arrives once at each recipient, unchanged. No
check has to ask for it: every dialogue of the checks that leave the way out alone is put beside
the sink's record when the run ends. What cannot be told apart for certain is not judged.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from conformance.passive import Examination, RuleOutcome
from conformance.reply_rules import Violation
from conformance.verdict import Verdict
from fixtures.attribution import END_OF_DATA
from fixtures.run_token import run_token
from fixtures.sink import Delivery, SinkMX
from fixtures.sink.delivery import address_key
from fixtures.transcript import Exchange, Transcript

RULE = "RLY-01"
# Checks of the other groups send mail astray on purpose, and watch what becomes of it themselves.
QUIET_GROUPS = frozenset(
    {"GRT", "CMD", "RPL", "PATH", "CTL", "DATA", "EXT", "SUB", "TLS", "AUTH", "SND", "ATT", "EPT"}
)
_END = b"\r\n.\r\n"
# Nothing that a relay may spell otherwise: no source route, no quotes, no letters beyond ASCII.
_PATH = re.compile(rb"RCPT TO:<([a-z0-9._+-]+@[a-z0-9.-]+)>", re.IGNORECASE)
_FIELD = re.compile(rb"[!-9;-~]+:|[ \t]")
_LONGEST_LINE = 998
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Submission:
    """One message whose content and final reply are known to the octet.

    Attributes:
        token: The text that is in no other message.
        body: A hash of what follows the header; "" where the message is not plain, so that a relay
            may mend it.
        recipients: Who was accepted for it, as `address_key` spells them.
        code: The final reply.
        where: The dialogue.
        at_seconds: When in it.
    """

    token: str
    body: str
    recipients: tuple[str, ...]
    code: int
    where: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is kept of one delivery; contents are large and the sink forgets them."""

    tokens: frozenset[str]
    body: str
    recipients: tuple[str, ...]
    is_report: bool

    @classmethod
    def of(cls, delivery: Delivery) -> Arrival:
        """Digest a delivery."""
        return cls(
            tokens=frozenset(_tokens_in(delivery.content)),
            body=_body_of(delivery.content),
            recipients=tuple(map(address_key, delivery.recipients)),
            is_report=not delivery.reverse_path,
        )


@dataclass(slots=True)
class Books:
    """The submissions of a run, and what the sink took.

    Attributes:
        submissions: Those that can be judged.
        unsettled: Tokens of which some message is not known to the octet.
        arrivals: What the sink took, up to the message that had the number `taken`.
        domains: Those whose mail comes to the sink and nowhere else.
        is_whole: Whether nothing was forgotten by the sink before it was looked at.
    """

    submissions: list[Submission] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    arrivals: list[Arrival] = field(default_factory=list)
    taken: int = 0
    domains: frozenset[str] = frozenset()
    is_whole: bool = True

    def note(self, transcripts: Iterable[Transcript], *, is_quiet: bool) -> None:
        """Enter the dialogues of one check.

        Args:
            transcripts: All of them.
            is_quiet: Whether the check left the target, the sink and the way between alone.
        """
        for transcript in transcripts:
            if transcript.side != "probe":
                continue
            tokens = set(_tokens_in(transcript.octets("C")))
            found = list(_submissions_of(transcript)) if is_quiet else []
            ends = sum(
                one.verb == "BDAT" or one.command == END_OF_DATA for one in transcript.exchanges
            )
            begun = sum(
                one.verb == "DATA" and one.reply.code == 354 for one in transcript.exchanges
            )
            if not is_quiet or len(found) != max(ends, begun):
                self.unsettled |= tokens
            else:
                self.submissions += found
                self.unsettled |= tokens - {one.token for one in found}

    def balanced(self, sink: SinkMX, settling_seconds: float | None) -> Examination:
        """Judge the books when the run is over.

        Args:
            sink: Where the target delivers to.
            settling_seconds: When all that was accepted must have come; None where a target may
                take its time, so that only what did arrive is judged.
        """
        self.look(sink)
        if settling_seconds is None or not self.is_whole:
            return self.examined()
        deadline = time.monotonic() + settling_seconds
        while (missing := self.missing()) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            self.look(sink)
        return self.examined(missing)

    def look(self, sink: SinkMX) -> None:
        """Enter what the sink took since the last look."""
        before = self.taken
        fresh, self.taken = sink.taken_since(before)
        self.is_whole = self.is_whole and len(fresh) == self.taken - before
        self.arrivals += map(Arrival.of, fresh)

    def settled(self) -> dict[str, list[Submission]]:
        """Return what can be judged, by token."""
        by_token: dict[str, list[Submission]] = {}
        for one in self.submissions:
            if one.token not in self.unsettled:
                by_token.setdefault(one.token, []).append(one)
        return by_token

    def missing(self) -> list[tuple[Submission, str]]:
        """Return each recipient that has no copy of an accepted message."""
        seen = {
            (token, recipient)
            for one in self.arrivals
            for token in one.tokens
            for recipient in one.recipients
        }
        return [
            (one, recipient)
            for group in self.settled().values()
            for one in group
            for recipient in one.recipients
            if one.code == 250 and (one.token, recipient) not in seen
            if recipient.rpartition("@")[2] in self.domains
        ]

    def examined(self, missing: Iterable[tuple[Submission, str]] = ()) -> Examination:
        """Judge the submissions by the arrivals.

        Args:
            missing: What never came, where we know that it had to by now.
        """
        groups = self.settled()
        arrived: dict[str, list[Arrival]] = {}
        for one in self.arrivals:
            # A report names the message that it is about.
            for token in () if one.is_report else one.tokens:
                arrived.setdefault(token, []).append(one)
        violations = [
            _violation(one, f"a copy for {recipient}: 250 was said", "nothing arrived")
            for one, recipient in missing
        ]
        for token, group in groups.items():
            violations += _held_against(group, arrived.get(token, ()))
        return Examination({RULE: sum(map(len, groups.values()))}, tuple(violations))


def outcome(examination: Examination) -> dict[str, RuleOutcome]:
    """Say what the effects have to say about a whole run; nothing if there was nothing to see."""
    judged = examination.judged.get(RULE, 0)
    found = tuple(each for each in examination.violations if each.rule == RULE)
    if not judged:
        return {}
    return {RULE: RuleOutcome(Verdict.NOT_MET if found else Verdict.MET, judged, found)}


def _held_against(group: list[Submission], arrived: Iterable[Arrival]) -> Iterator[Violation]:
    recipients = {name for one in group for name in one.recipients}
    copies = [one for one in arrived if recipients.intersection(one.recipients)]
    accepted = [one for one in group if one.code == 250]
    if not accepted and copies:
        last = group[-1]
        yield _violation(last, f"no effect of what was answered with {last.code}", "it arrived")
    if not accepted or not all(one.body for one in group):
        return
    bodies = {one.body for one in group}
    due = Counter((one.body, name) for one in accepted for name in one.recipients)
    got = Counter((one.body, name) for one in copies for name in one.recipients)
    for (body, name), count in got.items():
        if body not in bodies:
            yield _violation(accepted[-1], "the text unchanged", f"another text for {name}")
        elif name in recipients and count > due[body, name]:
            expected = f"{due[body, name]} copies for {name}"
            yield _violation(accepted[-1], expected, f"{count} copies")


def _violation(one: Submission, expected: str, observed: str) -> Violation:
    return Violation(RULE, expected, observed, one.at_seconds, one.where)


def _tokens_in(octets: bytes) -> list[str]:
    pattern = re.compile(rb"%s[0-9a-f]{8}(?![0-9a-f])" % run_token().encode())
    return [found.decode() for found in pattern.findall(octets)]


def _submissions_of(transcript: Transcript) -> Iterator[Submission]:
    replies = {id(one.reply): one for one in transcript.exchanges}
    recipients: list[str] = []
    content: bytearray | None = None
    for event in transcript.events:
        if event.direction == "C" and content is not None:
            content += event.octets
        exchange = replies.get(id(event.reply)) if event.reply is not None else None
        if exchange is None:
            continue
        if exchange.command == END_OF_DATA:
            yield from _submission(bytes(content or b""), recipients, exchange, transcript.name)
            content, recipients = None, []
        elif exchange.verb == "DATA" and exchange.reply.code == 354:
            content = bytearray()
        elif exchange.verb == "RCPT" and exchange.reply.is_positive:
            path = _PATH.match(exchange.command)
            recipients.append(address_key(path[1].decode("utf-8", "replace")) if path else "")
        elif exchange.verb not in ("NOOP", "RCPT", "VRFY", "HELP", "DATA") and (
            exchange.reply.is_positive
        ):
            recipients = []


def _submission(
    content: bytes, recipients: list[str], exchange: Exchange, where: str
) -> Iterator[Submission]:
    sent, end, _ = content.partition(_END)
    tokens = set(_tokens_in(sent))
    if not end or len(tokens) != 1 or not recipients or not all(recipients):
        return
    text = (sent + b"\r\n").replace(b"\r\n.", b"\r\n").removeprefix(b".")
    yield Submission(
        token=tokens.pop(),
        body=_body_of(text) if _is_plain(text) else "",
        recipients=tuple(recipients),
        code=exchange.reply.code,
        where=where,
        at_seconds=exchange.time,
    )


def _is_plain(content: bytes) -> bool:
    """Whether no relay has a reason to mend anything."""
    header, blank, _ = content.partition(b"\r\n\r\n")
    lines = content.split(b"\r\n")
    return (
        bool(blank)
        and content.isascii()
        and b"\0" not in content
        and not any(b"\r" in line or b"\n" in line or len(line) > _LONGEST_LINE for line in lines)
        and all(_FIELD.match(line) for line in header.split(b"\r\n"))
    )


def _body_of(content: bytes) -> str:
    return hashlib.sha256(content.partition(b"\r\n\r\n")[2]).hexdigest()
