"""The HTTP control port, over HTTP."""

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import pytest

from fake_dns import CannotListen, FakeDNS, Zone
from fake_dns.control import Control
from fake_dns.control_body import MAX_BODY_OCTETS


@pytest.fixture
def control(fake_dns: FakeDNS) -> Iterator[Control]:
    """The control port of a server with one zone."""
    fake_dns.add(Zone("example.com", {"@": {"A": "127.0.0.1"}}))
    with Control(fake_dns) as port:
        yield port


def call(
    control: Control,
    method: str,
    path: str,
    body: bytes | str | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """One request: its status and the JSON of its body."""
    connection = http.client.HTTPConnection(control.address, control.port, timeout=10)
    try:
        given = headers or ({"Content-Type": "application/json"} if body is not None else {})
        connection.request(method, path, body, given)
        response = connection.getresponse()
        octets = response.read()
        return response.status, json.loads(octets) if octets else None
    finally:
        connection.close()


def ask(server: FakeDNS, name: str) -> dns.message.Message:
    """Ask for an address over UDP."""
    query = dns.message.make_query(name, "A")
    return dns.query.udp(query, server.address, port=server.port, timeout=5)


def test_health_says_where_it_answers(control: Control, fake_dns: FakeDNS) -> None:
    """Address, port and packet counts."""
    status, health = call(control, "GET", "/v1/health")
    assert status == 200
    assert (health["status"], health["port"]) == ("ok", fake_dns.port)


def test_a_zone_is_read_put_and_deleted(control: Control, fake_dns: FakeDNS) -> None:
    """JSON and TOML, the origin from the path; what is put is served at once."""
    assert call(control, "GET", "/v1/zones") == (200, {"zones": ["example.com"]})
    table = {"ttl": 5, "records": {"@": {"A": ["127.0.0.7"]}}}
    assert call(control, "PUT", "/v1/zones/a.example", json.dumps(table))[0] == 200
    assert ask(fake_dns, "a.example").answer[0].ttl == 5
    toml = 'origin = "b.example."\n[records]\nwww = { A = "127.0.0.8" }\n'
    content_type = {"Content-Type": "application/toml"}
    assert call(control, "PUT", "/v1/zones/b.example", toml, content_type)[0] == 200
    assert ask(fake_dns, "www.b.example").answer
    status, read = call(control, "GET", "/v1/zones/b.example")
    assert status == 200
    assert Zone.from_table(read).record_sets
    assert call(control, "DELETE", "/v1/zones/b.example") == (204, None)
    assert call(control, "DELETE", "/v1/zones/b.example")[0] == 404
    assert call(control, "GET", "/v1/zones/b.example")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("PUT", "/v1/zones/example.com", "{", 400, "not JSON"),
        ("PUT", "/v1/zones/example.com", "[" * 100_000, 400, "not JSON"),
        ("PUT", "/v1/zones/example.com", b"\xff", 400, "not JSON"),
        ("PUT", "/v1/zones/example.com", "[]", 422, "expected a table"),
        ("PUT", "/v1/zones/example.com", '{"record": {}}', 422, "record: unknown key"),
        ("PUT", "/v1/zones/example.com", '{"records": {"@": {"A": "x"}}}', 422, '"x" does not'),
        ("PUT", "/v1/zones/b.example", '{"origin": "a.example", "records": {}}', 422, "path"),
        ("PUT", "/v1/zones/a..b", "{}", 400, "empty label"),
        ("GET", "/v1/nothing", None, 404, "no such resource"),
        ("DELETE", "/v1/health", None, 405, "no such resource"),
        ("GET", "/v1/queries?nome=x", None, 400, "nome: Extra inputs"),
        ("GET", "/v1/queries?within=1", None, 400, "expected a name"),
        ("GET", "/v1/queries?name=x&within=soon", None, 400, "within: Input should be"),
        ("GET", "/v1/queries?transport=quic", None, 400, "transport: Input should be"),
    ],
)
def test_a_bad_request_is_told_and_changes_nothing(
    control: Control,
    fake_dns: FakeDNS,
    method: str,
    path: str,
    body: bytes | str | None,
    status: int,
    complaint: str,
) -> None:
    """The running zone stays."""
    given, answer = call(control, method, path, body)
    assert given == status
    assert complaint in answer["error"]
    assert ask(fake_dns, "example.com").answer


def test_a_body_must_have_a_bearable_length(control: Control) -> None:
    """Beyond the bound 413, whether its length was told before or not."""
    path = "/v1/zones/example.com"
    body = b" " * (MAX_BODY_OCTETS + 1)
    assert call(control, "PUT", path, body)[0] == 413
    assert call(control, "PUT", path, iter([body[:-1], body[-1:]]))[0] == 413


def test_queries_are_read_waited_for_and_forgotten(control: Control, fake_dns: FakeDNS) -> None:
    """Filters as in Python; `within` waits for the first match and gives up in time."""
    later = threading.Timer(0.05, ask, (fake_dns, "www.example.com"))
    later.start()
    path = "/v1/queries?name=WWW.example.com&type=A&transport=udp&within=5"
    status, found = call(control, "GET", path)
    later.join()
    assert status == 200
    assert found["queries"][0]["rcode"] == "NXDOMAIN"
    assert call(control, "GET", "/v1/queries?name=a.example&within=0.01") == (200, {"queries": []})
    assert call(control, "DELETE", "/v1/queries") == (204, None)
    assert call(control, "GET", "/v1/queries") == (200, {"queries": []})


def test_a_taken_control_port_is_one_clear_error(control: Control, fake_dns: FakeDNS) -> None:
    """Address, port and what to do."""
    with pytest.raises(CannotListen, match=f"control address .* port {control.port}: port in use"):
        Control(fake_dns, port=control.port)


def test_a_zone_may_be_put_as_a_master_file(control: Control, fake_dns: FakeDNS) -> None:
    """`text/dns` (RFC 4027); what is wrong is told with its line."""
    content_type = {"Content-Type": "text/dns"}
    text = "@ SOA ns1 hostmaster 1 2 3 4 5\nwww A 127.0.0.9\n"
    assert call(control, "PUT", "/v1/zones/m.example", text, content_type)[0] == 200
    assert ask(fake_dns, "www.m.example").answer
    bad = call(control, "PUT", "/v1/zones/m.example", text + "x A y\n", content_type)
    assert bad[0] == 422
    assert bad[1]["error"].startswith('the body:3: "y" does not fit A')


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
