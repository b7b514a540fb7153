"""Judging whether an address gets in, at the connection and at AUTH."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.judgement import must, must_reply, remark
from conformance.steps import must_answer
from fixtures.plugin import Connect
from fixtures.probe import ConnectionLost, HandshakeFailed, Reply, SMTPProbe
from fixtures.target import Target

# D-11 and its alternatives: 554 in the greeting; 421 and 550 are as clear.
REFUSALS = ("554", "421", "550")


def served_by(target: Target, role: str) -> str | None:
    """Return the endpoint region where the account belongs; None leaves it to the target."""
    regions = target.claims("endpoint_regions") or {}
    found = regions.get(target.account(role).region)
    return None if found is None else str(found)


def must_let_in(
    connect: Connect,
    target: Target,
    *,
    source: str,
    zone: Sequence[str] = (),
    address: str | None = None,
) -> SMTPProbe:
    """Demand a 220 for a client at this address; return its session."""
    named = f"{source} is in the zone {', '.join(zone)}" if zone else f"{source} is admitted"
    try:
        probe = connect(source=source, address=address)
        greeting = probe.read_reply()
    except ConnectionLost as lost:
        must(False, expected=f"a greeting: {named}", observed=lost)
        raise
    must_answer(greeting, "220", named)
    return probe


def must_keep_out(
    connect: Connect,
    target: Target,
    *,
    source: str,
    region: str | None = None,
    type: str = "public",
    zone: Sequence[str] = (),
    preface: bytes = b"",
) -> None:
    """Demand that a client at this address is turned away before it can log in.

    The connection fails, ends, or begins with a refusal after which nothing works. The
    credentials are the best there are.
    """
    named = f"{source} is not in the zone {', '.join(zone)}" if zone else f"{source} is in no zone"
    try:
        probe = connect(region=region, type=type, source=source)
        if preface:
            probe.send(preface)
        greeting = probe.read_reply()
        must_reply(greeting, REFUSALS, because=named)
        if greeting.code != 554:
            remark(f"554 is the greeting of RFC 5321 §3.1 for {source}, {greeting.code} came")
        if preface:
            probe.silence(0.02)
        for line in ("EHLO client.example", "STARTTLS"):
            must_reply(probe.command(line), ("421", "5yz"), because=named)
        reply = probe.auth_plain(target.account(), initial_response=True)
        must_reply(reply, ("421", "5yz"), because=named)
    except (ConnectionLost, HandshakeFailed):
        return


def outcome_of_auth(probe: SMTPProbe, target: Target, role: str) -> Reply:
    """Log in with the credentials of this role; return the final reply."""
    return probe.auth_plain(target.account(role))
