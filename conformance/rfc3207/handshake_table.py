"""`python -m conformance.rfc3207.handshake_table`: what TLS takes, chooses and refuses.

The rows of TLS-13 to TLS-19 in one table, for the embedded relay or `--target profile.toml`. A row
that is not as RFC 9325 wants it is marked, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from conformance.rfc3207.client_hello import (
    ECDHE_AEAD_SUITES,
    FORBIDDEN_SUITES,
    LEGACY_SUITES,
    SSL_3,
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    message_kinds,
    server_hello,
)
from conformance.rfc3207.test_certificates import open_tls
from conformance.rfc3207.test_out_of_use import answer_to, typed_one_by_one
from conformance.rfc3207.test_versions import (
    STATIC_RSA_SUITES,
    choice_for,
    ready_for_tls,
    trusting,
)
from conformance.verdict import ExitCode
from fixtures.probe import HandshakeFailed, SMTPProbe, expect
from fixtures.profile import ProfileError, load_profile
from fixtures.relay_process import RelayNotReady
from fixtures.target import NotAvailable, Target
from fixtures.world import open_target

_OLD = {"SSLv3": SSL_3, "TLS 1.0": TLS_1_0, "TLS 1.1": TLS_1_1}
_DEFLATE_FIRST = b"\1\0"
_CERTIFICATE_REQUEST = 13
_KNOWN = ssl.create_default_context().get_ciphers()
_NAMES = {one["id"] & 0xFFFF: str(one["name"]) for one in _KNOWN}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was tried."""

    requirement: str
    tried: str
    seen: str
    is_right: bool = True


def _greeted(target: Target) -> SMTPProbe:
    endpoint = target.endpoint()
    probe = SMTPProbe.connect(endpoint.addresses[0], endpoint.port)
    expect("greeting", probe.read_reply())
    return probe


