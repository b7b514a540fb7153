"""One run of the generator against a site: trial message, Locust, arrivals, what it came to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fixtures.transcript import SECRETS
from loadtests.arrivals import Arrivals
from loadtests.channel import BlockingChannel
from loadtests.content import MessageTemplate, token
from loadtests.ledger import Ledger
from loadtests.measurement import Measurement, read_numbers
from loadtests.percentiles import Histogram
from loadtests.plan import EHLO_NAME, FOLDER_VARIABLE, PASSWORD_VARIABLE, PLAN_VARIABLE, Plan
from loadtests.schedule import Schedule
from loadtests.site import NotReady, Site, new_run
from loadtests.submission_client import Credentials, SubmissionClient, SubmissionFailed
from loadtests.watch import Evidence, Watch

# Messages under way when the time is over may still be answered; then users are cut off.
_STOP_SECONDS = 10
# Starting Locust takes a second or two on a busy machine.
_START_SECONDS = 30
# Sessions are opened at this pace, so that the listener's backlog is not what is measured.
_SPAWN_PER_SECOND = 100
# After this silence nothing more is expected: whatever failed once is retried after minutes (D-24).
_SILENCE_SECONDS = 10.0
# A queue that has not emptied by then is reported as it is.
_SETTLE_SECONDS = 300.0
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_REPOSITORY = Path(__file__).resolve().parent.parent
_SHOWN_OUTPUT = 2000
INTERRUPTED = "interrupted"
_TRIAL_WORKER = 0xFFFF
_TRIAL_RUN = b"trial000"
# No locust.conf or environment of its own may turn a measurement into another one.
_FOREIGN_PREFIX = "LOCUST_"


class GeneratorFailed(Exception):
    """Locust itself broke down; the message holds the last of its output."""


class NoRoom(Exception):
    """The results could not be written; the message says where."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        schedule: When messages begin; None is a closed loop of `seconds`.
        seconds: How long a closed loop lasts.
        users: Sessions at a time.
        octets: Size of each message.
        scenarios: Names of classes in `scenarios`.
        dialogue: As in a plan, and so are the next four.
        messages_per_session: 0 keeps sessions.
        warm_up_seconds: Not counted in the durations.
        drain_seconds: For late messages.
        pace_seconds: Of a closed loop.
        has_phase_entries: Whether Locust gets an entry for each phase of each message.
        processes: How many generator processes there are.
        locust_options: Further options of Locust: --csv, --html.
        web_port: Port of Locust's web page on loopback; None runs without it.
        settle_seconds: How long deliveries are waited for.
        locustfile: Where the scenarios are, ours or somebody's own.
        generator_core: The core the generator runs on, None leaves it to the system.
    """

    schedule: Schedule | None = None
    seconds: float = 15.0
    users: int = 20
    octets: int = 4096
    scenarios: tuple[str, ...] = ("KeptSession",)
    dialogue: Literal["stepwise", "pipelined", "chunked"] = "stepwise"
    messages_per_session: int = 0
    warm_up_seconds: float = 0.0
    drain_seconds: float = 5.0
    pace_seconds: float = 0.0
    has_phase_entries: bool = False
    processes: int = 1
    locust_options: tuple[str, ...] = ()
    web_port: int | None = None
    settle_seconds: float = _SETTLE_SECONDS
    locustfile: Path = _LOCUSTFILE
    generator_core: int | None = None

    @property
    def sending_seconds(self) -> float:
        """How long messages are begun."""
        return self.schedule.seconds if self.schedule else self.seconds

    @property
    def recipients_each(self) -> int:
        """Recipients of each message."""
        return 50 if "ManyRecipients" in self.scenarios else 1

    @property
    def lead_seconds(self) -> float:
        """What users get to open their sessions."""
        return 0.5 + self.users / _SPAWN_PER_SECOND * 1.5 if self.schedule else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to.

    Attributes:
        load: What was sent.
        measurement: Of all generator processes.
        ledger: The books, None if arrivals could not be seen.
        delays: From planned to arrived; empty if arrivals could not be seen.
        settle_seconds: How long was waited for the last arrivals.
        evidence: What was seen of the service's processes and queue meanwhile.
        cut_off: Why it did not go to its end, empty if it did.
    """

    load: Load
    measurement: Measurement
    ledger: Ledger | None = None
    delays: Histogram = field(default_factory=Histogram)
    settle_seconds: float = 0.0
    evidence: Evidence = field(default_factory=Evidence)
    cut_off: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether it was cut off."""
        return bool(self.cut_off)

    @property
    def has_no_room(self) -> bool:
        """Whether the books ran out of room."""
        return self.cut_off not in ("", INTERRUPTED)


Report = Callable[[str], None]


def try_one_message(site: Site, octets: int = 4096) -> None:
    """Send one message before any load: what fails here would fail a thousand times.

    Raises:
        NotReady: The target does not take it; the message says what to look at.
    """
    plan = _plan(site, Load(octets=octets), Path())
    where = f"{site.host} ({site.address} port {plan.port})"
    template = _template(plan)
    try:
        client = SubmissionClient(BlockingChannel(plan.address, plan.port))
    except OSError as error:
        reason = error.strerror or "no answer"
        raise NotReady(f"{where}: {reason}; is the relay running, and the port open?") from None
    try:
        client.greet(EHLO_NAME)
        client.start_tls(plan.tls_context(), plan.host, EHLO_NAME)
        client.authenticate(Credentials(site.username, site.password))
        mail = f"MAIL FROM:<{plan.sender}>\r\n".encode()
        recipient = f"RCPT TO:<{plan.recipients[0]}>\r\n".encode()
        client.submit(mail, (recipient,), template.data(token(_TRIAL_RUN, _TRIAL_WORKER, 0)))
        client.quit()
    except SubmissionFailed as error:
        text = SECRETS.redact_text(str(error))
        raise NotReady(f"{where} does not take a message: {text}") from None
    finally:
        client.close()


def conduct(
    site: Site,
    load: Load,
    *,
    folder: Path | None = None,
    say: Report = lambda _: None,
    ended: threading.Event | None = None,
) -> Outcome:
    """Load a site and wait for its deliveries.

    Args:
        site: Whom.
        load: What.
        folder: Keeps the raw files; None forgets them.
        say: Told how far it is, about once a second.
        ended: Ends the sending early when it is set.

    Raises:
        NotReady: The size does not fit.
        GeneratorFailed: Locust broke down.
        NoRoom: The folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtests-"))
            folder = Path(made)
        # Locust works in there, so a path from here would lead nowhere.
        folder = folder.resolve()
        plan = _plan(site, load, folder)
        template = _template(plan)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            plan.write(folder / "plan.json")
        except OSError as error:
            raise NoRoom(f"{folder}: {error.strerror}; results need room") from None
        arrivals = None
        if site.sink is not None:
            arrivals = stack.enter_context(
                Arrivals(site.sink, plan.run, template.body, load.recipients_each)
            )
        watch = Watch(site.pid, folder, arrivals)
        with watch:
            cut_off = _generate(site, load, folder, say, watch, ended)
        evidence = watch.evidence()
        measurement = _measured(folder)
        if arrivals is None or cut_off not in ("", INTERRUPTED):
            # Books that ran out of room do not name all that was accepted: they accuse nobody.
            return Outcome(load, measurement, evidence=evidence, cut_off=cut_off)
        accepted, in_doubt = read_numbers(folder, "accepted"), read_numbers(folder, "in-doubt")
        total = sum(map(len, accepted.values()))
        waited = _settle(arrivals, total, load.settle_seconds, say)
        ledger = arrivals.ledger(accepted, in_doubt, measurement.planned - measurement.unsent)
        return Outcome(load, measurement, ledger, arrivals.delays, waited, evidence, cut_off)


