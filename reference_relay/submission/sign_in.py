"""The judgement of one sign-in: throttled, looked up, checked, and counted."""

from __future__ import annotations

import asyncio
import logging

from reference_relay.service.model import Account, Endpoint
from reference_relay.service.passwords import HashPoolFull
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.sasl import Credentials
from reference_relay.submission.context import SubmissionContext

_log = logging.getLogger(__name__)


async def sign_in(
    context: SubmissionContext, endpoint: Endpoint, credentials: Credentials, address: str
) -> Account | Reply:
    """Return the account that the credentials open here, or the refusal.

    Args:
        context: The relay around the connection.
        endpoint: Where the client is.
        credentials: What it gave.
        address: The client's.
    """
    throttle = context.guard.sign_ins
    name = credentials.authentication_identity
    hold = throttle.begin(name, address, context.limits, context.now())
    if hold is None:
        # Before the password is looked at: while locked, right and wrong are the same (AUTH-20).
        context.counters.refuse_sign_in("locked")
        return replies.TOO_MANY_SIGN_INS
    try:
        if hold:
            await asyncio.sleep(hold)
        account = _admitted_account(context, endpoint, credentials, address)
        # D-10: who has no business here costs a hash like anybody else; time tells nothing.
        fits = await context.passwords.verify(
            account.user.password_hash if account is not None else None,
            name,
            credentials.password,
        )
    except BaseException as error:
        throttle.withdrawn(name, address)
        if not isinstance(error, Exception):
            raise
        if not isinstance(error, HashPoolFull):
            _log.exception("event=sign_in_broken")
        context.counters.refuse_sign_in("busy")
        return replies.AUTHENTICATION_BUSY
    if not fits or account is None:
        context.counters.refuse_sign_in("credentials")
        return replies.CREDENTIALS_INVALID
    throttle.succeeded(name, address)
    return account


def sign_in_at_once(
    context: SubmissionContext, endpoint: Endpoint, credentials: Credentials, address: str
) -> Account | None:
    """Return the account if nothing has to be waited for; None is no verdict but `sign_in`'s task.

    Clients that connect anew for each message sign in with what was verified before: then a task
    for the answer would cost more than the answer.
    """
    name = credentials.authentication_identity
    account = _admitted_account(context, endpoint, credentials, address)
    if account is None or not context.passwords.remembers(
        account.user.password_hash, name, credentials.password
    ):
        return None
    throttle = context.guard.sign_ins
    hold = throttle.begin(name, address, context.limits, context.now())
    if hold is None:
        return None
    if hold:
        throttle.withdrawn(name, address)
        return None
    throttle.succeeded(name, address)
    return account


def _admitted_account(
    context: SubmissionContext, endpoint: Endpoint, credentials: Credentials, address: str
) -> Account | None:
    """Find the account that may authenticate here, from this network (CBR-11, EPT-05)."""
    name = credentials.authentication_identity
    # RFC 4616 §2: acting as somebody else is nobody's right here.
    if credentials.authorization_identity not in (b"", name):
        return None
    directory = context.directory()
    try:
        accounts = directory.accounts(name.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    now = context.now()
    admitted = (one for one in accounts if directory.admits_account(one, endpoint, address, now))
    return next(admitted, None)
