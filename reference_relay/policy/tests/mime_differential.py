"""The scanner against three readers that others wrote: `email`, fast-mail-parser, mailparser.

    python -m reference_relay.policy.tests.mime_differential --write docs/mime-differential.md

Nothing may be accepted that one of them shows as a file. What is refused although none of them
objects is counted under the reason for which it is.
"""

from __future__ import annotations

import argparse
import base64
import email
import email.policy
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from hypothesis import HealthCheck, Phase, given, seed, settings

from reference_relay.mail.content import complete
from reference_relay.policy.no_attachment import judge_content
from reference_relay.policy.tests.test_differential import CONTENTS, shows_a_file

_SCRIPT = Path(__file__).parents[3] / "conformance" / "interop" / "attachments.js"
_HEADER = b"From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: x\r\nMIME-Version: 1.0\r\n"

# Reason -> what in a content makes it: the first that fits names a refusal nobody else objects to.
REASONS: dict[str, re.Pattern[bytes]] = {
    "a line of blanks in the header section": re.compile(rb"\r\n[ \t]+\r\n"),
    "octets that decide lines: NUL, bare CR or LF": re.compile(
        rb"\0|\r(?!\n)|(?<!\r)\n", re.DOTALL
    ),
    "a file in the text: uuencode or yEnc": re.compile(
        rb"^(?:begin [0-7]{3,4} |=ybegin )", re.MULTILINE
    ),
    "a file name on a part": re.compile(rb"(?i)(?:file)?name\*?[0-9]*\*?\s*="),
    "a part that is no text: image, application, calendar, partial message": re.compile(
        rb"(?im)^\s*content-type\s*:\s*(?:image|audio|video|application|font|model)/"
        rb"|text/calendar|message/(?:partial|external-body)"
    ),
    "a disposition other than inline": re.compile(rb"(?im)content-disposition:\s*(?!inline\s*\r)"),
    "a field or parameter that readers split differently": re.compile(
        rb"(?im)^[ \t\xef\xbb\xbf]*content-[a-z-]*[ \t]+:|^[ \t\xef\xbb\xbf]+content-[a-z-]*:"
        rb"|^content-type:[^\r]*(?:\(|;[ \t]*\r\n(?![ \t])|\"[^\"\r]*\r\n(?![ \t])|; *;)"
        rb"|^content-type:[ \t]*(?:\r\n[ \t]|[^/\r]*\r\n|\")"
    ),
    "a Content field twice": re.compile(rb"(?ims)^(content-[a-z-]+):(?:(?!\r\n\r\n).)*^\1:"),
    "a transfer encoding that is unknown or on a composite": re.compile(
        rb"(?i)content-transfer-encoding:\s*(?!(?:7bit|8bit)\s*\r)"
    ),
    "a header section without its blank line": re.compile(
        rb"(?ms)\A(?!(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+\r\n)"
    ),
    "boundaries that readers see differently, or parts outside of them": re.compile(
        rb"(?i)multipart/|^--", re.MULTILINE
    ),
    "an enclosed message": re.compile(rb"(?i)message/"),
}


