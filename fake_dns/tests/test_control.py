"""The HTTP control port, over HTTP: health, zones, queries."""

import json
import threading

import pytest

from fake_dns import CannotListen, FakeDNS, Zone
from fake_dns.control import Control
from fake_dns.control_body import MAX_BODY_OCTETS
from fake_dns.tests.control_client import ask, call


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
        ("PUT", "/v1/zones/%ff", "{}", 400, "not ASCII"),
        ("PUT", "/v1/zones/example.com", '{"records": {"\\ud800": {}}}', 422, "\\ud800"),
        (
            "PUT",
            "/v1/zones/example.com",
            '{"records": {"@": {"TXT": "\\ud800"}}}',
            422,
            "cannot be encoded as UTF-8",
        ),
        ("PUT", "/v1/zones/example.com", '{"ttl": 1' + "0" * 5000 + "}", 400, "not JSON"),
        ("POST", "/v1/clock", '{"advance": Infinity}', 400, "advance: Input should be"),
        ("POST", "/v1/clock", '{"advance": NaN}', 400, "advance: Input should be"),
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
