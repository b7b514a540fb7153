"""The AUTH command and the lines that follow it (RFC 4954 §4)."""

from __future__ import annotations

from reference_relay.smtp import replies, sasl
from reference_relay.smtp.events import AuthenticationRequested
from reference_relay.smtp.receive_buffer import BrokenLine
from reference_relay.smtp.reply import Reply

Step = Reply | AuthenticationRequested


class Authentication:
    """An exchange from the AUTH command to credentials or a refusal."""

    def __init__(self) -> None:
        self._mechanism = ""
        self._exchange: sasl.Exchange | None = None

    @property
    def is_running(self) -> bool:
        """Whether the next line is a response and not a command."""
        return self._exchange is not None

    def begin(self, argument: bytes) -> Step:
        """Take the argument of AUTH: a mechanism and perhaps an initial response."""
        if not argument:
            return replies.AUTHENTICATION_SYNTAX
        name, _, response = argument.partition(b" ")
        self._mechanism = name.decode("ascii").upper()
        mechanism = sasl.MECHANISMS.get(self._mechanism)
        if mechanism is None:
            return replies.MECHANISM_UNKNOWN
        initial: bytes | None = None
        if response:
            # RFC 4954 §4: "=" is an empty response, which is not the same as none.
            initial = b"" if response == b"=" else sasl.decode(response)
            if initial is None:
                return replies.BASE64_INVALID
        exchange: sasl.Exchange = mechanism()
        return self._step(exchange, exchange.begin(initial))

    def respond(self, line: bytes | BrokenLine) -> Step:
        """Take a line while the exchange is running: whatever it says, it is a response."""
        exchange, self._exchange = self._exchange, None
        assert exchange is not None  # noqa: S101 - is_running was asked
        match line:
            case BrokenLine.TOO_LONG:
                return replies.AUTHENTICATION_LINE_TOO_LONG
            case BrokenLine.BARE_LINE_END:
                return replies.BASE64_INVALID
            case b"*":
                return replies.AUTHENTICATION_CANCELLED
            case bytes():
                response = sasl.decode(line)
                if response is None:
                    return replies.BASE64_INVALID
                return self._step(exchange, exchange.respond(response))

    def _step(self, exchange: sasl.Exchange, outcome: Reply | sasl.Credentials) -> Step:
        if isinstance(outcome, sasl.Credentials):
            return AuthenticationRequested(self._mechanism, outcome)
        if outcome.code == 334:
            self._exchange = exchange
        return outcome
