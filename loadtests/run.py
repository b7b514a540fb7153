"""One load run from beginning to end: the world, a trial message, the generator, the arrivals."""

from __future__ import annotations

import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fixtures.profile import Profile
from fixtures.target import Account, NotAvailable, Target
from fixtures.transcript import SECRETS
from fixtures.world import open_target
from loadtests.arrivals import Arrivals
from loadtests.channel import BlockingChannel
from loadtests.content import MessageTemplate, tokens
from loadtests.measurement import Measurement, read_tokens
from loadtests.plan import EHLO_NAME, PASSWORD_VARIABLE, PLAN_VARIABLE, Plan
from loadtests.progress import Progress
from loadtests.result import Result
from loadtests.submission_client import Credentials, SubmissionClient, SubmissionFailed

# Messages under way when the time is over may still be answered; then users are cut off.
_STOP_SECONDS = 10
# Starting Locust takes a second or two on a busy machine.
_START_SECONDS = 30
# Sessions are opened at this pace, so that the listener's backlog is not what is measured; faster
# only where more than a quarter of the run would be over before all users are there.
_SPAWN_PER_SECOND = 100
_SPAWN_SHARE = 0.25
# After this silence nothing more is expected: whatever failed once is retried after minutes (D-24).
_SILENCE_SECONDS = 10.0
# A queue that has not emptied by then is reported as it is.
_SETTLE_SECONDS = 300.0
# Different recipients, so that no cache of the service answers for all of them.
_RECIPIENTS = 100
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_REPOSITORY = Path(__file__).resolve().parent.parent
_SHOWN_OUTPUT = 2000
_TRIAL_WORKER = 255


class NotReady(Exception):
    """The run cannot begin; the message says why and what to do."""


class GeneratorFailed(Exception):
    """Locust itself broke down; the message holds the last of its output."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for on the command line.

    Attributes:
        seconds: How long messages are begun.
        users: How many users there are at a time.
        octets: Size of each message.
        has_phase_entries: Whether Locust gets an entry for each phase of each message.
    """

    seconds: int = 15
    users: int = 20
    octets: int = 4096
    has_phase_entries: bool = False


def run(order: Order, profile: Profile, progress: Progress) -> Result:
    """Load the relay of this profile and wait for its deliveries.

    Raises:
        NotReady: Size, credentials or target do not work.
        ProfileError: The profile names something that is not there.
        RelayNotReady: The embedded relay did not come up.
        GeneratorFailed: Locust broke down.
    """
    limit = profile.claims.message_octets
    if limit is not None and order.octets > limit:
        raise NotReady(f"--size {order.octets}: the target takes at most {limit} octets")
    progress.stage("starting the target")
    with (
        tempfile.TemporaryDirectory(prefix="loadtests-") as folder,
        open_target(profile) as target,
    ):
        account = _account(target)
        plan = _plan(order, target, account, Path(folder))
        template = _template(plan)
        _try_one_message(plan, account, template)
        if target.sink is None:
            measurement = _generate(order, plan, account, progress, lambda: "")
            return Result(_title(order, target), measurement)
        with Arrivals(target.sink, plan.run, template.body) as arrivals:
            measurement = _generate(
                order, plan, account, progress, lambda: f", {arrivals.count:,} arrived"
            )
            return _balanced(order, target, plan, measurement, arrivals, progress)


def _account(target: Target) -> Account:
    try:
        return target.account()
    except NotAvailable as error:
        raise NotReady(f"{target.profile.source}: {error}") from None


def _plan(order: Order, target: Target, account: Account, folder: Path) -> Plan:
    endpoint = target.endpoint()
    address, port = endpoint.sockets[0]
    recipients = tuple(target.recipient(f"load{number}") for number in range(_RECIPIENTS))
    tls = target.profile.tls
    is_given = target.profile.is_embedded or tls.trust == "file"
    plan = Plan(
        run=secrets.token_hex(4),
        address=address,
        port=port,
        host=endpoint.host,
        username=account.username,
        sender=account.sender,
        recipients=tuple(dict.fromkeys(recipients)),
        octets=order.octets,
        folder=str(folder),
        trust="given" if is_given else "none" if tls.trust == "none" else "system",
        authorities=_authorities(target.tls_context) if is_given else "",
        has_phase_entries=order.has_phase_entries,
    )
    plan.write(folder / "plan.json")
    return plan


def _authorities(context: ssl.SSLContext) -> str:
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in context.get_ca_certs(binary_form=True))


def _template(plan: Plan) -> MessageTemplate:
    try:
        return MessageTemplate.render(plan.sender, plan.recipients[0], plan.octets)
    except ValueError as error:
        raise NotReady(f"--size {plan.octets}: {error}") from None


