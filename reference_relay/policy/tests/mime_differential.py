"""The scanner against three readers that others wrote: `email`, fast-mail-parser, mailparser.

    python -m reference_relay.policy.tests.mime_differential --write docs/mime-differential.md

By D-13's defaults nothing may be accepted that one of them shows as a file, and what they list of
nameless text and messages must be gone once those are opened; with both switches off, nothing may
be accepted that one of them lists at all. What is refused although none of them objects is listed
under the reason for which it is.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from reference_relay.mail.content import complete
from reference_relay.policy.mime_structure import AttachmentRules
from reference_relay.policy.no_attachment import judge_content
from reference_relay.policy.tests.mime_readers import (
    Mailparser,
    Reader,
    is_file,
    listed_by_email,
    listed_by_rust,
    listing_to_the_end,
)
from reference_relay.policy.tests.mime_reasons import REASONS, Reason, reason_for
from reference_relay.policy.tests.test_differential import CONTENTS

_HEADER = b"From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
_TO_THE_LETTER = AttachmentRules(other_text=False, enclosed_messages=False)


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


class Tally:
    """What became of the contents.

    Args:
        readers: By name; each is asked about every content as it would be delivered.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.refused_alone: dict[Reason, list[bytes]] = {reason: [] for reason in REASONS}
        self.holes: list[tuple[str, bytes]] = []
        self.unexplained: list[bytes] = []
        self._readers = readers

    def judge(self, content: bytes) -> None:
        """Let the scanner, under both rules, and all readers have a content."""
        delivered = complete(content, date="Mon, 24 Nov 2025 10:00:00 +0000", message_id="<a@b>")
        listed = {name: found for name, read in self._readers.items() if (found := read(delivered))}
        showing = [name for name, found in listed.items() if any(map(is_file, found))]
        seen = "nothing"
        if showing:
            seen = "a file"
        elif listed:
            seen = "text or a message without a name"
        is_refused = judge_content(content) is not None
        is_refused_strictly = judge_content(content, _TO_THE_LETTER) is not None
        verdict = "refused by default"
        if not is_refused:
            verdict = "refused with both switches off" if is_refused_strictly else "accepted"
        self.outcomes[verdict, seen] += 1
        if listed and not is_refused_strictly:
            self.holes.append((f"with both switches off {', '.join(listed)}", content))
        if is_refused and not showing:
            self._explain(content)
        if not is_refused:
            self._doubt(delivered, listed, showing)

    def _explain(self, content: bytes) -> None:
        reason = reason_for(content)
        if reason is None:
            self.unexplained.append(content)
        else:
            self.refused_alone[reason].append(content)

    def _doubt(
        self, delivered: bytes, listed: Mapping[str, list[str]], showing: Iterable[str]
    ) -> None:
        for reader, found in listed.items():
            for media_type in {one.partition("\t")[0].lower() for one in found}:
                self.kinds[media_type, reader] += 1
        if suspicious := {*showing, *listing_to_the_end(delivered, self._readers)}:
            self.holes.append((", ".join(sorted(suspicious)), delivered))

    def report(self) -> str:
        """Return the outcome as Markdown."""
        verdicts = ("accepted", "refused with both switches off", "refused by default")
        sights = ("nothing", "text or a message without a name", "a file")
        outcomes = [
            f"| {seen} | " + " | ".join(str(self.outcomes[verdict, seen]) for verdict in verdicts)
            for seen in sights
        ]
        media_types = sorted({media_type for media_type, _ in self.kinds})
        kinds = [
            f"| {one} | " + " | ".join(str(self.kinds[one, reader]) for reader in self._readers)
            for one in media_types
        ]
        reasons = [
            f"| {reason.name} | {len(contents)} | {reason.why}"
            for reason, contents in self.refused_alone.items()
            if contents
        ]
        return _REPORT.format(
            count=sum(self.outcomes.values()),
            holes=len(self.holes),
            outcomes=_rows(outcomes),
            readers=" | ".join(self._readers),
            rule="---|" * len(self._readers),
            kinds=_rows(kinds),
            reasons=_rows(reasons),
        )

    def refusals(self) -> Iterator[str]:
        """Yield a line for every content that is refused although no reader shows a file."""
        for reason, contents in self.refused_alone.items():
            for content in contents:
                yield f"{reason.name}\t{content!r}\n"


def _rows(lines: Iterable[str]) -> str:
    return "\n".join(f"{line} |" for line in lines)


_REPORT = """\
# The scanner beside three readers

{count} messages; written by `nox -s differential_mime`.
Readers: Python's `email`, fast-mail-parser (Rust), npm's mailparser.

| what a reader lists as attachment | accepted | refused with `other_text` and `enclosed_messages` \
off | refused by default |
|---|---|---|---|
{outcomes}

*Accepted* is what passes with the switches `other_text` and `enclosed_messages` off: no reader
lists anything in it. By default (D-13) what the second column counts is accepted as well: text that
is neither plain nor HTML, and enclosed messages, all without file name and without a disposition
other than `inline`. Two readers list those because they do not render them themselves:

| listed by default | {readers} |
|---|{rule}
{kinds}

None of it is shown as a file by a reader that follows RFC 2046: unknown text is to be treated as
text/plain (§4.1.4), a message/rfc822 is a message to be opened (§5.2.1), a digest a row of them
(§5.1.5), and reports are lines of text. That is tried, not assumed: each of these messages is
relabelled so, each enclosed message is taken out and read alone, however deep, and all three
readers are asked again: {holes} messages have anything left to list.

Refused although no reader shows a file, by what makes it ambiguous
(`--list FILE` writes every one of them with its reason):

| reason | messages | why that is enough |
|---|---|---|
{reasons}
"""


def main() -> int:
    """Exit 0 when nothing slipped through and every lone refusal has a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generated", type=int, default=3000, help="default: %(default)s")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the tables go")
    parser.add_argument("--list", type=Path, metavar="FILE", help="where lone refusals are listed")
    options = parser.parse_args()
    with Mailparser() as mailparser:
        tally = Tally(
            {
                "email": listed_by_email,
                "fast-mail-parser": listed_by_rust,
                "mailparser": mailparser.listed,
            }
        )
        for content in itertools.chain(real_shaped(), generated(options.generated)):
            tally.judge(content)
    report = tally.report()
    sys.stdout.write(report)
    if options.write is not None:
        options.write.write_text(report, encoding="utf-8")
    if options.list is not None:
        options.list.parent.mkdir(parents=True, exist_ok=True)
        options.list.write_text("".join(tally.refusals()), encoding="utf-8")
    for readers, content in tally.holes[:20]:
        sys.stdout.write(f"ACCEPTED although listed by {readers}: {content!r}\n")
    for content in tally.unexplained[:20]:
        sys.stdout.write(f"REFUSED without a named reason: {content!r}\n")
    sys.stdout.write(f"{len(tally.holes)} holes, {len(tally.unexplained)} unexplained\n")
    return 1 if tally.holes or tally.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
