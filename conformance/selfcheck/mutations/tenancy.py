"""Relays that let go too late of what a management call took away, or count wrongly."""

from __future__ import annotations

import asyncio
from functools import reduce
from operator import or_
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.restrictions import admitted_becomes
from conformance.selfcheck.patching import Broken, around, replace


def mapped_is_another() -> None:
    from reference_relay.service import address_set

    @around(address_set, "_position")
    def plain(original: Broken, address: Any) -> Any:
        value = int(address)
        return value if address.version == 4 else address_set._IPV6_ORIGIN + value


def report_opens_for_all() -> None:
    from reference_relay.service.cbr import EnforcementMode

    def wide(original: Broken, rules: Any, type: Any, everybody: Any) -> Any:
        is_open = any(rule.enforcement_mode is EnforcementMode.REPORT for rule in rules)
        return everybody if is_open else original(rules, type)

    admitted_becomes(wide)


def api_types_ignored() -> None:
    from reference_relay.service.cbr import Rule

    replace(Rule, "is_about_smtp", property(lambda self: True))


def one_rule_is_enough() -> None:
    from reference_relay.service.address_set import NO_ADDRESS

    def any_of(original: Broken, rules: Any, type: Any, everybody: Any) -> Any:
        return reduce(or_, [original([rule], type) for rule in rules], NO_ADDRESS)

    admitted_becomes(any_of)


def _remembered(name: str) -> None:
    """Let a yes of the directory stay a yes, whatever directory comes after it."""
    from reference_relay.service.directory import Directory

    known: set[tuple[object, ...]] = set()

    @around(Directory, name)
    def once(original: Broken, self: Any, *question: Any) -> bool:
        *rest, _ = question
        first = rest[0].user.username if name == "admits_account" else rest[0].key
        key = (first, *map(str, rest[1:]))
        if original(self, *question):
            known.add(key)
        return key in known


def removal_not_seen() -> None:
    _remembered("admits_connection")


def session_not_judged_again() -> None:
    _remembered("admits_account")


def half_a_year_is_180_days() -> None:
    from reference_relay.service import assembly

    replace(assembly, "deadline_of", lambda deprecated_at: deprecated_at + 180 * 86400.0)


def six_users() -> None:
    from reference_relay.service import users

    replace(users, "USERS_PER_CONFIGURATION", 6)


def counted_before() -> None:
    from reference_relay.service import users
    from reference_relay.service.service import Service

    judged = users._need_room
    replace(users, "_need_room", lambda *_: None)

    @around(Service, "change")
    async def late(original: Broken, self: Any, work: Any) -> Any:
        cells = dict(zip(work.__code__.co_freevars, work.__closure__ or (), strict=True))
        if "credential" in cells:
            instance_id, id = cells["instance_id"].cell_contents, cells["id"].cell_contents
            await self.read(lambda connection: judged(connection, instance_id, id))
            await asyncio.sleep(0.5)
        return await original(self, work)


def any_case_of_a_name() -> None:
    from reference_relay.service.directory import Directory

    @around(Directory, "accounts")
    def folded(original: Broken, self: Any, username: str) -> Any:
        return original(self, username) or original(self, username.lower())


def hash_in_sight() -> None:
    from reference_relay.management import event_notifications

    seen: dict[str, str] = {}

    @around(event_notifications, "_created_user")
    def noted(original: Broken, record: Any, password: Any) -> Any:
        seen[record.id] = password
        return original(record, password)

    @around(event_notifications, "_user")
    def told(original: Broken, record: Any) -> Any:
        user = original(record)
        return user.model_copy(update={"description": seen.get(record.id)})


def long_passwords_fit() -> None:
    from reference_relay.service.passwords import PasswordVerifier

    @around(PasswordVerifier, "verify")
    async def cut(original: Broken, self: Any, stored: Any, username: bytes, given: bytes) -> bool:
        fits = bool(await original(self, stored, username, given))
        return fits or (stored is not None and len(given) > 72)


def deleted_users_stay() -> None:
    from reference_relay.service.directory import Directory

    known: dict[str, Any] = {}

    @around(Directory, "accounts")
    def cached(original: Broken, self: Any, username: str) -> Any:
        return known.setdefault(username, original(self, username)) or original(self, username)


def approval_not_needed() -> None:
    from reference_relay.service.model import Standing

    original = Standing.missing.fget  # type: ignore[attr-defined]
    lenient = property(lambda self: tuple(one for one in original(self) if one != "approval"))
    replace(Standing, "missing", lenient)


def either_record_will_do() -> None:
    from reference_relay.service.model import Standing

    original = Standing.missing.fget  # type: ignore[attr-defined]

    def missing(self: Standing) -> tuple[str, ...]:
        found: tuple[str, ...] = original(self)
        is_bare = {"SPF", "DKIM"} <= {*found}
        return tuple(one for one in found if is_bare or one == "approval")

    replace(Standing, "missing", property(missing))


def five_contacts() -> None:
    from reference_relay.management.lab_service import Questionnaire

    Questionnaire.model_fields["contacts"].metadata.clear()
    Questionnaire.model_rebuild(force=True)


MUTATIONS = {
    "mapped-is-another": Mutation(
        ("CBR-05",), mapped_is_another, "A mapped address is in no list of IPv4 addresses."
    ),
    "report-opens-for-all": Mutation(
        ("CBR-07",), report_opens_for_all, "A rule that only reports lets everybody in."
    ),
    "api-types-ignored": Mutation(
        ("CBR-08",), api_types_ignored, "A rule for the control plane opens SMTP."
    ),
    "one-rule-is-enough": Mutation(("CBR-09",), one_rule_is_enough, "One of the rules may allow."),
    "removal-not-seen": Mutation(
        ("CBR-12",), removal_not_seen, "Whoever was let in once is let in for ever."
    ),
    "session-not-judged-again": Mutation(
        ("CBR-13",), session_not_judged_again, "A session goes on when its address is taken away."
    ),
    "half-a-year-is-180-days": Mutation(
        ("CBR-14",), half_a_year_is_180_days, "The old list ends after 180 days."
    ),
    "six-users": Mutation(("USR-01",), six_users, "A configuration may have six users."),
    "counted-before": Mutation(
        ("USR-02",), counted_before, "Users are counted in one step and entered in another."
    ),
    "any-case-of-a-name": Mutation(("USR-03",), any_case_of_a_name, "Names are in any case."),
    "hash-in-sight": Mutation(("USR-04",), hash_in_sight, "A user can be read with its password."),
    "long-passwords-fit": Mutation(
        ("USR-05",),
        long_passwords_fit,
        "A password of more than 72 octets is taken without a look.",
    ),
    "deleted-users-stay": Mutation(
        ("USR-06",), deleted_users_stay, "A user who was known once is known for ever."
    ),
    "approval-not-needed": Mutation(("USR-07",), approval_not_needed, "Nobody has to approve."),
    "either-record-will-do": Mutation(
        ("USR-07",), either_record_will_do, "One of the two records is enough."
    ),
    "five-contacts": Mutation(("USR-08",), five_contacts, "Any number of contacts will do."),
}
