"""`python -m loadtests.apart`: a master and two workers in network namespaces of their own.

Each has its own loopback and reaches the others over veth pairs and a bridge alone, as machines do.
Their merged histogram is compared with that of one process at the same rate. Needs root and ip(8).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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


def main() -> int:
    """Run both; 0 if they planned, sent and timed the same within noise."""
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
            alone = _run(plan, folder / "alone", ())
            time.sleep(1)
            apart = _run(plan, folder / "apart", ("load-worker-a", "load-worker-b"))
            again = _run(plan, folder / "again", ())
        finally:
            sink.terminate()
            sink.wait(10)
            if sink.stdout is not None:
                sink.stdout.close()
    out = sys.stdout
    out.write(f"{'':<24}{'planned':>9}{'accepted':>9}   p50, p90, p99 in ms\n")
    for title, one in (("one process", alone), ("master + 2 workers", apart), ("again one", again)):
        histogram = one.phases[Phase.MESSAGE]
        row = "".join(
            f"{histogram.percentile(percent) / 1000:9.2f}" if histogram.count else "        -"
            for percent in _PERCENTS
        )
        out.write(f"{title:<24}{one.planned:9,}{one.accepted:9,}{row}\n")
    same = alone.planned == apart.planned == apart.accepted
    return (
        0 if same and apart.phases[Phase.MESSAGE].count == alone.phases[Phase.MESSAGE].count else 1
    )


if __name__ == "__main__":
    sys.exit(main())