def _shaken(
    target: Target, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLObject | None:
    probe = ready_for_tls(functools.partial(_greeted, target))
    try:
        probe.handshake(context, session=session)
    except HandshakeFailed:
        return None
    # A reply has to be read: tickets of TLS 1.3 come with it.
    probe.ehlo()
    return probe.tls


def _versions(target: Target) -> Iterator[Row]:
    clear, host = functools.partial(_greeted, target), target.endpoint().host
    for name, version in _OLD.items():
        chosen = choice_for(clear, host, version, LEGACY_SUITES)
        yield Row("TLS-13", name, "refused" if chosen is None else "taken", chosen is None)
    for current in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls = _shaken(target, trusting(current))
        cipher = tls.cipher() if tls is not None else None
        yield Row("TLS-13", current.name, cipher[0] if cipher else "refused", cipher is not None)
    tls = _shaken(target, trusting())
    preferred = tls.version() if tls is not None else None
    yield Row("TLS-13", "either of both", f"{preferred}", preferred == "TLSv1.3")


def _suites(target: Target) -> Iterator[Row]:
    clear, host = functools.partial(_greeted, target), target.endpoint().host
    for weakness, suites in {**FORBIDDEN_SUITES, "static RSA": STATIC_RSA_SUITES}.items():
        chosen = choice_for(clear, host, TLS_1_2, suites)
        yield Row("TLS-14", f"only {weakness}", "taken" if chosen else "refused", chosen is None)
    taken = [
        _NAMES.get(suite, f"{suite:#06x}")
        for suite in ECDHE_AEAD_SUITES
        if choice_for(clear, host, TLS_1_2, (suite,)) is not None
    ]
    yield Row("TLS-14", "ECDHE with an AEAD, one by one", ", ".join(taken) or "none", bool(taken))


def _certificates(target: Target) -> Iterator[Row]:
    for endpoint in target.endpoints:
        tried = f"chain and name of {endpoint.host}"
        try:
            probe = open_tls(endpoint, endpoint.addresses[0], target.tls_context)
        except HandshakeFailed as failed:
            yield Row("TLS-15", tried, failed.reason, is_right=False)
            continue
        if probe is None:
            yield Row("TLS-15", tried, "no client admitted from here")
            continue
        with probe:
            assert probe.tls is not None
            der = probe.tls.getpeercert(binary_form=True)
            assert der is not None
            found = x509.load_der_x509_certificate(der)
            digest = found.signature_hash_algorithm
            kind = type(found.public_key()).__name__.removesuffix("PublicKey").strip("_")
            seen = f"verified; {kind}, {digest.name if digest else 'no digest'}"
            seen += f", until {found.not_valid_after_utc:%Y-%m-%d}"
            yield Row("TLS-15", tried, seen)


def _out_of_use(target: Target) -> Iterator[Row]:
    clear = functools.partial(_greeted, target)
    answer = answer_to(clear, target, _DEFLATE_FIRST)
    chosen = server_hello(answer)
    is_plain = chosen is not None and chosen.compression == 0
    yield Row("TLS-17", "compression offered", "none" if is_plain else f"{chosen}", is_plain)
    asks = _CERTIFICATE_REQUEST in message_kinds(answer)
    yield Row("TLS-17", "client certificate", "demanded" if asks else "not demanded", not asks)
    if shutil.which("openssl") is None:
        yield Row("TLS-17", "renegotiation", "not observable: openssl is not installed")
        return
    said = typed_one_by_one(target, (b"R\n", b"NOOP\n"), "-tls1_2")
    _, began, behind = said.partition(b"RENEGOTIATING")
    is_refused = bool(began) and b"250 " not in behind
    yield Row("TLS-17", "renegotiation", "refused" if is_refused else "taken", is_refused)


def _names_and_tickets(target: Target) -> Iterator[Row]:
    for name in (target.endpoint().host, None, "unknown.example"):
        endpoint = target.endpoint()
        context = trusting()
        with SMTPProbe.connect(
            endpoint.addresses[0], endpoint.port, context=context, server_hostname=name
        ) as probe:
            expect("greeting", probe.read_reply())
            expect("EHLO", probe.ehlo())
            try:
                expect("STARTTLS", probe.starttls())
            except HandshakeFailed:
                yield Row("TLS-16", f"server name {name}", "refused", name == "unknown.example")
            else:
                yield Row("TLS-16", f"server name {name}", "served")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting(version)
        first = _shaken(target, context)
        session = first.session if first is not None else None
        again = _shaken(target, context, session=session)
        is_resumed = again is not None and bool(again.session_reused)
        seen = "resumed" if is_resumed else "a full handshake"
        yield Row("TLS-18", f"{version.name} again", seen, again is not None)


def _ends(target: Target) -> Iterator[Row]:
    with _greeted(target) as probe:
        for step in (probe.ehlo, functools.partial(probe.starttls, trusting()), probe.ehlo):
            expect("a session inside TLS", step())
        probe.command("QUIT")
        seen, tls = "still open", probe.tls
        if probe.closed(within=2.0) and tls is not None:
            try:
                # Behind a close_notify nothing is left to read; without it more is wanted.
                seen = "close_notify" if tls.read(1) == b"" else "octets behind QUIT"
            except ssl.SSLError as error:
                seen = f"the end without it: {error.reason}"
        yield Row("TLS-19", "the end after QUIT", seen, seen == "close_notify")


def rows(target: Target) -> Iterator[Row]:
    """Try everything; each row as soon as it is known."""
    for part in (_versions, _suites, _certificates, _out_of_use, _names_and_tickets, _ends):
        yield from part(target)


def main() -> int:
    """Exit 0 if every row is right, 1 if not, 2 and 3 as `certify` does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="seed-2025", help="profile; default: %(default)s")
    options = parser.parse_args()
    is_right = True
    try:
        with open_target(load_profile(options.target)) as target:
            for row in rows(target):
                is_right = is_right and row.is_right
                mark = " " if row.is_right else "!"
                sys.stdout.write(f"{mark} {row.requirement}  {row.tried:<68} {row.seen}\n")
                sys.stdout.flush()
    except ProfileError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    except (RelayNotReady, NotAvailable, OSError) as error:
        sys.stderr.write(f"inconclusive: {error}\n")
        return ExitCode.INCONCLUSIVE
    return ExitCode.CONFORMANT if is_right else ExitCode.NOT_CONFORMANT


if __name__ == "__main__":
    sys.exit(main())
