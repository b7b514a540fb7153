"""Counts delivery status notifications, and reads each as its addressee would (RFC 3464)."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from collections.abc import Callable
from email.message import Message

from fixtures.sink import Delivery

# RFC 3464 §2.3.4: the class of the status says the same as the action.
_CLASSES = {"failed": "5", "delayed": "4"}


class Reports:
    """The notifications that came back from a relay.

    Attributes:
        failed: How many reported a failure.
        delayed: How many a delay.
        faults: What is wrong with some of them, one line each.
    """

    def __init__(self, recipient_of: Callable[[str], str | None]) -> None:
        """Know of none yet.

        Args:
            recipient_of: The one recipient of a message, by its token; None if there is none such.
        """
        self._recipient_of = recipient_of
        self._by_token: dict[str, Counter[str]] = {"failed": Counter(), "delayed": Counter()}
        self._wrong: list[str] = []

    @property
    def failed(self) -> int:
        return self._by_token["failed"].total()

    @property
    def delayed(self) -> int:
        return self._by_token["delayed"].total()

    @property
    def faults(self) -> list[str]:
        more = [
            f"{token}: reported {count} times as {action}"
            for action, tokens in self._by_token.items()
            for token, count in tokens.items()
            if count > 1
        ]
        return self._wrong + more

    def add(self, token: str | None, delivery: Delivery) -> None:
        """Take a notification.

        Args:
            token: Of the message that it returns; None if it returns none of ours.
            delivery: As it arrived.
        """
        fields = _fields(delivery.content)
        wanted = None if token is None else self._recipient_of(token)
        action = fields.get("action", "")
        rules = {
            "it is not about a message of ours": wanted is not None,
            "it is no delivery status": bool(fields),
            "it does not come from <>": not delivery.reverse_path,
            f"its action is {action!r}": action in _CLASSES,
            f"its status is {fields.get('status')!r} for {action!r}": fields.get(
                "status", ""
            ).startswith(_CLASSES.get(action, "?")),
            f"it is about {fields.get('final-recipient')!r}, not {wanted!r}": fields.get(
                "final-recipient", ""
            ).endswith(f";{wanted}"),
        }
        wrong = [fault for fault, is_so in rules.items() if not is_so]
        if wrong:
            self._wrong.append(f"{token}: {', '.join(wrong)}")
        elif token is not None:
            self._by_token[action][token] += 1


def _fields(content: bytes) -> dict[str, str]:
    """Return the fields about the one recipient, names in lower case and blanks taken out."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    if message.get_content_type() != "multipart/report":
        return {}
    for part in message.iter_parts():
        if part.get_content_type() == "message/delivery-status":
            groups = part.get_payload()
            # One about the message, one about its recipient (§2.1).
            if isinstance(groups, list) and len(groups) == 2 and isinstance(groups[1], Message):
                return {
                    name.lower(): str(value).replace(" ", "") for name, value in groups[1].items()
                }
    return {}
