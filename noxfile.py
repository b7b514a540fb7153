"""Every way to check, certify and measure this project. `nox -l` is the manual.

`nox` alone runs what a change needs before it is proposed. Sessions install pinned, hashed
requirements and run from the checkout; arguments behind `--` go to the tool inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "layers", "tests", "certify", "selfcheck"]

PACKAGES = ("reference_relay", "fake_dns", "fixtures", "conformance", "loadtests")
REPORTS = Path("reports")


def install(session: nox.Session, *names: str) -> None:
    """Install the pinned requirements of the named groups, hashes checked."""
    for name in names:
        session.install("--quiet", "--require-hashes", "-r", f"requirements/{name}.txt")


def hand_over(session: nox.Session, *arguments: str) -> None:
    """Run Python as the session's last act; its exit code, promised to users, becomes nox's."""
    code = subprocess.call([Path(session.bin) / "python", *arguments])
    if code:
        sys.exit(code)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes: ruff, format and check."""
    install(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy strict over every package, tests included."""
    install(session, "suite", "types")
    session.run("mypy", *(f"--package={package}" for package in PACKAGES))
    session.run("mypy", "noxfile.py")


@nox.session
def layers(session: nox.Session) -> None:
    """The house's walls: who may import whom."""
    install(session, "layers")
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def tests(session: nox.Session) -> None:
    """The tests beside the code of every room."""
    install(session, "suite")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def certify(session: nox.Session) -> None:
    """Certify the reference relay, or `-- --target profile.toml`; report in reports/certify."""
    install(session, "suite")
    hand_over(session, "-m", "conformance", "certify", *session.posargs)


@nox.session(default=False)
def check(session: nox.Session) -> None:
    """Certify for everyday use: `-- --target my.toml --waivers waivers.toml`."""
    install(session, "suite")
    hand_over(session, "-m", "conformance", "check", *session.posargs)


@nox.session(default=False)
def probe(session: nox.Session) -> None:
    """Draft a target profile from what a target shows: `-- --host smtp.example.com --port 587`."""
    install(session, "suite")
    hand_over(session, "-m", "fixtures.draft", *session.posargs)


@nox.session
def selfcheck(session: nox.Session) -> None:
    """Break the reference relay on purpose; every break must turn its own check red."""
    install(session, "suite")
    order = session.posargs or ["--write", "docs/kill-matrix.md"]
    hand_over(session, "-m", "conformance.selfcheck", *order)


@nox.session(default=False, venv_backend="none")
def interop(session: nox.Session) -> None:
    """Install the second opinions that npm has; without them their checks are not observable."""
    npm = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
    session.run(*npm, "--prefix", "conformance/interop")


@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """Certify Postfix, Exim, aiosmtpd and smtp-server; writes docs/peers.md and findings.md."""
    install(session, "suite", "bench")
    hand_over(session, "-m", "conformance.peers", *(session.posargs or ["--write", "docs"]))


@nox.session(default=False)
def properties(session: nox.Session) -> None:
    """Search for what breaks a property: `-- --profile explore`, or `-- --replay FILE`."""
    install(session, "suite")
    hand_over(session, "-m", "conformance.properties", *session.posargs)


@nox.session(default=False)
def differential(session: nox.Session) -> None:
    """Send one corpus to several relays: `-- --target postfix --target reference`."""
    install(session, "suite", "bench")
    order = session.posargs or ["--write", "docs/differential.md"]
    hand_over(session, "-m", "conformance.differential", *order)


@nox.session(default=False)
def compare(session: nox.Session) -> None:
    """Put results side by side: `-- before/results.json after/results.json`."""
    install(session, "suite")
    hand_over(session, "-m", "conformance.comparison", *session.posargs)


@nox.session(default=False)
def replay(session: nox.Session) -> None:
    """Run one thing of an earlier result again: `-- reports/certify/results.json TLS-09`."""
    install(session, "suite")
    hand_over(session, "-m", "conformance.replay", *session.posargs)


@nox.session(default=False)
def dkim(session: nox.Session) -> None:
    """Sign 2,000 generated messages with each kind of key; dkimpy, mailauth and OpenDKIM judge."""
    install(session, "suite")
    hand_over(session, "-m", "conformance.interop.dkim_proof", *session.posargs)


@nox.session(default=False)
def crash(session: nox.Session) -> None:
    """Kill a worker or the supervisor 300 times at random moments; nothing is lost or cut."""
    install(session, "suite")
    order = session.posargs or ["--rounds", "300", "--seconds", "3600", "--relays", "4"]
    hand_over(session, "-m", "conformance.durability", "--crash", "processes", *order)


@nox.session(default=False)
def powercut(session: nox.Session) -> None:
    """Kill the relay and forget what it did not sync, 50 times; nothing is lost or cut."""
    install(session, "suite")
    order = session.posargs or ["--rounds", "50", "--seconds", "1800", "--relays", "4"]
    hand_over(session, "-m", "conformance.durability", "--crash", "power", *order)


@nox.session(default=False)
def marathon(session: nox.Session) -> None:
    """100,000 messages to 1,000 domains that defer, refuse and reset; the books must balance."""
    install(session, "suite")
    hand_over(session, "-m", "loadtests.queue.marathon", *session.posargs)


@nox.session(default=False)
def load_tests(session: nox.Session) -> None:
    """The tests of the generator itself: Locust against the real relay, in processes of its own."""
    install(session, "load")
    session.run("pytest", "-p", "no:locust", *(session.posargs or ["loadtests/live"]))


@nox.session(default=False)
def fuzz_api(session: nox.Session) -> None:
    """Ask the API what its description allows, and what not; `-- 2000 --shard 1/9` does a part."""
    install(session, "suite")
    order = session.posargs or ["2000"]
    module = "reference_relay.management.tests.ask_everything"
    session.run("python", "-m", module, *order)


@nox.session(default=False)
def load(session: nox.Session) -> None:
    """Drive the reference relay with Locust; throughput and percentiles on the terminal."""
    install(session, "load")
    hand_over(session, "-m", "loadtests", *session.posargs)


@nox.session(default=False)
def capacity(session: nox.Session) -> None:
    """The highest rate that meets objectives, as an interval with its limiter; reports/capacity."""
    install(session, "load")
    hand_over(session, "-m", "loadtests.capacity", *session.posargs)


@nox.session(default=False)
def load_selfcheck(session: nox.Session) -> None:
    """Relays that break a promise once in 10,000 messages must be caught; three minutes."""
    install(session, "load")
    hand_over(session, "-m", "loadtests.selfcheck", *session.posargs)


@nox.session(default=False)
def load_endurance(session: nox.Session) -> None:
    """A million messages in one run: the generator's memory is flat, the books balance."""
    install(session, "load")
    hand_over(session, "-m", "loadtests.endurance", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """CPU per message against peers of the same run; writes docs/performance.md."""
    install(session, "bench")
    order = session.posargs or ["--write", "docs/performance.md"]
    hand_over(session, "-m", "loadtests.benchmark", *order)


@nox.session(default=False)
def bench_queue(session: nox.Session) -> None:
    """SQLite or a log, one sync or many, recovery of 100,000 messages; writes docs/queue.md."""
    install(session, "bench")
    order = session.posargs or ["--write", "docs/queue.md"]
    hand_over(session, "-m", "loadtests.queue", *order)


@nox.session(default=False)
def bench_client(session: nox.Session) -> None:
    """The generator's CPU per message beside other clients; writes docs/performance-client.md."""
    install(session, "load")
    order = session.posargs or ["--write", "docs/performance-client.md"]
    hand_over(session, "-m", "loadtests.client_benchmark", *order)


@nox.session(default=False)
def bench_dns(session: nox.Session) -> None:
    """Answers per CPU-second beside dnslib and BIND; `-- endure` mixes in hostile packets."""
    install(session, "suite", "fuzz")
    order = session.posargs or ["compare", "--out", "docs/performance-dns.md"]
    hand_over(session, "-m", "fake_dns.benchmark", *order)


@nox.session(default=False)
def model(session: nox.Session) -> None:
    """Play 50,000 steps of the engine against a table of the tests' own; `-- --steps N`."""
    install(session, "suite")
    hand_over(session, "-m", "reference_relay.smtp.tests.session_model", *session.posargs)


@nox.session(default=False)
def tls(session: nox.Session) -> None:
    """The handshake table of TLS-13 to TLS-19, and both TLS races in 500 sessions on both loops."""
    install(session, "suite")
    session.run("python", "-m", "conformance.rfc3207.handshake_table", *session.posargs)
    races = "behind_starttls or flight_of_finished"
    where = "reference_relay/submission/tests/test_connection.py"
    session.run("pytest", "-v", "--tls-sessions", "500", "-k", races, where)


@nox.session(default=False)
def abuse(session: nox.Session) -> None:
    """Five kinds of abuse beside an honest client: its rate, memory, what abusers hear."""
    install(session, "suite")
    hand_over(session, "-m", "conformance.robustness.abuse", *session.posargs)


@nox.session(default=False)
def differential_mime(session: nox.Session) -> None:
    """The attachment scanner beside three readers of others; writes docs/mime-differential.md."""
    install(session, "suite")
    session.install("--quiet", "fast-mail-parser==0.10.0")
    report, refusals = "docs/mime-differential.md", "reports/mime-refusals.txt"
    order = session.posargs or ["--write", report, "--list", refusals]
    hand_over(session, "-m", "reference_relay.policy.tests.mime_differential", *order)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Search ten minutes for octets that the engine raises at; `-- --seconds N`."""
    install(session, "suite", "fuzz")
    hand_over(session, "-m", "reference_relay.policy.tests.fuzz", *session.posargs)


@nox.session(default=False)
def report_check(session: nox.Session) -> None:
    """Open the last report in headless Chromium as four readers would; axe-core judges it."""
    install(session, "suite")
    npm = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
    session.run(*npm, "--prefix", "conformance/report/browser", external=True)
    hand_over(session, "-m", "conformance.report.browser", *session.posargs)


@nox.session(default=False)
def screenshot(session: nox.Session) -> None:
    """Open the last report in headless Chromium and save the picture the README shows."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    report = REPORTS / "certify" / "report.html"
    if browser is None:
        session.error("no Chromium found: install it (Debian: apt-get install chromium)")
    if not report.exists():
        session.error(f"{report} is missing: run `nox -s certify` first")
    session.run(
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={session.create_tmp()}",
        "--window-size=1100,1000",
        "--screenshot=docs/report.png",
        report.resolve().as_uri(),
        external=True,
    )


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the wheel, install it alone, run both programs away from the checkout."""
    session.install("--quiet", "build")
    outside = session.create_tmp()
    session.run("python", "-m", "build", "--wheel", "--outdir", outside, silent=True)
    wheel = max(Path(outside).glob("*.whl"), key=lambda path: path.stat().st_mtime)
    session.install("--quiet", str(wheel))
    session.chdir(outside)
    session.run("reference-relay", "--help", silent=True)
    session.run("fake-dns", "--help", silent=True)
    # The plugin comes with the wheel: a test needs nothing but its fixture.
    session.install("--quiet", "pytest")
    Path("test_six_lines.py").write_text(SIX_LINES)
    alone = ("--config-file", os.devnull, "--rootdir", ".", "--noconftest")
    session.run("pytest", "-q", "-W", "error", *alone, "test_six_lines.py")


@nox.session(default=False)
def pin(session: nox.Session) -> None:
    """Write requirements/*.txt anew from pyproject.toml, with hashes and without addresses."""
    session.install("--quiet", "uv")
    for name, project in GROUPS.items():
        source = ["pyproject.toml"] if project else []
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url"),
            *source,
            f"--group=pyproject.toml:{name}",
            f"--output-file=requirements/{name}.txt",
            *session.posargs,
            env={"UV_CUSTOM_COMPILE_COMMAND": "nox -s pin", **os.environ},
        )


# Group -> whether it also holds what the two programs need.
GROUPS = {
    "suite": True,
    "load": True,
    "bench": True,
    "fuzz": False,
    "lint": False,
    "types": False,
    "layers": False,
}

SIX_LINES = """\
import dns.resolver
def test_it(fake_dns, dns_zone):
    dns_zone("example.com", {"@": {"MX": "10 mx.example.net."}})
    own = dns.resolver.Resolver(configure=False)
    own.nameservers, own.port = [fake_dns.address], fake_dns.port
    assert own.resolve("example.com", "MX")[0].preference == 10
"""
