"""Submitting a content and judging what became of it, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from conformance.header import body_of, fields_of
from conformance.judgement import must, not_observable
from conformance.service.sender_domain import SenderDomain, asking
from conformance.service.tenancy import Tenancy
from conformance.service.verdict_on_content import ContentAccepted, ContentRefused
from conformance.steps import (
    NothingArrived,
    must_answer,
    must_be_alive,
    must_refuse,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, Connect, LogIn
from fixtures.probe import stuffed
from fixtures.sink import Delivery, SinkMX
from fixtures.target import Target

NewDomain = Callable[..., SenderDomain]


@pytest.fixture
def content_accepted(
    session: LogIn, target: Target, sink: SinkMX, arrived: Arrived
) -> ContentAccepted:
    """Submit a content that has to be accepted; demand one unchanged copy at the sink."""

    def accepted(token: str, content: bytes) -> Delivery:
        probe = session()
        open_transaction(probe, sender_of(target), [target.recipient()])
        must_answer(probe.data(content), "250", "nothing is wrong with this content")
        delivery = arrived(token)
        sent = [field.raw for field in fields_of(content)]
        left = [field.raw for field in fields_of(delivery.content)]
        must(left[-len(sent) :] == sent, "the fields as they were sent", left)
        must(body_of(delivery.content) == body_of(content), "the same body", delivery.content)
        copies = sink.deliveries(token=token)
        must(len(copies) == 1, expected="one copy", observed=f"{len(copies)} copies")
        return delivery

    return accepted


@pytest.fixture
def content_refused(
    session: LogIn, target: Target, nothing_arrived: NothingArrived
) -> ContentRefused:
    """Submit a content that has to be refused at the end of data; demand that nothing arrives."""

    def refused(
        token: str, content: bytes, because: str, exactly: str | tuple[str, ...] = ("550", "554")
    ) -> None:
        probe = session()
        open_transaction(probe, sender_of(target), [target.recipient()])
        # Without the end of data, so that it stands alone whatever the content ends with.
        reply = send_content(probe, stuffed(content)[: -len(b".\r\n")])
        must_refuse(reply, because, exactly)
        must_be_alive(probe)
        nothing_arrived(token)

    return refused


@pytest.fixture
def new_domain(rehearsal: Target, token: str) -> Iterator[NewDomain]:
    """Register sender domains that are gone after the check."""
    if rehearsal.domain_control is None or rehearsal.dns is None:
        not_observable("verification needs a control plane and name servers of ours")
    control, dns = rehearsal.domain_control, rehearsal.dns
    made: list[SenderDomain] = []

    def new_domain(name: str = "", tenant: int = 0) -> SenderDomain:
        domain = name or f"{token}-{len(made)}.example"
        with asking():
            registration = control.register(control.tenants[tenant], domain)
        made.append(SenderDomain(rehearsal, control, dns, registration))
        return made[-1]

    yield new_domain
    for one in made:
        one.remove()


@pytest.fixture
def advance(rehearsal: Target) -> Callable[[float], None]:
    """Move the clocks of the relay under test and of the name server on, by seconds."""
    if rehearsal.advance is None:
        not_observable("nobody moves the clock of this target")
    return rehearsal.advance


@pytest.fixture
def tenancy(target: Target, connect: Connect) -> Iterator[Tenancy]:
    """The instance that a check may change; what it makes is gone afterwards."""
    if target.managed is None:
        not_observable("needs a control plane and an instance that may be changed")
    own = Tenancy(target.managed, connect)
    yield own
    own.clean()
