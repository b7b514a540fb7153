"""Three readers of mail that others wrote, and what a listing of theirs is worth.

fast-mail-parser and mailparser list as attachment whatever is not the body they render themselves:
a text/markdown and a forwarded message as well as a PDF. D-13 lets nameless text/* and message/*
through. That such an entry is the reader's choice of what to render, and nothing hidden, is shown
by `opened`: the same content read as RFC 2046 tells a reader to, in which nobody lists anything.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Self

import fast_mail_parser

from reference_relay.policy.tests.test_differential import shows_a_file

# A content -> its attachments, each as media type, a tab and file name.
Reader = Callable[[bytes], list[str]]

_SCRIPT = Path(__file__).parents[3] / "conformance" / "interop" / "attachments.js"
_RFC_5322_LINE_ENDS = email.policy.compat32.clone(linesep="\r\n")
_OTHER_TEXT = re.compile(rb"(?im)^(content-type:\s*)text/(?!plain\b|html\b)[^;\s]+")
_MESSAGE = re.compile(rb"(?im)^(content-type:\s*)message/[^;\s]+")
_DIGEST = re.compile(rb"(?im)^(content-type:\s*)multipart/digest\b")


class Mailparser:
    """npm's mailparser in a process of its own; a context manager."""

    def __enter__(self) -> Self:
        self._node = subprocess.Popen(
            ["node", str(_SCRIPT)],  # noqa: S607 - whichever node the PATH has
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def listed(self, content: bytes) -> list[str]:
        """List the attachments it shows.

        Raises:
            RuntimeError: It is not installed (`nox -s interop`).
        """
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(base64.b64encode(content) + b"\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        if not line:
            raise RuntimeError("mailparser does not answer; `nox -s interop` installs it")
        found: list[str] = json.loads(line)
        return found

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._node.kill()
        self._node.communicate()


def listed_by_email(content: bytes) -> list[str]:
    """List a file if the stdlib shows one, under either kind of its policies."""
    policies: tuple[email.policy.Policy, ...] = (email.policy.compat32, email.policy.SMTP)
    is_shown = any(shows_a_file(email.message_from_bytes(content, policy=one)) for one in policies)
    return ["\tof some name"] if is_shown else []


def listed_by_rust(content: bytes) -> list[str]:
    """List the attachments that fast-mail-parser shows."""
    try:
        found = fast_mail_parser.parse_email(content).attachments
    except fast_mail_parser.ParseError:
        return []
    return [f"{one.mimetype}\t{one.filename}" for one in found]


def is_file(listed: str) -> bool:
    """Whether an entry is a file by D-13: it has a name, or is neither text nor a message."""
    media_type, _, name = listed.partition("\t")
    return bool(name) or not media_type.lower().startswith(("text/", "message/"))


def opened(content: bytes) -> Iterator[bytes]:
    """Yield a content as RFC 2046 has it read, and every message enclosed in it the same way.

    Text of a kind one does not know is text/plain (§4.1.4); an enclosed message is a message, to
    be read on its own (§5.2.1), as is each part of a digest (§5.1.5); reports are lines of text.
    """
    whole = _OTHER_TEXT.sub(rb"\1text/plain", content)
    yield _DIGEST.sub(rb"\1multipart/mixed", _MESSAGE.sub(rb"\1text/plain", whole))
    for part in email.message_from_bytes(content).walk():
        if part.get_content_type() in {"message/rfc822", "message/global"} and part.is_multipart():
            for enclosed in part.get_payload():
                assert isinstance(enclosed, Message)
                yield from opened(enclosed.as_bytes(policy=_RFC_5322_LINE_ENDS))


def listing_to_the_end(content: bytes, readers: Mapping[str, Reader]) -> list[str]:
    """Name the readers that list anything in a content or message that is opened."""
    pieces = tuple(opened(content))
    return [name for name, reader in readers.items() if any(map(reader, pieces))]
