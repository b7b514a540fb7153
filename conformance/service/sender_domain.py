"""A sender domain of a check's own: registered, published, verified, sent from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from conformance.judgement import inconclusive, must, not_observable
from conformance.steps import must_answer
from fake_dns import FakeDNS, Zone
from fixtures.domain_control import Credentials, DomainControl, Registration, Standing
from fixtures.probe import Reply, SMTPProbe, expect
from fixtures.service_control import ControlFailed, OperationMissing
from fixtures.target import Account, Target

VERIFIED, FAILED, PENDING = "VERIFIED", "FAILED", "PENDING"
# D-18, with a minute for the relay's own.
CYCLE_SECONDS = 6 * 3600.0 + 60.0

Records = dict[str, dict[str, Any]]


@dataclass(slots=True)
class SenderDomain:
    """A registered domain, and the zone that its owner publishes.

    Attributes:
        target: Who verifies it.
        control: Where it was registered.
        dns: Where its zone is.
        registration: What was issued.
    """

    target: Target
    control: DomainControl
    dns: FakeDNS
    registration: Registration
    _faults: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The domain."""
        return self.registration.domain

    @property
    def include(self) -> str:
        """The term that names the service's addresses."""
        return self.registration.spf_value.split()[1]

    @property
    def service_name(self) -> str:
        """The name behind the include."""
        return self.include.partition(":")[2]

    @property
    def key_label(self) -> str:
        """The name of the key record, below the domain."""
        return self.registration.dkim_name.removesuffix(f".{self.name}")

    @property
    def key(self) -> str:
        """The public key that was issued, in base64."""
        return self.registration.dkim_value.partition("p=")[2]

    def publish(
        self,
        spf: object = ...,
        dkim: object = ...,
        more: Mapping[str, Mapping[str, Any]] | None = None,
        apex: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the zone in force, instead of what was there.

        Args:
            spf: TXT values of the domain; what was issued by default, None for none.
            dkim: TXT values at the selector, likewise.
            more: Further names.
            apex: Instead of the A record of the domain.
        """
        records: Records = {"@": dict({"A": ["127.0.0.1"]} if apex is None else apex)}
        if spf is not None:
            records["@"]["TXT"] = [self.registration.spf_value] if spf is ... else spf
        if dkim is not None:
            value = [self.registration.dkim_value] if dkim is ... else dkim
            records[self.key_label] = {"TXT": value}
        records["mx-target"] = {"A": ["127.0.0.1"]}
        for name, sets in (more or {}).items():
            records[name] = {**records.get(name, {}), **sets}
        self.dns.replace(Zone(_ascii(self.name), records))

    def verify(self, type: str) -> str:
        """Ask for a verification now and return its state."""
        with asking():
            return self.control.verify(self.registration, type)

    def standing(self, type: str) -> Standing:
        """Read how a verification stands, without asking for one."""
        with asking():
            return self.control.standing(self.registration, type)

    def state(self, type: str) -> str:
        """Read the state alone."""
        return self.standing(type).state

    def must_verify(self, type: str, because: str) -> None:
        """Demand that a verification succeeds."""
        state = self.verify(type)
        reason = self.standing(type).reason
        must(state == VERIFIED, f"{type} {VERIFIED}: {because}", f"{state} {reason}")

    def must_not_verify(self, type: str, because: str) -> None:
        """Demand that a verification does not succeed."""
        state = self.verify(type)
        must(state in (FAILED, PENDING), f"{type} not verified: {because}", state)

    def misbehave(self, *faults: Any, **which: Any) -> None:
        """Have the name server misbehave, until `behave` or the end of the check."""
        self._faults.append(self.dns.inject(*faults, **which))

    def behave(self) -> None:
        """End what `misbehave` began."""
        for number in self._faults:
            self.dns.withdraw(number)
        self._faults.clear()

    def enable(self) -> Account:
        """Publish, verify and approve; return a user that may send."""
        self.publish()
        self.must_verify("spf", "everything is published")
        self.must_verify("dkim", "everything is published")
        with asking():
            self.control.approve(self.registration)
            return self.user(self.control.add_user(self.registration))

    def user(self, credentials: Credentials) -> Account:
        """Return the account of a user of this domain."""
        return Account("own", credentials.username, credentials.password, self.name)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.behave()
        with asking():
            self.control.remove(self.registration)
        self.dns.remove(_ascii(self.name))


@contextmanager
def asking() -> Iterator[None]:
    """End the check, without a word against the relay, when its control plane cannot be asked."""
    try:
        yield
    except OperationMissing as missing:
        not_observable(f"the control plane has no {missing}")
    except ControlFailed as failure:
        inconclusive(f"the control plane gave no answer: {failure}")


@contextmanager
def secured(target: Target) -> Iterator[SMTPProbe]:
    """Open a session with TLS at the first endpoint."""
    endpoint = target.endpoint()
    with SMTPProbe.connect(
        endpoint.addresses[0],
        endpoint.port,
        context=target.tls_context,
        server_hostname=endpoint.host,
    ) as probe:
        expect("greeting", probe.read_reply())
        expect("EHLO", probe.ehlo())
        expect("STARTTLS", probe.starttls())
        expect("EHLO", probe.ehlo())
        yield probe


@contextmanager
def signed_in(target: Target, account: Account) -> Iterator[SMTPProbe]:
    """Open a session of this account at the first endpoint."""
    with secured(target) as probe:
        must_answer(probe.auth_plain(account), "235", "the credentials are right")
        yield probe


def reply_to_mail(target: Target, account: Account) -> Reply:
    """Begin a transaction in a session of its own and return the reply to MAIL."""
    with signed_in(target, account) as probe:
        return probe.mail(account.sender)


def reply_to_sender(target: Target, account: Account) -> Reply:
    """Return the reply to MAIL in a session of its own, or to AUTH where that refuses already."""
    with secured(target) as probe:
        reply = probe.auth_plain(account)
        return probe.mail(account.sender) if reply.is_positive else reply


def submit(target: Target, account: Account, token: str, recipient: str) -> None:
    """Submit a message; demand that it is accepted."""
    content = f"From: {account.sender}\r\nSubject: {token}\r\n\r\n{token}\r\n".encode()
    with signed_in(target, account) as probe:
        reply = probe.submit(account.sender, recipient, content)
        must_answer(reply, "250", "the configuration may send")


def _ascii(name: str) -> str:
    return name.encode("idna").decode() if not name.isascii() else name
