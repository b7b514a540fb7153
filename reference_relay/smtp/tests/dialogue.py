"""A session with an obliging edge: says yes to every question and collects what happens."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference_relay.smtp.events import (
    AuthenticationRequested,
    ContentReceived,
    Event,
    RecipientProposed,
    SenderProposed,
    TLSRequested,
)
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.server_session import ServerSession
from reference_relay.smtp.settings import SessionSettings

QUEUED = Reply.of("250 2.0.0 Ok: queued as TEST")
PLAIN = b"AUTH PLAIN AHVzZXIAcGFzcw==\r\n"


@dataclass
class Dialogue:
    """Feeds octets to a session and answers its questions with yes."""

    session: ServerSession
    output: bytearray = field(default_factory=bytearray)
    events: list[Event] = field(default_factory=list)

    def say(self, octets: bytes) -> bytes:
        """Feed octets; return the replies they brought."""
        self.session.receive_data(octets)
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            match event:
                case TLSRequested():
                    self.session.encryption_started()
                case AuthenticationRequested(credentials=credentials):
                    name = credentials.authentication_identity.decode("utf-8", "replace")
                    self.session.authenticated(name)
                case SenderProposed() | RecipientProposed():
                    self.session.accept()
                case ContentReceived():
                    self.session.accept(QUEUED)
                case _:
                    pass
        replies = self.session.data_to_send()
        self.output += replies
        return replies

    @property
    def contents(self) -> list[bytes]:
        """The contents received so far."""
        return [event.content for event in self.events if isinstance(event, ContentReceived)]


def in_clear(settings: SessionSettings | None = None) -> Dialogue:
    """Open a session."""
    return Dialogue(ServerSession(settings or SessionSettings("mx.example.net")))


def authenticated(settings: SessionSettings | None = None) -> Dialogue:
    """Open a session, encrypt it and authenticate."""
    dialogue = in_clear(settings)
    dialogue.say(b"EHLO client.example\r\nSTARTTLS\r\n")
    dialogue.say(b"EHLO client.example\r\n")
    dialogue.say(PLAIN)
    return dialogue


def codes(replies: bytes) -> list[int]:
    """List the reply codes, one per reply."""
    return [int(line[:3]) for line in replies.split(b"\r\n") if line[3:4] == b" "]
