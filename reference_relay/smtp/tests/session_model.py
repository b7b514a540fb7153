"""A submission session as a table of the test's own, played against the engine by Hypothesis.

    python -m reference_relay.smtp.tests.session_model --steps 50000

The table is written from RFC 5321 §4.1.4, RFC 3207 §4, RFC 4954 §4 and RFC 3030 §2. It imports
nothing of `transitions.py`: a misreading has to be made twice to go unnoticed.
"""

from __future__ import annotations

import argparse
import sys
import time
from base64 import b64encode

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from reference_relay.smtp.events import (
    AuthenticationRequested,
    ContentReceived,
    Event,
    RecipientProposed,
    SenderProposed,
    TLSRequested,
)
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.server_session import ServerSession
from reference_relay.smtp.settings import SessionSettings

QUEUED = Reply.of("250 2.0.0 Ok: queued as TEST")
REFUSED = Reply.of("550 5.7.1 No")
STEPS_OF_A_SESSION = 50

# What RFC 5321 §4.1.4 lets come where. Where a verb is missing it is a bad sequence, 503.
# "new": no EHLO · "idle": no transaction · "mail": a sender · "rcpt": a recipient · "chunk": BDAT
MAY_COME = {
    "new": {"AUTH", "STARTTLS"},
    "idle": {"AUTH", "STARTTLS", "MAIL"},
    "mail": {"RCPT"},
    "rcpt": {"RCPT", "DATA", "BDAT"},
    "chunk": {"BDAT"},
}
# RFC 3207 §4: what a server that demands TLS may answer otherwise than with 530.
BEFORE_TLS = {"EHLO", "HELO", "NOOP", "RSET", "STARTTLS", "QUIT"}
# RFC 4954 §6: the same before authentication.
BEFORE_AUTH = BEFORE_TLS | {"AUTH"}

text = st.binary(max_size=30).map(lambda octets: octets.translate(None, b"\r\n\0"))
lines = st.lists(text, max_size=6).map(lambda found: b"".join(line + b"\r\n" for line in found))
segments = st.integers(1, 40)
seldom = st.integers(0, 4).map(lambda number: number == 4)


