"""The vendor's SDK for Event Notifications, unmodified, drives every operation for SMTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.authenticators import BearerTokenAuthenticator
from ibm_eventnotifications.event_notifications_v1 import (
    BounceMetrics,
    EventNotificationsV1,
    Metrics,
    SmtpConfigurationsPager,
    SmtpUsersPager,
)

from reference_relay.mail.address import Mailbox
from reference_relay.management import mail_metrics
from reference_relay.management.tests.asking import asked
from reference_relay.management.tests.served import TOKEN, Served, served
from reference_relay.queue.queued_message import (
    MessageState,
    MessageStatus,
    RecipientState,
    RecipientStatus,
    StatusEvent,
)
from reference_relay.service.verification import VerificationState

DKIM_WORDS = "v=DKIM1; k=rsa; p="


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture
def instance(api: Served) -> str:
    id = str(uuid.uuid4())
    assert asked(api, "PUT", f"/lab/v1/instances/{id}", {"region": "eu-gb"}).status == 201
    return id


@pytest.fixture
def sdk(api: Served) -> EventNotificationsV1:
    client = EventNotificationsV1(authenticator=BearerTokenAuthenticator(TOKEN))
    client.set_service_url(f"{api.url}")
    return client


def made(sdk: EventNotificationsV1, instance: str, name: str = "first") -> dict[str, Any]:
    answer = sdk.create_smtp_configuration(instance, name, f"{name}.example.com")
    assert answer.get_status_code() == 201
    result: dict[str, Any] = answer.get_result()
    return result


def made_user(sdk: EventNotificationsV1, instance: str, id: str) -> dict[str, Any]:
    answer = sdk.create_smtp_user(instance, id, description="one of five")
    assert answer.get_status_code() == 201
    result: dict[str, Any] = answer.get_result()
    return result


def test_create_configuration(sdk: EventNotificationsV1, instance: str) -> None:
    """A new configuration names its records, and nothing of it is verified."""
    answer = made(sdk, instance)
    config = answer["config"]
    assert answer["created_at"].endswith("Z")
    assert "updated_at" not in answer
    selector, _, name = config["dkim"]["txt_name"].partition("._domainkey.")
    assert (str(uuid.UUID(selector)), name) == (selector, "first.example.com")
    assert config["dkim"]["txt_value"].startswith(DKIM_WORDS)
    # The vendor's limit, which RSA-2048 keeps and RSA-4096 would not.
    assert len(config["dkim"]["txt_value"]) <= 500
    # Region eu-gb is served from us-south.
    spf = "v=spf1 include:_spf.smtp.us-south.event-notifications.cloud.ibm.com ~all"
    assert config["spf"] == {
        "txt_name": "first.example.com",
        "txt_value": spf,
        "verification": "PENDING",
    }
    assert config["en_authorization"] == {"verification": "PENDING"}


def test_list_configurations(sdk: EventNotificationsV1, instance: str) -> None:
    """The pager of the SDK finds each of them once, in parts, and a search narrows it down."""
    for number in range(5):
        made(sdk, instance, f"mail{number}")
    pager = SmtpConfigurationsPager(client=sdk, instance_id=instance, limit=2)
    names = [one["name"] for one in pager.get_all()]
    assert names == [f"mail{number}" for number in range(5)]
    found = sdk.list_smtp_configurations(instance, search="MAIL3").get_result()
    assert (found["total_count"], found["smtp_configurations"][0]["name"]) == (1, "mail3")


def test_get_configuration(sdk: EventNotificationsV1, instance: str) -> None:
    """What was created can be read, with the time of its last change instead of its first."""
    created = made(sdk, instance)
    read = sdk.get_smtp_configuration(instance, created["id"]).get_result()
    assert read["config"] == created["config"]
    assert "created_at" not in read
    assert read["updated_at"]


def test_update_configuration(sdk: EventNotificationsV1, instance: str) -> None:
    """Name and description change, the domain stays."""
    created = made(sdk, instance)
    answer = sdk.update_smtp_configuration(
        instance, created["id"], name="renamed", description="why"
    )
    assert answer.get_status_code() == 200
    result = answer.get_result()
    assert (result["name"], result["description"]) == ("renamed", "why")
    assert result["domain"] == created["domain"]


def test_verify_each_and_all(sdk: EventNotificationsV1, instance: str, api: Served) -> None:
    """Each type alone and all in one call: the answer is a list, and the result stays."""
    id = made(sdk, instance)["id"]
    for type in ("spf", "dkim", "en_authorization"):
        api.domains.state = VerificationState.FAILED
        answer = sdk.update_verify_smtp(instance, id, type)
        assert answer.get_status_code() == 200
        state = "PENDING" if type == "en_authorization" else "FAILED"
        assert answer.get_result() == {"status": [{"type": type, "verification": state}]}
    api.domains.state = VerificationState.VERIFIED
    both = sdk.update_verify_smtp(instance, id, "dkim,spf,en_authorization").get_result()
    assert [one["type"] for one in both["status"]] == ["dkim", "spf", "en_authorization"]
    config = sdk.get_smtp_configuration(instance, id).get_result()["config"]
    assert config["spf"]["verification"] == config["dkim"]["verification"] == "VERIFIED"
    # Only a person gives the third.
    assert config["en_authorization"]["verification"] == "PENDING"


def test_delete_configuration(sdk: EventNotificationsV1, instance: str) -> None:
    """What was deleted is not found, its users with it."""
    id = made(sdk, instance)["id"]
    user = made_user(sdk, instance, id)
    assert sdk.delete_smtp_configuration(instance, id).get_status_code() == 204
    calls: list[Callable[[], Any]] = [
        lambda: sdk.get_smtp_configuration(instance, id),
        lambda: sdk.get_smtp_user(instance, id, user["id"]),
        lambda: sdk.delete_smtp_configuration(instance, id),
    ]
    for call in calls:
        with pytest.raises(ApiException) as raised:
            call()
        assert raised.value.status_code == 404
        assert raised.value.global_transaction_id


def test_create_user(sdk: EventNotificationsV1, instance: str) -> None:
    """The name has the vendor's form, and the password is seen once."""
    id = made(sdk, instance)["id"]
    user = made_user(sdk, instance, id)
    name = user["username"]
    assert len(name) == 20
    assert name[:18].isalnum()
    assert name[:18] == name[:18].lower()
    assert name[18:].isdigit()
    assert len(user["password"]) >= 24
    assert (user["smtp_config_id"], user["domain"]) == (id, "first.example.com")
    assert "password" not in sdk.get_smtp_user(instance, id, user["id"]).get_result()


