"""Steps of the sender checks: from MAIL as far as the relay under test lets us."""

from __future__ import annotations

from conformance.judgement import remark_unless
from conformance.steps import must_answer, must_refuse
from fixtures.probe import Reply, SMTPProbe
from fixtures.target import Target


def carry_on(probe: SMTPProbe, mail: Reply, target: Target, content: bytes) -> Reply:
    """Go on after MAIL as far as the relay lets us; return the reply that decided."""
    if mail.is_positive:
        rcpt = probe.rcpt(target.recipient())
        return probe.data(content) if rcpt.is_positive else rcpt
    return mail


def must_refuse_sender(
    probe: SMTPProbe, sender: str, target: Target, content: bytes, parameters: str = ""
) -> None:
    """Demand a refusal of the sender, at the end of data at the latest."""
    mail = probe.mail(sender, parameters)
    reply = carry_on(probe, mail, target, content)
    must_refuse(reply, f"<{sender}> is not in the configured domain", ("550", "553", "554", "501"))
    if mail.is_positive:
        remark_unless(mail, "550 5.7.1", "the sender is known to be foreign at MAIL")
        must_answer(probe.command("RSET"), "250", "RSET ends what is left")
