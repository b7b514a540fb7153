"""One input for the engine, whatever its octets: what the fuzzer and the replay of its corpus call.

The first octet chooses the door, the second how the rest is cut into segments.
"""

from __future__ import annotations

from pathlib import Path

from reference_relay.mail.content import complete_outline, outline
from reference_relay.policy.message import judge_message
from reference_relay.policy.no_attachment import AttachmentRules
from reference_relay.smtp.settings import SessionSettings
from reference_relay.smtp.tests.dialogue import Dialogue, authenticated, in_clear

CORPUS = Path(__file__).parent / "corpus"

_SETTINGS = SessionSettings("mx.example.net", errors=1000, message_octets=100_000)
_RULES = (
    AttachmentRules(),
    AttachmentRules(calendar=True, inline_images=True),
    AttachmentRules(other_text=False, enclosed_messages=False),
)


def take(octets: bytes) -> None:
    """Let the engine, or the judge of contents, have these octets.

    Raises:
        Exception: Whatever must not be raised; `AssertionError` for a reply that is none.
    """
    if len(octets) < 2:
        return
    door, size, rest = octets[0] % 4, 1 + octets[1] % 64, octets[2:]
    if door == 3:
        _judge(rest)
        return
    dialogue = in_clear(_SETTINGS) if door == 0 else authenticated(_SETTINGS)
    if door == 2:
        dialogue.say(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
    _talk(dialogue, rest, size)


def _talk(dialogue: Dialogue, octets: bytes, size: int) -> None:
    for start in range(0, len(octets), size):
        dialogue.say(octets[start : start + size])
    for line in bytes(dialogue.output).split(b"\r\n")[:-1]:
        assert line[:3].isdigit(), line
        assert line[3:4] in (b" ", b"-"), line
        assert line.isascii(), line
        assert len(line) <= 510, line
    for content in dialogue.contents:
        _judge(content)


def _judge(content: bytes) -> None:
    found = outline(content)
    for rules in _RULES:
        judge_message(found, "example.com", rules)
    complete_outline(found, date="Mon, 1 Jan 2026 00:00:00 +0000", message_id="<x@example.com>")
