"""RLY and DSN: who hears of what became of a message, and in which form (RFC 3461, RFC 3464)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed
from conformance.relaying.next_hop import OpenNextHop, must_reach, wait_until
from conformance.relaying.report import Report, is_report, read, reports_to
from conformance.requirement import requirement
from conformance.steps import NothingArrived, must_answer, sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import EXTENSIONS, SinkMX
from fixtures.target import Target

WITHOUT_DSN = tuple(keyword for keyword in EXTENSIONS if keyword != "DSN")
REFUSAL = "550 5.1.1 Nobody of that name"


def only_report(sink: SinkMX, sender: str) -> Report:
    """Wait for the report to a sender; demand that it is one, and the only one."""
    found = must_reach(sink, "a report to the envelope's sender", recipient=sender)
    must(is_report(found), expected="a report", observed=found.header[:500])
    return read(found)


@requirement("RLY-12")
def test_a_failure_is_reported_to_the_envelopes_sender(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """The report has the null sender, goes to the reverse-path, and says what it must say."""
    hop = next_hop()
    sender, author = sender_of(target, f"path-{token}"), sender_of(target, f"author-{token}")
    hop.sink.refuse(None, REFUSAL)
    session().submit(sender, hop.recipient(), message(token, from_=author))
    report = only_report(sink, sender)
    must(report.delivery.reverse_path == "", "the null sender", report.delivery.reverse_path)
    must("reporting-mta" in report.about_message, "Reporting-MTA", report.about_message)
    [fields] = report.about_recipients
    final = fields.get("final-recipient", "").partition(";")[2].strip()
    must(final == hop.recipient(), expected=hop.recipient(), observed=fields)
    must(fields.get("action") == "failed", expected="Action: failed", observed=fields)
    must(fields.get("status", "").startswith("5."), expected="Status: 5.y.z", observed=fields)
    diagnosis = fields.get("diagnostic-code", "")
    is_quoted = diagnosis.startswith("smtp;") and REFUSAL in diagnosis
    must(is_quoted, expected="the host's own words in Diagnostic-Code", observed=fields)
    must(token in report.returned, expected="the message or its header", observed=report.returned)
    misled = sink.deliveries(recipient=author)
    must(not misled, expected="nothing for the From field's mailbox", observed=misled)


@requirement("RLY-12")
def test_mail_from_nobody_is_not_reported(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    nothing_arrived: NothingArrived,
) -> None:
    """A message from the null sender that fails brings no report to anybody."""
    if target.claims("null_reverse_path") is False:
        not_claimed("the profile takes no mail from the null sender")
    hop = next_hop()
    author = sender_of(target, f"author-{token}")
    hop.sink.refuse(None, REFUSAL)
    session().submit("", hop.recipient(), message(token, from_=author))
    must(hop.wait_until_asked(hop.recipient(), 1), "an attempt", "none")
    nothing_arrived(token)


@requirement("RLY-12")
def test_a_report_that_fails_ends_there(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    nothing_arrived: NothingArrived,
) -> None:
    """A report that is refused is not reported, and not sent again."""
    hop = next_hop()
    sender = sender_of(target, f"gone-{token}")
    hop.sink.refuse(None, REFUSAL)
    sink.refuse(sender, REFUSAL)
    try:
        session().submit(sender, hop.recipient(), message(token))
        asked = f"RCPT TO:<{sender}>".encode()

        def attempts() -> int:
            return sum(each.octets("C").count(asked) for each in sink.transcripts)

        must(wait_until(lambda: attempts() > 0), "the report is tried", "no attempt")
        nothing_arrived(token)
        must(attempts() == 1, expected="one attempt to report", observed=attempts())
    finally:
        sink.accept(sender)


# RFC 3461 §5.2: what the sender hears from the relay, by NOTIFY, the next hop's ways and answer.
# Of a success the next hop tells, where it knows how.
FAILURES = {"FAILURE", "SUCCESS,FAILURE,DELAY", ""}
SUCCESSES = {"SUCCESS", "SUCCESS,FAILURE,DELAY"}


@requirement("DSN-03")
@pytest.mark.parametrize("is_refused", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("knows_dsn", [True, False], ids=["dsn", "no-dsn"])
@pytest.mark.parametrize("notify", ["", "NEVER", "SUCCESS", "FAILURE", "SUCCESS,FAILURE,DELAY"])
def test_senders_hear_what_they_asked_for(
    notify: str,
    knows_dsn: bool,
    is_refused: bool,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    nothing_arrived: NothingArrived,
) -> None:
    """A report comes or does not as NOTIFY, the next hop and its answer have it."""
    hop = next_hop(EXTENSIONS if knows_dsn else WITHOUT_DSN)
    sender, recipient = sender_of(target, f"asks-{token}"), hop.recipient()
    if is_refused:
        hop.sink.refuse(None, REFUSAL)
    probe = session()
    must_answer(probe.mail(sender, "RET=HDRS ENVID=EnV+2B7"), "250", "well-formed parameters")
    wish = f"NOTIFY={notify}" if notify else ""
    must_answer(probe.rcpt(recipient, wish), "250", "well-formed parameters")
    must_answer(probe.data(message(token)), "250", "a good message")
    must(hop.wait_until_asked(recipient, 1), "an attempt", "none")
    if not is_refused:
        must_reach(hop.sink, "the message", token=token)
    wanted = ""
    if is_refused and notify in FAILURES:
        wanted = "failed"
    elif not is_refused and not knows_dsn and notify in SUCCESSES:
        wanted = "relayed"
    if not wanted:
        nothing_arrived(token, sender)
        return
    report = only_report(sink, sender)
    must(report.actions == [wanted], expected=f"Action: {wanted}", observed=report.actions)
    envid = report.about_message.get("original-envelope-id", "")
    must(envid == "EnV+7", expected="Original-Envelope-Id: EnV+7", observed=report.about_message)
    has_body = b"This is the text of" in report.delivery.content
    must(not has_body, expected="header fields alone (RET=HDRS)", observed=report.returned)


@requirement("DSN-03")
def test_the_request_travels_on_unchanged(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """A next hop that knows DSN gets every parameter as the client gave it."""
    hop = next_hop()
    original = "rfc822;MiXed+2BCase@Old.Example"
    probe = session()
    must_answer(probe.mail(sender_of(target), "RET=FULL ENVID=EnV+2B7"), "250", "well-formed")
    parameters = f"NOTIFY=SUCCESS,FAILURE ORCPT={original}"
    must_answer(probe.rcpt(hop.recipient(), parameters), "250", "well-formed")
    must_answer(probe.rcpt(hop.recipient("plain")), "250", "no parameters")
    must_answer(probe.data(message(token)), "250", "a good message")
    copy = must_reach(hop.sink, "the message", token=token)
    of_mail = {one for one in copy.mail_parameters if one.startswith(("RET=", "ENVID="))}
    must(of_mail == {"RET=FULL", "ENVID=EnV+2B7"}, "RET and ENVID as sent", copy.mail_parameters)
    by_recipient = dict(zip(copy.recipients, copy.recipient_parameters, strict=True))
    first = by_recipient[hop.recipient()]
    notify = {one.partition("=")[2] for one in first if one.startswith("NOTIFY=")}
    wishes = {frozenset(one.split(",")) for one in notify}
    must(wishes == {frozenset({"SUCCESS", "FAILURE"})}, "NOTIFY as sent", first)
    must(f"ORCPT={original}" in first, expected=f"ORCPT={original}", observed=first)
    second = by_recipient[hop.recipient("plain")]
    must(not any(one.startswith("NOTIFY=") for one in second), "no NOTIFY for the other", second)


@requirement("DSN-03")
def test_the_original_recipient_is_reported(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """ORCPT comes back as Original-Recipient, decoded and in its own case."""
    hop = next_hop()
    sender = sender_of(target, f"original-{token}")
    hop.sink.refuse(None, REFUSAL)
    probe = session()
    must_answer(probe.mail(sender), "250", "an allowed sender")
    orcpt = "ORCPT=rfc822;MiXed+2BCase@Old.Example"
    must_answer(probe.rcpt(hop.recipient(), orcpt), "250", "well-formed")
    must_answer(probe.data(message(token)), "250", "a good message")
    [fields] = only_report(sink, sender).about_recipients
    found = fields.get("original-recipient", "").replace(" ", "")
    must(found == "rfc822;MiXed+Case@Old.Example", "the decoded ORCPT", fields)


@requirement("RLY-13")
def test_one_report_names_the_bad_recipient_alone(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """Of three recipients one is refused: two copies, and one report on that one."""
    hop = next_hop()
    sender = sender_of(target, f"partly-{token}")
    good, bad = [hop.recipient("one"), hop.recipient("two")], hop.recipient("bad")
    hop.sink.refuse(bad, REFUSAL)
    session().submit(sender, [good[0], bad, good[1]], message(token))
    report = only_report(sink, sender)
    finals = [each["final-recipient"].partition(";")[2].strip() for each in report.about_recipients]
    must(finals == [bad], expected=f"{bad} alone in the report", observed=finals)
    for recipient in good:
        must_reach(hop.sink, f"the copy for {recipient}", recipient=recipient)
    must(len(reports_to(sink, sender)) == 1, "one report", len(reports_to(sink, sender)))
