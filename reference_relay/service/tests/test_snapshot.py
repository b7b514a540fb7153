"""A directory survives its way to a worker."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, EnforcementMode, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import EndpointType
from reference_relay.service.model import (
    Configuration,
    Instance,
    Standing,
    User,
    VerificationState,
)
from reference_relay.service.snapshot import from_document, to_document

ADDRESSES = ["192.0.2.1", "198.51.100.0/24", "203.0.113.5-203.0.113.9", "::1", "2001:db8::/32"]
STATES = st.sampled_from(VerificationState)
TYPES = st.frozensets(st.sampled_from(EndpointType))
ZONES = [
    Zone("laptop", AddressSet.parse("127.0.0.0/8"), AddressSet.parse("127.0.0.7")),
    *(Zone(text, AddressSet.parse(text)) for text in ADDRESSES),
]
CONTEXTS = st.builds(
    Context, st.lists(st.sampled_from(ZONES), min_size=1, max_size=3).map(tuple), TYPES
)
RULES = st.builds(
    Rule,
    st.lists(CONTEXTS, min_size=1, max_size=3).map(tuple),
    st.sampled_from(EnforcementMode),
    st.none() | st.frozensets(st.sampled_from(["smtp-configuration", "control-plane"])),
)


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    instances = [
        Instance(
            f"instance-{number}",
            draw(st.sampled_from(["us-south", "eu-gb", "eu-es"])),
            tuple(draw(st.lists(RULES, max_size=3))),
            tuple(
                Configuration(
                    id=f"configuration-{number}-{each}",
                    domain=draw(st.sampled_from(["example.com", "müller.example"])),
                    dkim_selector="selector",
                    dkim_key_file=draw(st.none() | st.just(Path("folder/dkim.pem"))),
                    verification=Standing(draw(STATES), draw(STATES), draw(STATES)),
                    users=tuple(
                        User(f"{number} {each} {user} ü", "$argon2id$…")
                        for user in range(draw(st.integers(0, 5)))
                    ),
                )
                for each in range(draw(st.integers(0, 2)))
            ),
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    return Directory(draw(st.sampled_from(["seed-2025", "vendor-2026"])), instances)


@given(directories())
def test_what_arrives_is_what_was_sent(directory: Directory) -> None:
    """Through JSON and back every value is equal, and the profile with them."""
    received = from_document(json.loads(json.dumps(to_document(directory))))
    assert received.profile == directory.profile
    assert received.instances == directory.instances
