"""Relays that misread addresses and parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, around_verb, replace, word


def mailbox_becomes(change: Callable[[Any], Any]) -> None:
    """Change every mailbox that is read; None stands for a refusal."""
    from reference_relay.smtp import grammar

    @around(grammar, "match_path")
    def changed(original: Broken, text: str, *, is_strict: bool) -> Any:
        found = original(text, is_strict=is_strict)
        mailbox = change(found[0]) if found is not None else None
        return (mailbox, found[1]) if mailbox is not None else None


def grammar_becomes(before: str, after: str) -> None:
    """Change the grammar of paths."""
    from reference_relay.smtp import grammar

    for name in ("_PATH", "_BARE_MAILBOX"):
        pattern = getattr(grammar, name).pattern
        if before not in pattern:
            raise ValueError(f"{before!r} is not in grammar.{name}")
        replace(grammar, name, re.compile(pattern.replace(before, after)))


def plus_refused() -> None:
    mailbox_becomes(lambda mailbox: None if set("+'/") & set(mailbox.local_part) else mailbox)


def local_part_cut() -> None:
    from reference_relay.mail.address import Mailbox
    from reference_relay.smtp import grammar

    replace(grammar, "MAXIMUM_LOCAL_PART", 1000)
    mailbox_becomes(lambda mailbox: Mailbox(mailbox.local_part[:64], mailbox.domain))


def path_of_128() -> None:
    mailbox_becomes(lambda mailbox: mailbox if len(str(mailbox)) < 127 else None)


def domain_behind_the_first_at() -> None:
    from reference_relay.mail.address import Mailbox

    def careless(mailbox: Any) -> Any:
        local_part, _, domain = str(mailbox).partition("@")
        return Mailbox(local_part, domain)

    mailbox_becomes(careless)


def any_dots() -> None:
    from reference_relay.smtp import grammar

    grammar_becomes(grammar.DOT_STRING, rf"(?:{grammar.ATEXT}|\.)+")


def lower_case() -> None:
    from reference_relay.mail.address import Mailbox

    mailbox_becomes(lambda mailbox: Mailbox(mailbox.local_part.lower(), mailbox.domain))


def brackets_demanded() -> None:
    from reference_relay.smtp.settings import SessionSettings

    @around(SessionSettings, "__init__")
    def strict(original: Broken, self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **{**named, "strict_paths": True})


def source_routes_followed() -> None:
    from reference_relay.mail.address import Mailbox
    from reference_relay.smtp import grammar

    @around(grammar, "match_path")
    def routed(original: Broken, text: str, *, is_strict: bool) -> Any:
        found = original(text, is_strict=is_strict)
        first = re.match(r"<@([^,:]+)", text)
        if found is None or first is None:
            return found
        return Mailbox(found[0].local_part, first[1]), found[1]


def untagged_ipv6() -> None:
    import ipaddress

    from reference_relay.smtp import grammar

    @around(grammar, "is_address_literal")
    def lenient(original: Broken, text: str) -> bool:
        try:
            ipaddress.ip_address(text[1:-1])
        except ValueError:
            return bool(original(text))
        return True

    recipients_unjudged()


def recipients_unjudged() -> None:
    from reference_relay.policy import recipient

    replace(recipient, "judge_forward_path", lambda mailbox: None)


def postmaster_refused() -> None:
    from reference_relay.smtp import grammar

    replace(grammar, "_POSTMASTER", re.compile("(?!)"))


def underscores_in_domains() -> None:
    from reference_relay.smtp import grammar

    grammar_becomes(f"[{grammar.LET_DIG}]", r"\w")
    grammar_becomes(rf"[{grammar.LET_DIG}\-]", r"[\w\-]")
    recipients_unjudged()


def null_recipient() -> None:
    from reference_relay.mail.address import Mailbox
    from reference_relay.mail.envelope import Recipient
    from reference_relay.smtp import server_session

    @around(server_session, "parse_rcpt")
    def shared(original: Broken, argument: bytes, *, is_strict: bool) -> Any:
        if argument.upper() == b"TO:<>":
            return Recipient(Mailbox("postmaster", ""))
        return original(argument, is_strict=is_strict)


def null_sender_unjudged() -> None:
    from reference_relay.submission import accept
    from reference_relay.submission.answers import Answers

    @around(Answers, "content")
    def bypassed(original: Broken, self: Any, event: Any, cipher: Any) -> Any:
        if event.envelope.reverse_path is not None:
            return original(self, event, cipher)
        judge = replace(accept, "judge_content", lambda *_: None)
        try:
            return original(self, event, cipher)
        finally:
            replace(accept, "judge_content", judge)


def everything_is_ascii() -> None:
    from reference_relay.mail.address import Mailbox

    replace(Mailbox, "is_ascii", property(lambda self: True))


def a_labels_refused() -> None:
    mailbox_becomes(lambda mailbox: None if "xn--" in mailbox.domain else mailbox)


def percent_hack() -> None:
    from reference_relay.mail.address import Mailbox

    def rewritten(mailbox: Any) -> Any:
        local_part, percent, domain = mailbox.local_part.rpartition("%")
        return Mailbox(local_part, domain) if percent and "." in domain else mailbox

    mailbox_becomes(rewritten)


def junk_behind_the_path() -> None:
    from reference_relay.smtp import grammar

    @around(grammar, "match_path")
    def lenient(original: Broken, text: str, *, is_strict: bool) -> Any:
        found = original(text, is_strict=is_strict)
        if found is None:
            return None
        return found[0], found[1] if found[1].startswith(" ") and "=" in found[1] else ""


def recipients_at_most_50() -> None:
    from reference_relay.smtp import replies

    @around_verb("RCPT")
    def narrow(original: Broken, session: Any, argument: bytes) -> Any:
        if len(session._transaction.recipients) >= 50:
            return replies.TOO_MANY_RECIPIENTS
        return original(session, argument)


def too_many_recipients_for_good() -> None:
    word("TOO_MANY_RECIPIENTS", "552 5.5.3 Error: too many recipients")


def old_endings_only() -> None:
    from reference_relay.policy import recipient
    from reference_relay.smtp import replies

    @around(recipient, "judge_forward_path")
    def narrow(original: Broken, mailbox: Any) -> Any:
        if mailbox.domain.lower().endswith(("sink.example", ".com", ".org", ".net")):
            return original(mailbox)
        return replies.NOT_FULLY_QUALIFIED


MUTATIONS = {
    "plus-refused": Mutation(("PATH-01",), plus_refused, "Local parts with + or ' are refused."),
    "local-part-cut": Mutation(("PATH-02",), local_part_cut, "Local parts are cut at 64 octets."),
    "path-of-128": Mutation(("PATH-03",), path_of_128, "Paths over 128 octets are refused."),
    "domain-behind-the-first-at": Mutation(
        ("PATH-04",), domain_behind_the_first_at, "The domain begins behind the first @."
    ),
    "any-dots": Mutation(("PATH-06",), any_dots, "Dots may stand anywhere in a local part."),
    "lower-case": Mutation(("PATH-07",), lower_case, "Local parts are written in lower case."),
    "brackets-demanded": Mutation(
        ("PATH-08", "INT-01"), brackets_demanded, "The documented lines without <> are refused."
    ),
    "source-routes-followed": Mutation(
        ("PATH-09", "PATH-10"), source_routes_followed, "The first host of a source route counts."
    ),
    "untagged-ipv6": Mutation(
        ("PATH-11",), untagged_ipv6, "An address literal needs no IPv6: in front."
    ),
    "recipients-unjudged": Mutation(
        ("PATH-13",), recipients_unjudged, "Recipients without a full domain are accepted."
    ),
    "postmaster-refused": Mutation(
        ("PATH-14",), postmaster_refused, "<Postmaster> without a domain is refused."
    ),
    "underscores-in-domains": Mutation(
        ("PATH-15",), underscores_in_domains, "Domains may have underscores."
    ),
    "null-recipient": Mutation(("PATH-16",), null_recipient, "RCPT TO:<> is accepted."),
    "null-sender-unjudged": Mutation(
        ("PATH-17",), null_sender_unjudged, "With MAIL FROM:<> nothing is judged."
    ),
    "everything-is-ascii": Mutation(
        ("PATH-19",), everything_is_ascii, "UTF-8 addresses pass without SMTPUTF8."
    ),
    "a-labels-refused": Mutation(("PATH-20",), a_labels_refused, "Domains with xn-- are refused."),
    "percent-hack": Mutation(("PATH-21",), percent_hack, "a%b@c is sent to a@b."),
    "junk-behind-the-path": Mutation(
        ("PATH-22",), junk_behind_the_path, "What follows > is dropped without a word."
    ),
    "recipients-at-most-50": Mutation(
        ("PATH-23", "LIM-01"), recipients_at_most_50, "100 recipients are offered, 50 are taken."
    ),
    "too-many-recipients-for-good": Mutation(
        ("PATH-24",), too_many_recipients_for_good, "The recipient over the limit gets 552."
    ),
    "old-endings-only": Mutation(
        ("PATH-25",), old_endings_only, "Recipients are taken in some top-level domains alone."
    ),
}
