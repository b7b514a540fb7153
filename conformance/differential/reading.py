"""What a relay made of a case, and where two of them disagree; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from conformance.differential.corpus import MARK, OTHER, Case, Topic
from conformance.header import body_of, fields_named, header_of
from conformance.rfc5321.endings import has_bare_cr_or_lf


@dataclass(frozen=True, slots=True)
class Seen:
    """What came out of one case at one relay.

    Attributes:
        replies: The codes that followed the content, up to that of QUIT.
        delivered: Each copy that reached the sink, as it travelled over the wire; None if the
            sink cannot be seen.
        trouble: Why nothing can be said, "" if something can.
    """

    replies: tuple[int, ...] = ()
    delivered: tuple[bytes, ...] | None = None
    trouble: str = ""

    @property
    def sees_an_end(self) -> bool:
        """Whether commands were read where the case has none: more than one reply and the 221."""
        return len(self.replies) > 2

    @property
    def takes_one(self) -> bool:
        """Whether it accepted the whole as one message."""
        return not self.sees_an_end and self.replies[:1] == (250,)

    def passes_on(self, case: Case) -> bool:
        """Whether the odd octets travelled on as they came."""
        return bool(case.trace) and any(case.trace in raw for raw in self.delivered or ())


def reading(case: Case, seen: Seen) -> str:
    """Say in a few words what a relay made of a case; relays that say the same agree."""
    if seen.trouble:
        return "not seen"
    if seen.sees_an_end:
        return f"an end in the middle ({' '.join(map(str, seen.replies))})"
    if not seen.takes_one:
        return "refused"
    if seen.delivered is None:
        return "accepted"
    if not seen.delivered:
        return "accepted, and nothing arrived"
    if len(seen.delivered) > 1:
        return f"{len(seen.delivered)} messages"
    raw = seen.delivered[0]
    if case.topic is Topic.HEADER:
        return f"accepted: {_header_reading(raw)}"
    if has_bare_cr_or_lf(raw):
        return "accepted, CR or LF alone sent on"
    return f"accepted, {'sent on as it was' if seen.passes_on(case) else 'rewritten'}"


def _header_reading(raw: bytes) -> str:
    if raw.startswith(b"\r\n"):
        return "no header, mark in the text"
    senders = [one.value.encode() for one in fields_named(raw, "From")]
    others = sum(OTHER.encode() in sender for sender in senders)
    said = [f"From {'other' if others else 'own'}" if len(senders) == 1 else f"{len(senders)} From"]
    if MARK in header_of(raw):
        said.append("mark in the header")
    elif MARK in body_of(raw):
        said.append("mark in the text")
    else:
        said.append("mark gone")
    return ", ".join(said)


# Whom a relay passes a second message to that it made itself, by rewriting: any strict server.
ANYBODY = "any server"


@dataclass(frozen=True, slots=True)
class Smuggling:
    """One relay takes for a single message, and sends on, what another takes for two.

    Attributes:
        first: Who sends it on.
        second: Who finds a second message in it.
        case: The name of the case.
    """

    first: str
    second: str
    case: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One case that two relays or more do not read alike.

    Attributes:
        case: Its name.
        topic: What it is about.
        readings: For each reading the relays that have it.
    """

    case: str
    topic: str
    readings: Mapping[str, tuple[str, ...]]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every two relays that do not agree."""
        groups = list(self.readings.values())
        return tuple(
            (one, other)
            for place, group in enumerate(groups)
            for later in groups[place + 1 :]
            for one in group
            for other in later
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What several relays made of the corpus.

    Attributes:
        relays: Each relay with its version, in the order asked for.
        missing: Relays that could not be asked, with the reason.
        cases: The corpus.
        seen: By relay and case.
    """

    relays: Mapping[str, str]
    cases: Sequence[Case]
    seen: Mapping[str, Mapping[str, Seen]]
    missing: Mapping[str, str] = field(default_factory=dict)

    def smuggled(self) -> Iterator[Smuggling]:
        """Find every pair between which a second message gets through."""
        for case in self.cases:
            for relay in self.relays:
                alone = self.seen[relay][case.name]
                if alone.takes_one and len(alone.delivered or ()) > 1:
                    yield Smuggling(relay, ANYBODY, case.name)
            for first, second in permutations(self.relays, 2):
                one, two = self.seen[first][case.name], self.seen[second][case.name]
                if one.takes_one and one.passes_on(case) and two.sees_an_end:
                    yield Smuggling(first, second, case.name)

    def disagreements(self) -> Iterator[Disagreement]:
        """Find every case on which relays disagree; who could not be seen takes no part."""
        for case in self.cases:
            readings: dict[str, tuple[str, ...]] = {}
            for relay in self.relays:
                seen = self.seen[relay][case.name]
                if not seen.trouble:
                    said = reading(case, seen)
                    readings[said] = (*readings.get(said, ()), relay)
            if len(readings) > 1:
                yield Disagreement(case.name, case.topic.value, readings)
