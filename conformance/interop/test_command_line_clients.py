"""INT: swaks in its ordinary way."""

from __future__ import annotations

import subprocess

import pytest

from conformance.interop.tools import demand, tool
from conformance.judgement import must
from conformance.requirement import requirement
from conformance.rfc4954.credentials import need_mechanism
from conformance.steps import sender_of, wait_for_each
from fixtures.budget import current_budget
from fixtures.probe import client_name
from fixtures.sink import SinkMX
from fixtures.target import Target


@requirement("INT-10")
@pytest.mark.parametrize(
    ("mechanism", "options", "recipients"),
    [
        ("PLAIN", (), 1),
        ("LOGIN", (), 1),
        ("LOGIN", ("--pipeline",), 90),
    ],
    ids=["plain", "login", "pipeline"],
)
def test_swaks_submits(
    mechanism: str,
    options: tuple[str, ...],
    recipients: int,
    target: Target,
    sink: SinkMX,
    token: str,
) -> None:
    """Swaks submits with each mechanism, and with many recipients in one segment."""
    need_mechanism(target, mechanism)
    program = _swaks_with_tls()
    account, endpoint = target.account(), target.endpoint()
    recipients = min(recipients, target.claims("recipients") or 100)
    names = [target.recipient(f"{token}-{number}") for number in range(recipients)]
    with current_budget().client(messages=1):
        done = subprocess.run(
            [
                program,
                *("--server", endpoint.addresses[0], "--port", str(endpoint.port), "--tls"),
                *("--auth", mechanism, "--auth-user", account.username),
                # Without a value it asks for one: a command line is everybody's to read, and a
                # password may begin like an option.
                *("--auth-password", "--auth-hide-password"),
                *("--from", sender_of(target), "--to", ",".join(names)),
                *("--header", f"To: {names[0]}", "--header", f"Subject: Test {token}"),
                *("--body", f"The text of {token}."),
                *("--ehlo", client_name(), "--timeout", "10"),
                *options,
            ],
            input=f"{account.password}\n".encode(),
            capture_output=True,
            timeout=30,
            check=False,
        )
    seen = done.stdout[-2000:] + done.stderr[-500:]
    must(done.returncode == 0, expected="a successful submission", observed=seen)
    wait_for_each(sink, token, names)


def _swaks_with_tls() -> str:
    """Find swaks, and the Perl module without which it is no client of a submission service."""
    program = tool("swaks")
    able = subprocess.run([program, "--support"], capture_output=True, timeout=30, check=False)
    demand(b"TLS not available" not in able.stdout + able.stderr, "swaks with Net::SSLeay")
    return program
