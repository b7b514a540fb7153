"""Sends the corpus to one relay and looks at its replies and at what reaches the sink."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence

from conformance.differential.corpus import Case, Letter
from conformance.differential.reading import Seen
from conformance.steps import sender_of
from fixtures.probe import (
    ConnectionLost,
    HandshakeFailed,
    Refused,
    ReplyMalformed,
    ReplyTimeout,
    SMTPProbe,
    expect,
)
from fixtures.sink import SinkMX
from fixtures.sink.delivery import NotDelivered
from fixtures.target import Target

_REPLY_SECONDS = 5.0
_ARRIVAL_SECONDS = 15.0
# More replies than any reading of a case can bring.
_MOST_REPLIES = 20
# A relay that fails so often in a row is gone: the other cases need not be waited for.
_TROUBLES_IN_A_ROW = 3
_TROUBLE = (ConnectionLost, HandshakeFailed, Refused, ReplyMalformed, ReplyTimeout, OSError)


def play(target: Target, cases: Sequence[Case]) -> Mapping[str, Seen]:
    """Send every case in a session of its own; return what came out, by the case's name."""
    run = secrets.token_hex(4)
    replies: dict[str, tuple[int, ...]] = {}
    troubles: dict[str, str] = {}
    tokens = {case.name: f"d{run}n{number}e" for number, case in enumerate(cases)}
    in_a_row = 0
    for case in cases:
        if in_a_row >= _TROUBLES_IN_A_ROW:
            troubles[case.name] = "the relay no longer answers"
            continue
        try:
            replies[case.name] = _sent(target, case, tokens[case.name])
            in_a_row = 0
        except _TROUBLE as trouble:
            troubles[case.name] = str(trouble) or type(trouble).__name__
            in_a_row += 1
    delivered = _delivered(target, replies, tokens)
    return {
        case.name: Seen(
            replies.get(case.name, ()),
            delivered.get(case.name) if delivered is not None else None,
            troubles.get(case.name, ""),
        )
        for case in cases
    }


def _sent(target: Target, case: Case, token: str) -> tuple[int, ...]:
    """Send one case and QUIT right behind it; return the codes that come back."""
    letter = Letter(sender_of(target), target.recipient(), token)
    with _session(target) as probe:
        expect("MAIL", probe.mail(letter.sender))
        expect("RCPT", probe.rcpt(letter.recipient))
        expect("DATA", probe.command("DATA"), 3)
        probe.send(case.content(letter) + b"QUIT\r\n")
        codes: list[int] = []
        with contextlib.suppress(ConnectionLost):
            while len(codes) < _MOST_REPLIES and codes[-1:] not in ([221], [421]):
                codes.append(probe.read_reply(timeout=_REPLY_SECONDS).code)
    if codes[:1] in ([], [421]) or (codes[0] // 100 == 4 and len(codes) <= 2):
        raise ConnectionLost("the relay asked for patience, or hung up without a word")
    return tuple(codes)


def _session(target: Target) -> SMTPProbe:
    """Open an authenticated session."""
    account = target.account()
    region = (target.claims("endpoint_regions") or {}).get(account.region)
    endpoint = target.endpoint(region)
    address, port = endpoint.sockets[0]
    probe = SMTPProbe.connect(
        address, port, context=target.tls_context, server_hostname=endpoint.host
    )
    try:
        expect("greeting", probe.read_reply())
        expect("EHLO", probe.ehlo())
        expect("STARTTLS", probe.starttls())
        expect("EHLO", probe.ehlo())
        if "PLAIN" in (target.claims("auth_mechanisms") or ("PLAIN",)):
            expect("AUTH", probe.auth_plain(account))
        else:
            expect("AUTH", probe.auth_login(account))
    except BaseException:
        probe.close()
        raise
    return probe


def _delivered(
    target: Target, replies: Mapping[str, tuple[int, ...]], tokens: Mapping[str, str]
) -> dict[str, tuple[bytes, ...]] | None:
    """Wait for what was accepted, and a little for what nobody accepted; None without a sink."""
    if target.sink is None:
        return None
    for name, codes in replies.items():
        if 250 in codes:
            # Some answer 250 and deliver nothing; that is a reading, too.
            with contextlib.suppress(NotDelivered):
                target.sink.wait_for(token=tokens[name], within=_ARRIVAL_SECONDS)
    _let_all_arrive(target, target.sink)
    return {
        name: tuple(one.raw for one in target.sink.deliveries(token=token))
        for name, token in tokens.items()
    }


def _let_all_arrive(target: Target, sink: SinkMX) -> None:
    """Send a message as anybody would; what was accepted before it has arrived by then."""
    token = f"d{secrets.token_hex(8)}e"
    letter = Letter(sender_of(target), target.recipient(), token)
    with contextlib.suppress(NotDelivered, *_TROUBLE):
        with _session(target) as probe:
            probe.submit(letter.sender, letter.recipient, letter.header + b"The last one.\r\n")
        sink.wait_for(token=token, within=_ARRIVAL_SECONDS)