def test_sixth_user(sdk: EventNotificationsV1, instance: str) -> None:
    """There are five users, not six; a deletion makes room for one."""
    id = made(sdk, instance)["id"]
    users = [made_user(sdk, instance, id) for _ in range(5)]
    with pytest.raises(ApiException) as raised:
        sdk.create_smtp_user(instance, id)
    assert (raised.value.status_code, "at most 5 users" in str(raised.value)) == (409, True)
    sdk.delete_smtp_user(instance, id, users[2]["id"])
    made_user(sdk, instance, id)


def test_clone_user(sdk: EventNotificationsV1, instance: str, api: Served) -> None:
    """A clone is the same name for another domain, without a password of its own."""
    first, second = made(sdk, instance)["id"], made(sdk, instance, "second")["id"]
    user = made_user(sdk, instance, first)
    name = user["username"]
    clone = sdk.create_smtp_user(instance, second, username_to_clone=name).get_result()
    assert (clone["username"], clone.get("password")) == (name, None)
    domains = [one.configuration.domain for one in api.relay.directory.accounts(name)]
    assert domains == ["first.example.com", "second.example.com"]
    sdk.delete_smtp_user(instance, first, user["id"])
    assert len(api.relay.directory.accounts(name)) == 1
    sdk.delete_smtp_user(instance, second, clone["id"])
    assert api.relay.directory.accounts(name) == ()
    with pytest.raises(ApiException) as raised:
        sdk.create_smtp_user(instance, first, username_to_clone=name)
    assert raised.value.status_code == 404


