"""An envelope as JSON text: the form in which it is spooled, readable by people."""

from __future__ import annotations

import json
from typing import Any

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient

# Made once: `json.dumps` with options makes an encoder for every call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def write(envelope: Envelope) -> str:
    """Return the envelope as JSON; what has its default value is left out."""
    fields: dict[str, Any] = {
        "reverse_path": _mailbox_fields(envelope.reverse_path),
        "recipients": [_recipient_fields(recipient) for recipient in envelope.recipients],
    }
    if envelope.body != "7BIT":
        fields["body"] = envelope.body
    if envelope.is_smtputf8:
        fields["is_smtputf8"] = True
    if envelope.ret is not None:
        fields["ret"] = envelope.ret
    if envelope.envid is not None:
        fields["envid"] = envelope.envid
    return _ENCODER.encode(fields)


def read(text: str) -> Envelope:
    """Return the envelope that `write` wrote.

    Raises:
        ValueError: the text is none.
    """
    try:
        fields = json.loads(text)
        return Envelope(
            reverse_path=_mailbox(fields["reverse_path"]),
            recipients=tuple(_recipient(each) for each in fields["recipients"]),
            body=fields.get("body", "7BIT"),
            is_smtputf8=fields.get("is_smtputf8", False),
            ret=fields.get("ret"),
            envid=fields.get("envid"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an envelope: {text[:80]!r}") from error


def _mailbox_fields(mailbox: Mailbox | None) -> dict[str, str] | None:
    # In two parts: a quoted local part and an address literal may both hold an "@".
    if mailbox is None:
        return None
    return {"local_part": mailbox.local_part, "domain": mailbox.domain}


def _mailbox(fields: dict[str, str] | None) -> Mailbox | None:
    return None if fields is None else Mailbox(fields["local_part"], fields["domain"])


def _recipient_fields(recipient: Recipient) -> dict[str, Any]:
    mailbox = recipient.mailbox
    fields: dict[str, Any] = {"local_part": mailbox.local_part, "domain": mailbox.domain}
    if recipient.notify is not None:
        fields["notify"] = sorted(recipient.notify)
    if recipient.original is not None:
        fields["original"] = recipient.original
    return fields


def _recipient(fields: dict[str, Any]) -> Recipient:
    notify = fields.get("notify")
    return Recipient(
        Mailbox(fields["local_part"], fields["domain"]),
        None if notify is None else frozenset(notify),
        fields.get("original"),
    )
