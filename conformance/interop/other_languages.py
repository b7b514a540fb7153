"""Mail clients of other languages: what they are asked to send, and how each message ended.

Passwords go in by standard input, never by a command line or a variable.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from conformance.interop.tools import demand, tool
from conformance.judgement import inconclusive
from fixtures.budget import current_budget
from fixtures.probe import client_name
from fixtures.refusal import THROTTLE_CODES
from fixtures.run_token import FIELD, run_token
from fixtures.target import Target

_HOME = Path(__file__).parent
_CLIENTS = _HOME / "clients"
_PHPMAILER = Path("/usr/share/php/libphp-phpmailer/autoload.php")
_JARS = tuple(
    Path("/usr/share/java") / name
    for name in ("javax.mail.jar", "javax.activation.jar", "jakarta.activation.jar")
)
# Java compiles the file first.
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to send; the sender of the envelope may differ from that of the header."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    from_: str
    attachment: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """What a client told its caller.

    Attributes:
        code: The reply code it names, 0 if none.
        kind: The client's own word for the error.
        said: What a caller would show.
    """

    ok: bool
    code: int
    kind: str
    said: str


def nodemailer(target: Target, mechanism: str, mails: Sequence[Mail], *, keeps: bool) -> list[End]:
    """Let Nodemailer send; `keeps` uses its pool."""
    there = (_HOME / "node_modules" / "nodemailer").is_dir()
    demand(there, "npm's nodemailer (nox -s interop)")
    order = _order(target, mechanism, mails, keeps=keeps)
    return _ends(_run([tool("node"), str(_CLIENTS / "submit.js")], order, mails))


def phpmailer(target: Target, mechanism: str, mails: Sequence[Mail], *, keeps: bool) -> list[End]:
    """Let PHPMailer send; "" is the mechanism it chooses, `keeps` its SMTPKeepAlive."""
    demand(_PHPMAILER.is_file(), "PHPMailer (Debian: php-cli libphp-phpmailer)")
    order = {**_order(target, mechanism, mails, keeps=keeps), "library": str(_PHPMAILER)}
    return _ends(_run([tool("php"), str(_CLIENTS / "submit.php")], order, mails))


def javamail(target: Target, mechanism: str, mails: Sequence[Mail], *, chunk: str) -> list[End]:
    """Let JavaMail send on one connection, by BDAT if `chunk` octets are given; NOOP ends it."""
    jars = [str(jar) for jar in _JARS if jar.is_file()]
    demand(bool(jars) and _JARS[0].is_file(), "JavaMail (Debian: libmail-java)")
    demand(bool(tool("javac")), "a Java compiler (Debian: default-jdk-headless)")
    order = _order(target, mechanism, [], keeps=True)
    flat = {key: str(value) for key, value in order.items() if isinstance(value, str | int)}
    lines = _lines({**flat, "chunk": chunk, "field": FIELD, "run": run_token()})
    for mail in mails:
        keys = {"sender": mail.sender, "recipients": ",".join(mail.recipients)}
        lines += "message\n"
        lines += _lines({**keys, "subject": mail.subject, "text": mail.text, "from": mail.from_})
    command = [tool("java"), "-cp", ":".join(jars), str(_CLIENTS / "Submit.java")]
    said = _run(command, lines, mails)
    ends = []
    for line in said.splitlines():
        word, code, text = line.split(" ")
        ends.append(_end(word == "ok", int(code), "", base64.b64decode(text).decode()))
    return ends


def _order(
    target: Target, mechanism: str, mails: Sequence[Mail], *, keeps: bool
) -> dict[str, object]:
    endpoint, account = target.endpoint(), target.account()
    return {
        "address": endpoint.addresses[0],
        "port": endpoint.port,
        "host": endpoint.host,
        "client": client_name(),
        "mechanism": mechanism,
        "username": account.username,
        "password": account.password,
        "keeps": keeps,
        "headers": {FIELD: run_token()},
        "messages": [{**asdict(mail), "from": mail.from_} for mail in mails],
    }


def _lines(values: dict[str, str]) -> str:
    return "".join(
        f"{key}={base64.b64encode(value.encode()).decode()}\n" for key, value in values.items()
    )


def _run(command: list[str], order: dict[str, object] | str, mails: Sequence[Mail]) -> str:
    text = order if isinstance(order, str) else json.dumps(order)
    with current_budget().client(messages=len(mails)):
        try:
            done = subprocess.run(
                command,
                input=text,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
                cwd=_CLIENTS,
            )
        except subprocess.TimeoutExpired:
            inconclusive(f"{Path(command[0]).name} did not end within {_SECONDS} s")
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} broke down: {done.stderr[-500:]}")
    return done.stdout


def _ends(said: str) -> list[End]:
    return [
        _end(one["ok"], one.get("code", 0), one.get("kind", ""), one.get("said") or "")
        for one in json.loads(said)
    ]


def _end(ok: bool, code: int, kind: str, said: str) -> End:
    if code in THROTTLE_CODES and not ok:
        inconclusive(f"the relay under test asked for patience: {said}")
    return End(ok, code, kind, said)
