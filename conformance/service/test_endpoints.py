"""EPT: which endpoint serves which region, and what is not served at all."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, not_observable, remark
from conformance.requirement import requirement
from conformance.service.admission import outcome_of_auth, served_by
from conformance.steps import must_answer, must_refuse, verdict_on_sender
from fixtures.plugin import ComposeMessage, Connect
from fixtures.probe import (
    ConnectionLost,
    HandshakeFailed,
    ReplyMalformed,
    ReplyTimeout,
    SMTPProbe,
    expect,
)
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
    folded = declared_hosts(target, "public").get(region.strip().lower())
    must(
        found is None or (folded is not None and found.get("public") == folded),
        expected=f"no endpoint for {region!r}",
        observed=found or "an error",
    )
    if found is not None:
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


@requirement("EPT-04")
def test_declared_ports_with_implicit_tls_serve_the_same(
    connect: Connect, target: Target, message: ComposeMessage, token: str
) -> None:
    """Ports declared for TLS from the start offer what the others offer behind STARTTLS."""
    declared = target.claims("implicit_tls_ports") or ()
    for endpoint in target.endpoints:
        found = len(endpoint.implicit_tls)
        wanted = len(declared) * len(endpoint.addresses)
        must(found == wanted, f"{wanted} sockets with implicit TLS at {endpoint.key}", found)
        for where in endpoint.implicit_tls:
            with connect(endpoint.region, endpoint.type, address=where[0]) as upgraded:
                must_serve_inside_tls(target, endpoint, where, upgraded)
    if declared:
        endpoint = target.endpoint(served_by(target, "primary"))
        with inside_tls(target, endpoint, endpoint.implicit_tls[0]) as probe:
            must_answer(probe.read_reply(), "220", "the service greets inside TLS")
            must_answer(probe.ehlo(), "250", "EHLO is answered")
            account = target.account()
            must_answer(probe.auth_plain(account), "235", "credentials are the same at every port")
            final = probe.submit(account.sender, target.recipient(token), message(token))
            must_answer(final, "250", "mail is taken")
        if target.sink is not None:
            target.sink.wait_for(token=token)


def must_serve_inside_tls(
    target: Target, endpoint: TargetEndpoint, where: tuple[str, int], upgraded: SMTPProbe
) -> None:
    """Demand the greeting and the extensions that there are behind STARTTLS."""
    try:
        greeting = upgraded.read_reply()
    except ConnectionLost:
        remark(f"{endpoint.key} at {where[0]} admits no client here")
        return
    with inside_tls(target, endpoint, where) as probe:
        must_answer(probe.read_reply(), str(greeting.code), "the greeting is the same inside TLS")
        if greeting.code != 220:
            # This network is not admitted here (CBR), at neither port.
            return
        expect("EHLO", upgraded.ehlo())
        expect("STARTTLS", upgraded.starttls())
        wanted = expect("EHLO", upgraded.ehlo()).keywords
        offered = must_answer(probe.ehlo(), "250", "EHLO is answered").keywords
        must(offered == wanted, f"what there is behind STARTTLS: {wanted}", offered)


def inside_tls(target: Target, endpoint: TargetEndpoint, where: tuple[str, int]) -> SMTPProbe:
    """Connect and shake hands at once, the certificate verified (RFC 8314 §3.3)."""
    probe = SMTPProbe.connect(*where, context=target.tls_context, server_hostname=endpoint.host)
    try:
        probe.handshake()
    except HandshakeFailed as failed:
        probe.close()
        must(condition=False, expected=f"TLS from the start at {where}", observed=failed)
    return probe


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
