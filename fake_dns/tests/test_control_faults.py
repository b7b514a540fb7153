"""Faults, clock, snapshots and the description of the control port, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fake_dns import FakeDNS
from fake_dns.control import Control
from fake_dns.tests.control_client import ask, call

FAULTS: list[dict[str, Any]] = [
    {"kind": "none"},
    {"kind": "silence"},
    {"kind": "delay", "seconds": 0.5, "jitter_seconds": 0.25, "then": {"kind": "refused"}},
    {"kind": "server-failure"},
    {"kind": "refused"},
    {"kind": "code", "rcode": "NXDOMAIN"},
    {"kind": "no-edns"},
    {"kind": "truncated"},
    {"kind": "garbled"},
    {"kind": "wrong-id"},
    {"kind": "wrong-question"},
    {"kind": "half-answer"},
    {"kind": "reset"},
    {"kind": "lame"},
    {"kind": "rotating", "by": 2},
    {"kind": "stale", "seconds": 60.0},
    {"kind": "flags", "authoritative": False, "authentic": True, "recursion_available": None},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
def test_every_fault_goes_in_and_comes_out_again(
    control: Control, fake_dns: FakeDNS, fault: dict[str, Any]
) -> None:
    """What is read is what was sent, the defaults filled in."""
    status, created = call(control, "POST", "/v1/faults", json.dumps({"faults": [fault]}))
    assert status == 201
    (rule,) = call(control, "GET", "/v1/faults")[1]["faults"]
    assert rule["number"] == created["number"]
    assert fault.items() <= rule["faults"][0].items() or fault["kind"] == "delay"
    assert call(control, "DELETE", f"/v1/faults/{created['number']}") == (204, None)
    assert call(control, "DELETE", f"/v1/faults/{created['number']}")[0] == 404
    assert not fake_dns.faults


def test_faults_meet_queries_as_planned(control: Control, fake_dns: FakeDNS) -> None:
    """A sequence, for one name; read back, it says how far it has come; then cleared."""
    planned = {
        "faults": [{"kind": "server-failure"}, {"kind": "none"}, {"kind": "refused"}],
        "name": "example.com",
        "type": "A",
        "client": "127.0.0.0/8",
        "server": "main",
        "repeat": True,
    }
    assert call(control, "POST", "/v1/faults", json.dumps(planned))[0] == 201
    codes = [ask(fake_dns, "example.com").rcode() for _ in range(4)]
    assert codes == [2, 0, 5, 2]
    (rule,) = call(control, "GET", "/v1/faults")[1]["faults"]
    assert rule["met"] == 4
    assert planned.items() <= {**rule, "faults": planned["faults"]}.items()
    assert call(control, "DELETE", "/v1/faults") == (204, None)
    assert ask(fake_dns, "example.com").rcode() == 0


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({}, 400, "faults: Field required"),
        ({"faults": []}, 400, "faults: List should have at least 1"),
        ({"faults": [{"kind": "nonsense"}]}, 400, "faults.0: Input tag 'nonsense'"),
        ({"faults": [{"kind": "delay"}]}, 400, "faults.0.delay.seconds: Field required"),
        ({"faults": [{"kind": "silence"}], "nome": "x"}, 400, "nome: Extra inputs"),
        ({"faults": [{"kind": "silence"}], "type": "NOPE"}, 422, "'NOPE' is no record type"),
        ({"faults": [{"kind": "silence"}], "server": "x"}, 422, "'x' is no server"),
        ({"faults": [{"kind": "silence"}], "client": "x"}, 422, "'x' does not appear to be"),
        ({"faults": [{"kind": "silence"}], "times": 0}, 400, "times: Input should be"),
    ],
)
def test_a_fault_that_is_none_is_refused(
    control: Control, fake_dns: FakeDNS, body: dict[str, Any], status: int, complaint: str
) -> None:
    """Where and why; nothing is planned."""
    given, answer = call(control, "POST", "/v1/faults", json.dumps(body))
    assert given == status
    assert complaint in answer["error"]
    assert not fake_dns.faults


def test_a_body_without_its_type_is_told(control: Control) -> None:
    """A web page cannot send JSON under another name, and a person learns why."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = call(control, "POST", "/v1/clock", '{"advance": 1}', form)
    assert status == 400
    assert answer["error"] == "the body: expected Content-Type: application/json"


def test_the_clock_is_moved_and_rolled_back(control: Control, fake_dns: FakeDNS) -> None:
    """Zones, faults and clock are those of the snapshot again, and nothing was asked."""
    number = call(control, "POST", "/v1/snapshots")[1]["snapshot"]
    before = call(control, "GET", "/v1/clock")[1]["now"]
    status, after = call(control, "POST", "/v1/clock", '{"advance": 3600}')
    assert (status, after["advanced"]) == (200, 3600.0)
    assert 3599 < after["now"] - before < 3660
    assert call(control, "POST", "/v1/clock", '{"advance": -1}')[0] == 400
    call(control, "DELETE", "/v1/zones/example.com")
    call(control, "POST", "/v1/faults", '{"faults": [{"kind": "silence"}]}')
    assert call(control, "POST", f"/v1/snapshots/{number}/rollback") == (204, None)
    assert ask(fake_dns, "example.com").answer
    assert fake_dns.clock.added == 0
    assert len(fake_dns.queries()) == 1
    assert call(control, "DELETE", f"/v1/snapshots/{number}") == (204, None)
    assert call(control, "POST", f"/v1/snapshots/{number}/rollback")[0] == 404
    assert call(control, "DELETE", f"/v1/snapshots/{number}")[0] == 404


def test_unexpected_queries_are_told(control: Control, fake_dns: FakeDNS) -> None:
    """Outside every zone, or beyond what is expected."""
    for name in ("example.com", "other.example"):
        ask(fake_dns, name)
    found = call(control, "GET", "/v1/queries/unexpected")[1]["queries"]
    assert [query["name"] for query in found] == ["other.example"]
    path = "/v1/queries/unexpected?expected=other.example%20A&expected=*.example.com"
    found = call(control, "GET", path)[1]["queries"]
    assert [query["name"] for query in found] == ["example.com"]
    assert call(control, "GET", "/v1/queries/unexpected?expected=a..b")[0] == 400


def test_the_description_is_openapi_3_1_and_whole(control: Control) -> None:
    """Every request of these tests is in it, every reference in it leads somewhere."""
    status, description = call(control, "GET", "/v1/openapi.json")
    assert status == 200
    assert description["openapi"].startswith("3.1.")
    requests = {
        f"{method.upper()} {path}"
        for path, methods in description["paths"].items()
        for method in methods
    }
    assert requests == {
        "GET /v1/health",
        "GET /v1/zones",
        "GET /v1/zones/{origin}",
        "PUT /v1/zones/{origin}",
        "DELETE /v1/zones/{origin}",
        "GET /v1/queries",
        "DELETE /v1/queries",
        "GET /v1/queries/unexpected",
        "GET /v1/faults",
        "POST /v1/faults",
        "DELETE /v1/faults",
        "DELETE /v1/faults/{number}",
        "GET /v1/clock",
        "POST /v1/clock",
        "POST /v1/snapshots",
        "POST /v1/snapshots/{number}/rollback",
        "DELETE /v1/snapshots/{number}",
    }
    for reference in references(description):
        found: Any = description
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def references(part: Any) -> Iterator[str]:
    """Every $ref below."""
    match part:
        case dict():
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from references(value)
        case list():
            for value in part:
                yield from references(value)
        case _:
            return
