"""The phases of a submission, as they are measured and as Locust's entries name them."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """A stretch of the dialogue; the first three happen once a session, the others per message."""

    CONNECT = "connect"  # TCP, greeting, EHLO
    TLS = "TLS"  # STARTTLS, handshake, EHLO again
    AUTH = "AUTH"
    ENVELOPE = "envelope"  # MAIL and RCPT with their replies
    CONTENT = "data"  # DATA until the final dot is sent
    ACKNOWLEDGEMENT = "acknowledgement"  # from the final dot sent to the final reply
    MESSAGE = "message"  # the last three together: what the service took
    RESPONSE = "response"  # from the planned moment to the final reply: what a sender felt


PER_SESSION = (Phase.CONNECT, Phase.TLS, Phase.AUTH)
