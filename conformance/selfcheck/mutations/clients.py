"""Relays that programs of other languages cannot use."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, around_verb


def empty_authorisation_identity_refused() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.sasl import Plain

    @around(Plain, "respond")
    def strict(original: Broken, self: Any, response: bytes) -> Any:
        return replies.CREDENTIALS_INVALID if response[:1] == b"\0" else original(self, response)


def plain_needs_initial_response() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.sasl import Plain

    @around(Plain, "begin")
    def hasty(original: Broken, self: Any, initial_response: bytes | None) -> Any:
        if initial_response is None:
            return replies.AUTHENTICATION_SYNTAX
        return original(self, initial_response)


def noop_not_implemented() -> None:
    from reference_relay.smtp import replies

    @around_verb("NOOP")
    def unknown(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.COMMAND_NOT_IMPLEMENTED


MUTATIONS = {
    "empty-authorisation-identity-refused": Mutation(
        ("INT-07",),
        empty_authorisation_identity_refused,
        "PLAIN with an empty authorisation identity is refused.",
    ),
    "plain-needs-initial-response": Mutation(
        ("INT-08",), plain_needs_initial_response, "PLAIN works with an initial response only."
    ),
    "noop-not-implemented": Mutation(
        ("INT-09",), noop_not_implemented, "Tests of a connection by NOOP are answered 502."
    ),
}