def test_list_users(sdk: EventNotificationsV1, instance: str) -> None:
    """The pager finds each user once."""
    id = made(sdk, instance)["id"]
    names = [made_user(sdk, instance, id)["username"] for _ in range(5)]
    pager = SmtpUsersPager(client=sdk, instance_id=instance, id=id, limit=2)
    assert [one["username"] for one in pager.get_all()] == names
    # The SDK's model wants the key, whatever it holds.
    sdk.delete_smtp_user(instance, id, pager_user := made_last(sdk, instance, id))
    bare = sdk.create_smtp_user(instance, id).get_result()
    listed = sdk.list_smtp_users(instance, id).get_result()["users"]
    assert pager_user not in {one["id"] for one in listed}
    assert next(one for one in listed if one["id"] == bare["id"])["description"] is None
    found = sdk.list_smtp_users(instance, id, search=names[3][:9]).get_result()
    assert [one["username"] for one in found["users"]] == [names[3]]


def made_last(sdk: EventNotificationsV1, instance: str, id: str) -> str:
    return str(sdk.list_smtp_users(instance, id).get_result()["users"][-1]["id"])


def test_update_user(sdk: EventNotificationsV1, instance: str) -> None:
    """The description changes, the name does not."""
    id = made(sdk, instance)["id"]
    user = made_user(sdk, instance, id)
    changed = sdk.update_smtp_user(instance, id, user["id"], description="newly").get_result()
    assert (changed["description"], changed["username"]) == ("newly", user["username"])


def test_delete_user(sdk: EventNotificationsV1, instance: str, api: Served) -> None:
    """When the call returns, the directory in force has no such user."""
    id = made(sdk, instance)["id"]
    user = made_user(sdk, instance, id)
    assert api.relay.directory.account(user["username"])
    assert sdk.delete_smtp_user(instance, id, user["id"]).get_status_code() == 204
    assert api.relay.directory.account(user["username"]) is None


def test_allowed_addresses(sdk: EventNotificationsV1, instance: str, api: Served) -> None:
    """What rules let in; or the old list, where there is one."""
    id = made(sdk, instance)["id"]
    assert sdk.get_smtp_allowed_ips(instance, id).get_result()["subnets"] == []
    path = f"/lab/v1/instances/{instance}/configurations/{id}/legacy_allowlist"
    listed = {"subnets": ["192.0.2.0/24", "192.168.1.64"], "deprecated_at": 1721174400}
    answer = asked(api, "PUT", path, listed)
    assert answer.body["valid_until"] == "2025-01-17T00:00:00.000Z"
    found = sdk.get_smtp_allowed_ips(instance, id).get_result()
    assert found["subnets"] == listed["subnets"]
    assert found["updated_at"]


# 2026-01-01T00:00:00Z, and the day from there.
NEW_YEAR = 1767225600.0
DAY = {"gte": "2026-01-01T00:00:00Z", "lte": "2026-01-01T23:59:59Z"}


def history(name: str, *steps: tuple[float, RecipientState, str]) -> RecipientStatus:
    events = (StatusEvent(NEW_YEAR + at, state, text) for at, state, text in steps)
    return RecipientStatus(Mailbox(name, "far.example"), tuple(events))


def sent(configuration_id: str, number: int, *recipients: RecipientStatus) -> MessageStatus:
    return MessageStatus(
        f"Q{number}",
        recipients[0].history[0].at,
        recipients,
        configuration_id,
        Mailbox("mailer", "first.example.com"),
        state=MessageState.SETTLED,
    )


