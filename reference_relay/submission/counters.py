"""What the inbound edge counts: plain numbers, read when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference_relay.smtp.reply import Reply


@dataclass(slots=True)
class SubmissionCounters:
    """Since the start of the worker. Keys are our own words and codes, so there are few."""

    connections: int = 0
    handshakes: int = 0
    failed_handshakes: int = 0
    sign_ins: int = 0
    messages: int = 0
    recipients: int = 0
    octets: int = 0
    """Of accepted contents, as they are spooled."""
    refused_sessions: dict[str, int] = field(default_factory=dict)
    """By reason: the network, a full service, an address or a user with too much."""
    refused_sign_ins: dict[str, int] = field(default_factory=dict)
    """By reason: the credentials, too many failures before, no room to check."""
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)
    """By stage (MAIL, RCPT, content) and by reply code with enhanced code."""

    def refuse_session(self, reason: str) -> None:
        """Count a session that was not let in."""
        self.refused_sessions[reason] = self.refused_sessions.get(reason, 0) + 1

    def refuse_sign_in(self, reason: str) -> None:
        """Count a failed sign-in."""
        self.refused_sign_ins[reason] = self.refused_sign_ins.get(reason, 0) + 1

    def refuse(self, stage: str, reply: Reply) -> None:
        """Count a refusal inside a session."""
        key = (stage, f"{reply.code} {reply.enhanced}" if reply.enhanced else str(reply.code))
        self.refusals[key] = self.refusals.get(key, 0) + 1
