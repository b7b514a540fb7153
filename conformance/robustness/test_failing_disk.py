"""ROB: a disk that says EIO is trouble of the moment, and 250 stays a promise (RFC 5321 §6.1)."""

from __future__ import annotations

import pytest

from conformance.crashes import PowerCut
from conformance.durability import breakable
from conformance.judgement import inconclusive, must, not_observable
from conformance.requirement import requirement, takes_seconds
from conformance.steps import must_answer, sender_of
from fixtures.disk import DiskFault
from fixtures.ledger import Answer, Ledger
from fixtures.probe import Reply, SMTPProbe, stuffed
from fixtures.relay_process import RelayNotReady
from fixtures.target import NotAvailable, Target

ARRIVAL_SECONDS = 20.0


def signed_in(target: Target) -> SMTPProbe:
    """Open a session as far as MAIL."""
    endpoint = target.endpoint()
    probe = SMTPProbe.connect(
        endpoint.addresses[0],
        endpoint.port,
        context=target.tls_context,
        server_hostname=endpoint.host,
    )
    must_answer(probe.read_reply(), "220", "the greeting")
    must_answer(probe.ehlo(), "250", "EHLO")
    must_answer(probe.starttls(), "220", "STARTTLS")
    must_answer(probe.ehlo(), "250", "EHLO")
    must_answer(probe.auth_plain(target.account()), "235", "the credentials are right")
    return probe


def submitted(probe: SMTPProbe, target: Target, ledger: Ledger) -> Reply:
    """Send one message of the ledger; return the reply that refused it, or the last one."""
    for reply in (probe.mail(sender_of(target)), probe.rcpt(target.recipient())):
        if not reply.is_positive:
            return reply
    header = f"From: <{sender_of(target)}>\r\nSubject: failing disk\r\n".encode()
    parcel = ledger.parcel(header, b"a line\r\n" * 500, [target.recipient()])
    must_answer(probe.command("DATA"), "354", "the envelope is complete")
    probe.send(stuffed(parcel.content))
    reply = probe.read_reply()
    ledger.answered(parcel.token, Answer.ACCEPTED if reply.is_positive else Answer.REFUSED)
    return reply


@requirement("ROB-08", "RLY-14")
@takes_seconds(11)
@pytest.mark.timeout(110)
def test_a_failing_disk_is_temporary(target: Target, pytestconfig: pytest.Config) -> None:
    """While writing or syncing fails it is 4yz; afterwards 250, and all that was promised comes."""
    command = pytestconfig.getoption("--relay-command")
    ledger = Ledger()
    try:
        with breakable(target.profile, "power", command) as (own, crash):
            assert isinstance(crash, PowerCut)
            assert own.sink is not None
            with signed_in(own) as probe:
                for fault in (DiskFault.WRITE, DiskFault.SYNC, DiskFault.FULL):
                    must_answer(submitted(probe, own, ledger), "250", "the disk works")
                    crash.disk.fail(fault)
                    for _ in range(2):
                        reply = submitted(probe, own, ledger)
                        must(reply.is_transient, f"4yz while the disk says {fault.name}", reply.raw)
                    crash.disk.fail(DiskFault.NONE)
                    must_answer(probe.command("RSET"), "250", "the session goes on")
                    must_answer(submitted(probe, own, ledger), "250", "the disk works again")
            own.sink.wait_for(within=ARRIVAL_SECONDS, count=ledger.accepted)
            for delivery in own.sink.deliveries():
                ledger.arrived(delivery)
    except NotAvailable as error:
        not_observable(str(error))
    except RelayNotReady as error:
        inconclusive(str(error))
    balance = ledger.balance()
    must(balance.is_balanced, "all that was promised arrives once", balance)
    must(not balance.refused_and_delivered, "what was refused is not delivered", balance)
