"""A service as the load session sees it: how to submit to it, and what of it can be watched."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fixtures.target import NotAvailable, Target
from loadtests.arrivals import Deliveries

# Different recipients, so that no cache of the service answers for all of them.
_RECIPIENTS = 100


class NotReady(Exception):
    """The run cannot begin; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where messages go.

    Attributes:
        name: For titles.
        address: Where to connect.
        port: Its port, asked anew for each run because a restart may change it.
        host: Name for SNI and certificate.
        username: Of AUTH.
        password: Of AUTH.
        sender: Reverse-path and From.
        recipients: Forward-paths, taken in turn.
        trust: As in a plan.
        authorities: PEM certificates.
        sink: Where its deliveries arrive, None if they cannot be seen.
        pid: The process from which all of its processes are found, None if it runs elsewhere.
        restart: Kills it without warning and starts it again, where that is ours to do.
        traits: Facts for the report: versions and settings.
    """

    name: str
    address: str
    port: Callable[[], int]
    host: str
    username: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    trust: Literal["system", "none", "given"] = "given"
    authorities: str = field(default="", repr=False)
    sink: Deliveries | None = None
    pid: Callable[[], int | None] = lambda: None
    restart: Callable[[], None] | None = None
    traits: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: Target) -> Site:
        """Describe the relay of a profile.

        Raises:
            NotReady: It has no account to send with, or a budget that no load can keep.
        """
        if target.profile.budget.limits_traffic:
            remedy = "a load run goes beyond any; leave [budget] out if its owner permits that"
            raise NotReady(f"{target.profile.source}: budget: {remedy}")
        try:
            account = target.account()
        except NotAvailable as error:
            raise NotReady(f"{target.profile.source}: {error}") from None
        endpoint = target.endpoint()
        found = [target.recipient(f"load{number}") for number in range(_RECIPIENTS)]
        tls = target.profile.tls
        is_given = target.profile.is_embedded or tls.trust == "file"
        relay = target.relay
        return cls(
            name=target.name,
            address=endpoint.sockets[0][0],
            port=lambda: target.endpoint().sockets[0][1],
            host=endpoint.host,
            username=account.username,
            password=account.password,
            sender=account.sender,
            recipients=tuple(dict.fromkeys(found)),
            trust="given" if is_given else "none" if tls.trust == "none" else "system",
            authorities=authorities_of(target.tls_context) if is_given else "",
            sink=target.sink,
            pid=(lambda: relay.pid) if relay is not None else (lambda: None),
            restart=(lambda: relay.restart(kill=True)) if relay is not None else None,
        )


def authorities_of(context: ssl.SSLContext) -> str:
    """The certificates that a context trusts, as PEM."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in context.get_ca_certs(binary_form=True))


def new_run() -> str:
    """Eight characters that no other run has."""
    return secrets.token_hex(4)
