"""DNS: a domain's key record is read as verifiers read it, and its key compared (RFC 6376)."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.sender_domain import FAILED, VERIFIED, SenderDomain
from fake_dns import Rotating

NewDomain = Callable[..., SenderDomain]

# An RSA key of 512 bits; RFC 8301 §3.2 has verifiers turn it away, and libraries do not make any.
SHORT_KEY = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"
    "KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
)


@requirement("DNS-08")
@pytest.mark.parametrize(
    "text",
    [
        "v=DKIM1; k=rsa; p={key}",
        "p={key}",
        "v=DKIM1; p={key}; k=rsa",
        "v=DKIM1; k=rsa; n=a note; x_new=1; p={key}",
        "v=DKIM1;k=rsa;p={key};",
        " v = DKIM1 ; k = rsa ; p = {spaced} ; ",
        "v=DKIM1; h=sha1:sha256; s=email; t=s; p={key}",
    ],
)
def test_the_right_key_verifies_in_any_form(text: str, new_domain: NewDomain) -> None:
    """Tags in another order, left out, unknown, or with blanks in the key: verified."""
    own = new_domain()
    spaced = " ".join((own.key[:50], own.key[50:]))
    own.publish(dkim=[text.format(key=own.key, spaced=spaced)])
    own.must_verify("dkim", text)


@requirement("DNS-09")
@pytest.mark.parametrize(
    "text",
    [
        "v=DKIM1; k=rsa; p={other}",
        "v=DKIM1; k=rsa; p=",
        "v=DKIM1; k=rsa",
        "v=DKIM2; k=rsa; p={key}",
        "k=rsa; v=DKIM1; p={key}",
        "v=DKIM1; p={key}; p={key}",
        "v=DKIM1; k=foo; p={key}",
        "v=DKIM1; h=sha1; p={key}",
        "v=DKIM1; s=calendar; p={key}",
        "v=DKIM1; k=rsa; p={short}",
        "v=DKIM1; k=rsa; p={broken}",
    ],
)
def test_a_key_that_does_not_do_is_refused(text: str, new_domain: NewDomain) -> None:
    """Another, revoked, malformed or short key, or one for something else: not verified."""
    own = new_domain()
    broken = ("B" if own.key[40] == "A" else "A").join((own.key[:40], own.key[41:]))
    filled = text.format(key=own.key, other=_other_key(), short=SHORT_KEY, broken=broken)
    own.publish(dkim=[filled])
    own.must_not_verify("dkim", text)


@requirement("DNS-09")
def test_test_mode_is_told(new_domain: NewDomain) -> None:
    """A key in test mode (t=y) is allowed, and the status says so."""
    own = new_domain()
    own.publish(dkim=[f"v=DKIM1; k=rsa; t=y; p={own.key}"])
    own.must_verify("dkim", "t=y is allowed")
    reason = own.standing("dkim").reason
    must("t=y" in reason, "a status that tells of t=y", reason or "nothing")


@requirement("DNS-10")
@pytest.mark.parametrize("is_right_first", [True, False])
def test_several_records_have_one_result(is_right_first: bool, new_domain: NewDomain) -> None:
    """A right and a wrong key give one result, whichever comes first, however often one asks."""
    own = new_domain()
    records = [own.registration.dkim_value, f"v=DKIM1; k=rsa; p={_other_key()}"]
    own.publish(dkim=records if is_right_first else records[::-1])
    own.misbehave(Rotating(), name=own.registration.dkim_name, type="TXT", repeat=True)
    states = {own.verify("dkim") for _ in range(4)}
    must(VERIFIED not in states, "the same refusal each time", sorted(states))


@requirement("DNS-11")
def test_aliases_are_followed(new_domain: NewDomain) -> None:
    """A key record behind one alias verifies, and one behind a loop or nothing does not."""
    own = new_domain()
    here, there = own.key_label, "key"
    record = {"TXT": [own.registration.dkim_value]}
    own.publish(dkim=None, more={here: {"CNAME": [there]}, there: record})
    own.must_verify("dkim", "the alias leads to the record")
    own.publish(dkim=None, more={here: {"CNAME": ["nowhere"]}})
    own.must_not_verify("dkim", "the alias leads nowhere")
    own.publish(dkim=None, more={here: {"CNAME": [there]}, there: {"CNAME": [here]}})
    state = own.verify("dkim")
    must(state in (VERIFIED, FAILED, "PENDING"), "an end to a loop of aliases", state)


@requirement("DNS-11")
def test_a_chain_of_aliases_ends(new_domain: NewDomain) -> None:
    """Eight aliases lead to the record, or to a refusal; in any case to an answer."""
    own = new_domain()
    names = [own.key_label, *(f"alias{number}" for number in range(8))]
    chain = {name: {"CNAME": [then]} for name, then in itertools.pairwise(names)}
    own.publish(dkim=None, more={**chain, names[-1]: {"TXT": [own.registration.dkim_value]}})
    own.must_verify("dkim", "eight aliases lead to the record")


@requirement("DNS-18")
def test_another_customers_record_proves_nothing(new_domain: NewDomain, token: str) -> None:
    """Who registers the same domain has to publish a record of his own."""
    name = f"{token}-shared.example"
    first, second = new_domain(name), new_domain(name, tenant=1)
    first.publish()
    first.must_verify("dkim", "the owner publishes what was issued to him")
    must(
        first.registration.dkim_name != second.registration.dkim_name,
        "a selector of each configuration's own",
        second.registration.dkim_name,
    )
    second.must_not_verify("dkim", "only the first customer's record is published")
    first.publish(more={second.key_label: {"TXT": [first.registration.dkim_value]}})
    second.must_not_verify("dkim", "the first customer's key is published once more")


def _other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    octets = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(octets).decode()
