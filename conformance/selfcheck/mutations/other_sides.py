"""Relays that break a side of a requirement which no other mutation breaks.

A requirement may have several checks; each of them must have been red once.
"""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.sender import envelope_unjudged
from conformance.selfcheck.patching import Broken, around, around_verb


def auth_alone_is_plain() -> None:
    @around_verb("AUTH")
    def guessed(original: Broken, session: Any, argument: bytes) -> Any:
        return original(session, argument or b"PLAIN")


def strangers_proxy_header_believed() -> None:
    from reference_relay.service.address_set import AddressSet
    from reference_relay.submission.listener import Listener

    @around(Listener, "adopt")
    def credulous(original: Broken, self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        self.balancers = AddressSet.parse("127.0.9.0/24")


def requiretls_in_clear() -> None:
    from reference_relay.smtp.settings import SessionSettings

    @around(SessionSettings, "keywords")
    def early(original: Broken, self: Any, *, is_encrypted: bool) -> tuple[str, ...]:
        lines: tuple[str, ...] = original(self, is_encrypted=is_encrypted)
        return lines if is_encrypted else (*lines, "REQUIRETLS")


MUTATIONS = {
    "auth-alone-is-plain": Mutation(
        ("AUTH-05",), auth_alone_is_plain, "AUTH without a mechanism means PLAIN."
    ),
    "strangers-proxy-header-believed": Mutation(
        ("CBR-15",),
        strangers_proxy_header_believed,
        "A PROXY header of a client that is denied is believed.",
    ),
    "requiretls-in-clear": Mutation(
        ("LIM-01",), requiretls_in_clear, "REQUIRETLS is offered before TLS."
    ),
    "smtplib-sees-no-refusal": Mutation(
        ("INT-06",), envelope_unjudged, "A foreign sender that smtplib sends is accepted."
    ),
}
