"""Relays that greet wrongly, or offer what they do not keep."""

from __future__ import annotations

import re
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import (
    Broken,
    around,
    around_verb,
    keywords,
    replace,
)


def private_keyword() -> None:
    keywords(lambda lines: (*lines, "FANCY"))


def bdat_not_implemented() -> None:
    from reference_relay.smtp import replies

    @around_verb("BDAT")
    def missing(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.COMMAND_NOT_IMPLEMENTED


def helo_like_ehlo() -> None:
    from reference_relay.smtp.command import Verb

    @around_verb("HELO")
    def extended(original: Broken, session: Any, argument: bytes) -> Any:
        return session._hello(argument, Verb.EHLO)


def ehlo_keeps_the_transaction() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_hello")
    def kept(original: Broken, self: Any, argument: bytes, verb: Any) -> Any:
        state, transaction = self.state, self._transaction
        reply = original(self, argument, verb)
        if transaction.mail.reverse_path is not None:
            self.state, self._transaction = state, transaction
        return reply


def refused_ehlo_clears() -> None:
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "_hello")
    def cleared(original: Broken, self: Any, argument: bytes, verb: Any) -> Any:
        if self.state in (State.SENDER, State.RECIPIENTS):
            self._end_transaction()
        return original(self, argument, verb)


def host_names_only() -> None:
    from reference_relay.smtp import server_session

    @around(server_session, "is_hello_name")
    def narrow(original: Broken, text: str) -> bool:
        return not text.startswith("[") and bool(original(text))


def foreign_names_refused() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_hello")
    def picky(original: Broken, self: Any, argument: bytes, verb: Any) -> Any:
        if argument.endswith((b"client.example", b"]")):
            return original(self, argument, verb)
        return replies.ACCESS_DENIED


def hello_name_copied() -> None:
    from reference_relay.mail import trace
    from reference_relay.smtp import server_session

    replace(server_session, "_CONTROL", re.compile(rb"(?!)"))
    replace(server_session, "is_hello_name", lambda text: True)
    replace(trace, "_neutral_name", lambda name: name)


def etrn_left_on() -> None:
    from reference_relay.smtp.command import VERBS, Verb

    VERBS[b"ETRN"] = Verb.NOOP


def denied_banner_only() -> None:
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "deny")
    def forgetful(original: Broken, self: Any) -> None:
        original(self)
        self.state = State.CONNECTED


MUTATIONS = {
    "private-keyword": Mutation(
        ("GRT-03",), private_keyword, "EHLO offers a keyword nobody has registered."
    ),
    "bdat-not-implemented": Mutation(
        ("GRT-04",), bdat_not_implemented, "CHUNKING is offered, and BDAT is answered 502."
    ),
    "helo-like-ehlo": Mutation(("GRT-05",), helo_like_ehlo, "HELO gets the list of EHLO."),
    "ehlo-keeps-the-transaction": Mutation(
        ("GRT-06",), ehlo_keeps_the_transaction, "EHLO leaves an open transaction as it is."
    ),
    "refused-ehlo-clears": Mutation(
        ("GRT-07",), refused_ehlo_clears, "A refused EHLO ends the transaction."
    ),
    "host-names-only": Mutation(("GRT-08",), host_names_only, "EHLO takes no address literal."),
    "foreign-names-refused": Mutation(
        ("GRT-09",), foreign_names_refused, "EHLO must give the name that the relay expects."
    ),
    "hello-name-copied": Mutation(
        ("GRT-10",), hello_name_copied, "Any EHLO name is copied into Received as it came."
    ),
    "etrn-left-on": Mutation(("GRT-11",), etrn_left_on, "ETRN is answered with success."),
    "denied-banner-only": Mutation(
        ("GRT-12", "CBR-01"), denied_banner_only, "After a 554 greeting commands work as usual."
    ),
}