def _plan(site: Site, load: Load, folder: Path) -> Plan:
    return Plan(
        run=new_run(),
        address=site.address,
        port=site.port(),
        host=site.host,
        username=site.username,
        sender=site.sender,
        recipients=site.recipients,
        octets=load.octets,
        folder=str(folder),
        trust=site.trust,
        authorities=site.authorities,
        has_phase_entries=load.has_phase_entries,
        dialogue=load.dialogue,
        messages_per_session=load.messages_per_session,
        schedule=load.schedule,
        lead_seconds=load.lead_seconds,
        warm_up_seconds=load.warm_up_seconds,
        drain_seconds=load.drain_seconds,
        pace_seconds=load.pace_seconds,
    )


def _template(plan: Plan) -> MessageTemplate:
    try:
        return MessageTemplate.render(plan.sender, plan.recipients[0], plan.octets)
    except ValueError as error:
        raise NotReady(f"--size {plan.octets}: {error}") from None


def _command(load: Load) -> Sequence[str]:
    seconds = load.lead_seconds + load.sending_seconds
    if load.schedule:
        seconds += load.drain_seconds + 1
    spawn_rate = min(load.users, max(_SPAWN_PER_SECOND, load.users / 4))
    command = [sys.executable, "-m", "locust", "-f", str(load.locustfile), *load.scenarios]
    command += ["--users", str(load.users), "--spawn-rate", f"{spawn_rate:g}"]
    command += ["--stop-timeout", str(_STOP_SECONDS), "--loglevel", "WARNING"]
    command += ["--exit-code-on-error", "0", *load.locust_options]
    if load.web_port is None:
        command += ["--headless", "--only-summary", "--run-time", f"{seconds + 0.999:.0f}s"]
    else:
        # Beyond loopback only when told so; the page has no password.
        command += ["--web-host", "127.0.0.1", "--web-port", str(load.web_port)]
    if load.processes > 1:
        command += ["--processes", str(load.processes), "--master-bind-host", "127.0.0.1"]
    return command


