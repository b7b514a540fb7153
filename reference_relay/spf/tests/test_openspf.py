"""The openspf test suite for RFC 7208, see openspf/README.md."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reference_relay.spf.evaluation import check_host
from reference_relay.spf.outcome import Outcome
from reference_relay.spf.tests.published import Published

_SUITE = Path(__file__).parent / "openspf" / "rfc7208-tests.yml"
# Cases whose result we mean to differ in, each with its reason. There are none.
_EXCEPTIONS: Mapping[str, str] = {}


def _cases() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for scenario in yaml.safe_load_all(_SUITE.read_text()):
        for name, case in scenario["tests"].items():
            yield name, case, scenario["zonedata"]


_CASES = {name: (case, zone) for name, case, zone in _cases()}


def _evaluate(case: Mapping[str, Any], zone: Mapping[str, Any]) -> Outcome:
    sender = case["mailfrom"] or f"postmaster@{case['helo']}"
    domain = sender.rpartition("@")[2]
    return asyncio.run(check_host(Published(zone), case["host"], domain, sender, helo=case["helo"]))


@pytest.mark.parametrize("name", _CASES)
def test_openspf_case(name: str) -> None:
    """The result is one that the suite allows, and the explanation is the suite's."""
    case, zone = _CASES[name]
    outcome = _evaluate(case, zone)
    allowed = [case["result"]] if isinstance(case["result"], str) else case["result"]
    if name in _EXCEPTIONS:
        assert outcome.result.value not in allowed, f"{name} is no exception any more"
        return
    assert outcome.result.value in allowed, outcome.reason
    if "explanation" in case:
        # DEFAULT stands for the receiver's own words: the domain has none to say.
        assert (outcome.explanation or "DEFAULT") == case["explanation"]


def test_openspf_is_complete() -> None:
    """The suite is all there, and nothing of it is left out."""
    assert len(_CASES) == 203
    assert not _EXCEPTIONS.keys() - _CASES.keys()
    passed = len(_CASES) - len(_EXCEPTIONS)
    print(f"openspf RFC 7208: {passed}/{len(_CASES)} pass, exceptions: {dict(_EXCEPTIONS)}")  # noqa: T201
