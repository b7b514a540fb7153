"""Relays whose RSET, NOOP, VRFY, EXPN, HELP or QUIT do the wrong thing."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, around_verb, open_to, replace, word


def rset_does_nothing() -> None:
    from reference_relay.smtp import replies

    @around_verb("RSET")
    def idle(original: Broken, session: Any, argument: bytes) -> Any:
        return replies.OK


def rset_logs_out() -> None:
    @around_verb("RSET")
    def thorough(original: Broken, session: Any, argument: bytes) -> Any:
        session.identity = None
        return original(session, argument)


def noop_resets() -> None:
    from reference_relay.smtp.transitions import State

    @around_verb("NOOP")
    def busy(original: Broken, session: Any, argument: bytes) -> Any:
        if session.state in (State.SENDER, State.RECIPIENTS):
            session._end_transaction()
        return original(session, argument)


def quit_without_reply() -> None:
    from reference_relay.smtp import replies

    replace(replies.SEED.bye, "octets", b"")


def failed_auth_hangs_up() -> None:
    from reference_relay.submission.connection import Connection

    @around(Connection, "_authenticate")
    async def strict(original: Any, self: Any, *question: Any) -> None:
        await original(self, *question)
        if self._session.identity is None:
            self._flush()
            self._end("wrong password")


def vrfy_confirms() -> None:
    word("CANNOT_VERIFY", "250 2.1.5 <somebody@example.com>")


def vrfy_tells_users() -> None:
    from reference_relay.smtp import replies

    open_to("IN_CLEAR", "VRFY")
    open_to("UNAUTHENTICATED", "VRFY")

    @around_verb("VRFY")
    def honest(original: Broken, session: Any, argument: bytes) -> Any:
        is_known = argument.startswith((b"primary", b"postmaster"))
        return replies.CANNOT_VERIFY if is_known else replies.SENDER_FOREIGN


def expn_works() -> None:
    word("COMMAND_NOT_IMPLEMENTED", "250 2.1.5 <staff@example.com>")


def help_names_debug_verbs() -> None:
    word("HELP", "214 2.0.0 Commands: DATA DEBUG WIZ XCLIENT MAIL QUIT")


MUTATIONS = {
    "rset-does-nothing": Mutation(("CTL-01",), rset_does_nothing, "RSET keeps the recipients."),
    "rset-logs-out": Mutation(("CTL-02",), rset_logs_out, "RSET forgets the user."),
    "noop-resets": Mutation(("CTL-03",), noop_resets, "NOOP ends the transaction."),
    "quit-without-reply": Mutation(
        ("CTL-04",), quit_without_reply, "QUIT ends the connection without 221."
    ),
    "failed-auth-hangs-up": Mutation(
        ("CTL-05", "AUTH-06"), failed_auth_hangs_up, "A wrong password ends the connection."
    ),
    "vrfy-confirms": Mutation(("CTL-06",), vrfy_confirms, "VRFY confirms everything with 250."),
    "vrfy-tells-users": Mutation(
        ("CTL-07",), vrfy_tells_users, "VRFY tells known users from unknown ones."
    ),
    "expn-works": Mutation(("CTL-08",), expn_works, "EXPN works without being offered."),
    "help-names-debug-verbs": Mutation(
        ("CTL-09",), help_names_debug_verbs, "HELP names verbs that do not work."
    ),
}
