"""Relays that misread the parameters of MAIL and RCPT."""

from __future__ import annotations

import dataclasses
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def unknown_parameters_ignored() -> None:
    from reference_relay.smtp import grammar

    known = {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "NOTIFY", "ORCPT"}

    @around(grammar, "parameters")
    def lenient(original: Broken, text: str) -> dict[str, str | None]:
        pairs = (word.partition("=") for word in text.split())
        return {name.upper(): value or None for name, _, value in pairs if name.upper() in known}


def size_ignored() -> None:
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Mail

    @around(server_session, "parse_mail")
    def careless(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        mail = original(argument, is_strict=is_strict)
        return dataclasses.replace(mail, size=0) if isinstance(mail, Mail) else mail


def announced_size_cuts() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_complete")
    def cut(original: Broken, self: Any, octets: bytes) -> Any:
        return original(self, octets[: self._transaction.mail.size or None])


def smtputf8_passed_over() -> None:
    from reference_relay.smtp import replies, server_session
    from reference_relay.smtp.command import Mail

    @around(server_session, "parse_mail")
    def deaf(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        mail = original(argument, is_strict=is_strict)
        if isinstance(mail, Mail) and mail.is_smtputf8:
            if mail.reverse_path is not None and not mail.reverse_path.is_ascii:
                return replies.SENDER_SYNTAX
            return dataclasses.replace(mail, is_smtputf8=False)
        return mail


def parameters_of_100() -> None:
    from reference_relay.smtp import replies, server_session

    for name in ("parse_mail", "parse_rcpt"):

        @around(server_session, name)
        def narrow(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
            if any(len(word) > 100 for word in argument.split()[1:]):
                return replies.PARAMETER_SYNTAX
            return original(argument, is_strict=is_strict)


def never_beside_others() -> None:
    from reference_relay.smtp import command

    replace(command, "_notify", lambda value: frozenset((value or "").upper().split(",")))


MUTATIONS = {
    "unknown-parameters-ignored": Mutation(
        ("PATH-18",), unknown_parameters_ignored, "Unknown and repeated parameters are ignored."
    ),
    "size-ignored": Mutation(("SIZE-01",), size_ignored, "SIZE= is read and not compared."),
    "announced-size-cuts": Mutation(
        ("SIZE-03",), announced_size_cuts, "Content is cut at the announced size."
    ),
    "smtputf8-passed-over": Mutation(
        ("UTF8-01",), smtputf8_passed_over, "SMTPUTF8 is offered and passed over."
    ),
    "parameters-of-100": Mutation(
        ("DSN-01",), parameters_of_100, "Parameters have 100 octets at most."
    ),
    "never-beside-others": Mutation(
        ("DSN-02",), never_beside_others, "NOTIFY=NEVER may stand beside other values."
    ),
}
