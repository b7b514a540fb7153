"""RLY: a verifier outside Python accepts what the sink got."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from conformance.interop.tools import demand, tool
from conformance.judgement import must
from conformance.relaying.test_dkim import need_signature
from conformance.requirement import requirement
from conformance.steps import must_answer, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target

FOLDER = Path(__file__).parent
BODIES = {
    "plain": b"",
    "stuffed-dots": b"..\r\n..dot\r\nend ..\r\n",
    "blanks": b"text  \t\r\n   \r\nin  between\r\n\r\n\r\n",
}


@requirement("RLY-04")
@pytest.mark.parametrize("body", list(BODIES))
def test_mailauth_accepts_the_signature(
    body: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Mailauth of npm, asking the same name server as the receivers, verifies the signature."""
    need_signature(target)
    node = tool("node")
    demand((FOLDER / "node_modules" / "mailauth").is_dir(), "npm's mailauth (nox -s interop)")
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(message(token) + BODIES[body]), "250", "the message is valid")
    server = f"{target.dns.address}:{target.dns.port}" if target.dns is not None else "system"
    done = subprocess.run(
        [node, FOLDER / "verify_dkim.js", server],
        input=arrived(token).content,
        capture_output=True,
        check=True,
        timeout=30,
    )
    results = json.loads(done.stdout)
    domain = target.account().domain
    must(
        any(one["domain"] == domain and one["result"] == "pass" for one in results),
        expected=f"a passing signature of {domain}",
        observed=results,
    )
