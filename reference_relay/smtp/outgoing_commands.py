"""MAIL and RCPT with what a host offers: parameters it knows, and mail that it cannot take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Recipient
from reference_relay.smtp.host_reply import Disposition, Verdict
from reference_relay.smtp.outgoing import Transaction

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Keywords = Mapping[str, tuple[str, ...]]


class UnfitPath(Exception):
    """A path that submission never lets in: it would become a second command."""


def keywords(lines: Iterable[bytes]) -> dict[str, tuple[str, ...]]:
    """Return what the lines of an EHLO reply offer, upper case, with parameters."""
    offered: dict[str, tuple[str, ...]] = {}
    for line in lines:
        keyword, *parameters = line.decode("ascii", "replace").split() or [""]
        # Some write AUTH=PLAIN (the draft before RFC 4954); once more is no harm.
        offered[keyword.upper()] = tuple(parameters)
    return offered


def obstacle(offered: Keywords, transaction: Transaction) -> Verdict | None:
    """Say why the host cannot take this mail, as far as EHLO told; None if nothing is known."""
    content = transaction.content
    size = len(content.raw)
    limit = next(iter(offered.get("SIZE", ())), "0")
    if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < size:
        text = f"5.3.4 The message has {size} octets, the host takes {limit[:20]}"
        return Verdict(Disposition.PERMANENT, text)
    if transaction.needs_smtputf8 and "SMTPUTF8" not in offered:
        # RFC 6531 §3.2
        text = "5.6.7 The host does not take internationalized mail"
        return Verdict(Disposition.PERMANENT, text)
    if not content.is_7bit and "8BITMIME" not in offered:
        # RFC 6152 §3: no 8-bit content to a host that did not offer to take it. Converting it
        # would break the sender's signature, so it goes back.
        return Verdict(Disposition.PERMANENT, "5.6.3 The host does not take 8-bit content")
    return None


def mail(offered: Keywords, transaction: Transaction) -> bytes:
    """Return the MAIL command with its CRLF.

    Raises:
        UnfitPath: the reverse-path holds control characters.
    """
    envelope, content = transaction.envelope, transaction.content
    parameters: list[str] = []
    if "SIZE" in offered:
        parameters.append(f"SIZE={len(content.raw)}")
    if "8BITMIME" in offered and (envelope.body == "8BITMIME" or not content.is_7bit):
        parameters.append("BODY=8BITMIME")
    if transaction.needs_smtputf8:
        parameters.append("SMTPUTF8")
    if "DSN" in offered:
        # RFC 3461 §5.2.1: unchanged.
        if envelope.ret is not None:
            parameters.append(f"RET={envelope.ret}")
        if envelope.envid is not None:
            parameters.append(f"ENVID={envelope.envid}")
    return _path_command("MAIL FROM", envelope.reverse_path, parameters)


def rcpt(offered: Keywords, transaction: Transaction, recipient: Recipient) -> bytes:
    """Return the RCPT command with its CRLF.

    Raises:
        UnfitPath: the forward-path holds control characters.
    """
    parameters: list[str] = []
    if "DSN" in offered:
        if recipient.notify is not None:
            parameters.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
        original = recipient.original
        # RFC 6533 §3: utf-8 in the open is for SMTPUTF8 only.
        if original is not None and (original.isascii() or transaction.needs_smtputf8):
            parameters.append(f"ORCPT={original}")
    return _path_command("RCPT TO", recipient.mailbox, parameters)


def _path_command(verb: str, mailbox: Mailbox | None, parameters: list[str]) -> bytes:
    text = " ".join((f"{verb}:<{mailbox or ''}>", *parameters))
    if _CONTROL.search(text):
        raise UnfitPath("control characters in a path")
    return text.encode("utf-8") + b"\r\n"