def _try_one_message(plan: Plan, account: Account, template: MessageTemplate) -> None:
    """Send one message before any load: what fails here would fail a thousand times."""
    where = f"{plan.host} ({plan.address} port {plan.port})"
    try:
        client = SubmissionClient(BlockingChannel(plan.address, plan.port))
    except OSError as error:
        reason = error.strerror or "no answer"
        raise NotReady(f"{where}: {reason}; is the relay running, and the port open?") from None
    try:
        client.greet(EHLO_NAME)
        client.start_tls(plan.tls_context(), plan.host, EHLO_NAME)
        client.authenticate(Credentials(account.username, account.password))
        token = next(tokens("trial000", _TRIAL_WORKER, 0))
        mail = f"MAIL FROM:<{plan.sender}>\r\n".encode()
        recipient = f"RCPT TO:<{plan.recipients[0]}>\r\n".encode()
        client.submit(mail, (recipient,), template.data(token))
        client.quit()
    except SubmissionFailed as error:
        text = SECRETS.redact_text(str(error))
        raise NotReady(f"{where} does not take a message: {text}") from None
    finally:
        client.close()


def _generate(
    order: Order,
    plan: Plan,
    account: Account,
    progress: Progress,
    arrived: Callable[[], str],
) -> Measurement:
    folder = Path(plan.folder)
    progress.stage(f"{order.users} users send for {order.seconds} s")
    environment = {
        **os.environ,
        PLAN_VARIABLE: str(folder / "plan.json"),
        # Not on the command line, where everybody on the machine can read it.
        PASSWORD_VARIABLE: account.password,
        "PYTHONPATH": os.pathsep.join(
            path for path in (str(_REPOSITORY), os.environ.get("PYTHONPATH", "")) if path
        ),
    }
    command = [
        *(sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless"),
        *("--users", str(order.users), "--spawn-rate", f"{_spawn_rate(order):g}"),
        *("--run-time", f"{order.seconds}s", "--stop-timeout", str(_STOP_SECONDS)),
        *("--only-summary", "--loglevel", "WARNING", "--exit-code-on-error", "0"),
    ]
    with (folder / "locust.output").open("w+b") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            # Locust looks for its own configuration files in the working folder.
            cwd=folder,
        )
        try:
            is_ended = _wait(child, order, progress, arrived)
        finally:
            _end(child)
        output.seek(0)
        text = SECRETS.redact_text(output.read().decode("utf-8", "backslashreplace"))
    files = list(folder.glob("measurement-*.json"))
    if not is_ended or child.returncode or not files:
        reason = f"exit status {child.returncode}" if is_ended else "it did not stop in time"
        raise GeneratorFailed(f"Locust failed, {reason}\n{text[-_SHOWN_OUTPUT:]}".rstrip())
    return Measurement.merged(files)


def _spawn_rate(order: Order) -> float:
    return min(order.users, max(_SPAWN_PER_SECOND, order.users / (order.seconds * _SPAWN_SHARE)))


def _wait(
    child: subprocess.Popen[bytes], order: Order, progress: Progress, arrived: Callable[[], str]
) -> bool:
    """Wait for its end, but not for ever; returns whether it ended by itself."""
    begun = time.monotonic()
    limit = _START_SECONDS + order.seconds + _STOP_SECONDS
    while (elapsed := time.monotonic() - begun) < limit:
        left = max(order.seconds - elapsed, 0)
        progress.detail(f"{left:.0f} s left{arrived()}")
        try:
            child.wait(1)
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


def _balanced(
    order: Order,
    target: Target,
    plan: Plan,
    measurement: Measurement,
    arrivals: Arrivals,
    progress: Progress,
) -> Result:
    accepted = read_tokens(Path(plan.folder), "accepted")
    in_doubt = read_tokens(Path(plan.folder), "in-doubt")
    progress.stage(f"waiting until {len(accepted):,} messages have arrived")
    begun = newest = time.monotonic()
    is_settled, before = False, -1
    while not is_settled and (now := time.monotonic()) < begun + _SETTLE_SECONDS:
        if arrivals.count > before:
            before, newest = arrivals.count, now
        elif now > newest + _SILENCE_SECONDS:
            break
        progress.detail(f"{before:,} have")
        is_settled = arrivals.settle(accepted, within_seconds=1.0)
    waited = time.monotonic() - begun
    return Result(
        title=_title(order, target),
        measurement=measurement,
        ledger=arrivals.ledger(accepted, in_doubt),
        settle_seconds=waited,
    )


def _title(order: Order, target: Target) -> str:
    return (
        f"{target.name}: {order.users} users, a kept TLS session each, "
        f"{order.seconds} s, {order.octets:,} octets"
    )
