"""The session as a table (RFC 5321 §4.1.4). A pair that is not here is a bad sequence.

Encryption and authentication are facts of the session, not states: they open and close whole
groups of verbs, before the table is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from reference_relay.smtp import replies
from reference_relay.smtp.command import Verb
from reference_relay.smtp.reply import Reply


class State(Enum):
    """Where a session stands."""

    # Members are singletons; the inherited hash is Python code and is asked thrice a command.
    __hash__ = object.__hash__

    CONNECTED = "no EHLO yet"
    GREETED = "no transaction"
    SENDER = "MAIL accepted"
    RECIPIENTS = "at least one RCPT accepted"
    CHUNKS = "between BDAT chunks"
    DENIED = "refused in the greeting"
    CLOSED = "ended"


# Verbs that leave every state as it is.
_ALWAYS = frozenset(
    {Verb.NOOP, Verb.HELP, Verb.VRFY, Verb.EXPN, Verb.QUIT, Verb.SEND, Verb.SOML, Verb.SAML}
)
_HELLO = {Verb.EHLO: State.GREETED, Verb.HELO: State.GREETED}

TRANSITIONS: Mapping[State, Mapping[Verb, State]] = {
    # D-7: AUTH straight after TLS, and MAIL straight after that, as the seed's session does;
    # a 503 to AUTH would make a popular client believe it is logged in (AUTH-15).
    State.CONNECTED: {
        **_HELLO,
        Verb.STARTTLS: State.CONNECTED,
        Verb.AUTH: State.GREETED,
        Verb.RSET: State.CONNECTED,
    },
    State.GREETED: {
        **_HELLO,
        Verb.STARTTLS: State.CONNECTED,
        Verb.AUTH: State.GREETED,
        Verb.RSET: State.GREETED,
        Verb.MAIL: State.SENDER,
    },
    State.SENDER: {
        **_HELLO,
        Verb.RSET: State.GREETED,
        Verb.RCPT: State.RECIPIENTS,
    },
    State.RECIPIENTS: {
        **_HELLO,
        Verb.RSET: State.GREETED,
        Verb.RCPT: State.RECIPIENTS,
        Verb.DATA: State.GREETED,
        Verb.BDAT: State.CHUNKS,
    },
    State.CHUNKS: {
        **_HELLO,
        Verb.RSET: State.GREETED,
        Verb.BDAT: State.CHUNKS,
    },
    State.DENIED: {Verb.QUIT: State.CLOSED},
    State.CLOSED: {},
}

# RFC 3207 §4 and D-8: what may be said in clear. Everything else is 530, right or wrong.
IN_CLEAR = frozenset({Verb.EHLO, Verb.HELO, Verb.NOOP, Verb.RSET, Verb.STARTTLS, Verb.QUIT})
# RFC 4954 §6 and D-9: what may be said before authentication.
UNAUTHENTICATED = IN_CLEAR | {Verb.AUTH}


def is_always_allowed(state: State, verb: Verb) -> bool:
    """Tell whether the verb may come without being in the table."""
    return verb in _ALWAYS and state is not State.DENIED


def out_of_sequence(state: State, verb: Verb) -> Reply:
    """Choose the reply to a verb that may not come now; nothing changes (RFC 5321 §4.1.4)."""
    match state, verb:
        case (State.DENIED, _):
            return replies.ACCESS_DENIED_SEQUENCE
        case (State.CONNECTED, _):
            return replies.NEED_HELLO
        case (_, Verb.MAIL):
            return replies.NESTED_MAIL
        case (_, Verb.AUTH):
            return replies.AUTH_IN_TRANSACTION
        case (_, Verb.STARTTLS):
            return replies.TLS_ACTIVE
        case (State.CHUNKS, Verb.DATA):
            return replies.DATA_AFTER_BDAT
        case (State.SENDER, _):
            return replies.NEED_RECIPIENT
        case _:
            return replies.NEED_MAIL
