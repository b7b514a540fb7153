"""A target whose mail does not come to our sink: effects are seen in its mailbox, no more."""

from __future__ import annotations

import json
import shlex
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from conformance.tests.runs import read_back, started
from fixtures import toml_table
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.sink import Delivery, SinkMX
from fixtures.world import World

PRINT = "import sys; print(open(sys.argv[1]).read(), end='')"


@pytest.mark.parametrize("octets", ["altered", "exact"])
def test_effects_are_judged_by_the_mailbox(
    octets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused mail is missed there and accepted mail found; octets count only where vouched for."""
    file = tmp_path / "mailbox.jsonl"
    file.touch()

    def deliver(one: Delivery) -> None:
        kept = {"content": b64encode(one.content).decode(), "recipients": list(one.recipients)}
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(kept) + "\n")

    with World(load_profile(DEFAULT_PROFILE), sink=SinkMX(on_delivery=deliver)) as world:
        target = world.target()
        endpoint, account = target.endpoint(), target.account()
        monkeypatch.setenv("MAILBOX_USERNAME", account.username)
        monkeypatch.setenv("MAILBOX_PASSWORD", account.password)
        table = {
            "name": "elsewhere",
            "relay": {
                "kind": "address",
                "endpoint": [
                    {
                        "host": endpoint.host,
                        "addresses": list(endpoint.addresses[:1]),
                        "port": endpoint.port,
                    }
                ],
            },
            "tls": {"trust": "none"},
            "account": [
                {
                    "role": "primary",
                    "username_environment": "MAILBOX_USERNAME",
                    "password_environment": "MAILBOX_PASSWORD",
                    "domain": account.domain,
                }
            ],
            "recipients": {"address": target.recipient_pattern},
            "sink": {
                "reachability": "command",
                "command": shlex.join([sys.executable, "-c", PRINT, str(file)]),
                "octets": octets,
                "patience_seconds": 10.0,
            },
        }
        profile, out = tmp_path / "target.toml", tmp_path / "out"
        profile.write_text(toml_table.write(table), encoding="utf-8")
        order = ["-m", "conformance", "check", "--target", str(profile), "--out", str(out)]
        ended = read_back(*started([*order, "--only", "SND-02,CTL-01,SUB-04"]), out)
    assert ended.exit_code == 0, ended.said
    verdicts = ended.verdicts()
    assert verdicts["SND-02"] == "met"
    assert verdicts["CTL-01"] == "met"
    wanted = "met" if octets == "exact" else "not observable"
    assert verdicts["SUB-04"] == wanted, ended.row("SUB-04")["reason"]
    if octets == "altered":
        assert "exact octets" in ended.row("SUB-04")["reason"]
