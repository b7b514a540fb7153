"""reproduce/ID.py: for each failure a script of raw sockets that needs no harness.

It says what the client said, line by line, and prints what comes back. A secret is not in it: where
one was sent, it takes RELAY_USERNAME and RELAY_PASSWORD from the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from conformance.judgement import octets_of
from conformance.report.results import CheckResult, Results
from conformance.verdict import Verdict

_SCRIPT = '''\
#!/usr/bin/env python3
"""{requirement}: {wording}

Expected: {expected}
Observed: {observed}
Check:    {check}

Usage: RELAY_USERNAME=... RELAY_PASSWORD=... python3 {name} HOST PORT
"""

import base64
import os
import socket
import ssl
import sys

STEPS = [
{steps}
]


def secret(text):
    """Fill in what was taken out of the record."""
    name = os.environ.get("RELAY_USERNAME", "")
    word = os.environ.get("RELAY_PASSWORD", "")
    if text.upper().startswith(b"AUTH"):
        word = f"\\0{{name}}\\0{{word}}"
    return text.replace(b"***", base64.b64encode(word.encode()))


def heard(connection):
    connection.settimeout(2)
    try:
        while octets := connection.recv(65536):
            print("S:", octets)
            connection.settimeout(0.3)
    except (TimeoutError, OSError):
        pass


connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
heard(connection)
for step in STEPS:
    if step == "TLS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=sys.argv[1])
        print("=: TLS", connection.version())
        continue
    print("C:", step)
    connection.sendall(secret(step))
    heard(connection)
'''


def render_all(results: Results) -> dict[str, str]:
    """Return a script for every requirement that is not met and has a dialogue to show for it."""
    scripts = {}
    for result in results.with_verdict(Verdict.NOT_MET):
        for check in result.checks:
            if check.verdict is Verdict.NOT_MET and (steps := _steps(check)):
                name = f"{result.requirement.id}.py"
                scripts[name] = _SCRIPT.format(
                    requirement=result.requirement.id,
                    wording=_quiet(result.requirement.wording),
                    expected=_quiet(check.finding.expected),
                    observed=_quiet(check.finding.observed[:300]),
                    check=_quiet(check.check),
                    name=name,
                    steps="\n".join(f"    {step!r}," for step in steps),
                )
                break
    return scripts


def _quiet(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _steps(check: CheckResult) -> list[bytes | str]:
    """Return what the client said on the last of its connections, and where TLS began."""
    for transcript in reversed(check.transcripts):
        if transcript["side"] == "probe":
            return _said(transcript)
    return []


def _said(transcript: Mapping[str, object]) -> list[bytes | str]:
    steps: list[bytes | str] = []
    was_tls = False
    for event in cast("list[dict[str, Any]]", transcript["events"]):
        if event["is_tls"] and not was_tls:
            steps.append("TLS")
            was_tls = True
        if event["direction"] == "C":
            steps.append(octets_of(event["octets"]))
    return steps
