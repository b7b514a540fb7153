"""Every reply this relay can give, one constant each, encoded when the module is imported.

The two books hold the wording of the two profiles; what they do not name is worded alike in both.
Enhanced codes follow RFC 5248 and the RFC of the extension that defines the refusal.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from reference_relay.mail.address import Mailbox
from reference_relay.smtp.reply import Reply

# -- syntax and sequence (RFC 5321 §4.2.2, §4.3.2) --
COMMAND_UNKNOWN = Reply.of("500 5.5.2 Error: command not recognized")
COMMAND_MALFORMED = Reply.of("500 5.5.2 Error: bad syntax")
COMMAND_NOT_IMPLEMENTED = Reply.of("502 5.5.1 Error: command not implemented")
LINE_TOO_LONG = Reply.of("500 5.5.2 Error: line too long")
BARE_LINE_END = Reply.of("500 5.5.2 Error: bare <CR> or <LF> in command")
NO_ARGUMENT_ALLOWED = Reply.of("501 5.5.4 Syntax: this command takes no argument")
HELLO_SYNTAX = Reply.of("501 5.5.4 Syntax: EHLO hostname")
MAIL_SYNTAX = Reply.of("501 5.5.4 Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply.of("501 5.5.4 Syntax: RCPT TO:<address>")
SENDER_SYNTAX = Reply.of("501 5.1.7 Bad sender address syntax")
RECIPIENT_SYNTAX = Reply.of("501 5.1.3 Bad recipient address syntax")
PARAMETER_UNKNOWN = Reply.of("555 5.5.4 Unsupported parameter")
PARAMETER_SYNTAX = Reply.of("501 5.5.4 Bad parameter")
BODY_UNKNOWN = Reply.of("501 5.5.4 Unsupported BODY value")
NEED_HELLO = Reply.of("503 5.5.1 Error: send HELO/EHLO first")
NEED_MAIL = Reply.of("503 5.5.1 Error: need MAIL command")
NEED_RECIPIENT = Reply.of("503 5.5.1 Error: need RCPT command")
NO_VALID_RECIPIENT = Reply.of("554 5.5.1 Error: no valid recipients")
NESTED_MAIL = Reply.of("503 5.5.1 Error: nested MAIL command")
ACCESS_DENIED_SEQUENCE = Reply.of("503 5.7.1 Access denied")
TOO_MANY_ERRORS = Reply.of("421 4.7.0 Error: too many errors")

# -- no argument refused, nothing done --
OK = Reply.of("250 2.0.0 Ok")
CANNOT_VERIFY = Reply.of("252 2.0.0 Cannot VRFY user, send some mail")
HELP = Reply.of("214 2.0.0 See RFC 5321 and RFC 6409")

# -- addresses --
NOT_FULLY_QUALIFIED = Reply.of("554 5.1.2 Domain name is not fully qualified")
SENDER_NOT_FULLY_QUALIFIED = Reply.of("554 5.1.8 Sender domain is not fully qualified")
SENDER_NEEDS_SMTPUTF8 = Reply.of("550 5.6.7 Non-ASCII address needs SMTPUTF8")
RECIPIENT_NEEDS_SMTPUTF8 = Reply.of("553 5.6.7 Non-ASCII address needs SMTPUTF8")
TOO_MANY_RECIPIENTS = Reply.of("452 4.5.3 Error: too many recipients")
ADDRESS_LITERAL_REFUSED = Reply.of("550 5.1.2 Address literals are not accepted")

# -- encryption (RFC 3207 §4) --
MUST_STARTTLS = Reply.of("530 5.7.0 Must issue a STARTTLS command first")
TLS_ACTIVE = Reply.of("503 5.5.1 Error: TLS already active")
TLS_UNAVAILABLE = Reply.of("454 4.7.0 TLS not available due to a temporary reason")

# -- authentication (RFC 4954 §4, §6) --
AUTHENTICATION_REQUIRED = Reply.of("530 5.7.0 Authentication required")
AUTHENTICATION_SYNTAX = Reply.of("501 5.5.4 Syntax: AUTH mechanism [initial-response]")
MECHANISM_UNKNOWN = Reply.of("504 5.5.4 Unrecognized authentication mechanism")
BASE64_INVALID = Reply.of("501 5.5.2 Cannot decode the response: no valid base64")
AUTHENTICATION_CANCELLED = Reply.of("501 5.7.0 Authentication aborted")
AUTHENTICATION_LINE_TOO_LONG = Reply.of("500 5.5.6 Authentication exchange line is too long")
CREDENTIALS_INVALID = Reply.of("535 5.7.8 Authentication credentials invalid")
ALREADY_AUTHENTICATED = Reply.of("503 5.5.1 Error: already authenticated")
AUTH_IN_TRANSACTION = Reply.of("503 5.5.1 Error: MAIL transaction in progress")
AUTHENTICATION_BUSY = Reply.of("454 4.7.0 Temporary authentication failure")
CHALLENGE_EMPTY = Reply(334, None, ("",))
CHALLENGE_USERNAME = Reply.of("334 VXNlcm5hbWU6")
CHALLENGE_PASSWORD = Reply.of("334 UGFzc3dvcmQ6")

# -- content (RFC 1870 §6, RFC 3030 §2, RFC 5321 §4.2.5) --
MESSAGE_TOO_BIG = Reply.of("552 5.3.4 Message size exceeds fixed limit")
BARE_LINE_END_IN_CONTENT = Reply.of("550 5.6.0 Bare <CR> or <LF> in content")
NUL_IN_CONTENT = Reply.of("550 5.6.0 NUL in content")
TEXT_LINE_TOO_LONG = Reply.of("554 5.6.0 Line longer than 998 octets")
TOO_MANY_HOPS = Reply.of("554 5.4.6 Too many hops")
CHUNK_SYNTAX = Reply.of("501 5.5.4 Syntax: BDAT chunk-size [LAST]")
CHUNK_SEQUENCE = Reply.of("503 5.5.1 Error: chunk after LAST or a failed chunk; send RSET")
DATA_AFTER_BDAT = Reply.of("503 5.5.1 Error: DATA inside a BDAT transaction")
BINARYMIME_NEEDS_BDAT = Reply.of("503 5.5.1 Error: BODY=BINARYMIME needs BDAT")
CONTENT_BINARY = Reply.of("504 5.5.4 BODY=BINARYMIME is not supported")

# -- our own trouble is always transient (RFC 5321 §4.2.1) --
LOCAL_ERROR = Reply.of("451 4.3.0 Error: local trouble, try again later")
CONTROL_ERROR = Reply.of("421 4.3.0 Error: local trouble, closing connection")
STORAGE_FULL = Reply.of("452 4.3.1 Insufficient system storage")
SHUTTING_DOWN = Reply.of("421 4.3.2 Service shutting down")
IDLE_TOO_LONG = Reply.of("421 4.4.2 Error: timeout exceeded")
SERVICE_FULL = Reply.of("421 4.3.2 Error: too many connections, try again later")

# -- too much of one client (RFC 5321 §7.8, ROB-09): always transient, and said in words --
TOO_MANY_CONNECTIONS = Reply.of("421 4.7.0 Error: too many connections from your address")
TOO_MANY_CONNECTIONS_OF_USER = Reply.of("421 4.7.0 Error: too many connections of this user")
CONNECTION_RATE = Reply.of("421 4.7.0 Error: connection rate exceeded, try again later")
TOO_MANY_SIGN_INS = Reply.of("454 4.7.0 Too many failed sign-ins, try again later")
MESSAGE_RATE = Reply.of("450 4.7.1 Error: message rate exceeded, try again later")
RECIPIENT_RATE = Reply.of("450 4.7.1 Error: recipient rate exceeded, try again later")

# -- who may send (D-11, D-14) --
ACCESS_DENIED = Reply.of("554 5.7.1 Access denied")
ACCESS_WITHDRAWN = Reply.of("550 5.7.1 Access denied for this network")

# -- sender and attachment rules (D-12, D-13; RFC 6409 §6.3) --
SENDER_FOREIGN = Reply.of("550 5.7.1 Sender address is not in the configured domain")
HEADER_SENDER_FOREIGN = Reply.of("550 5.7.1 Header sender is not in the configured domain")
HEADER_MALFORMED = Reply.of("554 5.6.0 Malformed header section")
HEADER_FROM_MISSING = Reply.of("554 5.6.0 Exactly one From header field is needed")
HEADER_ADDRESS_MALFORMED = Reply.of("554 5.6.0 Malformed address in a sender header field")
HEADER_SENDER_MISSING = Reply.of("554 5.6.0 Several mailboxes in From need one Sender")
HEADER_FIELD_REPEATED = Reply.of("554 5.6.0 A header field appears more often than it may")
HEADER_DATE_INVALID = Reply.of("554 5.6.0 Invalid Date header field")
ATTACHMENTS_REFUSED = Reply.of("554 5.6.1 Attachments are not supported")
STRUCTURE_REFUSED = Reply.of("554 5.6.0 Malformed or ambiguous MIME structure")
STRUCTURE_TOO_LARGE = Reply.of("554 5.6.0 Too many or too deeply nested MIME parts")


@dataclass(frozen=True, slots=True)
class ReplyBook:
    """The wording in which the two profiles differ. `{}` takes the address or queue ID."""

    ready_to_start_tls: Reply
    authenticated: Reply
    sender_ok: str
    recipient_ok: str
    start_content: Reply
    queued: str
    chunk_ok: str
    bye: Reply
    greeting: str
    hello: str

    def sender_accepted(self, reverse_path: Mailbox | None) -> Reply:
        """The 250 to MAIL."""
        plain = _OK.get(self.sender_ok)
        return plain or Reply.of(self.sender_ok.format(reverse_path or ""))

    def recipient_accepted(self, forward_path: Mailbox) -> Reply:
        """The 250 to RCPT."""
        plain = _OK.get(self.recipient_ok)
        return plain or Reply.of(self.recipient_ok.format(forward_path))

    def message_queued(self, queue_id: str) -> Reply:
        """The 250 that takes responsibility for the message (RFC 5321 §6.1, D-2)."""
        template = _template(self.queued)
        return Reply(template.code, template.enhanced, (template.lines[0].format(queue_id),))


# The seed's own words (S-27), the rest in the style of the same family.
SEED = ReplyBook(
    ready_to_start_tls=Reply.of("220 2.0.0 Ready to start TLS"),
    authenticated=Reply.of("235 2.7.0 Authentication successful"),
    sender_ok="250 2.1.0 Ok",
    recipient_ok="250 2.1.5 Ok",
    start_content=Reply.of("354 End data with <CR><LF>.<CR><LF>"),
    queued="250 2.0.0 Ok: queued as {}",
    chunk_ok="250 2.0.0 Ok: {} octets received",
    bye=Reply.of("221 2.0.0 Bye"),
    greeting="{} ESMTP",
    hello="{}",
)

# Today's vendor pages print these; the queue ID is kept because the same pages promise one.
VENDOR = ReplyBook(
    ready_to_start_tls=Reply.of("220 2.0.0 Ready to start TLS"),
    authenticated=Reply.of("235 2.0.0 Authentication succeeded"),
    sender_ok="250 2.0.0 Roger, accepting mail from <{}>",
    recipient_ok="250 2.0.0 I'll make sure <{}> gets this",
    start_content=Reply.of("354 Go ahead. End your data with <CR><LF>.<CR><LF>"),
    queued="250 2.0.0 Ok: queued as {}",
    chunk_ok="250 2.0.0 Ok: {} octets received",
    bye=Reply.of("221 2.0.0 Bye"),
    greeting="{} ESMTP Service Ready",
    hello="{}",
)

_OK = {line: Reply.of(line) for line in (SEED.sender_ok, SEED.recipient_ok)}

_template = functools.cache(Reply.of)

BOOKS = {"seed-2025": SEED, "vendor-2026": VENDOR}
