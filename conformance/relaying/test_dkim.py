"""RLY: the signature on what leaves the service (RFC 6376, RFC 8301)."""

from __future__ import annotations

import base64
import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from conformance.header import HeaderField, fields_named, fields_of
from conformance.judgement import must, not_claimed
from conformance.relaying.look_up import LookUp
from conformance.requirement import requirement
from conformance.steps import must_answer, open_transaction, send_content, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target


def need_signature(target: Target) -> None:
    """End the check unless the profile says that deliveries are signed."""
    if target.claims("dkim") is False:
        not_claimed("the profile promises no signature")


def verifies(content: bytes, look_up: LookUp, index: int = 0) -> bool:
    """Tell whether the n-th signature from above verifies; by dkimpy, which is not ours."""
    try:
        return bool(dkim.DKIM(content).verify(idx=index, dnsfunc=look_up))
    except dkim.DKIMException:
        return False


def tags_of(signature: HeaderField) -> dict[str, str]:
    """Return the tags of a DKIM-Signature field or key record (RFC 6376 §3.2)."""
    return parsed_tags(signature.value)


def parsed_tags(text: str) -> dict[str, str]:
    """Split a tag list."""
    pairs = (tag.partition("=") for tag in text.split(";") if tag.strip())
    return {name.strip(): re.sub(r"\s+", "", value) for name, _, value in pairs}


# Behind the composed message; the text as it stands on the wire, stuffed.
SHAPES = {
    "plain": b"",
    "blank-lines-behind": b"text\r\n\r\n\r\n",
    "stuffed-dots": b"..\r\n..dot\r\nend ..\r\n",
    "trailing-blanks": b"text  \t\r\n   \r\nin  between\r\n",
    "eight-bit": "Grüße\r\n".encode(),
    "long-line": b"x" * 998 + b"\r\n",
    "from-line": b"From here on\r\n>From there\r\n",
    "controls": b"\x0c form feed\x08\x7f\r\n",
}


def must_verify(content: bytes, target: Target, look_up: LookUp) -> None:
    """Demand a signature of the configured domain that a receiver verifies."""
    signatures = fields_named(content, "DKIM-Signature")
    must(signatures, expected="a DKIM-Signature", observed=content)
    tags = tags_of(signatures[0])
    account = target.account()
    must(tags.get("a") == "rsa-sha256", expected="a=rsa-sha256", observed=tags)
    must(tags.get("d") == account.domain, expected=f"d={account.domain}", observed=tags)
    if account.selector:
        must(tags.get("s") == account.selector, f"s={account.selector}", tags)
    must("l" not in tags, expected="no l=", observed=tags)
    signed = tags.get("h", "").lower().split(":")
    must("from" in signed, expected="From among the signed fields", observed=tags)
    must(verifies(content, look_up), "a signature that the published key verifies", content)


@requirement("RLY-04")
@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_signature_verifies_at_the_sink(
    shape: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    look_up: LookUp,
) -> None:
    """What the sink got verifies with the published key, whatever the shape of the message."""
    need_signature(target)
    probe = session()
    parameters = "BODY=8BITMIME" if shape == "eight-bit" else ""
    must_answer(probe.mail(sender_of(target), parameters), "250", "the sender is allowed")
    must_answer(probe.rcpt(target.recipient()), "250", "the recipient is valid")
    reply = send_content(probe, message(token) + SHAPES[shape])
    must_answer(reply, "250", "the message is valid")
    must_verify(arrived(token).content, target, look_up)


HEADERS = {
    "folded": b"Subject: one\r\n two\r\n\tthree  \r\n",
    "no-blank": b"Subject:none\r\n",
    "empty": b"Subject:\r\n",
    "upper-case": b"SUBJECT: loud\r\n",
    "blanks": b"Subject:    many   blanks   \r\n",
    "no-subject": b"",
}


@requirement("RLY-04")
@pytest.mark.parametrize("kind", list(HEADERS))
def test_the_signature_verifies_with_odd_headers(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    look_up: LookUp,
) -> None:
    """Folds, blanks and missing fields do not break the signature."""
    need_signature(target)
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    content = re.sub(rb"(?m)^(Subject|Date): [^\r]*\r\n", b"", message(token))
    must_answer(probe.data(HEADERS[kind] + content), "250", "the message is valid")
    must_verify(arrived(token).content, target, look_up)


@requirement("RLY-04")
def test_the_signature_verifies_without_a_body(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    look_up: LookUp,
) -> None:
    """A message without any text is signed as well."""
    need_signature(target)
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    content = message(token).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    must_answer(probe.data(content), "250", "the message is valid")
    must_verify(arrived(token).content, target, look_up)


@requirement("RLY-04")
def test_the_published_key_is_strong(target: Target, look_up: LookUp) -> None:
    """The key record is of type RSA and has 1024 bits at the least, better 2048."""
    need_signature(target)
    account = target.account()
    if not account.selector:
        not_claimed("the profile names no selector")
    record = look_up(f"{account.selector}._domainkey.{account.domain}.").decode()
    tags = parsed_tags(record)
    must(tags.get("k", "rsa") == "rsa", expected="k=rsa", observed=record)
    key = load_der_public_key(base64.b64decode(tags.get("p", "")))
    size = key.key_size if isinstance(key, RSAPublicKey) else 0
    must(size >= 1024, expected="1024 bits or more (RFC 8301 §3.2)", observed=size)


@requirement("RLY-05")
@pytest.mark.parametrize(
    "added", [b"From: x@evil.example\r\n", b"Subject: added\r\n", b"To: x@evil.example\r\n"]
)
@pytest.mark.parametrize("place", ["top", "bottom"])
def test_an_added_field_breaks_the_signature(
    place: str,
    added: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    look_up: LookUp,
) -> None:
    """A second From, Subject or To put in later makes the signature fail."""
    need_signature(target)
    probe = session()
    probe.submit(sender_of(target), target.recipient(), message(token))
    content = arrived(token).content
    must(verifies(content, look_up), "a signature that verifies", content)
    header, separator, body = content.partition(b"\r\n\r\n")
    if place == "top":
        forged = added + content
    else:
        forged = header + b"\r\n" + added.removesuffix(b"\r\n") + separator + body
    must(not verifies(forged, look_up), f"no valid signature with {added!r} added", forged)


FORGED_SIGNATURE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=%s; c=relaxed/relaxed; h=from;"
    b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
)


@requirement("RLY-05")
def test_the_own_signature_is_on_top_of_a_forged_one(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    look_up: LookUp,
) -> None:
    """A forged signature of the client does no harm: the service's own is above it and verifies."""
    need_signature(target)
    account = target.account()
    forged = FORGED_SIGNATURE % (account.domain.encode(), (account.selector or "x").encode())
    probe = session()
    probe.submit(sender_of(target), target.recipient(), forged + message(token))
    content = arrived(token).content
    names = [field.key for field in fields_of(content)]
    must(names[0] == "dkim-signature", expected="a signature on top", observed=names)
    must(fields_of(content)[0].raw != forged, "the service's own signature on top", content)
    must(verifies(content, look_up), "the service's signature verifies", content)