class Mailparser:
    """npm's mailparser in a process of its own; a context manager."""

    def __enter__(self) -> Self:
        self._node = subprocess.Popen(
            ["node", str(_SCRIPT)],  # noqa: S607 - whichever node the PATH has
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def shown(self, content: bytes) -> list[str]:
        """List the attachments it shows, each as its type, a tab and its name.

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


def shown_by_email(content: bytes) -> list[str]:
    """List a file if the stdlib shows one, under either kind of its policies."""
    policies: tuple[email.policy.Policy, ...] = (email.policy.compat32, email.policy.SMTP)
    is_shown = any(shows_a_file(email.message_from_bytes(content, policy=one)) for one in policies)
    return ["\tof some name"] if is_shown else []


def shown_by_rust(content: bytes) -> list[str]:
    """List the attachments that fast-mail-parser shows, as `Mailparser.shown` does."""
    import fast_mail_parser

    try:
        found = fast_mail_parser.parse_email(content).attachments
    except fast_mail_parser.ParseError:
        return []
    return [f"{one.mimetype}\t{one.filename}" for one in found]


def is_file(shown: str) -> bool:
    """Whether what a reader shows as an attachment is one by D-13.

    Text and enclosed messages without a name are none, although readers offer to save those that
    they cannot display, such as text/markdown or a delivery report.
    """
    media_type, _, name = shown.partition("\t")
    return bool(name) or not media_type.lower().startswith(("text/", "message/"))


def generated(count: int) -> list[bytes]:
    """Return contents of the shapes that `test_differential` makes, the same each time."""
    found: list[bytes] = []

    @seed(5321)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(CONTENTS)
    def collect(content: bytes) -> None:
        found.append(content)

    collect()
    return found


def real_shaped() -> Iterator[bytes]:
    """Yield what programs send: text, alternatives, forwards, reports, with and without files."""
    charsets = (b"us-ascii", b"utf-8", b'"UTF-8"', b"iso-8859-1", b"utf-8; format=flowed")
    encodings = (b"7bit", b"8bit", b"quoted-printable", b"base64", b"Base64")
    kinds = (b"plain", b"html", b"x-amp-html", b"markdown")
    bodies = (b"hello\r\n", b"- list\r\n-- \r\nsignature\r\n", b"begin the day\r\n", b"\r\n")

    def text(kind: bytes, charset: bytes, encoding: bytes, body: bytes) -> bytes:
        if encoding.lower() == b"base64":
            body = base64.encodebytes(body).replace(b"\n", b"\r\n")
        fields = b"Content-Type: text/%s; charset=%s\r\n" % (kind, charset)
        return fields + b"Content-Transfer-Encoding: %s\r\n\r\n" % encoding + body

    leaves = [text(*one) for one in itertools.product(kinds, charsets, encodings, bodies)]
    files = [
        b"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n",
        b"Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Disposition: inline\r\n\r\nx\r\n",
        b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n",
        b"Content-Type: message/rfc822\r\n\r\nFrom: c@example.org\r\n\r\nforwarded\r\n",
        b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n",
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n",
    ]
    for leaf in leaves:
        yield _HEADER + leaf
    shapes = (b"alternative", b"mixed", b"related", b"report", b"signed")
    for number, (shape, first) in enumerate(itertools.product(shapes, leaves[::3])):
        mark = b"----=_Part_%d" % number
        second = [*files, *leaves[::50]][number % (len(files) + len(leaves[::50]))]
        yield (
            _HEADER + b'Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n' % (shape, mark)
            + b"This is a multi-part message.\r\n"
            + b"".join(b"--%s\r\n%s\r\n" % (mark, part) for part in (first, second))
            + b"--%s--\r\n" % mark
        )  # fmt: skip


def reason_of(content: bytes) -> str | None:
    """Name why a content is refused that no reader objects to; None when nothing fits."""
    return next((name for name, mark in REASONS.items() if mark.search(content)), None)


class Tally:
    """What became of the contents."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.holes: list[tuple[str, bytes]] = []
        self.unexplained: list[bytes] = []

    def judge(self, content: bytes, mailparser: Mailparser) -> None:
        """Let scanner and readers have a content, as it would be delivered."""
        is_refused = judge_content(content) is not None
        delivered = complete(content, date="Mon, 24 Nov 2025 10:00:00 +0000", message_id="<a@b>")
        readers = {
            "email": shown_by_email,
            "fast-mail-parser": shown_by_rust,
            "mailparser": mailparser.shown,
        }
        shown = {name: reader(delivered) for name, reader in readers.items()}
        showing = [name for name, found in shown.items() if any(map(is_file, found))]
        verdict = "refused" if is_refused else "accepted"
        seen = "no file to anybody"
        if showing:
            seen = "shown as a file"
        elif any(shown.values()):
            seen = "text or a message without a name, offered for saving"
        self.outcomes[f"{verdict}, {seen}"] += 1
        if showing and not is_refused:
            self.holes.append((", ".join(showing), content))
        if is_refused and not showing:
            reason = reason_of(content)
            if reason is None:
                self.unexplained.append(content)
            else:
                self.reasons[reason] += 1

    def table(self) -> str:
        """Return the outcome as Markdown."""
        rows = [f"| {name} | {count} |" for name, count in self.outcomes.most_common()]
        why = [f"| {name} | {count} |" for name, count in self.reasons.most_common()]
        return "\n".join(
            (
                "# The scanner beside three readers",
                "",
                f"{sum(self.outcomes.values())} messages; written by `nox -s differential_mime`.",
                "Readers: Python's `email`, fast-mail-parser (Rust), npm's mailparser.",
                *("", "| scanner and readers | messages |", "|---|---|", *rows),
                "",
                "Refused although no reader shows a file, by what makes it ambiguous:",
                *("", "| reason | messages |", "|---|---|", *why, ""),
            )
        )


def main() -> int:
    """Exit 0 when nothing slipped through and every lone refusal has a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generated", type=int, default=3000, help="default: %(default)s")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the tables go")
    options = parser.parse_args()
    tally = Tally()
    with Mailparser() as mailparser:
        for content in itertools.chain(real_shaped(), generated(options.generated)):
            tally.judge(content, mailparser)
    sys.stdout.write(tally.table())
    if options.write is not None:
        options.write.write_text(tally.table(), encoding="utf-8")
    for readers, content in tally.holes[:20]:
        sys.stdout.write(f"ACCEPTED although {readers} shows a file: {content!r}\n")
    for content in tally.unexplained[:20]:
        sys.stdout.write(f"REFUSED without a named reason: {content!r}\n")
    sys.stdout.write(f"{len(tally.holes)} holes, {len(tally.unexplained)} unexplained\n")
    return 1 if tally.holes or tally.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