@pytest.fixture
def mailed(
    sdk: EventNotificationsV1, instance: str, api: Served, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A configuration that has sent: one came, one came late, two bounced, one the day after."""
    # What is read page by page is counted once.
    monkeypatch.setattr(mail_metrics, "_PER_READ", 2)
    id = str(made(sdk, instance)["id"])
    submitted, deferred = RecipientState.SUBMITTED, RecipientState.DEFERRED
    delivered, bounced = RecipientState.DELIVERED, RecipientState.BOUNCED
    api.relay.mail += [
        sent(id, 4, history("late", (86400, submitted, ""), (86401, delivered, "250"))),
        sent(
            id, 3, history("gone", (7200, submitted, ""), (7201, bounced, "550 gone@far.example"))
        ),
        sent(
            id,
            2,
            history("here", (60, submitted, ""), (61, delivered, "250")),
            history("slow", (60, submitted, ""), (62, deferred, "450"), (1900, delivered, "250")),
        ),
        # Accepted the day before, given up on this one.
        sent(id, 1, history("deaf", (-60, submitted, ""), (30, bounced, "no answer"))),
        sent("another", 0, history("alien", (60, submitted, ""), (61, delivered, "250"))),
    ]
    return id


def test_get_metrics(sdk: EventNotificationsV1, instance: str, mailed: str) -> None:
    """Five figures, each over time in 48 buckets at most, of one configuration and one day."""
    answer = sdk.get_metrics(instance, **DAY, smtp_config_id=mailed).get_result()
    metrics = Metrics.from_dict(answer).metrics
    counts = {one.key: one.doc_count for one in metrics}
    assert counts == {"bounced": 2, "deferred": 1, "opened": 0, "success": 2, "submitted": 3}
    assert len(metrics) == 5
    for one in metrics:
        buckets = one.histogram.buckets
        assert len(buckets) <= 48
        assert sum(each.doc_count for each in buckets) == one.doc_count
    bounced = next(one for one in metrics if one.key == "bounced").histogram.buckets
    begins = [each.key_as_string.timestamp() - NEW_YEAR for each in bounced if each.doc_count]
    width = bounced[1].key_as_string.timestamp() - bounced[0].key_as_string.timestamp()
    assert begins == [0.0, 7201 // width * width]
    of_one = sdk.get_metrics(
        instance, **DAY, smtp_config_id=mailed, email_to="Slow@far.example"
    ).get_result()
    assert [one["doc_count"] for one in of_one["metrics"]] == [0, 1, 0, 1, 1]


def test_get_bounce_metrics(sdk: EventNotificationsV1, instance: str, mailed: str) -> None:
    """Who was not reached, the latest first, page by page; no address is in clear."""
    answer = sdk.get_bounce_metrics(instance, **DAY, smtp_config_id=mailed).get_result()
    bounces = BounceMetrics.from_dict(answer)
    assert (bounces.total_count, bounces.offset, bounces.limit) == (2, 0, 10)
    assert [(one.email_address, one.error_message) for one in bounces.metrics] == [
        ("g*n*@far.example", "550 g*n*@far.example"),
        ("d*a*@far.example", "no answer"),
    ]
    assert bounces.metrics[0].timestamp.timestamp() == NEW_YEAR + 7201
    second = sdk.get_bounce_metrics(
        instance, **DAY, smtp_config_id=mailed, limit=1, offset=1
    ).get_result()
    assert [one["email_address"] for one in second["metrics"]] == ["d*a*@far.example"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"gte": "2026-01-02T00:00:00Z", "lte": "2026-01-01T00:00:00Z"}, 400),
        ({"gte": "2026-02-30T00:00:00Z"}, 400),
        ({"gte": "2026-01-01"}, 400),
        ({"smtp_config_id": None}, 400),
        ({"smtp_config_id": "nobody"}, 404),
        ({"email_to": "nowhere"}, 400),
        ({"subject": "Hello"}, 400),
        ({"destination_type": "smtp_custom"}, 400),
    ],
)
def test_metrics_that_cannot_be(
    sdk: EventNotificationsV1, instance: str, mailed: str, query: dict[str, Any], status: int
) -> None:
    """No such time or configuration, or a filter that SMTP has nothing for: the envelope."""
    for call in (sdk.get_metrics, sdk.get_bounce_metrics):
        with pytest.raises(ApiException) as raised:
            call(instance, **{**DAY, "smtp_config_id": mailed, **query})
        assert raised.value.status_code == status
        assert next(iter(query)) in str(raised.value) or status == 404
