"""Whatever is wrong with a call: the envelope, with a code and what was expected; no change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reference_relay.management.body_gate import MOST_OCTETS
from reference_relay.management.tests.asking import Answer, asked
from reference_relay.management.tests.served import Served, served
from reference_relay.service.verification import StoreUnavailable

ACCOUNT = "bad-input"
ADDRESS = {"type": "ipAddress", "value": "192.0.2.1"}
ZONE = {"name": "z", "account_id": ACCOUNT, "addresses": [ADDRESS]}
USE = dict.fromkeys(
    ("list_acquisition", "bounces_and_complaints", "unsubscribing", "rate", "list_cleaning"), "so"
)
ANSWERS: dict[str, Any] = {
    "kind": "transactional",
    "website": "https://example.com/",
    "use": USE,
    "contacts": ["a@example.com", "b@example.com", "c@example.com", "d@example.com"],
    "reply_to": "reply@example.com",
    "consent": True,
    "unsubscribe_link": True,
    "well_formed_html": "checked by a parser",
}


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def instance(api: Served) -> str:
    id = str(uuid.uuid4())
    assert asked(api, "PUT", f"/lab/v1/instances/{id}", {"region": "us-south"}).status == 201
    return id


@pytest.fixture(scope="module")
def configuration(api: Served, instance: str) -> str:
    path = f"/v1/instances/{instance}/smtp/config"
    made = asked(api, "POST", path, {"name": "n", "domain": "example.com"})
    assert made.status == 201
    return str(made.body["id"])


def must_be(answer: Answer, status: int, expected: str) -> None:
    """Demand the envelope with this status, and what was expected in its first message."""
    assert answer.status == status, answer.body
    assert set(answer.body) == {"status_code", "trace", "errors"}
    assert answer.body["status_code"] == status
    assert answer.headers["x-global-transaction-id"] == answer.body["trace"]
    first = answer.body["errors"][0]
    assert set(first) == {"code", "message", "more_info"}
    assert expected in first["message"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"addresses": [{"type": "ipAddress", "value": "192.0.2.256"}]}, "expected an address"),
        ({"addresses": [{"type": "ipAddress", "value": "192.0.2.0/24"}]}, "expected an address"),
        ({"addresses": [{"type": "ipRange", "value": "192.0.2.9-192.0.2.1"}]}, "expected a range"),
        ({"addresses": [{"type": "ipRange", "value": "192.0.2.9-::1"}]}, "expected a range"),
        ({"addresses": [{"type": "subnet", "value": "192.0.2.1/24"}]}, "expected a subnet"),
        ({"addresses": [{"type": "subnet", "value": "192.0.2.0/33"}]}, "expected a subnet"),
        ({"addresses": [{"type": "planet", "value": "192.0.2.1"}]}, "addresses.0"),
        ({"addresses": []}, "addresses: "),
        ({"addresses": [ADDRESS] * 1001}, "addresses: "),
        ({"excluded": [{"type": "vpc", "value": "crn:x"}]}, "excluded.0.type"),
        ({"name": "z/../z"}, "name: "),
        ({"name": "z" * 129}, "name: "),
        ({"colour": "green"}, "colour: "),
        ({"account_id": None}, "account_id: "),
    ],
)
def test_a_zone_that_is_none(api: Served, change: dict[str, Any], expected: str) -> None:
    """Malformed zones are refused with 400 and change nothing."""
    before = api.relay.published
    must_be(asked(api, "POST", "/v1/zones", ZONE | change), 400, expected)
    assert api.relay.published == before
    assert asked(api, "GET", f"/v1/zones?account_id={ACCOUNT}").body["count"] == 0


@pytest.mark.parametrize(
    "domain",
    ["", "example", "exa mple.com", "-a.com", "a..com", "1.2.3.4", "x" * 64 + ".com", "a@b.com"],
)
def test_a_domain_that_is_none(api: Served, instance: str, domain: str) -> None:
    """What cannot be a sender domain is refused with 400."""
    path = f"/v1/instances/{instance}/smtp/config"
    must_be(asked(api, "POST", path, {"name": "other", "domain": domain}), 400, "domain: ")


@pytest.mark.parametrize("region", ["us-west", "", "US-South", "eu-de "])
def test_a_region_that_is_none(api: Served, region: str) -> None:
    """An instance lives in a region of the profile, in exactly its spelling."""
    path = f"/lab/v1/instances/{uuid.uuid4()}"
    must_be(asked(api, "PUT", path, {"region": region}), 400, "region: ")


def test_what_is_taken(api: Served, instance: str, configuration: str) -> None:
    """A taken name, and a taken domain in whatever spelling, are conflicts (D-21)."""
    path = f"/v1/instances/{instance}/smtp/config"
    for name, domain, kind in (
        ("n", "other.example", "name"),
        ("m", "EXAMPLE.com.", "domain"),
    ):
        answer = asked(api, "POST", path, {"name": name, "domain": domain})
        must_be(answer, 409, f"has the {kind}")
        assert answer.body["errors"][0]["code"] == f"{kind}_taken"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"contacts": [*ANSWERS["contacts"], "e@example.com"]}, "contacts: "),
        ({"contacts": []}, "contacts: "),
        ({"contacts": ["nobody"]}, "expected an e-mail address"),
        ({"reply_to": "a@b@"}, "expected an e-mail address"),
        ({"consent": False}, "consent: "),
        ({"use": {**USE, "rate": ""}}, "use.rate: "),
        ({"website": "example.com"}, "website: "),
        ({"kind": "both"}, "kind: "),
    ],
)
def test_answers_that_are_none(
    api: Served, instance: str, configuration: str, change: dict[str, Any], expected: str
) -> None:
    """All eight points are needed, with one to four contacts (S-5)."""
    path = f"/lab/v1/instances/{instance}/configurations/{configuration}/questionnaire"
    must_be(asked(api, "PUT", path, ANSWERS | change), 400, expected)
    must_be(asked(api, "POST", f"{path}/approve"), 400, "the questionnaire first")


def test_a_missing_answer(api: Served, instance: str, configuration: str) -> None:
    """Each point is named when it is missing."""
    path = f"/lab/v1/instances/{instance}/configurations/{configuration}/questionnaire"
    for point in ANSWERS:
        rest = {name: answer for name, answer in ANSWERS.items() if name != point}
        must_be(asked(api, "PUT", path, rest), 400, f"{point}: ")


def test_review(api: Served, instance: str) -> None:
    """Answers wait for review; it approves or rejects, with a reason that is shown."""
    made = asked(
        api,
        "POST",
        f"/v1/instances/{instance}/smtp/config",
        {"name": "reviewed", "domain": "reviewed.example"},
    )
    path = f"/lab/v1/instances/{instance}/configurations/{made.body['id']}/questionnaire"

    def approval(answer: Answer) -> tuple[str, str]:
        assert answer.status == 200
        last = answer.body["verifications"][2]
        return last["state"], last["reason"]

    assert approval(asked(api, "PUT", path, ANSWERS))[0] == "PENDING"
    rejected = asked(api, "POST", f"{path}/reject", {"reason": "no imprint"})
    assert approval(rejected) == ("FAILED", "no imprint")
    assert approval(asked(api, "PUT", path, ANSWERS))[0] == "PENDING"
    assert approval(asked(api, "POST", f"{path}/approve")) == ("VERIFIED", "")


def test_bodies(api: Served, instance: str) -> None:
    """No JSON is 400, another type 415, too much of it 413."""
    path = f"/v1/instances/{instance}/smtp/config"
    json_type = {"Content-Type": "application/json"}
    must_be(asked(api, "POST", path, octets=b"{", headers=json_type), 400, "JSON")
    must_be(asked(api, "POST", path, octets=b"\xff", headers=json_type), 400, "")
    must_be(asked(api, "POST", path, [1]), 400, "")
    plain = {"Content-Type": "text/plain"}
    must_be(asked(api, "POST", path, octets=b"{}", headers=plain), 415, "application/json")
    huge = b'{"name": "' + b"a" * MOST_OCTETS + b'"}'
    must_be(asked(api, "POST", path, octets=huge, headers=json_type), 413, "at most")


def test_methods_and_places(api: Served, instance: str, configuration: str) -> None:
    """A wrong method is 405 and says what is allowed; what is not there is 404."""
    path = f"/v1/instances/{instance}/smtp/config/{configuration}"
    answer = asked(api, "PUT", path, {})
    must_be(answer, 405, "Method")
    assert answer.headers["allow"]
    must_be(asked(api, "GET", f"{path}/nothing"), 404, "Not Found")
    must_be(asked(api, "GET", f"/v1/instances/{uuid.uuid4()}/smtp/config"), 404, "instance")
    must_be(asked(api, "PATCH", f"{path}/verify?type=spf,mx"), 400, "type")
    must_be(asked(api, "PATCH", f"{path}/verify"), 400, "type")
    for query in ("limit=0", "limit=101", "offset=-1", "limit=x", "offset=99999999999999999999"):
        must_be(asked(api, "GET", f"{path}/users?{query}"), 400, query.partition("=")[0])


def test_a_change_without_an_etag(api: Served) -> None:
    """If-Match is asked for."""
    must_be(asked(api, "PUT", "/v1/zones/x", ZONE), 400, "If-Match")


def test_twenty_at_once_make_five(api: Served, instance: str) -> None:
    """Of twenty parallel creations at four users, one succeeds (USR-02)."""
    path = f"/v1/instances/{instance}/smtp/config"
    made = asked(api, "POST", path, {"name": "crowd", "domain": "crowd.example"})
    users = f"{path}/{made.body['id']}/users"
    for _ in range(4):
        assert asked(api, "POST", users, {}).status == 201
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: asked(api, "POST", users, {}), range(20)))
    assert sorted(one.status for one in answers) == [201] + [409] * 19
    assert asked(api, "GET", users).body["total_count"] == 5


def test_a_store_that_is_gone(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 on the API, without a word of where the store is; health says degraded."""

    def gone(*_: object) -> None:
        raise StoreUnavailable("postgresql://somewhere/inside")

    monkeypatch.setattr(api.service._store, "read", gone)
    answer = asked(api, "GET", f"/v1/zones?account_id={ACCOUNT}")
    must_be(answer, 503, "cannot be reached")
    assert "somewhere" not in str(answer.body)
    health = asked(api, "GET", "/healthz")
    assert (health.status, health.body) == (200, {"status": "degraded"})
    monkeypatch.undo()
    assert asked(api, "GET", f"/v1/zones?account_id={ACCOUNT}").status == 200
    assert asked(api, "GET", "/healthz").body == {"status": "ok"}
