"""Delivery status notifications (RFC 3464, RFC 6522, RFC 6533): who wants one, and its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from reference_relay.mail.address import Mailbox
from reference_relay.mail.content import CRLF, split
from reference_relay.mail.envelope import Envelope, Recipient

# RFC 5322 §2.1.1.
_LINE = 78
# What comes back whole where nobody asked for it (RET); Postfix returns 50,000 octets.
_RETURNED_OCTETS = 64 * 1024
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_PRINTABLE = re.compile(r"[ -~]+")
_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(<[^<>\s]{1,900}>)\s*$")


class Action(Enum):
    """What became of a recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Report:
    """One recipient's part of a notification.

    Attributes:
        recipient: Of the original envelope.
        action: What became of it.
        status: As RFC 3463 writes it, `"5.1.1"`.
        text: For people, on one line.
        host: Who said so, "" when we did.
        reply: Its reply, "" when it gave none.
    """

    recipient: Recipient
    action: Action
    status: str
    text: str
    host: str = ""
    reply: str = ""


def is_wanted(reverse_path: Mailbox | None, recipient: Recipient, action: Action) -> bool:
    """Tell whether the sender is to hear of this (RFC 3461 §5.2, RFC 5321 §6.1).

    Nobody is told about mail from the null reverse-path. Without NOTIFY the sender hears of
    failures and delays.
    """
    if reverse_path is None:
        return False
    notify = recipient.notify
    match action:
        case Action.FAILED:
            return notify is None or "FAILURE" in notify
        case Action.DELAYED:
            return notify is None or "DELAY" in notify
        case Action.RELAYED:
            return notify is not None and "SUCCESS" in notify


