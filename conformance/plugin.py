"""pytest plugin: chooses checks by requirement, classifies how they end, ships the evidence.

Works alone (`pytest -p fixtures.plugin -p conformance.plugin conformance/rfc3207`) and under
`python -m conformance certify`, in one process or in several (pytest-xdist): everything a
worker knows travels as JSON in `report.user_properties` and in the worker's output.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import pytest
from _pytest.runner import runtestprotocol

from conformance.catalogue import Catalogue, CatalogueError, SelectionError
from conformance.controls import Controls
from conformance.effects import QUIET_GROUPS
from conformance.judgement import Notes, taking_notes
from conformance.outcome import (
    PROPERTY,
    Finding,
    Outcome,
    finding_of,
    redacted,
    redacted_node,
    redacted_values,
    transcript_to_json,
    worst_finding,
)
from conformance.passive import combined, examine
from conformance.patience import Patience, signs_of_throttling
from conformance.requirement import DURATION, MARK, ids_of, seconds_of
from conformance.verdict import Verdict
from fixtures.budget import current_budget
from fixtures.target import ProfileError
from fixtures.transcript import SECRETS, Recorder, Transcript, current_recorder

CATALOGUE = pytest.StashKey[Catalogue]()
CHOSEN = pytest.StashKey[frozenset[str] | None]()
# What a report keeps of the things that were as they must be.
_MOST_HELD = 12
# A search makes dozens of connections that all show the same; the passive rules watch each of them.
_MOST_SHOWN_OF_MET = 12
_CONTROLS = pytest.StashKey[Controls]()
_PROFILE = pytest.StashKey[str]()
_USAGE_ERROR = pytest.StashKey[str]()
_FAULT = pytest.StashKey[str]()
_WITH_CHECK = pytest.StashKey[list[str]]()
_RUNNING = pytest.StashKey["_Running"]()


@runtime_checkable
class RunListener(Protocol):
    """Who wants to hear of a run in the process that writes the reports."""

    def run_ended(self, account: str) -> None: ...


class _Running:
    """A check on its way from set-up to tear-down."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes = Notes()
        self.recorder: Recorder | None = None
        self.duration_seconds = 0.0
        self._attempts_before = 0
        self._pauses_before = current_budget().pauses
        self._has_waited = False
        self.is_quiet = False

    def start_again(self) -> None:
        """Forget how the last attempt ended; what was said in it stays on the record."""
        self.findings.clear()
        self.notes.remarks.clear()
        self.notes.held.clear()
        self.notes.examples.clear()
        self._attempts_before = len(self.transcripts)
        self._pauses_before = current_budget().pauses

    @property
    def was_paced(self) -> bool:
        """Whether the budget put a pause into this attempt."""
        return current_budget().pauses > self._pauses_before

    def may_wait(self) -> bool:
        """Wait once until an attempt may go without pauses; False if that was done before."""
        is_first, self._has_waited = not self._has_waited, True
        if is_first:
            current_budget().start_afresh()
        return is_first

    @property
    def transcripts_of_attempt(self) -> list[Transcript]:
        return self.transcripts[self._attempts_before :]

    @property
    def transcripts(self) -> list[Transcript]:
        return self.recorder.transcripts if self.recorder else []

    def doubt(self, why: str) -> None:
        """Take back what was held against the relay."""
        worst = worst_finding(self.findings)
        if worst.verdict is not Verdict.HARNESS_ERROR:
            seen = f"expected {worst.expected}; observed {worst.observed}"
            reason = f"{why}; {worst.reason or seen}"
            self.findings[:] = [Finding(Verdict.INCONCLUSIVE, reason=reason)]

    @property
    def misses_a_delivery(self) -> bool:
        """Whether all that is held against the relay is that the sink got too little."""
        worst = worst_finding(self.findings)
        return worst.verdict is Verdict.NOT_MET and worst.observed.startswith("the sink got")

    @property
    def went_wrong(self) -> bool:
        worst = worst_finding(self.findings).verdict
        return worst in (Verdict.NOT_MET, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --only and --controls."""
    group = parser.getgroup("conformance")
    group.addoption(
        "--only",
        action="append",
        metavar="ID,GROUP",
        help="judge only these requirements, such as TLS,AUTH-03",
    )
    group.addoption(
        "--controls",
        action="store_true",
        help="hold a sanity dialogue first, last and after each check that went wrong",
    )
    group.addoption(
        "--patience",
        type=float,
        default=None,
        metavar="SECONDS",
        help="wait this long in all for a target that throttles; default: what the profile says",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, load the catalogue and resolve the selection."""
    config.addinivalue_line("markers", f"{MARK}(*ids): the requirements that a check judges")
    config.addinivalue_line("markers", f"{DURATION}(seconds): how long a check is known to take")
    try:
        catalogue = Catalogue.load()
        names = [name for only in config.getoption("--only") or () for name in only.split(",")]
        chosen = catalogue.select(names) if names else None
    except (CatalogueError, SelectionError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[CATALOGUE] = catalogue
    config.stash[CHOSEN] = chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse unknown ids and checks without a requirement; drop what was not chosen."""
    catalogue, chosen = config.stash[CATALOGUE], config.stash[CHOSEN]
    config.stash[_WITH_CHECK] = sorted({name for item in items for name in ids_of(item)})
    wrong = []
    for item in items:
        unknown = [name for name in ids_of(item) if name not in catalogue]
        wrong += [f"{item.nodeid}: unknown requirement {name}" for name in unknown]
        if is_check(item.path) and not ids_of(item):
            wrong.append(f"{item.nodeid}: a check without @requirement")
    if wrong:
        config.stash[_FAULT] = "; ".join(wrong)
        raise pytest.UsageError(*wrong)
    if chosen is not None:
        kept = [item for item in items if chosen.intersection(ids_of(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    items.sort(key=seconds_of, reverse=True)


def is_check(path: Path) -> bool:
    """Tell whether a file holds checks, not unit tests of the suite itself."""
    home = Path(__file__).parent
    return path.is_relative_to(home) and not {"tests", "selfcheck"}.intersection(
        path.relative_to(home).parts
    )


@pytest.fixture(scope="session", autouse=True)
def _controls(request: pytest.FixtureRequest) -> Iterator[Controls | None]:
    if not request.config.getoption("--controls"):
        yield None
        return
    try:
        target = request.getfixturevalue("relay_under_test")
    except ProfileError as error:
        request.config.stash[_USAGE_ERROR] = str(error)
        pytest.exit("wrong profile", pytest.ExitCode.USAGE_ERROR)
    except Exception as error:
        # Without its world no check can run; one fault says it better than each of them.
        request.config.stash[_FAULT] = f"{type(error).__name__}: {error}"
        pytest.exit("no world", pytest.ExitCode.INTERNAL_ERROR)
    request.config.stash[_PROFILE] = str(getattr(target, "name", ""))
    controls = Controls(target, Patience(_patience_seconds(request.config, target)))
    request.config.stash[_CONTROLS] = controls
    controls.begin()
    yield controls
    controls.end()


def _patience_seconds(config: pytest.Config, target: object) -> float:
    asked: float | None = config.getoption("--patience")
    profile = getattr(target, "profile", None)
    return asked if asked is not None else getattr(profile, "patience_seconds", 0.0)


@pytest.fixture(autouse=True)
def _sane_target(request: pytest.FixtureRequest, _controls: Controls | None) -> Iterator[None]:
    """Let a check run against a live target only, and notice when it left a dead one."""
    running = request.node.stash.get(_RUNNING, None)
    if running is None or _controls is None:
        yield
        return
    _controls.require_target()
    before = _controls.fingerprint()
    yield
    running.is_quiet = before == _controls.fingerprint()
    if not running.went_wrong:
        return
    throttling = signs_of_throttling(running.transcripts_of_attempt)
    is_sane = _controls.target_survived(request.node.name)
    if throttling and _controls.has_throttled:
        running.doubt(f"the target throttles: {throttling}")
    elif _controls.has_throttled and running.misses_a_delivery:
        running.doubt("the target throttles, and another client of the check may have been put off")
    elif not is_sane:
        running.doubt("the target did not survive to confirm it")
    elif running.was_paced:
        running.doubt("the pauses that [budget] asks for came between")
    elif _controls.went_beyond(running.transcripts):
        running.doubt(f"the sanity dialogue fails there too ({_controls.first.trouble})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the file on a check before its set-up."""
    if not ids_of(item):
        return (yield)
    running = item.stash[_RUNNING] = _Running()
    with ExitStack() as stack:
        running.notes = stack.enter_context(taking_notes())
        return (yield)


@pytest.hookimpl(specname="pytest_runtest_protocol", tryfirst=True)
def pytest_runtest_protocol_in_attempts(
    item: pytest.Item, nextitem: pytest.Item | None
) -> bool | None:
    """Run a check again, after a pause, while it fails for want of the target's patience."""
    running = item.stash.get(_RUNNING, None)
    controls = item.config.stash.get(_CONTROLS, None)
    # The last one would take the world down with it.
    if running is None or controls is None or nextitem is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    while _may_try_again(running, controls):
        running.start_again()
        cast("pytest.Function", item)._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _may_try_again(running: _Running, controls: Controls) -> bool:
    if not running.went_wrong:
        controls.patience.relax()
        return False
    if running.was_paced and running.may_wait():
        return True
    if not signs_of_throttling(running.transcripts_of_attempt):
        return False
    return controls.patience.pause()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Classify each phase; put the whole outcome on the report of the tear-down."""
    report = yield
    running = item.stash.get(_RUNNING, None)
    if running is None:
        return report
    running.duration_seconds += call.duration
    running.recorder = running.recorder or _recorder_in_use()
    if hasattr(report, "wasxfail"):
        reason = "marked xfail; a check has no excuse but not_observable() and not_claimed()"
        running.findings.append(Finding(Verdict.HARNESS_ERROR, reason=reason))
    elif call.excinfo is not None:
        finding = finding_of(call.excinfo.value)
        running.findings.append(finding)
        _tell_pytest(report, finding)
    elif call.when == "call":
        running.findings.append(Finding(Verdict.MET))
    if call.when == "teardown":
        if controls := item.config.stash.get(_CONTROLS, None):
            groups = {item.config.stash[CATALOGUE][name].group for name in ids_of(item)}
            is_quiet = running.is_quiet and groups <= QUIET_GROUPS
            controls.note(running.transcripts_of_attempt, is_quiet=is_quiet)
        report.user_properties.append((PROPERTY, _outcome(item, running).to_json()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what belongs to no single check to whoever writes the reports."""
    account = account_of(session.config)
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[PROPERTY] = account
        return
    for plugin in session.config.pluginmanager.get_plugins():
        if isinstance(plugin, RunListener):
            plugin.run_ended(account)


def account_of(config: pytest.Config) -> str:
    """Return the controls, and which requirements have a check, as JSON text."""
    account: dict[str, object] = {
        "with_check": config.stash.get(_WITH_CHECK, []),
        "profile": config.stash.get(_PROFILE, ""),
        "usage_error": redacted(config.stash.get(_USAGE_ERROR, ""), SECRETS),
        "fault": redacted(config.stash.get(_FAULT, ""), SECRETS),
    }
    if controls := config.stash.get(_CONTROLS, None):
        account["controls"] = {
            "dialogues": [sanity.to_json() for sanity in controls.dialogues],
            "transcripts": controls.transcripts,
            "examination": redacted_values(controls.examination, SECRETS).to_json(),
        }
    return json.dumps(account)


def _recorder_in_use() -> Recorder | None:
    recorder = current_recorder()
    return recorder if recorder.name != "no test" else None


def _tell_pytest(report: pytest.TestReport, finding: Finding) -> None:
    """Show a check that could not judge as skipped, with its reason, to plain pytest."""
    if finding.verdict in (Verdict.NOT_OBSERVABLE, Verdict.NOT_CLAIMED):
        path, line, _ = report.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"{finding.verdict.value}: {finding.reason}")


def _shown(transcripts: list[Transcript], verdict: Verdict) -> list[Transcript]:
    """Return the connections that a report keeps: all, but of *met* a few of very many."""
    if verdict is not Verdict.MET or len(transcripts) <= _MOST_SHOWN_OF_MET:
        return transcripts
    return transcripts[-_MOST_SHOWN_OF_MET:]


def _outcome(item: pytest.Item, running: _Running) -> Outcome:
    transcripts = running.transcripts
    finding = worst_finding(running.findings)
    statement = (getattr(item, "obj", None).__doc__ or "").strip().partition("\n")[0]
    return Outcome(
        check=redacted_node(item.nodeid, SECRETS),
        requirements=ids_of(item),
        finding=redacted_values(finding, SECRETS),
        statement=statement,
        remarks=tuple(redacted(remark, SECRETS) for remark in running.notes.remarks),
        held=tuple(
            (redacted(expected, SECRETS), redacted(observed, SECRETS))
            for expected, observed in running.notes.held[:_MOST_HELD]
        ),
        examples=redacted_values(tuple(running.notes.examples), SECRETS),
        duration_seconds=round(running.duration_seconds, 3),
        transcripts=tuple(
            transcript_to_json(each, SECRETS) for each in _shown(transcripts, finding.verdict)
        ),
        examination=redacted_values(combined(map(examine, transcripts)), SECRETS),
    )
