"""What the queue holds and what it knows about each recipient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """An accepted message. The content is in CRLF form and is delivered octet for octet."""

    queue_id: str
    envelope: Envelope
    content: bytes
    endpoint: str
    """Where it came in, `"us-south/public"`: deliveries leave from that endpoint's addresses."""
    configuration_id: str
    """Whose key signs it; "" is nobody's, as of mail that the relay wrote itself."""
    accepted_at: float
    """Seconds since the epoch, on the relay's clock."""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A due message, handed out for one attempt."""

    message: QueuedMessage
    pending: tuple[int, ...]
    """Positions in `envelope.recipients` that have no final outcome yet."""
    attempt: int
    """1 for the first attempt."""
    is_overdue: bool = False
    """Whether the sender should hear that it is late, if it is put off again (RFC 3464 §2.3.3).

    True until a settlement of such an attempt brought a notification."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop took responsibility for this recipient (RFC 5321 §6.1)."""

    remote: str
    host: str = ""
    """Who took it."""
    reply: str = ""
    is_notifying: bool = False
    """The host knows DSN and was told what the sender wants to hear (RFC 3461 §5.2.2)."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not this time; try again later."""

    reason: str
    host: str = ""
    """Who said so; "" when we found out ourselves."""
    reply: str = ""
    """The host's reply, "" when it gave none."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Never; give up."""

    reason: str
    host: str = ""
    reply: str = ""


Outcome = Delivered | Deferred | Failed


class RecipientState(Enum):
    """The words of the status look-up."""

    SUBMITTED = "submitted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in (RecipientState.DELIVERED, RecipientState.BOUNCED)


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """One step in a recipient's history; the text is mostly the remote host's own."""

    at: float
    state: RecipientState
    text: str = ""


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """A recipient's history, oldest first, never empty: it begins with `submitted`."""

    mailbox: Mailbox
    history: tuple[StatusEvent, ...]

    @property
    def address(self) -> str:
        """The mailbox as text."""
        return str(self.mailbox)

    @property
    def state(self) -> RecipientState:
        """The latest state."""
        return self.history[-1].state


class MessageState(Enum):
    """Where a message as a whole is."""

    QUEUED = "queued"
    """Due now or later, or being delivered."""
    HELD = "held"
    """An operator wants no further attempt for now."""
    DAMAGED = "damaged"
    """The disk does not give back what was written."""
    SETTLED = "settled"
    """Every recipient has a final outcome."""


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """What became of a message so far.

    Attributes:
        octets: Of its content, as it was spooled.
        next_attempt: Seconds since the epoch; None: at once, or never again.
    """

    queue_id: str
    accepted_at: float
    recipients: tuple[RecipientStatus, ...]
    configuration_id: str = ""
    reverse_path: Mailbox | None = None
    octets: int = 0
    state: MessageState = MessageState.QUEUED
    attempts: int = 0
    next_attempt: float | None = None


class Order(Enum):
    """What an operator may do to mail in the queue."""

    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What became of an operator's order: how many messages it changed, and which it could not.

    Attributes:
        busy: Queue IDs of messages that are being delivered just now, and cannot be deleted.
        unknown: Queue IDs of messages that are not in the queue.
    """

    done: int
    busy: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def event_of(outcome: Outcome, at: float) -> StatusEvent:
    """Return the step in the history that an outcome makes."""
    match outcome:
        case Delivered(remote=text):
            return StatusEvent(at, RecipientState.DELIVERED, text)
        case Deferred(reason=text):
            return StatusEvent(at, RecipientState.DEFERRED, text)
        case Failed(reason=text):
            return StatusEvent(at, RecipientState.BOUNCED, text)
