"""RLY: what becomes of an accepted message on its way to the next server (RFC 5321 §4.4, §6)."""

from __future__ import annotations

import hashlib
import re
from email.utils import parsedate_to_datetime

import pytest

from conformance.header import body_of, fields_named, fields_of, top_trace
from conformance.judgement import must, not_observable, remark
from conformance.relaying.queue_ids import queue_id_of, states_of, wait_for_states
from conformance.requirement import requirement, takes_seconds
from conformance.steps import (
    copies_for,
    must_answer,
    open_transaction,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target


@requirement("RLY-01")
@pytest.mark.parametrize("count", [1, 2, 100])
def test_each_recipient_gets_one_copy(
    count: int,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """Every recipient, at whatever server, gets the message once and unchanged."""
    dialects = ("strict", "lf", "cr")
    recipients = [
        target.recipient(f"{token}-{number}", dialect=dialects[number % 3])
        for number in range(min(count, target.claims("recipients") or 100))
    ]
    content = message(token, "Text.\r\n" * 50)
    probe = session()
    open_transaction(probe, sender_of(target), recipients)
    must_answer(probe.data(content), "250", "all recipients were accepted")
    copies = wait_for_each(sink, token, recipients)
    counts = {recipient: copies_for(copies, recipient) for recipient in recipients}
    wrong = {recipient: count for recipient, count in counts.items() if count != 1}
    must(not wrong, expected="one copy for each recipient", observed=wrong)
    bodies = {body_of(copy.content) for copy in copies}
    must(bodies == {body_of(content)}, expected="the body unchanged", observed=bodies)


@requirement("RLY-01")
def test_each_message_of_a_burst_arrives_once(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """Two hundred messages in a row arrive, each once and each with its own body."""
    probe = session()
    sent = {}
    for number in range(200):
        content = message(f"{token}-{number}-", f"{token}-{number}-\r\n" * (number % 7 + 1))
        probe.submit(sender_of(target), target.recipient(), content)
        sent[hashlib.sha256(body_of(content)).hexdigest()] = 1
    sink.wait_for(token=token, count=len(sent), within=30.0)
    seen: dict[str, int] = {}
    for copy in sink.deliveries(token=token):
        digest = hashlib.sha256(body_of(copy.content)).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
    must(seen == sent, "each body once", f"{len(seen)} bodies, {sum(seen.values())} copies")


_TRACE = re.compile(
    r"from (?P<name>\S+) \((?P<comment>.*?)\) "
    r"by (?P<by>\S+)(?: \(.*?\))? with (?P<with>\S+) id (?P<id>[^\s;]+)(?P<rest>[^;]*);(?P<date>.*)"
)


@requirement("RLY-02")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_one_received_field_is_put_on_top(
    mechanism: str,
    secure: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Received says from whom, by whom, how, under which id and when, above the client's fields."""
    if mechanism not in (target.claims("auth_mechanisms") or (mechanism,)):
        not_observable(f"the profile does not offer {mechanism}")
    probe = secure()
    must_answer(probe.ehlo("trace.client.example"), "250", "EHLO may be repeated")
    log_in = probe.auth_plain if mechanism == "PLAIN" else probe.auth_login
    must_answer(log_in(target.account()), "235", "the credentials are right")
    reply = probe.submit(sender_of(target), target.recipient(), message(token))
    content = arrived(token).content
    traces = fields_named(content, "Received")
    must(len(traces) == 1, expected="one Received field", observed=traces)
    keys = [field.key for field in fields_of(content)]
    above = keys[: keys.index("received")]
    must(set(above) <= {"dkim-signature"}, "Received above the client's fields", keys)
    value = re.sub(r"\s+", " ", traces[0].value)
    clauses = _TRACE.fullmatch(value)
    must(clauses is not None, expected="from, by, with, id and a date in order", observed=value)
    if clauses is None:
        return
    must(clauses["name"] == "trace.client.example", "the name of EHLO", value)
    must(f"[{probe.local_address}]" in clauses["comment"], f"[{probe.local_address}]", value)
    must("." in clauses["by"], expected="a full domain behind by", observed=value)
    # RFC 3848 §1, RFC 6531 §4.3
    must(
        clauses["with"].upper() in ("ESMTPSA", "UTF8SMTPSA"),
        expected="with ESMTPSA",
        observed=value,
    )
    if target.claims("queue_id"):
        must(clauses["id"] == queue_id_of(target, reply), "the queue ID of the reply", value)
    must(clauses["rest"].count(" for ") <= 1, expected="at most one for", observed=value)
    date = clauses["date"].strip()
    must(
        re.search(r" \d{4} .* [+-]\d{4}(?: \(.*\))?$", date),
        "a year of four digits and a zone",
        date,
    )
    must(parsedate_to_datetime(date) is not None, expected="a date", observed=date)


@requirement("RLY-02")
def test_received_tells_no_recipient_of_the_others(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """With several recipients none of them is named in the trace (RFC 5321 §7.2)."""
    recipients = [target.recipient(f"{name}-{token}") for name in ("one", "two")]
    probe = session()
    open_transaction(probe, sender_of(target), recipients)
    must_answer(probe.data(message(token, To=sender_of(target))), "250", "the message is valid")
    for recipient in recipients:
        copy = arrived(token, recipient=recipient)
        trace = top_trace(copy.content)
        others = [other for other in recipients if other != recipient and other in trace]
        must(not others, expected="no other recipient in Received", observed=trace)


OLDER_TRACES = (
    "Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTP id 1;\r\n"
    " Mon, 2 Mar 2026 10:00:02 +0000\r\n",
    "Received: (qmail 1 invoked by uid 0); 2 Mar 2026 10:00:01 -0000\r\n",
    "Received: nonsense\r\n",
)


@requirement("RLY-03")
def test_received_names_the_cipher(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """The Received field records the TLS cipher (RFC 8314 §4.3)."""
    probe = session()
    probe.submit(sender_of(target), target.recipient(), message(token))
    trace = top_trace(arrived(token).content)
    must(re.search(r"\btls TLS_\w+", trace), "a tls clause with the cipher suite", trace)


@requirement("RLY-03")
def test_older_traces_are_kept(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Received fields of the client stay as they are, below the new one and in their order."""
    probe = session()
    content = "".join(OLDER_TRACES).encode() + message(token)
    must_answer(
        probe.submit(sender_of(target), target.recipient(), content), "250", "no reason to refuse"
    )
    traces = [field.raw.decode() for field in fields_named(arrived(token).content, "Received")]
    must(traces[1:] == list(OLDER_TRACES), expected="the older fields below", observed=traces)


@requirement("RLY-19")
def test_the_queue_id_ties_all_together(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """The ID of the reply is the one in the trace, and the status is found by it."""
    probe = session()
    reply = probe.submit(sender_of(target), target.recipient(), message(token))
    queue_id = queue_id_of(target, reply)
    trace = top_trace(arrived(token).content)
    must(re.search(rf"\bid {re.escape(queue_id)}\b", trace), f"id {queue_id}", trace)
    if target.control_plane is None:
        not_observable("the status look-up needs a control plane")
    states = wait_for_states(target, queue_id, 1, ("delivered",))
    must(states == ["delivered"], expected=f"{queue_id} delivered", observed=states)
    unknown = states_of(target, "0" * len(queue_id))
    must(not unknown, expected="no status for an ID that was never given", observed=unknown)


@requirement("RLY-19")
@takes_seconds(6)
def test_queue_ids_are_unique_across_restarts(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """No two messages get the same ID, also when the service is started anew between them."""
    if target.relay is None:
        not_observable("a restart needs a relay of ours")
    seen: list[str] = []
    for number in range(3):
        if number:
            target.relay.restart(kill=number == 1)
        probe = session()
        for _ in range(50):
            reply = probe.submit(sender_of(target), target.recipient(), message(token))
            seen.append(queue_id_of(target, reply))
    repeated = sorted({each for each in seen if seen.count(each) > 1})
    must(not repeated, expected=f"{len(seen)} different queue IDs", observed=repeated)
    must(target.relay.is_running, expected="a relay that runs on", observed="it ended")
    if seen != sorted(seen):
        remark("queue IDs do not sort by time")
