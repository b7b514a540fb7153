"""INT: smtplib and aiosmtplib in their ordinary way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import smtplib
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage

import aiosmtplib
import pytest

from conformance.header import body_of
from conformance.judgement import inconclusive, must
from conformance.requirement import requirement
from conformance.rfc4954.credentials import need_mechanism
from conformance.steps import FOREIGN_SENDER, sender_of
from fixtures.budget import current_budget
from fixtures.plugin import Arrived
from fixtures.probe import client_name
from fixtures.refusal import THROTTLE_CODES
from fixtures.run_token import FIELD, run_token
from fixtures.target import Target


class Client(smtplib.SMTP):
    """smtplib's client, told the endpoint's name and led to its address."""

    def __init__(self, target: Target) -> None:
        endpoint = target.endpoint()
        self._address = (endpoint.addresses[0], endpoint.port)
        self._place = current_budget().connect()
        super().__init__(endpoint.host, endpoint.port, local_hostname=client_name(), timeout=10)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection(self._address, timeout)

    def mail(self, sender: str, options: Sequence[str] = ()) -> tuple[int, bytes]:
        """Begin a transaction, within the budget."""
        current_budget().message()
        return super().mail(sender, options)

    def close(self) -> None:
        """End the connection."""
        super().close()
        self._place.give_back()


@contextlib.contextmanager
def success() -> Iterator[None]:
    """Demand that what the client does inside succeeds."""
    try:
        yield
    except (
        smtplib.SMTPServerDisconnected,
        smtplib.SMTPConnectError,
        aiosmtplib.SMTPServerDisconnected,
        aiosmtplib.SMTPConnectError,
        aiosmtplib.SMTPTimeoutError,
        TimeoutError,
    ) as error:
        inconclusive(f"{type(error).__name__}: {error}")
    except (smtplib.SMTPException, aiosmtplib.SMTPException) as error:
        throttled(error)
        must(False, expected="a successful submission", observed=repr(error))


def throttled(error: Exception) -> None:
    """End the check if the client was asked for patience, which says nothing about conformance."""
    codes = {getattr(error, "smtp_code", None), getattr(error, "code", None)}
    if codes & THROTTLE_CODES:
        inconclusive(f"the relay under test asked for patience: {error}")


def composed(target: Target, token: str, recipient: str = "") -> EmailMessage:
    """Return a message as Python programs compose it."""
    message = EmailMessage()
    message["From"] = f"Mailer <{sender_of(target)}>"
    message["To"] = recipient or target.recipient()
    message["Subject"] = f"Test {token}"
    message[FIELD] = run_token()
    message.set_content(f"This is the text of {token}.\n.\nIt goes on.\n")
    return message


@requirement("INT-06")
@pytest.mark.parametrize("mechanism", ["", "PLAIN", "LOGIN"])
def test_smtplib_submits(mechanism: str, target: Target, token: str, arrived: Arrived) -> None:
    """Smtplib with STARTTLS and login sends messages, several in one session."""
    account = target.account()
    with success(), Client(target) as client:
        client.starttls(context=target.tls_context)
        if mechanism:
            need_mechanism(target, mechanism)
            client.ehlo()
            client.user, client.password = account.username, account.password
            method = client.auth_plain if mechanism == "PLAIN" else client.auth_login
            client.auth(mechanism, method)
        else:
            client.login(account.username, account.password)
        for _ in range(2):
            refused = client.send_message(composed(target, token))
            must(not refused, expected="all recipients accepted", observed=refused)
    body = body_of(arrived(token, count=2).content)
    must(b"\r\n.\r\nIt goes on.\r\n" in body, expected="the whole text", observed=body)


@requirement("INT-06")
def test_smtplib_sees_refusals(target: Target, token: str) -> None:
    """Refused sender, recipient and content raise the exceptions meant for them."""
    account = target.account()
    with success(), Client(target) as client:
        client.starttls(context=target.tls_context)
        wrong = raised(lambda: client.login(account.username, "not-the-password"))
        must(isinstance(wrong, smtplib.SMTPAuthenticationError), "SMTPAuthenticationError", wrong)
        client.login(account.username, account.password)
        message = composed(target, token)
        sender = raised(lambda: client.send_message(message, from_addr=FOREIGN_SENDER))
        # RFC 5321 §3.3: a server may judge the sender when it sees a recipient.
        refusals = (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused)
        must(isinstance(sender, refusals), "SMTPSenderRefused", sender)
        recipient = raised(lambda: client.send_message(message, to_addrs=["nobody@a..example"]))
        expected = smtplib.SMTPRecipientsRefused
        must(isinstance(recipient, expected), expected.__name__, recipient)
        if target.claims("attachments") == "accepted":
            return
        message.add_attachment(b"PK", maintype="application", subtype="zip", filename="a.zip")
        content = raised(lambda: client.send_message(message))
        must(isinstance(content, smtplib.SMTPDataError), "SMTPDataError", content)


def raised(action: Callable[[], object]) -> Exception | None:
    """Return what a call raises."""
    try:
        action()
    except smtplib.SMTPException as error:
        throttled(error)
        return error
    return None


@requirement("INT-06")
@pytest.mark.parametrize("mechanism", ["", "plain", "login"])
def test_aiosmtplib_submits(mechanism: str, target: Target, token: str, arrived: Arrived) -> None:
    """Aiosmtplib with STARTTLS and login sends messages, several in one session."""
    if mechanism:
        need_mechanism(target, mechanism.upper())
    with warnings.catch_warnings():
        # It leaves its transport to the garbage collector, which is no concern of the relay.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with success(), current_budget().client(messages=3):
                asyncio.run(send_with_aiosmtplib(mechanism, target, token))
        finally:
            gc.collect()
    body = body_of(arrived(token, count=2).content)
    must(b"\r\n.\r\nIt goes on.\r\n" in body, expected="the whole text", observed=body)


async def send_with_aiosmtplib(mechanism: str, target: Target, token: str) -> None:
    """Submit two messages, and try a foreign sender between them."""
    endpoint, account = target.endpoint(), target.account()
    client = aiosmtplib.SMTP(
        hostname=endpoint.addresses[0],
        port=endpoint.port,
        start_tls=False,
        local_hostname=client_name(),
        timeout=10,
    )
    async with client:
        await client.starttls(server_hostname=endpoint.host, tls_context=target.tls_context)
        if target.claims("auth_before_ehlo") != "accepted":
            await client.ehlo()
        if mechanism == "plain":
            await client.auth_plain(account.username, account.password)
        elif mechanism == "login":
            await client.auth_login(account.username, account.password)
        else:
            await client.login(account.username, account.password)
        await client.send_message(composed(target, token))
        try:
            await client.send_message(composed(target, token), sender=FOREIGN_SENDER)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientsRefused):
            pass
        else:
            must(False, expected="SMTPSenderRefused", observed="accepted")
        await client.send_message(composed(target, token))


@requirement("INT-11")
def test_without_starttls_nothing_is_invited(target: Target, token: str) -> None:
    """A client from which STARTTLS was hidden is offered no AUTH and is refused its mail."""
    account = target.account()
    with success(), Client(target) as client:
        client.ehlo()
        must(not client.has_extn("auth"), "no AUTH in clear", client.esmtp_features)
        login = raised(lambda: client.login(account.username, account.password))
        must(isinstance(login, smtplib.SMTPNotSupportedError), "a client that gives up", login)
        refusal = raised(lambda: client.send_message(composed(target, token)))
        must(isinstance(refusal, smtplib.SMTPSenderRefused), "530 to MAIL in clear", refusal)
        code = getattr(refusal, "smtp_code", None)
        must(code is not None and code // 100 == 5, expected="530", observed=code)
