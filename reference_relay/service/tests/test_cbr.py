"""Truth tables of the network rules (CBR-01 to CBR-10, D-19)."""

from __future__ import annotations

from itertools import product

import pytest

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import (
    SMTP_API_TYPE,
    Context,
    EnforcementMode,
    Rule,
    Zone,
    admitted_addresses,
    rehearsed_addresses,
)
from reference_relay.service.endpoints import EndpointType

PUBLIC, PRIVATE = EndpointType.PUBLIC, EndpointType.PRIVATE
ENABLED, REPORT, DISABLED = (
    EnforcementMode.ENABLED,
    EnforcementMode.REPORT,
    EnforcementMode.DISABLED,
)


def zone(*included: str, excluded: tuple[str, ...] = ()) -> Zone:
    return Zone(
        "zone",
        AddressSet.union(map(AddressSet.parse, included)),
        AddressSet.union(map(AddressSet.parse, excluded)),
    )


def rule(
    *zones: Zone,
    types: frozenset[EndpointType] = frozenset(),
    mode: EnforcementMode = ENABLED,
    apis: frozenset[str] | None = frozenset({SMTP_API_TYPE}),
) -> Rule:
    return Rule((Context(zones, types),), mode, apis)


def admits(rules: list[Rule], address: str, endpoint_type: EndpointType = PUBLIC) -> bool:
    return address in admitted_addresses(rules, endpoint_type)


LEFT, RIGHT = zone("10.0.0.1"), zone("10.0.0.2")


def test_without_a_rule_nobody_gets_in() -> None:
    """An empty rule set admits no address at all (CBR-01)."""
    for endpoint_type in EndpointType:
        assert not admitted_addresses([], endpoint_type)


def test_a_rule_without_zone_or_context_admits_nobody() -> None:
    """What is let in are the addresses of the chosen zones, so no zone means nobody (S-13)."""
    assert not admitted_addresses([rule()], PUBLIC)
    assert not admitted_addresses([Rule(())], PUBLIC)


def test_exclusions_win_inside_their_zone_only() -> None:
    """An excluded address is out, unless another zone of the rule includes it (CBR-06)."""
    holed = zone("10.0.0.0/24", excluded=("10.0.0.7", "10.0.0.128/25"))
    assert admits([rule(holed)], "10.0.0.6")
    for address in ("10.0.0.7", "::ffff:10.0.0.7", "10.0.0.128", "10.0.0.255"):
        assert not admits([rule(holed)], address)
    assert admits([rule(holed, zone("10.0.0.7"))], "10.0.0.7")


@pytest.mark.parametrize(
    ("left_types", "right_types", "endpoint_type"),
    list(
        product(
            [frozenset[EndpointType](), frozenset({PUBLIC}), frozenset({PRIVATE})],
            [frozenset[EndpointType](), frozenset({PUBLIC}), frozenset({PRIVATE})],
            [PUBLIC, PRIVATE],
        )
    ),
)
def test_contexts_are_alternatives_and_conditions_are_joint(
    left_types: frozenset[EndpointType],
    right_types: frozenset[EndpointType],
    endpoint_type: EndpointType,
) -> None:
    """Two zones by two endpoint types: inside a context both must hold, any context will do."""
    both = Rule((Context((LEFT,), left_types), Context((RIGHT,), right_types)))
    for address, types in (("10.0.0.1", left_types), ("10.0.0.2", right_types)):
        expected = not types or endpoint_type in types
        assert admits([both], address, endpoint_type) == expected
    assert not admits([both], "10.0.0.3", endpoint_type)


def test_several_enabled_rules_must_all_allow() -> None:
    """Rules are joined by and: what one of them denies is denied (CBR-09)."""
    wide, narrow = rule(zone("10.0.0.0/24")), rule(zone("10.0.0.1"), types=frozenset({PUBLIC}))
    for rules in ([wide, narrow], [narrow, wide]):
        assert admits(rules, "10.0.0.1")
        assert not admits(rules, "10.0.0.2")
        assert not admits(rules, "10.0.0.1", PRIVATE)
    assert not admitted_addresses([rule(LEFT), rule(RIGHT)], PUBLIC)


@pytest.mark.parametrize(("first", "second"), list(product(EnforcementMode, repeat=2)))
def test_enforcement_modes(first: EnforcementMode, second: EnforcementMode) -> None:
    """Enabled rules decide; without one, report-only admits its own zone; disabled is nothing."""
    rules = [rule(LEFT, mode=first), rule(RIGHT, mode=second)]
    modes = (first, second)
    for address, own in (("10.0.0.1", first), ("10.0.0.2", second)):
        if ENABLED in modes:
            expected = own is ENABLED and modes.count(ENABLED) == 1
        else:
            expected = own is REPORT
        assert admits(rules, address) == expected
    assert not admits(rules, "10.0.0.3")


def test_report_only_denies_nobody_but_is_rehearsed() -> None:
    """A report-only rule leaves an admitted address in and shows that it would not (CBR-07)."""
    rules = [rule(zone("10.0.0.0/24")), rule(LEFT, mode=REPORT)]
    assert admits(rules, "10.0.0.2")
    assert "10.0.0.2" not in rehearsed_addresses(rules, PUBLIC)
    assert "10.0.0.1" in rehearsed_addresses(rules, PUBLIC)


@pytest.mark.parametrize(
    ("apis", "expected"),
    [
        (None, True),
        (frozenset({SMTP_API_TYPE}), True),
        (frozenset({"control-plane", SMTP_API_TYPE}), True),
        (frozenset({"control-plane"}), False),
        (frozenset[str](), False),
    ],
)
def test_only_a_rule_about_smtp_opens_smtp(apis: frozenset[str] | None, expected: bool) -> None:
    """A rule for another API neither opens nor restricts the SMTP interface (CBR-08)."""
    assert admits([rule(LEFT, apis=apis)], "10.0.0.1") is expected
    assert admits([rule(LEFT), rule(RIGHT, apis=apis)], "10.0.0.1") is not expected
