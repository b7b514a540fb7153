"""CBR with a control plane: what rules mean, and from when on they count."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.tenancy import (
    CONTROL_PLANE_API,
    SMTP_API,
    Made,
    Tenancy,
    must_not_go_on,
)
from conformance.steps import must_answer, must_refuse


def must_let_in(tenancy: Tenancy, source: str, because: str, type: str = "public") -> None:
    """Demand a 220."""
    must(tenancy.lets_in(source, type), expected=f"{source} to be let in: {because}")


def must_keep_out(tenancy: Tenancy, source: str, because: str, type: str = "public") -> None:
    """Demand anything but a 220."""
    must(not tenancy.lets_in(source, type), expected=f"{source} to be kept out: {because}")


@requirement("CBR-05")
def test_a_mapped_address_admits_its_ipv4_address(tenancy: Tenancy) -> None:
    """::ffff:a.b.c.d in a zone is a.b.c.d."""
    inside, outside = tenancy.source(0), tenancy.source(1)
    tenancy.rule((tenancy.zone(f"::ffff:{inside}"), None))
    must_let_in(tenancy, inside, "its mapped form is in the zone")
    must_keep_out(tenancy, outside, "it is in no form in the zone")


@requirement("CBR-05")
def test_a_mapped_exclusion_cannot_be_dodged(tenancy: Tenancy) -> None:
    """An exclusion in the mapped form takes the IPv4 address out of its subnet."""
    excluded, inside = tenancy.source(0), tenancy.source(1)
    around = f"{excluded.rsplit('.', 1)[0]}.0/24"
    tenancy.rule((tenancy.zone(around, excluded=[f"::ffff:{excluded}"]), None))
    must_let_in(tenancy, inside, "it is in the subnet")
    must_keep_out(tenancy, excluded, "its mapped form is excluded")


@requirement("CBR-07")
def test_an_enabled_rule_admits_its_zone_alone(tenancy: Tenancy) -> None:
    """In the mode `enabled` the zone is in and the rest is out."""
    tenancy.rule((tenancy.zone(tenancy.source(0)), None))
    must_let_in(tenancy, tenancy.source(0), "it is in the zone")
    must_keep_out(tenancy, tenancy.source(1), "it is not")


@requirement("CBR-07")
def test_a_report_only_rule_opens_no_more_than_its_zone(tenancy: Tenancy) -> None:
    """A rule that only reports is no reason to let everybody in."""
    tenancy.rule((tenancy.zone(tenancy.source(0)), None), mode="report")
    must_keep_out(tenancy, tenancy.source(1), "no rule lets it in")


@requirement("CBR-07")
def test_a_report_only_rule_denies_nobody(tenancy: Tenancy) -> None:
    """Who is let in by an enabled rule is not kept out by one that only reports."""
    tenancy.rule((tenancy.zone(tenancy.source(0)), None))
    tenancy.rule((tenancy.zone(tenancy.source(1)), None), mode="report")
    must_let_in(tenancy, tenancy.source(0), "the rule that denies it only reports")
    must_keep_out(tenancy, tenancy.source(1), "the enabled rule denies it")


@requirement("CBR-07")
def test_a_disabled_rule_has_no_effect(tenancy: Tenancy) -> None:
    """Alone it opens nothing, and beside another it takes nothing away."""
    tenancy.rule((tenancy.zone(tenancy.source(0)), None), mode="disabled")
    must_keep_out(tenancy, tenancy.source(0), "its only rule is disabled")
    tenancy.rule((tenancy.zone(tenancy.source(1)), None))
    must_let_in(tenancy, tenancy.source(1), "the rule that denies it is disabled")


@requirement("CBR-08")
def test_a_rule_for_the_control_plane_does_not_open_smtp(tenancy: Tenancy) -> None:
    """Only a rule whose API types have the SMTP configuration counts here."""
    source = tenancy.source(0)
    rule = tenancy.rule((tenancy.zone(source), None), api_types=[CONTROL_PLANE_API])
    must_keep_out(tenancy, source, "the rule is about the control plane")
    tenancy.drop_rule(rule)
    tenancy.rule((tenancy.zone(source), None), api_types=[CONTROL_PLANE_API, SMTP_API])
    must_let_in(tenancy, source, "the rule is about both")


@requirement("CBR-08")
def test_a_rule_for_smtp_leaves_the_control_plane_alone(tenancy: Tenancy) -> None:
    """Whoever is in no zone of an SMTP rule goes on managing the instance."""
    tenancy.rule((tenancy.zone("192.0.2.1"), None))
    tenancy.users()


@requirement("CBR-09")
def test_contexts_are_alternatives_and_rules_must_all_allow(tenancy: Tenancy) -> None:
    """A truth table: two zones, public and private, one rule or two."""
    first, second = tenancy.source(0), tenancy.source(1)
    zones = tenancy.zone(first), tenancy.zone(second)
    both = tenancy.zone(first, second)
    tables: list[tuple[list[list[tuple[Made, str | None]]], set[tuple[str, str]]]] = [
        (
            [[(zones[0], "public"), (zones[1], "private")]],
            {(first, "public"), (second, "private")},
        ),
        ([[(both, None)], [(zones[0], None)]], {(first, "public"), (first, "private")}),
        ([[(both, "public")], [(zones[1], None)]], {(second, "public")}),
        ([[(zones[0], None)], [(zones[1], None)]], set()),
    ]
    for rules, admitted in tables:
        made = [tenancy.rule(*contexts) for contexts in rules]
        for source, type in itertools.product((first, second), ("public", "private")):
            named = f"{len(rules)} rules, {source} through {type}"
            if (source, type) in admitted:
                must_let_in(tenancy, source, named, type)
            else:
                must_keep_out(tenancy, source, named, type)
        for rule in made:
            tenancy.drop_rule(rule)


@requirement("CBR-12")
def test_changes_count_for_the_next_connection(tenancy: Tenancy) -> None:
    """Each change has its effect on whoever connects after its call returned, in and out."""
    first, second = tenancy.source(0), tenancy.source(1)
    zone = tenancy.zone(first)
    rule = tenancy.rule((zone, None))
    for inside, outside in ((second, first), (first, second)) * 3:
        zone = tenancy.change_zone(zone, inside)
        must_let_in(tenancy, inside, "it was put into the zone")
        must_keep_out(tenancy, outside, "it was taken out of the zone")
    tenancy.drop_rule(rule)
    must_keep_out(tenancy, first, "the rule was removed")


@requirement("CBR-13")
@pytest.mark.parametrize("change", ["rule", "zone"])
def test_a_removal_ends_what_a_session_may_do(tenancy: Tenancy, change: str) -> None:
    """A session from an address that was taken away cannot begin another transaction."""
    source = tenancy.source(0)
    zone = tenancy.zone(source)
    rule = tenancy.rule((zone, None))
    account, _ = tenancy.user()
    probe = tenancy.sign_in(account, source)
    must_answer(probe.mail(account.sender), "250", "everything is as it should be")
    must_answer(probe.command("RSET"), "250", "RFC 5321 §4.1.1.5")
    if change == "rule":
        tenancy.drop_rule(rule)
    else:
        tenancy.change_zone(zone, tenancy.source(1))
    must_not_go_on(probe, account.sender, "its address is admitted no more")


@requirement("CBR-14")
def test_the_old_allowlist_counts_for_six_months(tenancy: Tenancy) -> None:
    """Six months of the calendar are 181 days at least and 184 at most."""
    source = tenancy.source(2)
    tenancy.list_of_old(source, 180.9)
    must_let_in(tenancy, source, "six months are not over")
    must_keep_out(tenancy, tenancy.source(1), "it is not on the list")
    account, _ = tenancy.user()
    tenancy.sign_in(account, source)
    tenancy.list_of_old(source, 184.1)
    must_keep_out(tenancy, source, "six months are over")


@requirement("CBR-14")
def test_a_long_session_ends_with_the_deadline(tenancy: Tenancy) -> None:
    """The deadline is looked at again at each MAIL, not only at the connection's start."""
    source = tenancy.source(2)
    tenancy.list_of_old(source, 180.9)
    account, _ = tenancy.user()
    probe = tenancy.sign_in(account, source)
    must_answer(probe.mail(account.sender), "250", "six months are not over")
    must_answer(probe.command("RSET"), "250", "RFC 5321 §4.1.1.5")
    tenancy.list_of_old(source, 184.1)
    must_not_go_on(probe, account.sender, "six months are over")


