"""Changing the service under test through its control plane, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.judgement import inconclusive, must, must_reply, not_observable
from conformance.steps import must_answer
from fixtures.plugin import Connect
from fixtures.probe import ConnectionLost, HandshakeFailed, SMTPProbe
from fixtures.service_control import Answer, ControlFailed, Managed, OperationMissing
from fixtures.target import Account

SMTP_API = "crn:v1:bluemix:public:event-notifications::::api-type:smtp-configuration"
CONTROL_PLANE_API = "crn:v1:bluemix:public:context-based-restrictions::::api-type:control-plane"


_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Made:
    """A zone or a rule, with what its next change has to name."""

    id: str
    tag: str


class Tenancy:
    """The instance that checks may change.

    Args:
        managed: Which, and how.
        connect: Opens connections.
    """

    def __init__(self, managed: Managed, connect: Connect) -> None:
        self.managed = managed
        self._connect = connect
        self._undo: list[tuple[str, dict[str, Any]]] = []

    # -- operations --------------------------------------------------------------------------

    def perform(self, operation: str, **arguments: Any) -> Answer:
        """Do an operation of OPERATIONS; one that is missing, or fails, ends the check."""
        try:
            return self.managed.control.perform(operation, **arguments)
        except OperationMissing:
            not_observable(f"the control plane has no {operation}")
        except ControlFailed as failure:
            inconclusive(f"the control plane gave no answer: {failure}")

    def do(self, operation: str, **arguments: Any) -> Answer:
        """Do an operation that must succeed."""
        answer = self.perform(operation, **arguments)
        must(answer.is_accepted, expected=f"{operation} to succeed", observed=answer.shown)
        return answer

    def clean(self) -> None:
        """Undo what was made, the latest first."""
        while self._undo:
            operation, arguments = self._undo.pop()
            with contextlib.suppress(ControlFailed, OperationMissing):
                self.managed.control.perform(operation, **arguments)

    # -- zones and rules -----------------------------------------------------------------------

    def zone(self, *addresses: str, excluded: Sequence[str] = ()) -> Made:
        """Make a zone of addresses, ranges and subnets."""
        answer = self.do("create_zone", **self._zone(addresses, excluded))
        self._undo.append(("delete_zone", {"zone_id": answer.body["id"]}))
        return Made(str(answer.body["id"]), answer.tag)

    def change_zone(self, zone: Made, *addresses: str) -> Made:
        """Put other addresses into a zone."""
        answer = self.do(
            "replace_zone", zone_id=zone.id, if_match=zone.tag, **self._zone(addresses, ())
        )
        return replace(zone, tag=answer.tag)

    def rule(
        self,
        *contexts: tuple[Made, str | None],
        mode: str = "enabled",
        api_types: Sequence[str] = (SMTP_API,),
    ) -> Made:
        """Make a rule for the instance; contexts are a zone and an endpoint type, None for any."""
        answer = self.do("create_rule", **self._rule(contexts, mode, api_types))
        self._undo.append(("delete_rule", {"rule_id": answer.body["id"]}))
        return Made(str(answer.body["id"]), answer.tag)

    def drop_rule(self, rule: Made) -> None:
        """Remove a rule."""
        self.do("delete_rule", rule_id=rule.id)

    def _zone(self, addresses: Sequence[str], excluded: Sequence[str]) -> dict[str, Any]:
        return {
            "name": f"check {uuid.uuid4()}",
            "account_id": self.managed.account_id,
            "addresses": [_address(one) for one in addresses],
            "excluded": [_address(one) for one in excluded],
        }

    def _rule(
        self, contexts: Sequence[tuple[Made, str | None]], mode: str, api_types: Sequence[str]
    ) -> dict[str, Any]:
        about = {
            "accountId": self.managed.account_id,
            "serviceName": "event-notifications",
            "serviceInstance": self.managed.instance_id,
        }
        return {
            "contexts": [
                {
                    "attributes": [
                        {"name": "networkZoneId", "value": zone.id},
                        *([{"name": "endpointType", "value": type}] if type else []),
                    ]
                }
                for zone, type in contexts
            ],
            "resources": [{"attributes": [{"name": n, "value": v} for n, v in about.items()]}],
            "operations": {"api_types": [{"api_type_id": one} for one in api_types]},
            "enforcement_mode": mode,
        }

    def list_of_old(self, source: str, deprecated_days_ago: float) -> None:
        """Put an address alone on the old allowlist of the configuration that may send."""
        now = self.do("lab_clock").body["seconds"]
        self.put_old_list(source, now - deprecated_days_ago * _DAY)

    def put_old_list(self, source: str, deprecated_at: float) -> str:
        """Do so with a second since the epoch; return the time until which it counts."""
        list_with = {**self._in(""), "subnets": [source]}
        answer = self.do("lab_legacy_allowlist", **list_with, deprecated_at=deprecated_at)
        # Afterwards one that is over.
        self._undo.append(("lab_legacy_allowlist", {**list_with, "deprecated_at": 0}))
        return str(answer.body["valid_until"])

    # -- configurations and users --------------------------------------------------------------

    def configuration(self, domain: str) -> Mapping[str, Any]:
        """Make a configuration."""
        answer = self.do(
            "create_smtp_configuration",
            instance_id=self.managed.instance_id,
            name=f"check {uuid.uuid4()}",
            domain=domain,
        )
        own = {"instance_id": self.managed.instance_id, "id": answer.body["id"]}
        self._undo.append(("delete_smtp_configuration", own))
        return answer.body

    def try_user(self, configuration_id: str = "", **more: Any) -> Answer:
        """Ask for a user; by default of the configuration that may send."""
        own = self._in(configuration_id)
        answer = self.perform("create_smtp_user", **own, **more)
        if answer.is_accepted:
            self._undo.append(("delete_smtp_user", {**own, "user_id": answer.body["id"]}))
        return answer

    def user(self, configuration_id: str = "") -> tuple[Account, str]:
        """Make a user; return its credentials and its id."""
        answer = self.try_user(configuration_id)
        must(answer.is_accepted, expected="a user to be made", observed=answer.shown)
        body = answer.body
        account = Account("managed", body["username"], body["password"], body["domain"])
        return account, str(body["id"])

    def drop_user(self, user_id: str, configuration_id: str = "") -> None:
        """Delete a user."""
        self.do("delete_smtp_user", **self._in(configuration_id), user_id=user_id)

    def users(self, configuration_id: str = "") -> list[Mapping[str, Any]]:
        """List the users of a configuration, at most a hundred."""
        answer = self.do("list_smtp_users", **self._in(configuration_id), limit=100)
        return list(answer.body["users"])

    def own(self, configuration_id: str = "") -> dict[str, Any]:
        """Name a configuration of the instance, as operations want it."""
        return self._in(configuration_id)

    def _in(self, configuration_id: str) -> dict[str, Any]:
        return {
            "instance_id": self.managed.instance_id,
            "id": configuration_id or self.managed.configuration_id,
        }

    # -- what follows at the doors -----------------------------------------------------------

    def source(self, number: int = 0) -> str:
        """Return a local address that nobody else admits."""
        if number >= len(self.managed.sources):
            not_observable("needs more client addresses that nobody else admits")
        return self.managed.sources[number]

    def probe(self, source: str, type: str = "public") -> SMTPProbe:
        """Open a connection."""
        return self._connect(region=self.managed.region, type=type, source=source)

    def lets_in(self, source: str, type: str = "public") -> bool:
        """Tell whether an address gets a 220."""
        try:
            return self.probe(source, type).read_reply().code == 220
        except (ConnectionLost, HandshakeFailed):
            return False

    def secure(self, source: str, type: str = "public") -> SMTPProbe:
        """Open a connection up to the second EHLO."""
        probe = self.probe(source, type)
        must_answer(probe.read_reply(), "220", f"{source} is admitted")
        must_answer(probe.ehlo(), "250", "the address is admitted")
        must_answer(probe.starttls(), "220", "the address is admitted")
        must_answer(probe.ehlo(), "250", "the address is admitted")
        return probe

    def sign_in(self, account: Account, source: str) -> SMTPProbe:
        """Open a session that may send."""
        probe = self.secure(source)
        must_answer(probe.auth_plain(account), "235", "the credentials were made for this")
        return probe


def _address(text: str) -> dict[str, str]:
    kind = "subnet" if "/" in text else "ipRange" if "-" in text else "ipAddress"
    return {"type": kind, "value": text}


def must_not_go_on(probe: SMTPProbe, sender: str, because: str) -> None:
    """Demand that a session cannot begin a transaction any more."""
    try:
        must_reply(probe.mail(sender), ("421", "451", "5yz"), because=because)
    except ConnectionLost:
        return