@dataclass(frozen=True, slots=True)
class Notification:
    """What a notification is made of.

    Attributes:
        envelope: The original one; its reverse-path is whom the notification goes to.
        content: The original one.
        reports: Of one action, at least one.
        hostname: Our own name.
        arrival_date: When the original was accepted, as a date-time.
        date: Now, as a date-time.
        message_id: Of the notification, with its angle brackets.
        name: A word of our own for the boundary between the parts.
    """

    envelope: Envelope
    content: bytes
    reports: Sequence[Report]
    hostname: str
    arrival_date: str
    date: str
    message_id: str
    name: str

    def compose(self) -> bytes:
        """Return the content of the notification, in CRLF form."""
        returned, kind = self._returned()
        is_global = self._is_global
        parts = (
            _part("text/plain; charset=utf-8", self._explanation().encode()),
            _part(
                "message/global-delivery-status" if is_global else "message/delivery-status",
                self._status().encode(),
            ),
            _part(kind, returned),
        )
        boundary = f"=_{self.name}"
        while any(boundary.encode() in part for part in parts):
            boundary += "_"
        delimiter = b"--" + boundary.encode()
        body = b"".join(delimiter + CRLF + part + CRLF for part in parts)
        header = self._header(boundary, is_7bit=body.isascii())
        return b"".join((header.encode(), CRLF, body, delimiter, b"--", CRLF))

    @property
    def _action(self) -> Action:
        return self.reports[0].action

    @property
    def _is_global(self) -> bool:
        """Whether an address needs the forms of RFC 6533."""
        recipients = [report.recipient for report in self.reports]
        return not all(
            each.mailbox.is_ascii and (each.original or "").isascii() for each in recipients
        )

    def _header(self, boundary: str, *, is_7bit: bool) -> str:
        found = _MESSAGE_ID.search(split(self.content)[0])
        references = found[1].decode("utf-8", "replace") if found else ""
        lines = [
            f"From: Mail Delivery System <mailer-daemon@{self.hostname}>",
            f"To: <{self.envelope.reverse_path}>",
            f"Subject: {_SUBJECTS[self._action]}",
            f"Date: {self.date}",
            f"Message-ID: {self.message_id}",
            *([f"References: {references}"] if references else []),
            # RFC 3834 §5: no responder answers this.
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            "Content-Type: multipart/report; report-type=delivery-status;",
            f' boundary="{boundary}"',
            *([] if is_7bit else ["Content-Transfer-Encoding: 8bit"]),
        ]
        return "".join(f"{line}\r\n" for line in lines)

    def _explanation(self) -> str:
        lines = [
            f"This is the mail system at {self.hostname}.",
            "",
            *_EXPLANATIONS[self._action],
        ]
        for report in self.reports:
            lines += ["", f"<{report.recipient.mailbox}>:", *_wrapped(report.text)]
        return "".join(f"{line}\r\n" for line in lines)

    def _status(self) -> str:
        """The fields for programs (RFC 3464 §2.2, §2.3)."""
        envid = self.envelope.envid
        message_fields = [
            *([f"Original-Envelope-Id: {from_xtext(envid)}"] if envid else []),
            f"Reporting-MTA: dns; {self.hostname}",
            f"Arrival-Date: {self.arrival_date}",
        ]
        groups = [message_fields, *(self._recipient_fields(each) for each in self.reports)]
        return "\r\n".join("".join(_folded(field) for field in group) for group in groups)

    def _recipient_fields(self, report: Report) -> list[str]:
        recipient = report.recipient
        kind = "rfc822" if recipient.mailbox.is_ascii else "utf-8"
        fields = [
            f"Final-Recipient: {kind}; {recipient.mailbox}",
            f"Action: {report.action.value}",
            f"Status: {report.status}",
        ]
        if recipient.original is not None:
            type, _, address = recipient.original.partition(";")
            fields.insert(0, f"Original-Recipient: {type}; {from_xtext(address)}")
        if report.host:
            fields.append(f"Remote-MTA: dns; {report.host}")
        if report.reply:
            fields.append(f"Diagnostic-Code: smtp; {_ascii(report.reply)}")
        fields.append(f"Last-Attempt-Date: {self.date}")
        return fields

    def _returned(self) -> tuple[bytes, str]:
        """The original or its header section, and the type of that (RFC 3461 §4.3)."""
        header, _ = split(self.content)
        is_ascii = header.isascii()
        # RET concerns failures only.
        if self._action is Action.FAILED and (
            self.envelope.ret == "FULL"
            or (self.envelope.ret is None and len(self.content) <= _RETURNED_OCTETS)
        ):
            return self.content, "message/rfc822" if is_ascii else "message/global"
        return header, "text/rfc822-headers" if is_ascii else "message/global-headers"


_SUBJECTS = {
    Action.FAILED: "Undelivered mail returned to sender",
    Action.DELAYED: "Delayed mail (still being tried)",
    Action.RELAYED: "Mail passed on",
}
_EXPLANATIONS = {
    Action.FAILED: ("Your message could not be delivered to:",),
    Action.DELAYED: (
        "Your message has not been delivered yet. You need not send it again;",
        "delivery is still being tried to:",
    ),
    Action.RELAYED: (
        "Your message was passed on to a mail system that sends no notifications",
        "of its own; whether it was delivered is not known. Recipients:",
    ),
}


def from_xtext(text: str) -> str:
    """Return what an xtext stands for (RFC 3461 §4); as it is, if that does not fit a field."""
    decoded = _XTEXT.sub(lambda match: chr(int(match[1], 16)), text)
    return decoded if _PRINTABLE.fullmatch(decoded) else text


def _part(kind: str, octets: bytes) -> bytes:
    fields = [f"Content-Type: {kind}"]
    if not octets.isascii():
        fields.append("Content-Transfer-Encoding: 8bit")
    header = "".join(f"{field}\r\n" for field in fields).encode()
    # The CRLF before a delimiter belongs to the delimiter (RFC 2046 §5.1.1).
    return header + CRLF + octets


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _folded(field: str) -> str:
    return "\r\n ".join(_wrapped(field)) + "\r\n"


def _wrapped(text: str) -> Iterable[str]:
    """Break a text at its blanks; a word that is too long stays whole."""
    line = ""
    for word in text.split(" "):
        if line.strip() and len(line) + 1 + len(word) > _LINE - 1:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
