"""The service's own things: instances, configurations, users, and what is proven about them.

Frozen values that say what is; `directory` answers what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Rule
from reference_relay.service.endpoints import Endpoint, EndpointType
from reference_relay.service.verification import VerificationState

__all__ = [
    "Account",
    "Configuration",
    "Endpoint",
    "EndpointType",
    "Instance",
    "LegacyAllowlist",
    "Standing",
    "User",
    "VerificationState",
]


@dataclass(frozen=True, slots=True)
class Standing:
    """The states of the three verifications a configuration needs before it may send (S-2)."""

    spf: VerificationState = VerificationState.PENDING
    dkim: VerificationState = VerificationState.PENDING
    en_authorization: VerificationState = VerificationState.PENDING

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not verified, in words for the refusal of D-14; empty when it may send."""
        verified = VerificationState.VERIFIED
        if self.spf is verified and self.dkim is verified and self.en_authorization is verified:
            # Asked at every MAIL, and nearly always so.
            return ()
        named = (("SPF", self.spf), ("DKIM", self.dkim), ("approval", self.en_authorization))
        return tuple(name for name, state in named if state is not VerificationState.VERIFIED)


@dataclass(frozen=True, slots=True)
class User:
    """A user of one configuration; the password is known as an Argon2id hash only."""

    username: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LegacyAllowlist:
    """Addresses that were let in before there were rules, until a second they no longer are."""

    addresses: AddressSet
    deadline: float


@dataclass(frozen=True, slots=True)
class Configuration:
    """An SMTP configuration: a sender domain, its DKIM key and its users.

    Attributes:
        id: UUID of the configuration, as text.
        domain: The only domain its users may send from (D-12).
        dkim_selector: First label of the DKIM key record's name (D-17).
        dkim_key_file: RSA private key in PEM; None sends without a signature.
        verification: Where the three verifications stand.
        users: At most five (S-20).
        dkim_private_key: The key itself, in PEM, where there is no file of it.
        legacy: Its old allowlist (D-20); beside the rules, for its own users alone.
    """

    id: str
    domain: str
    dkim_selector: str
    dkim_key_file: Path | None
    verification: Standing
    users: tuple[User, ...]
    dkim_private_key: str | None = field(default=None, repr=False)
    legacy: LegacyAllowlist | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of the service, in its own region, with its own network rules."""

    id: str
    region: str
    rules: tuple[Rule, ...]
    configurations: tuple[Configuration, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A user together with the configuration and the instance that own it."""

    user: User
    configuration: Configuration
    instance: Instance
