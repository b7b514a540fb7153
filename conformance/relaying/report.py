"""Reading a delivery status notification as its addressee would: by the standard library."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage, Message

from conformance.judgement import must
from fixtures.sink import Delivery, SinkMX


@dataclass(frozen=True, slots=True)
class Report:
    """A notification taken apart.

    Attributes:
        delivery: As it arrived.
        about_message: The fields on the message, names in lower case (RFC 3464 §2.2).
        about_recipients: The fields on each recipient (§2.3).
        returned: The third part with its header fields, "" if there is none.
    """

    delivery: Delivery
    about_message: Mapping[str, str]
    about_recipients: tuple[Mapping[str, str], ...]
    returned: str

    @property
    def actions(self) -> list[str]:
        """What became of each recipient."""
        return [fields.get("action", "") for fields in self.about_recipients]


def is_report(delivery: Delivery) -> bool:
    """Whether it says so itself."""
    return b"multipart/report" in delivery.header


def reports_to(sink: SinkMX, address: str) -> list[Report]:
    """The notifications that have arrived for a sender."""
    return [read(one) for one in sink.deliveries(recipient=address) if is_report(one)]


def read(delivery: Delivery) -> Report:
    """Take a notification apart.

    Raises:
        NotMet: It is no multipart/report with a delivery-status part.
    """
    message = email.message_from_bytes(delivery.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    kind = message.get_content_type()
    must(kind == "multipart/report", expected="a multipart/report (RFC 6522)", observed=kind)
    wanted = message.get_param("report-type")
    must(wanted == "delivery-status", "report-type=delivery-status", wanted)
    parts = list(message.iter_parts())
    kinds = [part.get_content_type() for part in parts]
    is_status = len(parts) >= 2 and kinds[1] in (
        "message/delivery-status",
        "message/global-delivery-status",
    )
    must(is_status, expected="a delivery-status as the second part", observed=kinds)
    groups = _groups(parts[1])
    must(len(groups) >= 2, expected="fields on the message and on recipients", observed=groups)
    return Report(
        delivery,
        groups[0],
        tuple(groups[1:]),
        parts[2].as_string() if len(parts) > 2 else "",
    )


def _groups(part: Message) -> list[Mapping[str, str]]:
    payload = part.get_payload()
    assert isinstance(payload, list)
    found = [each for each in payload if isinstance(each, Message)]
    if part.get_content_type() != "message/delivery-status":
        # The parser knows the older of the two types only, and takes this for a message.
        text = b"".join(each.as_bytes() for each in found).replace(b"\r\n", b"\n")
        found = [email.message_from_bytes(piece) for piece in text.split(b"\n\n") if piece.strip()]
    return [{name.lower(): str(value) for name, value in each.items()} for each in found]
