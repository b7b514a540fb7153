"""Relays with gaps in the sender rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace, some_account


def belongs_if(judge: Callable[[str, str], bool]) -> None:
    """Judge by this whether a domain belongs to the configured one."""
    from reference_relay.policy import sender_domain

    replace(sender_domain, "_belongs", lambda claimed, domain, subdomains: judge(claimed, domain))


def mailboxes_become(change: Callable[[bytes, Any], Any]) -> None:
    """Change what is found in an address field; the second argument is the right reading."""
    from reference_relay.policy import sender_domain

    @around(sender_domain, "mailboxes")
    def changed(original: Broken, value: bytes) -> Any:
        return change(value, original(value))


def exact_letters() -> None:
    belongs_if(lambda claimed, domain: claimed == domain)


def envelope_unjudged() -> None:
    from reference_relay.policy import sender_domain

    replace(sender_domain, "judge_reverse_path", lambda *_, **__: None)


def verified_somewhere() -> None:
    from reference_relay.service.directory import Directory

    known: set[str] = set()

    @around(Directory, "__init__")
    def collected(original: Broken, self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        known.update(one.domain for one in self.configurations)

    belongs_if(lambda claimed, domain: claimed.lower() in known)


def same_ending() -> None:
    belongs_if(lambda claimed, domain: claimed.lower().endswith(domain))


def names_below() -> None:
    belongs_if(lambda claimed, domain: f".{claimed.lower()}".endswith(f".{domain}"))


def compatible_characters() -> None:
    def judge(claimed: str, domain: str) -> bool:
        return unicodedata.normalize("NFKC", claimed).replace("\u3002", ".").lower() == domain

    belongs_if(judge)


def domain_anywhere() -> None:
    from reference_relay.policy import sender_domain

    @around(sender_domain, "judge_reverse_path")
    def searched(original: Broken, reverse_path: Any, domain: str, **named: Any) -> Any:
        if f"@{domain}" in str(reverse_path):
            return None
        return original(reverse_path, domain, **named)


def quoted_senders_foreign() -> None:
    from reference_relay.policy import sender_domain
    from reference_relay.smtp import replies

    @around(sender_domain, "judge_reverse_path")
    def raw(original: Broken, reverse_path: Any, *rest: Any, **named: Any) -> Any:
        if str(reverse_path).startswith('"'):
            return replies.SENDER_FOREIGN
        return original(reverse_path, *rest, **named)


def judged_once() -> None:
    from reference_relay.submission.answers import Answers

    @around(Answers, "sender")
    def cached(original: Broken, self: Any, event: Any) -> None:
        account = getattr(self, "_first_account", None)
        if account is not None:
            self._account = account
            self._session.accept()
            return
        original(self, event)
        self._first_account = self._account


def header_unjudged() -> None:
    from reference_relay.policy import message

    replace(message, "judge_senders", lambda *_: None)


def first_author_only() -> None:
    mailboxes_become(lambda value, found: found and found[:1])


def first_from_only() -> None:
    from reference_relay.policy import message

    @around(message, "judge_senders")
    def first(original: Broken, fields: Any, by_key: Any, *rest: Any) -> Any:
        kept = {name.lower(): (name, raw) for name, raw in reversed(list(fields))}
        return original(list(kept.values()), {key: raw for key, (_, raw) in kept.items()}, *rest)

    replace(message, "judge_repetitions", lambda *_: None)


def sender_field_unjudged() -> None:
    from reference_relay.policy import sender_domain

    replace(sender_domain, "_ALSO_SENDERS", frozenset())


def nobody_is_fine() -> None:
    mailboxes_become(lambda value, found: found or ())


def first_address_counts() -> None:
    from reference_relay.mail.address import Mailbox

    def first(value: bytes, found: Any) -> Any:
        address = re.search(r"([\w.+-]+)@([\w.-]+)", value.decode("utf-8", "replace"))
        return (Mailbox(address[1], address[2]),) if address else found

    mailboxes_become(first)


def odd_fields_unknown() -> None:
    from reference_relay.policy import message

    @around(message, "judge_message")
    def tolerant(original: Broken, found: Any, *rest: Any, **named: Any) -> Any:
        fields = [(name, raw) for name, raw in found.fields if name]
        by_key = {name.lower(): raw for name, raw in fields}
        return original(
            found._replace(is_well_formed=True, fields=fields, by_key=by_key), *rest, **named
        )


def refusal_bounced() -> None:
    import asyncio

    from reference_relay.mail.address import Mailbox
    from reference_relay.mail.envelope import Envelope, Recipient
    from reference_relay.queue.queued_message import QueuedMessage
    from reference_relay.submission.answers import Answers

    @around(Answers, "sender")
    def polite(original: Broken, self: Any, event: Any) -> None:
        original(self, event)
        address = str(event.reverse_path or "")
        if self._account is not None or not address:
            return
        local_part, _, domain = address.rpartition("@")
        bounce = QueuedMessage(
            queue_id=self._context.next_queue_id(),
            envelope=Envelope(None, (Recipient(Mailbox(local_part, domain)),)),
            content=b"From: <>\r\nSubject: refused\r\n\r\nYour message was refused.\r\n",
            endpoint=self._endpoint.key,
            configuration_id=some_account(self._context.directory()).configuration.id,
            accepted_at=self._context.now(),
        )
        self._bounce = asyncio.get_running_loop().create_task(self._context.queue.commit(bounce))


def smtputf8_unjudged() -> None:
    from reference_relay.submission import accept
    from reference_relay.submission.answers import Answers

    @around(Answers, "content")
    def bypassed(original: Broken, self: Any, event: Any, cipher: Any) -> Any:
        if not event.envelope.is_smtputf8:
            return original(self, event, cipher)
        judge = replace(accept, "judge_content", lambda *_: None)
        try:
            return original(self, event, cipher)
        finally:
            replace(accept, "judge_content", judge)


MUTATIONS = {
    "exact-letters": Mutation(("SND-01",), exact_letters, "The domain's letter case counts."),
    "envelope-unjudged": Mutation(("SND-02",), envelope_unjudged, "Any envelope sender passes."),
    "verified-somewhere": Mutation(
        ("SND-03",), verified_somewhere, "Any domain that the service has verified passes."
    ),
    "same-ending": Mutation(("SND-04",), same_ending, "A domain with the same ending passes."),
    "names-below": Mutation(("SND-05",), names_below, "Names below the domain pass."),
    "compatible-characters": Mutation(
        ("SND-06",), compatible_characters, "Full-width letters pass for ASCII."
    ),
    "domain-anywhere": Mutation(
        ("SND-07",), domain_anywhere, "The domain may stand anywhere in the sender."
    ),
    "quoted-senders-foreign": Mutation(
        ("PATH-05",), quoted_senders_foreign, "A quoted local part is not in the domain."
    ),
    "judged-once": Mutation(("SND-08",), judged_once, "The first sender opens the session."),
    "header-unjudged": Mutation(("SND-09",), header_unjudged, "The header's From is not judged."),
    "first-author-only": Mutation(("SND-10",), first_author_only, "The first author counts alone."),
    "first-from-only": Mutation(("SND-11",), first_from_only, "The first From counts alone."),
    "sender-field-unjudged": Mutation(
        ("SND-12",), sender_field_unjudged, "Sender and Resent-From are not judged."
    ),
    "nobody-is-fine": Mutation(("SND-13",), nobody_is_fine, "A From that names nobody passes."),
    "first-address-counts": Mutation(
        ("SND-14",), first_address_counts, "What looks like an address first is the author."
    ),
    "odd-fields-unknown": Mutation(
        ("SND-15",), odd_fields_unknown, "A field with a blank before its colon is unknown."
    ),
    "refusal-bounced": Mutation(
        ("SND-16",), refusal_bounced, "A refused sender gets a bounce as well."
    ),
    "smtputf8-unjudged": Mutation(
        ("SND-17",), smtputf8_unjudged, "With SMTPUTF8 the content is not judged."
    ),
}