@requirement("CBR-14")
@pytest.mark.parametrize(
    ("deprecated", "ends"),
    [
        ("2024-08-31T10:00:00+00:00", "2025-02-28T10:00:00+00:00"),
        ("2023-08-30T10:00:00+00:00", "2024-02-29T10:00:00+00:00"),
        ("2024-07-17T00:00:00+00:00", "2025-01-17T00:00:00+00:00"),
        ("2025-03-31T23:59:59+00:00", "2025-09-30T23:59:59+00:00"),
    ],
)
def test_six_months_are_those_of_the_calendar(tenancy: Tenancy, deprecated: str, ends: str) -> None:
    """The same day of the month, or its last where there is no such day; in UTC."""
    deprecated_at = datetime.fromisoformat(deprecated).timestamp()
    valid_until = tenancy.put_old_list(tenancy.source(3), deprecated_at)
    found = datetime.fromisoformat(valid_until)
    must(found == datetime.fromisoformat(ends), expected=ends, observed=found.astimezone(UTC))


@requirement("CBR-14")
def test_rules_and_the_old_list_stand_beside_each_other(tenancy: Tenancy) -> None:
    """Who is on either of them is let in, and the list is good for its own users alone."""
    by_rule, by_list = tenancy.source(0), tenancy.source(2)
    tenancy.rule((tenancy.zone(by_rule), None))
    tenancy.list_of_old(by_list, 1.0)
    must_let_in(tenancy, by_rule, "a rule lets it in")
    must_let_in(tenancy, by_list, "the old list lets it in")
    other = tenancy.configuration(f"other-{int(time.time() * 1000)}.example")
    account, _ = tenancy.user(str(other["id"]))
    reply = tenancy.secure(by_list).auth_plain(account)
    must_refuse(reply, "the list is another configuration's", exactly="535 5.7.8")
