"""Relays that say the wrong words."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, reword, word


def prompts_in_lower_case() -> None:
    word("CHALLENGE_USERNAME", "334 dXNlcm5hbWU6")
    word("CHALLENGE_PASSWORD", "334 cGFzc3dvcmQ6")


def banner_names_the_software() -> None:
    reword("greeting", "Relay/2.1 {} ESMTP")


def salutation_in_ehlo() -> None:
    from reference_relay.smtp.reply import Reply
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_hello")
    def saluted(original: Broken, self: Any, argument: bytes, verb: Any) -> Any:
        reply = original(self, argument, verb)
        if reply.code != 250:
            return reply
        return Reply(250, None, (f"Hello {argument.decode()}", *reply.lines[1:]))


def long_lines_echo_input() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_execute")
    def echoed(original: Broken, self: Any, line: bytes) -> Any:
        outcome = original(self, line)
        if outcome in (replies.COMMAND_UNKNOWN, replies.RECIPIENT_SYNTAX):
            reply = Reply(outcome.code, outcome.enhanced, ("?",))
            octets = b"%d %s %s %s\r\n" % (outcome.code, b"5.5.2", line, line)
            object.__setattr__(reply, "octets", octets)
            return reply
        return outcome


def exception_text() -> None:
    word("AUTHENTICATION_REQUIRED", '530 5.7.0 File "/srv/relay/session.py", line 42: KeyError')


def queue_id_missing() -> None:
    reword("queued", "250 2.0.0 Ok: queued")


def codes_of_another_library() -> None:
    reword("authenticated", "235 2.0.0 Authentication succeeded")


MUTATIONS = {
    "prompts-in-lower-case": Mutation(
        requirements=("AUTH-03",),
        apply=prompts_in_lower_case,
        sentence="AUTH LOGIN asks for username: and password: in lower case.",
    ),
    "banner-names-the-software": Mutation(
        ("GRT-01",), banner_names_the_software, "The greeting begins with a product's name."
    ),
    "salutation-in-ehlo": Mutation(
        ("GRT-02",), salutation_in_ehlo, "The first line of EHLO's reply greets the client."
    ),
    "long-lines-echo-input": Mutation(
        ("RPL-03", "RPL-04"), long_lines_echo_input, "Replies repeat what the client sent, twice."
    ),
    "exception-text": Mutation(
        ("RPL-11",), exception_text, "A reply shows where in the program it was made."
    ),
    "queue-id-missing": Mutation(
        ("DATA-01",), queue_id_missing, "The final reply names no queue ID."
    ),
    "codes-of-another-library": Mutation(
        ("RPL-09",), codes_of_another_library, "235 comes with 2.0.0 in the place of 2.7.0."
    ),
}
