from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from fixtures.certificates import CertificateAuthority
from loadtests.plan import Plan
from loadtests.schedule import Schedule


def plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "run": "12345678",
        "address": "127.0.0.1",
        "port": 587,
        "host": "relay.example",
        "username": "someone",
        "sender": "mailer@example.com",
        "recipients": ("a@sink.example", "b@sink.example"),
        "octets": 4096,
        "folder": "somewhere",
        **changes,
    }
    return Plan(**values)  # type: ignore[arg-type]  # a bag of values, as tests like them


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    """What the generator reads is what was written."""
    schedule = Schedule.parse("poisson:50", 2)
    written = plan(has_phase_entries=True, trust="none", schedule=schedule, dialogue="chunked")
    written.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == written


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    """Unknown or missing keys are not guessed at."""
    (tmp_path / "plan.json").write_text('{"run": "1"}', encoding="utf-8")
    with pytest.raises(ValueError, match="not a plan"):
        Plan.read(tmp_path / "plan.json")


def test_given_authorities_alone_are_trusted() -> None:
    """The context verifies names against the certificates of the plan."""
    pem = CertificateAuthority.create().root_pem.decode()
    context = plan(trust="given", authorities=pem).tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_trust_none_takes_any_certificate() -> None:
    """A laboratory relay with a certificate of its own can be loaded, if its profile says so."""
    context = plan(trust="none").tls_context()
    assert context.verify_mode is ssl.CERT_NONE