class SessionModel(RuleBasedStateMachine):
    """Says something, and compares the reply with what the table has to say."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.session = ServerSession(SessionSettings("mx.example.net", errors=1 << 30))
        # The first line fixes CRLF (D-4); both sides count it as said.
        self.where = "new"
        self.is_encrypted = False
        self.is_authenticated = False
        self.has_only_refusals = False
        self.chunks = b""
        self.is_refusing = False
        self.contents: list[bytes] = []

    # -- the two sides -------------------------------------------------------------------------

    def say(self, octets: bytes, size: int, *expected: int) -> None:
        """Feed octets in pieces of this size and compare the codes of the replies."""
        type(self).steps += 1
        for start in range(0, len(octets), size):
            self.session.receive_data(octets[start : start + size])
            while (event := self.session.next_event()) is not None:
                self.answer(event)
        said = self.session.data_to_send().split(b"\r\n")
        codes = tuple(int(line[:3]) for line in said if line[3:4] == b" ")
        assert codes == expected, (octets, codes, expected, self.where)

    def answer(self, event: Event) -> None:
        """Be the edge: refuse what the rule wants refused, and yes to everything else."""
        match event:
            case TLSRequested():
                self.session.encryption_started()
            case SenderProposed() | RecipientProposed() | AuthenticationRequested() if (
                self.is_refusing
            ):
                self.session.reject(REFUSED)
            case AuthenticationRequested(credentials=credentials):
                self.session.authenticated(credentials.authentication_identity.decode())
            case SenderProposed() | RecipientProposed():
                self.session.accept()
            case ContentReceived():
                self.contents.append(event.content)
                self.session.accept(REFUSED if self.is_refusing else QUEUED)
            case _:
                raise AssertionError(event)

    def gate(self, verb: str) -> int | None:
        """Return the code of the refusal that is due whatever the arguments, if one is."""
        if not self.is_encrypted and verb not in BEFORE_TLS:
            return 530
        if verb == "STARTTLS":
            return 503 if self.is_encrypted else None
        if verb not in BEFORE_AUTH and not self.is_authenticated:
            return 530
        if verb == "AUTH" and self.is_authenticated:
            return 503
        if verb in ("AUTH", "MAIL", "RCPT", "DATA", "BDAT") and verb not in MAY_COME[self.where]:
            # RFC 5321 §3.3: 554 where recipients were named and none was valid.
            is_554 = verb in ("DATA", "BDAT") and self.where == "mail" and self.has_only_refusals
            return 554 if is_554 else 503
        return None

    def end_transaction(self) -> None:
        self.where = "idle" if self.where != "new" else "new"
        self.has_only_refusals = False
        self.chunks = b""

    # -- what a client may say -----------------------------------------------------------------

    @rule(verb=st.sampled_from(["EHLO", "helo"]), is_valid=st.booleans(), size=segments)
    def hello(self, verb: str, is_valid: bool, size: int) -> None:
        name = "client.example" if is_valid else "[not-an-address]"
        self.say(f"{verb} {name}\r\n".encode(), size, 250 if is_valid else 501)
        if is_valid:
            self.end_transaction()
            self.where = "idle"

    @rule(has_argument=seldom, size=segments)
    def starttls(self, has_argument: bool, size: int) -> None:
        line = b"STARTTLS x\r\n" if has_argument else b"STARTTLS\r\n"
        refusal = self.gate("STARTTLS")
        if refusal is None and self.where not in ("new", "idle"):
            refusal = 503
        if refusal is not None or has_argument:
            self.say(line, size, refusal or 501)
            return
        self.say(line, size, 220)
        self.where, self.is_encrypted, self.is_authenticated = "new", True, False
        self.end_transaction()

    @rule(
        kind=st.sampled_from(["initial", "steps", "login", "cancel", "junk", "unknown"]),
        is_refusing=seldom,
        size=segments,
    )
    def authenticate(self, kind: str, is_refusing: bool, size: int) -> None:
        right = b64encode(b"\0user\0pass")
        command = {"initial": b"AUTH PLAIN " + right, "unknown": b"AUTH X", "login": b"auth login"}
        line = command.get(kind, b"AUTH PLAIN") + b"\r\n"
        refusal = self.gate("AUTH")
        if refusal is not None:
            self.say(line, size, refusal)
            return
        self.is_refusing = is_refusing
        verdict = 550 if is_refusing else 235
        match kind:
            case "unknown":
                self.say(line, size, 504)
            case "initial":
                self.say(line, size, verdict)
            case "login":
                rest = b64encode(b"user") + b"\r\n" + b64encode(b"pass") + b"\r\n"
                self.say(line + rest, size, 334, 334, verdict)
            case _:
                response = {"steps": right, "cancel": b"*", "junk": b"!!"}[kind]
                code = verdict if kind == "steps" else 501
                self.say(line + response + b"\r\n", size, 334, code)
        is_complete = kind in ("initial", "steps", "login")
        if is_complete and not is_refusing:
            self.is_authenticated, self.where = True, "idle"
        self.is_refusing = False

    @rule(
        path=st.sampled_from(
            ["<a@example.com>", "<a@example.com>", "<>", "<a@@b>", "<jos\u00e9@b.example>"]
        ),
        parameter=st.sampled_from(
            ["", "", "", " SIZE=10", " SIZE=99999999999", " FOO=1", " BODY=X"]
        ),
        is_refusing=seldom,
        size=segments,
    )
    def mail(self, path: str, parameter: str, is_refusing: bool, size: int) -> None:
        line = f"MAIL FROM:{path}{parameter}\r\n".encode()
        code = self.gate("MAIL")
        if code is None:
            code = {" FOO=1": 555, " BODY=X": 501, " SIZE=99999999999": 552}.get(parameter)
            code = 501 if "@@" in path else code or (550 if "\u00e9" in path else None)
        if code is not None:
            self.say(line, size, code)
            return
        self.is_refusing = is_refusing
        self.say(line, size, 550 if is_refusing else 250)
        self.is_refusing = False
        if not is_refusing:
            self.where, self.has_only_refusals = "mail", False

    @rule(
        path=st.sampled_from(["<b@example.net>", "<Postmaster>", "<b@>", "<\u00fc@b.example>"]),
        is_refusing=seldom,
        size=segments,
    )
    def rcpt(self, path: str, is_refusing: bool, size: int) -> None:
        line = f"RCPT TO:{path}\r\n".encode()
        code = self.gate("RCPT")
        if code is not None:
            self.say(line, size, code)
            return
        code = {"<b@>": 501, "<\u00fc@b.example>": 553}.get(path)
        self.is_refusing = is_refusing
        self.say(line, size, code or (550 if is_refusing else 250))
        self.is_refusing = False
        if code or is_refusing:
            self.has_only_refusals = self.has_only_refusals or self.where == "mail"
        else:
            self.where, self.has_only_refusals = "rcpt", False

    @rule(content=lines, is_refusing=seldom, size=segments)
    def data(self, content: bytes, is_refusing: bool, size: int) -> None:
        code = self.gate("DATA")
        if code is not None:
            self.say(b"DATA\r\n", size, code)
            return
        self.is_refusing = is_refusing
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        verdict = 550 if is_refusing else 250
        self.say(b"DATA\r\n" + stuffed + b".\r\n", size, 354, verdict)
        self.is_refusing = False
        assert self.contents.pop() == content
        self.end_transaction()

    @rule(content=lines, cut=st.integers(0, 200), is_last=st.booleans(), size=segments)
    def bdat(self, content: bytes, cut: int, is_last: bool, size: int) -> None:
        # Chunks may end anywhere, inside a CRLF too; what was cut off comes with the last one.
        waiting = self.chunks
        chunk = content if is_last else content[:cut]
        if waiting.endswith(b"\r") and not chunk.startswith(b"\n"):
            chunk = b"\n" + chunk
        if is_last and not (waiting + chunk).endswith(b"\r\n") and waiting + chunk:
            chunk += b"\n" if (waiting + chunk).endswith(b"\r") else b"\r\n"
        line = b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if is_last else b"")
        code = self.gate("BDAT")
        self.say(line + chunk, size, code or 250)
        if code is not None:
            return
        if not is_last:
            self.where, self.chunks = "chunk", waiting + chunk
            return
        assert self.contents.pop() == waiting + chunk
        self.end_transaction()

    @rule(times=st.integers(1, 5), size=segments)
    def straight_on(self, times: int, size: int) -> None:
        """Do what brings a client on its way, so that the states at its end are met as often."""
        for _ in range(times):
            if not self.is_encrypted:
                self.starttls(has_argument=False, size=size)
            elif not self.is_authenticated:
                self.authenticate(kind="initial", is_refusing=False, size=size)
            elif self.where == "idle":
                self.mail(path="<>", parameter="", is_refusing=False, size=size)
            elif self.where == "mail":
                self.rcpt(path="<b@example.net>", is_refusing=False, size=size)
            else:
                self.bdat(content=b"a\r\n", cut=2, is_last=self.where == "chunk", size=size)

    @rule(
        line=st.sampled_from(
            ["NOOP", "NOOP x", "RSET", "RSET x", "VRFY x", "HELP", "EXPN l", "SEND x", "FROB", ""]
        ),
        size=segments,
    )
    def small_talk(self, line: str, size: int) -> None:
        verb = line.partition(" ")[0]
        if verb in ("FROB", ""):
            code = 500
        elif verb in BEFORE_TLS:
            code = 501 if line == "RSET x" else 250
        else:
            code = self.gate(verb) or {"VRFY": 252, "HELP": 214}.get(verb, 502)
        if line == "RSET":
            self.end_transaction()
        self.say(line.encode() + b"\r\n", size, code)

    @precondition(lambda self: self.is_authenticated)
    @rule(size=segments)
    def broken_line(self, size: int) -> None:
        self.say(b"NOOP\rNOOP\r\n", size, 500)


def play(steps: int) -> int:
    """Play sessions until so many things were said; return how many that were.

    Raises:
        AssertionError: Engine and table differ; Hypothesis prints the shortest way there.
    """
    SessionModel.steps = 0
    seed = 0
    while SessionModel.steps < steps:
        seed += 1
        left = max(1, (steps - SessionModel.steps) // STEPS_OF_A_SESSION)
        run_state_machine_as_test(
            SessionModel,
            settings=settings(
                max_examples=min(left + 1, 200),
                stateful_step_count=STEPS_OF_A_SESSION,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    return SessionModel.steps


def main() -> int:
    """Play as many steps as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50_000, help="default: %(default)s")
    began = time.monotonic()
    played = play(parser.parse_args().steps)
    sys.stdout.write(f"{played} steps, no difference, {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
