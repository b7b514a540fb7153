"""`python -m loadtests.apart`: a master and two workers in network namespaces of their own.

Each has its own loopback and reaches the others over veth pairs and a bridge alone, as machines do.
Their merged histogram is compared with that of one process at the same rate, which takes the same
way; both are measured in turns, so that the spread of one process with itself says what noise is.
Needs root and ip(8).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fixtures.certificates import CertificateAuthority
from loadtests.measurement import Measurement
from loadtests.phase import Phase
from loadtests.plan import FOLDER_VARIABLE, PASSWORD_VARIABLE, PLAN_VARIABLE, Plan
from loadtests.schedule import Schedule
from loadtests.site import new_run

_REPOSITORY = Path(__file__).resolve().parent.parent
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_BRIDGE, _NETWORK = "loadbr0", "10.77.31"
_NAMES = {"load-master": 2, "load-worker-a": 3, "load-worker-b": 4}
_KINDS: Mapping[str, tuple[str, ...]] = {
    "one process": (),
    "master + 2 workers": ("load-worker-a", "load-worker-b"),
}
_SECONDS, _RATE, _USERS = 8.0, 300.0, 10
_PERCENTS = (50.0, 90.0, 99.0)


def _ip(*arguments: str) -> None:
    subprocess.run([shutil.which("ip") or "/sbin/ip", *arguments], check=True)


@contextlib.contextmanager
def _namespaces() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        stack.callback(_ip, "link", "del", _BRIDGE)
        _ip("addr", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for name, number in _NAMES.items():
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            near, far = f"loadn{number}", f"loadf{number}"
            _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
            _ip("link", "set", near, "master", _BRIDGE, "up")
            _ip("-n", name, "addr", "add", f"{_NETWORK}.{number}/24", "dev", far)
            _ip("-n", name, "link", "set", far, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield


def _locust(name: str, folder: Path, plan: Path | None, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        PASSWORD_VARIABLE: "anything",
        FOLDER_VARIABLE: str(folder),
        "PYTHONPATH": str(_REPOSITORY),
    }
    if plan is not None:
        environment[PLAN_VARIABLE] = str(plan)
    folder.mkdir(parents=True, exist_ok=True)
    command = [shutil.which("ip") or "/sbin/ip", "netns", "exec", name, sys.executable, "-m"]
    command += ["locust", "-f", str(_LOCUSTFILE), "KeptSession", "--loglevel", "WARNING"]
    command += ["--exit-code-on-error", "0", *arguments]
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )


def _run(plan: Plan, folder: Path, workers: tuple[str, ...]) -> Measurement:
    folder.mkdir()
    path = folder / "plan.json"
    # Where the master keeps what its workers send; theirs are elsewhere.
    Plan.from_json({**plan.to_json(), "folder": str(folder), "run": new_run()}).write(path)
    order = ["--headless", "--users", str(_USERS), "--spawn-rate", "50", "--only-summary"]
    order += ["--run-time", f"{_SECONDS + 12:.0f}s"]
    if workers:
        order += ["--master", "--expect-workers", str(len(workers))]
    children = [_locust("load-master", folder, path, *order)]
    for worker in workers:
        host = f"{_NETWORK}.{_NAMES['load-master']}"
        place = folder / worker
        children.append(_locust(worker, place, None, "--worker", "--master-host", host))
    try:
        for child in children:
            child.wait(90)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
    found = list(folder.glob("measurement-*.json"))
    if not found:
        said = [path.read_text(errors="replace")[-800:] for path in folder.rglob("output")]
        sys.stderr.write("\n".join(["nothing was measured", *said]))
    return Measurement.merged(found)


def main(rounds: int = 3) -> int:
    """Run both in turns; 0 if they planned, sent and timed the same within noise."""
    measured: dict[str, list[Measurement]] = {}
    authority = CertificateAuthority.create()
    with tempfile.TemporaryDirectory(prefix="apart-") as name, _namespaces():
        folder = Path(name)
        certificate, key = authority.issue(["null.example"]).write(folder, "null")
        command = [sys.executable, "-m", "loadtests.null_sink", "--address", f"{_NETWORK}.1"]
        command += ["--certificate", str(certificate), "--key", str(key)]
        sink = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_REPOSITORY)
        try:
            assert sink.stdout is not None
            ready = json.loads(sink.stdout.readline())
            plan = Plan(
                run=new_run(),
                address=ready["address"],
                port=ready["port"],
                host="null.example",
                username="anyone",
                sender="mailer@example.com",
                recipients=("nobody@null.example",),
                octets=4096,
                folder=name,
                trust="given",
                authorities=authority.root_pem.decode(),
                schedule=Schedule.constant(_RATE, _SECONDS, poisson=True),
                lead_seconds=2.0,
                warm_up_seconds=1.0,
            )
            for number in range(rounds):
                for title, workers in _KINDS.items():
                    where = folder / f"{number}-{len(workers)}"
                    measured.setdefault(title, []).append(_run(plan, where, workers))
        finally:
            sink.terminate()
            sink.wait(10)
            if sink.stdout is not None:
                sink.stdout.close()
    return _told(measured)


def _told(measured: Mapping[str, Sequence[Measurement]]) -> int:
    """Print each run, then what is compared; 0 if nothing got lost and the ranges overlap."""
    out = sys.stdout
    out.write(f"{'':<20}{'planned':>9}{'accepted':>9}   p50, p90, p99 in ms\n")
    for title, runs in measured.items():
        for one in runs:
            row = "".join(f"{value:9.2f}" for value in _milliseconds(one))
            out.write(f"{title:<20}{one.planned:9,}{one.accepted:9,}{row}\n")
    every = [one for runs in measured.values() for one in runs]
    counts = {(one.planned, one.accepted, one.phases[Phase.MESSAGE].count) for one in every}
    is_same = len(counts) == 1 and every[0].planned == every[0].accepted
    for place, percent in enumerate(_PERCENTS):
        ranges = []
        for runs in measured.values():
            values = sorted(_milliseconds(one)[place] for one in runs)
            ranges.append((values[0], values[-1]))
        (low, high), (other_low, other_high) = ranges
        is_within = low <= other_high and other_low <= high
        is_same = is_same and is_within
        out.write(
            f"p{percent:g}: one process {low:.2f} to {high:.2f}, apart {other_low:.2f} to "
            f"{other_high:.2f} ms: {'the same within noise' if is_within else 'different'}\n"
        )
    return 0 if is_same else 1


def _milliseconds(one: Measurement) -> tuple[float, ...]:
    histogram = one.phases[Phase.MESSAGE]
    if not histogram.count:
        return (0.0,) * len(_PERCENTS)
    return tuple(histogram.percentile(percent) / 1000 for percent in _PERCENTS)


if __name__ == "__main__":
    sys.exit(main())
