"""Thousands of generated messages through the relay; three verifiers judge what arrives.

`python -m conformance.interop.dkim_proof --messages 2000`: for RSA-2048 and for Ed25519, by DATA
and by BDAT. dkimpy, npm's mailauth and OpenDKIM read the octets that the sink got, with the key
that the fake DNS publishes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import dkim
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conformance.relaying.look_up import look_up_for
from fixtures.keys import KeyKind
from fixtures.probe import SMTPProbe, expect
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.target import Target
from fixtures.world import World

FOLDER = Path(__file__).parent
BATCH = 200

_word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
_blank = st.sampled_from([" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t"])
# An unstructured value in many foldings (RFC 5322 §2.2.3); no line of blanks alone.
_value = st.lists(st.tuples(_blank, _word), min_size=1, max_size=6).map(
    lambda pieces: "".join(blank + word for blank, word in pieces)
)
_name = st.sampled_from(["Comments", "X-Odd", "Keywords", "Reply-To-X", "List-Id", "In-Reply-To"])
_line = st.one_of(
    st.just(""),
    st.sampled_from([".", "..", ".dot", "From here", "--", " ", "\t \t", "trailing  ", "a  b\tc "]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60),
    st.just("x" * 998),
)
# Header fields behind those that every message has, and the lines of the body.
messages = st.tuples(
    # RFC 5322 §3.6: most fields may be there once.
    st.lists(st.tuples(_name, _value), max_size=4, unique_by=lambda field: field[0]),
    st.lists(_line, max_size=12),
    st.booleans(),
)


class ProofImpossible(Exception):
    """Something is not there that the proof needs."""


def composed(target: Target, token: str, drawn: tuple[list[tuple[str, str]], list[str]]) -> bytes:
    """A message that passes the rules, with what was drawn."""
    fields, lines = drawn
    sender = target.account().sender
    header = [
        f"From: {sender}\r\nTo: b@example.org\r\nSubject: {token}\r\n",
        "Date: Mon, 02 Mar 2026 10:00:02 +0000\r\n",
        f"Message-ID: <{token}@{target.account().domain}>\r\nMIME-Version: 1.0\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
        *(f"{name}:{value}\r\n" for name, value in fields),
    ]
    return ("".join(header) + "\r\n" + "".join(f"{line}\r\n" for line in lines)).encode()


def submit(probe: SMTPProbe, target: Target, content: bytes, *, is_chunked: bool) -> None:
    """Send it by DATA or BDAT."""
    expect("MAIL", probe.mail(target.account().sender, "BODY=8BITMIME"))
    expect("RCPT", probe.rcpt(target.recipient()))
    if is_chunked:
        half = len(content) // 2
        probe.send(b"BDAT %d\r\n" % half + content[:half])
        expect("BDAT", probe.read_reply())
        rest = content[half:]
        probe.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
        expect("BDAT", probe.read_reply())
    else:
        expect("DATA", probe.data(content))


def relayed(target: Target, number: int) -> list[bytes]:
    """Submit so many generated messages; return what arrived."""
    assert target.sink is not None
    numbers = itertools.count()
    endpoint = target.endpoint()
    address, port = endpoint.sockets[0]
    tokens: list[str] = []
    with SMTPProbe.connect(
        address,
        port,
        source=target.client_addresses.get("admitted"),
        context=target.tls_context,
        server_hostname=endpoint.host,
    ) as probe:
        expect("greeting", probe.read_reply())
        expect("EHLO", probe.ehlo())
        expect("STARTTLS", probe.starttls())
        expect("EHLO", probe.ehlo())
        expect("AUTH", probe.auth_plain(target.account()))

        @settings(
            max_examples=number,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(messages)
        def send(drawn: tuple[list[tuple[str, str]], list[str], bool]) -> None:
            fields, lines, is_chunked = drawn
            token = f"proof{next(numbers)}"
            content = composed(target, token, (fields, lines))
            submit(probe, target, content, is_chunked=is_chunked)
            tokens.append(token)

        send()
    sink = target.sink
    return [sink.wait_for(token=f"Subject: {each}\r\n", within=60.0).content for each in tokens]


def by_dkimpy(target: Target, files: Sequence[Path]) -> list[bool]:
    """What dkimpy says."""
    look_up = look_up_for(target)
    verdicts = []
    for file in files:
        try:
            verdicts.append(bool(dkim.DKIM(file.read_bytes()).verify(dnsfunc=look_up)))
        except dkim.DKIMException:
            verdicts.append(False)
    return verdicts


def by_mailauth(target: Target, files: Sequence[Path]) -> list[bool]:
    """What npm's mailauth says; it asks the same name server."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "mailauth").is_dir():
        raise ProofImpossible("npm's mailauth is not installed: nox -s interop")
    assert target.dns is not None
    server = f"{target.dns.address}:{target.dns.port}"
    done = subprocess.run(
        [node, FOLDER / "verify_dkim.js", server, *files],
        capture_output=True,
        check=True,
        timeout=120,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [bool(each) and each[0]["result"] == "pass" for each in found]


def by_opendkim(target: Target, files: Sequence[Path]) -> list[bool]:
    """What OpenDKIM says, given the record that the name server publishes."""
    opendkim = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if opendkim is None:
        raise ProofImpossible("OpenDKIM is not installed (Debian: apt-get install opendkim)")
    account = target.account()
    name = f"{account.selector}._domainkey.{account.domain}"
    record = look_up_for(target)(name).decode()
    folder = files[0].parent
    (folder / "records").write_text(f"{name} {record}\n")
    configuration = folder / "opendkim.conf"
    configuration.write_text(f"Mode v\nSyslog no\nTestDNSData file:{folder / 'records'}\n")
    done = subprocess.run(
        [opendkim, "-x", configuration, "-v", "-t", ",".join(map(str, files))],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    return [
        f"{file}: verification (s={account.selector}" in said and _succeeded(said, file)
        for file in files
    ]


def _succeeded(said: str, file: Path) -> bool:
    lines = [line for line in said.splitlines() if f"{file}: verification" in line]
    return len(lines) == 1 and lines[0].endswith("succeeded")


VERIFIERS = {"dkimpy": by_dkimpy, "mailauth": by_mailauth, "OpenDKIM": by_opendkim}


@contextlib.contextmanager
def batches(contents: Sequence[bytes]) -> Iterator[list[list[Path]]]:
    """The messages as files, in groups that fit a command line."""
    with tempfile.TemporaryDirectory(prefix="dkim-proof-") as name:
        files = []
        for number, content in enumerate(contents):
            file = Path(name) / f"m{number}"
            file.write_bytes(content)
            files.append(file)
        yield [files[start : start + BATCH] for start in range(0, len(files), BATCH)]


def prove(kind: KeyKind, number: int) -> Counter[str]:
    """Relay the messages and count, for each verifier, how many signatures it accepts."""
    accepted: Counter[str] = Counter()
    with World(load_profile(str(DEFAULT_PROFILE)), key_kind=kind) as world:
        target = world.target()
        contents = relayed(target, number)
        accepted["messages"] = len(contents)
        algorithm = f"a={kind.value}-sha256;".encode()
        accepted["signed"] = sum(algorithm in content for content in contents)
        with batches(contents) as groups:
            for name, verdicts in VERIFIERS.items():
                accepted[name] = sum(sum(verdicts(target, group)) for group in groups)
    return accepted


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove for both kinds of key; 0 when every verifier accepts every signature."""
    parser = argparse.ArgumentParser(prog="dkim_proof", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="for each kind of key")
    options = parser.parse_args(arguments)
    is_proved = True
    for kind in KeyKind:
        try:
            counts = prove(kind, options.messages)
        except ProofImpossible as reason:
            sys.stderr.write(f"dkim_proof: {reason}\n")
            return 2
        total = counts.pop("messages")
        words = ", ".join(f"{name} {count}" for name, count in counts.items())
        sys.stdout.write(f"{kind.value}: {total} messages; {words}\n")
        is_proved = is_proved and total > 0 and set(counts.values()) == {total}
    return 0 if is_proved else 1


if __name__ == "__main__":
    sys.exit(main())
