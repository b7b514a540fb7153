"""EPT: which endpoint serves which region, and what is not served at all."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, not_observable, remark
from conformance.requirement import requirement
from conformance.service.admission import outcome_of_auth, served_by
from conformance.steps import must_answer, must_refuse, verdict_on_sender
from fixtures.plugin import Connect
from fixtures.probe import ConnectionLost, ReplyMalformed, ReplyTimeout, SMTPProbe
from fixtures.target import ControlPlane, Target, TargetEndpoint

# The table of the seed (S8); a profile may know more regions.
SEED_REGIONS = {
    "us-south": "us-south",
    "ca-tor": "us-south",
    "jp-tok": "us-south",
    "jp-osa": "us-south",
    "au-syd": "us-south",
    "eu-gb": "us-south",
    "br-sao": "us-south",
    "eu-de": "eu-de",
    "eu-es": "eu-de",
}
USUAL_PORTS = (25, 465, 587, 2525)


def control_plane_of(target: Target) -> ControlPlane:
    """Return the control plane, or end the check."""
    if target.control_plane is None:
        not_observable("the endpoint table needs a control plane")
    return target.control_plane


def declared_hosts(target: Target, type: str) -> dict[str, str]:
    """Return the host of this type for each region of the profile, or end the check."""
    declared = target.claims("endpoints")
    if declared is None:
        not_claimed("the profile declares no endpoint table")
    return {region: hosts[type] for region, hosts in declared.items() if type in hosts}


@requirement("EPT-01")
@pytest.mark.parametrize("region", list(SEED_REGIONS))
def test_each_region_has_its_public_endpoint(region: str, target: Target) -> None:
    """An instance region is served by the public host that the table names for it."""
    must_be_served(region, "public", target)


@requirement("EPT-02")
@pytest.mark.parametrize("region", list(SEED_REGIONS))
def test_each_region_has_its_private_endpoint(region: str, target: Target) -> None:
    """An instance region is served by the private host named after the endpoint's region."""
    must_be_served(region, "private", target)


def must_be_served(region: str, type: str, target: Target) -> None:
    """Demand the host of the table for this instance region."""
    hosts = declared_hosts(target, type)
    if region not in hosts:
        not_claimed(f"the profile does not know the region {region}")
    must(
        SEED_REGIONS[region] in hosts[region],
        expected=f"a profile that sends {region} to {SEED_REGIONS[region]}",
        observed=hosts[region],
    )
    found = control_plane_of(target).endpoints_of(region)
    must(found is not None, expected=f"{region} to be known", observed="unknown")
    host = (found or {}).get(type)
    must(host == hosts[region], expected=f"{hosts[region]} for {region}", observed=host)


@requirement("EPT-01", "EPT-02")
def test_further_regions_of_the_profile(target: Target) -> None:
    """Regions that the profile has beyond the seed's are served as it declares."""
    control_plane = control_plane_of(target)
    for type in ("public", "private"):
        for region, host in declared_hosts(target, type).items():
            found = (control_plane.endpoints_of(region) or {}).get(type)
            must(found == host, expected=f"{host} for {region}", observed=found)


@requirement("EPT-01")
@pytest.mark.parametrize("region", list(SEED_REGIONS))
def test_each_region_logs_in_at_its_endpoint(region: str, secure: Connect, target: Target) -> None:
    """The credentials of an instance work at the endpoint of its region."""
    role = f"region:{region}"
    probe = secure(region=served_by(target, role) or SEED_REGIONS[region])
    reply = outcome_of_auth(probe, target, role)
    must_answer(reply, "235", f"{region} is served by {SEED_REGIONS[region]}")


@requirement("EPT-03")
@pytest.mark.parametrize(
    "region", ["us-west", "", "US-South", "eu-de ", " eu-de", "eu", "smtp", "us-south/public"]
)
def test_unknown_regions_are_errors(region: str, target: Target) -> None:
    """A code that is not in the table gives an error, never one of the endpoints."""
    found = control_plane_of(target).endpoints_of(region)
    if found is None:
        return
    folded = declared_hosts(target, "public").get(region.strip().lower())
    must(
        folded is not None and found.get("public") == folded,
        expected=f"no endpoint for {region!r}",
        observed=found,
    )
    remark(f"{region!r} is taken for {region.strip().lower()!r}")


@requirement("EPT-04")
def test_only_declared_ports_serve_smtp(target: Target) -> None:
    """Of the usual ports those the profile does not declare serve no SMTP."""
    declared = {*(target.claims("ports") or (587,)), *(target.claims("implicit_tls_ports") or ())}
    for endpoint in target.endpoints:
        for address in endpoint.addresses:
            used = {endpoint.port_of(address)} | declared
            for port in USUAL_PORTS:
                if port not in used:
                    must_not_serve(endpoint, address, port)


def must_not_serve(endpoint: TargetEndpoint, address: str, port: int) -> None:
    """Demand that this endpoint does not greet at that port."""
    try:
        with SMTPProbe.connect(address, port, timeout=1.0) as probe:
            greeting = probe.read_reply()
    except (ConnectionLost, ReplyTimeout, ReplyMalformed):
        return
    is_ours = endpoint.host.encode() in greeting.raw
    expected = f"nothing of {endpoint.host} at port {port}"
    # On a loopback address it may be the machine's own mail server.
    must(not is_ours and address.startswith(("127.", "::1")), expected, greeting.raw)
    remark(f"another service greets at {address} port {port}")


@requirement("EPT-05")
@pytest.mark.parametrize("region", ["eu-gb", "us-south", "eu-de", "eu-es"])
def test_credentials_work_at_their_endpoint_alone(
    region: str, secure: Connect, target: Target
) -> None:
    """At an endpoint that does not serve their region, credentials are wrong ones."""
    role = f"region:{region}"
    home = served_by(target, role) or SEED_REGIONS[region]
    away = sorted({endpoint.region for endpoint in target.endpoints} - {home})
    if not away:
        not_observable("the target has endpoints in one region alone")
    must_answer(outcome_of_auth(secure(region=home), target, role), "235", "at home")
    for elsewhere in away:
        probe = secure(region=elsewhere)
        reply = outcome_of_auth(probe, target, role)
        must_refuse(reply, f"{region} is not served by {elsewhere}", exactly="535 5.7.8")
        foreign = verdict_on_sender(probe, probe.mail(target.account(role).sender), target)
        must_refuse(foreign, "nobody is authenticated", exactly="530 5.7.0")
