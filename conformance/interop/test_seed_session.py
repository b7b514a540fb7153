"""INT: the session that the service's documentation prints, typed into `openssl s_client`."""

from __future__ import annotations

import pytest

from conformance.header import body_of, fields_named, header_of
from conformance.interop.documented_session import (
    TEXT,
    DocumentedSession,
    documented_session,
    play,
)
from conformance.interop.openssl_client import OpenSSLClient
from conformance.interop.tools import tool
from conformance.judgement import must, must_reply, not_claimed, remark_unless
from conformance.relaying.queue_ids import queue_id_of
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse
from fixtures.plugin import Connect
from fixtures.probe import Reply
from fixtures.sink import Delivery, SinkMX
from fixtures.target import Target
from fixtures.transcript import SECRETS


def opened(target: Target, *, crlf: bool) -> tuple[OpenSSLClient, DocumentedSession]:
    """Start openssl for the documented session."""
    if target.claims("auth_before_ehlo") == "refused":
        not_claimed("the documented session sends AUTH without a second EHLO")
    session = documented_session(target)
    for secret in session.secrets:
        SECRETS.add(secret)
    return OpenSSLClient(tool("openssl"), target.endpoint(), crlf=crlf), session


def must_be_repaired(delivery: Delivery) -> None:
    """Demand that the printed message arrived with its text as body and the missing fields."""
    header, body = header_of(delivery.content), body_of(delivery.content)
    must(body == f"{TEXT}\r\n".encode(), "the text as body, and all of it", delivery.content)
    must(TEXT.encode() not in header, "no text in the header", header)
    for name in ("Date", "Message-ID", "From", "To", "Subject"):
        found = fields_named(delivery.content, name)
        must(len(found) == 1, expected=f"one {name}", observed=header)


def must_work(target: Target, sink: SinkMX, *, crlf: bool) -> None:
    """Play the documented session through openssl up to the message's arrival."""
    client, session = opened(target, crlf=crlf)
    with client:
        before = len(sink.deliveries(recipient=session.recipient))
        play(session, target, client.line)
        client.enter(*session.content)
        final = must_reply(client.line("."), "250", because="the documented message is accepted")
        remark_unless(final, "250 2.0.0", "the message is queued")
        queue_id_of(target, final)
        must_reply(client.line("quit"), "221", because="the session ends in order")
    delivery = sink.wait_for(recipient=session.recipient, count=before + 1)
    must_be_repaired(delivery)


@requirement("INT-01")
def test_the_documented_session_works_with_crlf(target: Target, sink: SinkMX) -> None:
    """`openssl s_client -crlf`, fed the documented lines, gets the documented replies."""
    must_work(target, sink, crlf=True)


@requirement("INT-02")
def test_the_documented_session_as_it_is_typed(target: Target, sink: SinkMX) -> None:
    """Without -crlf, with bare LF, the session works or is not executed, as the profile says."""
    match target.claims("line_discipline"):
        case "per-session":
            must_work(target, sink, crlf=False)
        case "crlf-only":
            must_not_run(target)
        case _:
            client, session = opened(target, crlf=False)
            with client:
                client.enter(session.steps[0].line)
                answer = client.says(within=0.5)
            understood = answer.startswith((b"334", b"5", b"4")) or b"\r\n334" in answer
            must(understood or not answer, "a prompt, a refusal or silence", answer)


def must_not_run(target: Target) -> None:
    """Demand that lines with bare LF are not executed."""
    client, session = opened(target, crlf=False)
    with client:
        client.enter(*(step.line for step in session.steps))
        answer = client.says(within=0.5)
    must(b"334 " not in answer, "no prompt: bare LF ends no line", answer)
    must(b"354 " not in answer, "no data phase: bare LF ends no line", answer)


def logged_in_with(clear: Connect, target: Target, end: bytes) -> tuple[DocumentedSession, Reply]:
    """Play the documented session over a probe with this line end; return the final reply."""
    if target.claims("auth_before_ehlo") == "refused":
        not_claimed("the documented session sends AUTH without a second EHLO")
    session = documented_session(target)
    probe = clear()
    for secret in session.secrets:
        probe.secret(secret)
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(probe.starttls(), "220", "STARTTLS is offered")

    def say(line: str) -> Reply:
        probe.send(line.encode() + end)
        return probe.read_reply()

    play(session, target, say)
    probe.send(end.join(line.encode() for line in (*session.content, ".", "")))
    return session, probe.read_reply()


@requirement("INT-03")
@pytest.mark.parametrize("end", ["CRLF", "LF"])
def test_the_documented_message_loses_no_text(
    end: str, clear: Connect, target: Target, sink: SinkMX
) -> None:
    """The printed message has no blank line; its text arrives as body all the same."""
    if end == "LF" and target.claims("line_discipline") != "per-session":
        return
    recipient = documented_session(target).recipient
    before = len(sink.deliveries(recipient=recipient))
    _, final = logged_in_with(clear, target, {"CRLF": b"\r\n", "LF": b"\n"}[end])
    must_answer(final, ("250", "5yz"), "repaired or refused")
    if final.is_permanent:
        must_refuse(final, "a message without separator", exactly="554 5.6.0")
        return
    must_be_repaired(sink.wait_for(recipient=recipient, count=before + 1))


@requirement("INT-04")
@pytest.mark.parametrize("line", ["auth login", "AUTH LOGIN", "auth plain"])
def test_auth_without_a_second_ehlo(line: str, clear: Connect, target: Target) -> None:
    """AUTH straight after TLS has one defined answer, the same at every endpoint."""
    answers = {}
    if target.claims("auth_before_ehlo") == "refused":
        not_claimed("the profile takes no AUTH before EHLO")
    for endpoint in target.endpoints:
        if endpoint.type != "public":
            continue
        probe = clear(region=endpoint.region)
        must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
        must_answer(probe.starttls(), "220", "STARTTLS is offered")
        reply = must_answer(probe.command(line), ("334", "5yz"), "a prompt, or a refusal")
        must(reply.code != 503, "any reply but 503: clients read it as success", reply.raw)
        answers[endpoint.key] = reply.raw
    must(len(set(answers.values())) == 1, "the same answer everywhere", answers)
    if target.claims("auth_before_ehlo") == "accepted":
        accepted = next(iter(answers.values())).startswith(b"334")
        must(accepted, "334: the profile takes AUTH without EHLO", answers)


@requirement("INT-05")
def test_upper_case_commands_reach_the_service(target: Target, sink: SinkMX) -> None:
    """With -quiet, lines that begin with R or Q are sent and not taken for orders to openssl."""
    client, session = opened(target, crlf=True)
    with client:
        for step in session.steps[:3]:
            must_reply(client.line(step.line), step.wanted[:3], because="the documented answer")
        must("-quiet" in client.command, "openssl run with -quiet", client.command)
        must_reply(client.line(f"MAIL FROM:<{session.sender}>"), "250", because="MAIL arrived")
        must_reply(client.line(f"RCPT TO:<{session.recipient}>"), "250", because="RCPT arrived")
        must_reply(client.line("RSET"), "250", because="RSET arrived")
        must_reply(client.line("QUIT"), "221", because="QUIT arrived")