def _environment(site: Site, folder: Path) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(_FOREIGN_PREFIX) and name != FOLDER_VARIABLE
    }
    paths = (str(_REPOSITORY), kept.get("PYTHONPATH", ""))
    return {
        **kept,
        PLAN_VARIABLE: str(folder / "plan.json"),
        # Not on the command line, where everybody on the machine can read it.
        PASSWORD_VARIABLE: site.password,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _generate(
    site: Site,
    load: Load,
    folder: Path,
    say: Report,
    watch: Watch,
    ended: threading.Event | None,
) -> str:
    """Run Locust; returns why it did not go to its end, an empty text if it did."""
    with (folder / "locust.output").open("w+b") as output:
        child = subprocess.Popen(
            _command(load),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(site, folder),
            # Locust looks for its own configuration files in the working folder.
            cwd=folder,
        )
        is_ended = is_interrupted = False
        try:
            if load.generator_core is not None:
                os.sched_setaffinity(child.pid, {load.generator_core})
            is_ended = _wait(child, load, say, watch, ended)
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            _end(child)
        output.seek(0)
        text = SECRETS.redact_text(output.read().decode("utf-8", "backslashreplace"))
    if is_interrupted:
        if not list(folder.glob("measurement-*.json")):
            raise KeyboardInterrupt
        return INTERRUPTED
    if "No space left on device" in text:
        reason = f"{folder}: no space left for the results; free some, or name another --out"
        if not list(folder.glob("measurement-*.json")):
            raise NoRoom(reason)
        return reason
    is_wanted = ended is not None and ended.is_set()
    if (
        not is_ended
        or (child.returncode and not is_wanted)
        or not list(folder.glob("measurement-*.json"))
    ):
        reason = f"exit status {child.returncode}" if is_ended else "it did not stop in time"
        raise GeneratorFailed(f"Locust failed, {reason}\n{text[-_SHOWN_OUTPUT:]}".rstrip())
    return ""


def _wait(
    child: subprocess.Popen[bytes],
    load: Load,
    say: Report,
    watch: Watch,
    ended: threading.Event | None,
) -> bool:
    """Wait for its end, but not for ever; returns whether it ended by itself."""
    begun = time.monotonic()
    seconds = load.lead_seconds + load.sending_seconds
    limit = _START_SECONDS + seconds + load.drain_seconds + _STOP_SECONDS
    is_told = False
    while load.web_port is not None or time.monotonic() - begun < limit:
        if ended is not None and ended.is_set() and not is_told:
            # Locust then ends as if its time were over; told twice it would not finish that.
            is_told = True
            child.terminate()
        left = max(load.sending_seconds - watch.sent_for, 0)
        say(f"{watch.line()}{left:.0f} s left")
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
        return True
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def _measured(folder: Path) -> Measurement:
    # A master's workers write here when they share its machine, and send their files if not.
    return Measurement.merged(folder.glob("measurement-*.json"))


def _settle(arrivals: Arrivals, wanted: int, most_seconds: float, say: Report) -> float:
    """Wait until all have arrived, nothing comes any more, or the time is over."""
    begun = newest = time.monotonic()
    is_settled, before = False, -1
    while not is_settled and (now := time.monotonic()) < begun + most_seconds:
        if arrivals.count > before:
            before, newest = arrivals.count, now
        elif now > newest + _SILENCE_SECONDS:
            break
        say(f"waiting for deliveries, {before:,} of {wanted:,}")
        is_settled = arrivals.settle(wanted, within_seconds=0.5)
    return time.monotonic() - begun
