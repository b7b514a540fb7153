"""Relays that say the wrong words."""

from __future__ import annotations

from conformance.selfcheck.mutation import Mutation


def prompts_in_lower_case() -> None:
    """AUTH LOGIN prompts that clients which compare them do not know."""
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply

    replies.CHALLENGE_USERNAME = Reply.of("334 dXNlcm5hbWU6")
    replies.CHALLENGE_PASSWORD = Reply.of("334 cGFzc3dvcmQ6")


MUTATIONS = {
    "prompts-in-lower-case": Mutation(
        requirements=("AUTH-03",),
        apply=prompts_in_lower_case,
        sentence="AUTH LOGIN asks for username: and password: in lower case.",
    ),
}
