"""What is proven about a sender domain, and the seam between those who store it and who prove it.

A configuration may send once SPF, DKIM and the approval are verified (S-2, D-15). Whoever proves
them looks at DNS and returns a new `Verification`; the store keeps it and enforces what follows.
All times are seconds of the relay's clock (D-25).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class VerificationState(Enum):
    """Where one of the three verifications stands (D-15)."""

    PENDING = "PENDING"
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"


class VerificationType(Enum):
    """What is verified; the values are the words of the vendor's API."""

    SPF = "spf"
    DKIM = "dkim"
    EN_AUTHORIZATION = "en_authorization"


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification of one configuration, as it stands.

    Attributes:
        type: Which of the three.
        state: PENDING until it succeeds for the first time; FAILED suspends.
        reason: Why it is not verified, a sentence for people; empty when there is nothing to say.
        last_checked: When DNS, or a person, was asked last; None if never.
        next_check: When it is due by itself; None is never, as for the approval, and for what the
            configuration file says is verified.
        temporary_failures: Temporary DNS errors in a row (D-18).
    """

    type: VerificationType
    state: VerificationState = VerificationState.PENDING
    reason: str = ""
    last_checked: float | None = None
    next_check: float | None = None
    temporary_failures: int = 0


@dataclass(frozen=True, slots=True)
class DomainClaim:
    """A configuration, as far as proving its domain needs it.

    Attributes:
        configuration_id: UUID of the configuration, as text.
        instance_id: Who owns it.
        endpoint_region: Region of the endpoint that serves its instance; its outgoing addresses
            are those that SPF has to pass for (D-16).
        domain: As it was given; to be asked for as A-labels.
        spf_value: The value of the SPF record that was issued.
        dkim_name: Whole name of the DKIM key record, `<uuid>._domainkey.<domain>` (D-17).
        dkim_value: The value of the DKIM record that was issued.
        verifications: The three, in the order of `VerificationType`.
    """

    configuration_id: str
    instance_id: str
    endpoint_region: str
    domain: str
    spf_value: str
    dkim_name: str
    dkim_value: str
    verifications: tuple[Verification, Verification, Verification]

    def verification(self, type: VerificationType) -> Verification:
        """Return one of the three."""
        return next(one for one in self.verifications if one.type is type)


class KeepsVerifications(Protocol):
    """The store, as far as whoever proves domains knows it."""

    async def domain_claims(self) -> Sequence[DomainClaim]:
        """List all configurations with their verifications.

        Raises:
            StoreUnavailable: The store cannot be reached now.
        """

    async def record(self, configuration_id: str, verification: Verification) -> bool:
        """Keep a result, and return when every worker enforces it (D-27).

        Returns:
            False if the configuration is gone; then nothing was kept.

        Raises:
            StoreUnavailable: The store cannot be reached now.
        """


class VerifiesDomains(Protocol):
    """Whoever proves domains, as far as the management API knows it."""

    async def verify(self, claim: DomainClaim, type: VerificationType) -> Verification:
        """Look at DNS now and return how the verification stands; the caller records it.

        A temporary DNS error is a result like any other and never raises. For the approval, which
        only a person can give, the verification is returned as it is.
        """


class StoreUnavailable(Exception):
    """The store cannot be reached now; the relay goes on with what it knows."""
