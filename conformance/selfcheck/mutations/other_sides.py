"""Relays that break a side of a requirement which no other mutation breaks.

A requirement may have several checks; each of them must have been red once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.dialogue import bad_sequence_resets
from conformance.selfcheck.mutations.rarer_cases import argument_becomes
from conformance.selfcheck.mutations.sender import belongs_if, envelope_unjudged
from conformance.selfcheck.patching import Broken, around, around_verb, replace


def auth_alone_is_plain() -> None:
    @around_verb("AUTH")
    def guessed(original: Broken, session: Any, argument: bytes) -> Any:
        return original(session, argument or b"PLAIN")


def unknown_users_are_named() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply
    from reference_relay.submission import answers

    @around(answers, "sign_in")
    async def chatty(original: Broken, context: Any, endpoint: Any, given: Any, *rest: Any) -> Any:
        outcome = await original(context, endpoint, given, *rest)
        name = given.authentication_identity.decode("utf-8", "replace")
        if outcome is replies.CREDENTIALS_INVALID and not context.directory().accounts(name):
            return Reply.of("535 5.7.8 Error: no such user")
        return outcome


def own_name_is_not_ours() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.sasl import Plain

    @around(Plain, "respond")
    def narrow(original: Broken, self: Any, response: bytes) -> Any:
        return original(self, response) if response[:1] == b"\0" else replies.CREDENTIALS_INVALID


def password_passes_if(judge: Callable[[bytes], bool]) -> None:
    """Take some passwords for right."""
    from reference_relay.service.passwords import PasswordVerifier

    @around(PasswordVerifier, "verify")
    async def broken(
        original: Broken, self: Any, password_hash: str | None, username: bytes, password: bytes
    ) -> bool:
        is_right = bool(await original(self, password_hash, username, password))
        return is_right or (password_hash is not None and judge(password))


def reset_needs_a_login() -> None:
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.transitions import UNAUTHENTICATED

    replace(server_session, "UNAUTHENTICATED", UNAUTHENTICATED - {Verb.RSET})


def message_id_is(text: str) -> None:
    """Supply this Message-ID where one is missing."""
    from reference_relay.submission import accept

    @around(accept, "complete_outline")
    def same(original: Broken, found: Any, *, date: str, message_id: str) -> Any:
        return original(found, date=date, message_id=text)


def header_refused_if(judge: Callable[[Any], bool]) -> None:
    """Refuse a content for its header fields."""
    from reference_relay.smtp import replies
    from reference_relay.submission import accept

    @around(accept, "judge_content")
    def strict(original: Broken, context: Any, account: Any, found: Any) -> Any:
        if judge(found.by_key):
            return replies.HEADER_SENDER_FOREIGN
        return original(context, account, found)


def return_path_passes() -> None:
    from reference_relay.mail import content

    replace(content, "_NEVER_LEAVE", content._NEVER_LEAVE - {b"return-path"})


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
    "own-name-is-not-ours": Mutation(
        ("AUTH-11",), own_name_is_not_ours, "The own name as authorization identity is refused."
    ),
    "long-passwords-pass": Mutation(
        ("AUTH-12",),
        partial(password_passes_if, lambda password: len(password) > 200),
        "Of a long password the end is not compared.",
    ),
    "auth-in-a-transaction-ends-it": Mutation(
        ("AUTH-15",), bad_sequence_resets, "AUTH inside a transaction is refused and ends it."
    ),
    "unknown-users-are-named": Mutation(
        ("AUTH-18",), unknown_users_are_named, "An unknown user hears another text."
    ),
    "one-equals-one": Mutation(
        ("AUTH-22",),
        partial(password_passes_if, lambda password: b"'1'='1" in password),
        "A password that speaks SQL is right.",
    ),
    "auth-parameter-unknown": Mutation(
        ("AUTH-23",),
        partial(argument_becomes, "parse_mail", lambda given: given.replace(b" AUTH=", b" X-A=")),
        "MAIL does not know AUTH=.",
    ),
    "reset-needs-a-login": Mutation(("SUB-02",), reset_needs_a_login, "RSET needs a login."),
    "message-ids-alike": Mutation(
        ("SUB-04",),
        partial(message_id_is, "<1@relay.example.net>"),
        "Every message without a Message-ID gets the same.",
    ),
    "message-id-without-brackets": Mutation(
        ("SUB-04",), partial(message_id_is, "1"), "The Message-ID that is supplied is none."
    ),
    "parent-domain-is-ours": Mutation(
        ("SND-05",),
        partial(belongs_if, lambda claimed, domain: f".{domain}".endswith(f".{claimed}")),
        "The domain above the configured one passes.",
    ),
    "several-authors-refused": Mutation(
        ("SND-10",),
        partial(header_refused_if, lambda fields: fields.get(b"from", b"").count(b"@") > 1),
        "Two authors of the domain are refused.",
    ),
    "reply-to-judged": Mutation(
        ("SND-12",),
        partial(header_refused_if, lambda fields: b"foreign" in fields.get(b"reply-to", b"")),
        "Reply-To must be in the domain, too.",
    ),
    "return-path-passes": Mutation(
        ("SND-12",), return_path_passes, "A client's Return-Path is passed on."
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
