"""The controls of a run: is the target still the one we began to measure?

Compares each sanity dialogue with the first. A check that failed while the target was away has
shown nothing about its requirement.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

from conformance.effects import Books
from conformance.judgement import Inconclusive
from conformance.outcome import redacted, transcript_to_json
from conformance.passive import Examination, combined, examine
from conformance.patience import Patience
from conformance.sanity import Sanity, Stage, run
from fixtures.relay_process import RelayNotReady, RelayProcess
from fixtures.sink import Dialect
from fixtures.target import Target
from fixtures.transcript import SECRETS, Recorder, Transcript, use_recorder

# While the target is away, each check asks again, but only briefly.
_BRIEF_SECONDS = 2.0
# A target that restarts itself after a crash gets this long to come back.
_GRACE_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
# A relay of ours has delivered by then what it accepted.
_SETTLING_SECONDS = 10.0


def _domains_of(target: Target) -> frozenset[str]:
    if getattr(target, "sink", None) is None:
        return frozenset()
    addresses = (target.recipient(dialect=dialect.value) for dialect in Dialect)
    return frozenset(address.rpartition("@")[2].lower() for address in addresses)


class Controls:
    """The sanity dialogues of one run (of one worker, when there are several)."""

    def __init__(self, target: Target, patience: Patience | None = None) -> None:
        self._target = target
        self._is_away = False
        self.patience = patience or Patience(0.0)
        self.has_throttled = False
        self.dialogues: list[Sanity] = []
        self.transcripts: list[dict[str, object]] = []
        self.examination = Examination()
        self.books = Books(domains=_domains_of(target))

    @property
    def first(self) -> Sanity:
        """The dialogue that all later ones are measured by."""
        return self.dialogues[0]

    def begin(self) -> None:
        """Hold the first dialogue, again and again while the target asks for patience."""
        sanity = self._hold("first")
        while sanity.is_throttled and sanity.stage >= Stage.CONNECTED and self.patience.pause():
            self.dialogues.clear()
            sanity = self._hold("first")

    def end(self) -> None:
        """Hold the last dialogue, and put all that was said beside what arrived."""
        self._hold("last", _BRIEF_SECONDS if self._is_away else 10.0)
        if (sink := getattr(self._target, "sink", None)) is not None:
            is_ours = getattr(self._target, "relay", None) is not None
            found = self.books.balanced(sink, _SETTLING_SECONDS if is_ours else None)
            self.examination = combined([self.examination, found])

    def note(self, transcripts: Sequence[Transcript], *, is_quiet: bool) -> None:
        """Enter a check's dialogues and what arrived meanwhile into the books of the run."""
        self.books.note(transcripts, is_quiet=is_quiet)
        if (sink := getattr(self._target, "sink", None)) is not None:
            self.books.look(sink)

    def fingerprint(self) -> tuple[object, ...]:
        """Return what differs when a check restarted the target or gave the sink orders."""
        sink, relay = (getattr(self._target, name, None) for name in ("sink", "relay"))
        return (getattr(sink, "orders_given", 0), getattr(relay, "pid", None))

    def require_target(self) -> None:
        """Let a check begin only if the target answers.

        Raises:
            Inconclusive: It does not.
        """
        if not self.first.answers:
            raise Inconclusive(f"the target does not answer: {self.first.trouble}")
        if self._is_away:
            self._bring_back()
            sanity = self._hold("before the next check", _BRIEF_SECONDS)
            self._is_away = self._is_gone(sanity)
            if self._is_away:
                raise Inconclusive(f"the target no longer answers as at first: {sanity.trouble}")

    def target_survived(self, check: str) -> bool:
        """Tell whether the target still answers as at first, after a check that went wrong."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while True:
            sanity = self._hold(f"after {check}", _BRIEF_SECONDS)
            self._is_away = self._is_gone(sanity)
            if not self._is_away or sanity.is_throttled or time.monotonic() > deadline:
                return not self._is_away
            time.sleep(_PAUSE_SECONDS)

    def _bring_back(self) -> None:
        """Start the relay again if it is ours and gone: one check must not cost all others."""
        relay: RelayProcess | None = getattr(self._target, "relay", None)
        if relay is not None and not relay.is_running:
            with contextlib.suppress(RelayNotReady):
                relay.start()

    def _is_gone(self, sanity: Sanity) -> bool:
        # Who takes no message for now may still answer all that needs none.
        takes_commands = sanity.is_throttled and sanity.stage >= Stage.AUTHENTICATED
        return sanity.stage < self.first.stage and not takes_commands

    def went_beyond(self, transcripts: Sequence[Transcript]) -> bool:
        """Tell whether a check needed a step that the first dialogue did not get through.

        Where the profile's credentials are wrong, say, AUTH is refused to everybody, and a check
        that trips over that has found nothing.
        """
        exchanges = [
            exchange
            for transcript in transcripts
            if transcript.side == "probe"
            for exchange in transcript.exchanges
        ]
        is_authenticated = any(exchange.reply.code == 235 for exchange in exchanges)
        match self.first.stage:
            case Stage.ACCEPTED:
                return False
            case Stage.AUTHENTICATED:
                return is_authenticated
            case Stage.ENCRYPTED:
                tried = any(each.verb == "AUTH" and each.is_tls for each in exchanges)
                return tried and not is_authenticated
            case _:
                return any(exchange.is_tls for exchange in exchanges)

    def _hold(self, when: str, timeout_seconds: float = 10.0) -> Sanity:
        recorder = Recorder(f"sanity dialogue, {when}")
        before = use_recorder(recorder)
        try:
            sanity = run(self._target, when, timeout_seconds=timeout_seconds)
        finally:
            use_recorder(before)
        sanity = replace(sanity, trouble=redacted(sanity.trouble, SECRETS))
        self.has_throttled |= sanity.is_throttled
        self.dialogues.append(sanity)
        for transcript in recorder.transcripts:
            self.transcripts.append(transcript_to_json(transcript, SECRETS))
            self.examination = combined([self.examination, examine(transcript)])
        return sanity
