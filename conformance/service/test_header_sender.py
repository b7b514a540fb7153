"""SND: the senders that the header names are in the domain of the configuration, too."""

from __future__ import annotations

import re

import pytest

from conformance.header import fields_named
from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.header_steps import with_from
from conformance.service.verdict_on_content import ContentAccepted, ContentRefused
from conformance.steps import (
    NothingArrived,
    must_answer,
    need_header_rule,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target


@requirement("SND-09")
@pytest.mark.parametrize(
    "author",
    [
        "x@foreign.example",
        "Mailer <x@foreign.example>",
        '"{own}" <x@foreign.example>',
        "<x@foreign.example>",
        "x@EVIL{domain}",
    ],
)
def test_a_foreign_author_is_refused(
    author: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A message whose From is outside the domain is refused although its envelope is not."""
    need_header_rule(target)
    own = target.account()
    author = author.format(own=own.sender, domain=own.domain)
    content_refused(token, message(token, from_=author), "the author is foreign", "550 5.7.1")


@requirement("SND-10")
@pytest.mark.parametrize("sender", ["", "own", "foreign"])
@pytest.mark.parametrize("authors", ["own, foreign", "foreign, own", "own, own, foreign"])
def test_every_author_counts(
    authors: str,
    sender: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """One foreign mailbox among several authors is enough for a refusal."""
    need_header_rule(target)
    addresses = {"own": sender_of(target), "foreign": "b@foreign.example"}
    named = re.sub(r"\w+", lambda word: addresses[word[0]], authors)
    headers = {"sender": addresses[sender]} if sender else {}
    content = message(token, from_=named, **headers)
    content_refused(token, content, "one author is foreign", ("550 5.7.1", "554"))


@requirement("SND-10")
def test_several_authors_of_the_domain_with_a_sender(
    target: Target, message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Several authors in the domain are accepted when a Sender in the domain stands by."""
    one, other = sender_of(target, "one"), sender_of(target, "other")
    content_accepted(token, message(token, from_=f"{one}, Other <{other}>", sender=one))


@requirement("SND-10")
def test_several_authors_need_a_sender(
    target: Target, message: ComposeMessage, token: str, content_refused: ContentRefused
) -> None:
    """Several authors without a Sender are refused (RFC 5322 §3.6.2)."""
    need_header_rule(target)
    authors = f"{sender_of(target, 'one')}, {sender_of(target, 'other')}"
    content_refused(token, message(token, from_=authors), "the Sender is missing")


REPEATED_FROM = {
    "own-first": (b"From: {own}", b"From: x@foreign.example"),
    "foreign-first": (b"From: x@foreign.example", b"From: {own}"),
    "other-case": (b"From: {own}", b"FROM: x@foreign.example"),
    "folded": (b"From: {own}", b"from:\r\n x@foreign.example"),
    "apart": (b"From: {own}", b"X-Between: y", b"From: x@foreign.example"),
    "both-own": (b"From: {own}", b"From: {own}"),
    "both-foreign": (b"From: x@foreign.example", b"From: x@foreign.example"),
}


@requirement("SND-11")
@pytest.mark.parametrize("kind", list(REPEATED_FROM))
def test_a_repeated_from_is_refused(
    kind: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A message with two From fields is never delivered."""
    own = sender_of(target).encode()
    fields = [field.replace(b"{own}", own) for field in REPEATED_FROM[kind]]
    content_refused(token, with_from(message(token), *fields), "there is one From too many")


@requirement("SND-12")
@pytest.mark.parametrize("name", ["Sender", "Resent-From", "Resent-Sender"])
def test_other_foreign_senders_are_refused(
    name: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """Sender and the resent fields are judged as From is."""
    need_header_rule(target)
    content = f"{name}: x@foreign.example\r\n".encode() + message(token)
    content_refused(token, content, f"{name} is foreign", "550 5.7.1")


@requirement("SND-12")
def test_a_foreign_reply_to_is_accepted(
    message: ComposeMessage, token: str, content_accepted: ContentAccepted
) -> None:
    """Replies may go wherever the author wants them."""
    content_accepted(token, message(token, reply_to="answers@foreign.example"))


@requirement("SND-12")
def test_a_return_path_does_not_pass(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """A Return-Path of the client is removed, or the message is refused (RFC 5321 §4.4)."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = probe.data(b"Return-Path: <x@foreign.example>\r\n" + message(token))
    must_answer(reply, ("250", "5yz"), "removed or refused")
    if reply.is_permanent:
        nothing_arrived(token)
        return
    left = fields_named(arrived(token).content, "Return-Path")
    must(not left, expected="no Return-Path", observed=left)


@requirement("SND-13")
@pytest.mark.parametrize(
    "author",
    [
        "Team: a@foreign.example;",
        "Team: {own};",
        "undisclosed:;",
        "<>",
        "Mailer <>",
        "Team: ;, {own}",
    ],
)
def test_groups_and_empty_authors_are_refused(
    author: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """From names mailboxes: no group, and not nobody."""
    author = author.format(own=sender_of(target))
    content_refused(token, message(token, from_=author), "From names no mailbox of its own")


@requirement("SND-14")
@pytest.mark.parametrize(
    "author",
    [
        '"ceo@bank.example" <{own}>',
        '"a, b; c: d" <{own}>',
        '"x@foreign.example, y" <{own}>',
        "=?utf-8?q?x=40foreign=2Eexample?= <{own}>",
        "{own} (x@foreign.example)",
        "Mailer (said <x@foreign.example> \\) too) <{own}>",
        "J. R. Mailer <{own}>",
        '"<x@foreign.example>" <{own}>',
    ],
)
def test_display_names_are_names(
    author: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_accepted: ContentAccepted,
) -> None:
    """What looks like an address in a name or a comment counts for nothing."""
    content_accepted(token, message(token, from_=author.format(own=sender_of(target))))


@requirement("SND-14")
@pytest.mark.parametrize(
    "author",
    [
        "{own} <x@foreign.example>",
        '"{own}" <x@foreign.example>',
        "<x@foreign.example> <{own}>",
        "({own}) x@foreign.example",
        "=?utf-8?q?=3C{own}=3E?= <x@foreign.example>",
        "<{own}> x@foreign.example",
        '"unended <{own}>, x@foreign.example',
        "<{own}>, <x@foreign.example>",
    ],
)
def test_display_names_hide_no_author(
    author: str,
    target: Target,
    message: ComposeMessage,
    token: str,
    content_refused: ContentRefused,
) -> None:
    """A foreign address is found behind whatever name stands before it."""
    need_header_rule(target)
    content = message(token, from_=author.format(own=sender_of(target)))
    content_refused(token, content, "the address is foreign", ("550 5.7.1", "554"))
