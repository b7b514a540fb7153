"""The demo: one message through all of it, and nothing left behind."""

from __future__ import annotations

import re
import shlex
import signal
import smtplib
import socket
import ssl
import subprocess
from email.message import EmailMessage
from pathlib import Path

from reference_relay.tests.program import Program


def test_a_message_goes_through_and_ctrl_c_leaves_nothing() -> None:
    """What the demo prints works as printed; after SIGINT, child, port and folder are gone."""
    with Program("demo") as program:
        folder = Path(program.line("removes ").rpartition("removes ")[2].strip().rstrip("."))
        port = int(re.findall(r"port (\d+)", program.line("submission"))[0])
        name_server_port = int(re.findall(r"port (\d+)", program.line("DNS  "))[0])
        typed = [program.line("openssl s_client").strip()]
        typed += [program.line().strip() for _ in range(12)]
        swaks = shlex.split(program.line("swaks --server"))
        program.line("Delivered mail is reported here")
        assert _is_taken(name_server_port)
        assert folder.is_dir()

        message = EmailMessage()
        message["From"] = swaks[swaks.index("--from") + 1]
        message["To"] = swaks[swaks.index("--to") + 1]
        message["Subject"] = "by smtplib"
        message.set_content("Hello.")
        context = ssl.create_default_context(cafile=folder / "certificate.pem")
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.starttls(context=context)
            user, password = (swaks[swaks.index(f"--auth-{it}") + 1] for it in ("user", "password"))
            client.login(user, password)
            client.send_message(message)
        arrived = program.line("by smtplib").split()
        content = Path(arrived[-1]).read_bytes()
        assert content.startswith(b"DKIM-Signature: ")
        assert f" id {arrived[1]}".encode() in content

        queue_id = _typed_session(typed)
        assert queue_id in program.line("Typed by hand")

        program.signal(signal.SIGINT)
        assert program.status() == 0
    assert not folder.exists()
    assert not _is_taken(name_server_port)
    assert not _is_taken(port)
    assert program.errors == ""


def test_a_taken_port_ends_it_before_it_begins(tmp_path: Path) -> None:
    """Exit 2 with the reason; the folder that was made already is gone."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Program(
            "demo",
            *("--port", str(listening.getsockname()[1])),
            environment={"TMPDIR": str(tmp_path)},
        ) as program,
    ):
        assert program.status() == 2
    assert "endpoint[0].port: expected an address and port that are free" in program.errors
    assert "Traceback" not in program.errors
    assert list(tmp_path.iterdir()) == []


def _is_taken(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _typed_session(typed: list[str]) -> str:
    """Type the printed lines into the printed command; return the queue ID of the final reply."""
    command, *lines = typed
    # A person sees the replies before the end of input; -ign_eof waits for them in their place.
    with subprocess.Popen(
        [*shlex.split(command), "-quiet", "-ign_eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as session:
        output, _ = session.communicate("".join(f"{line}\n" for line in lines), timeout=20)
    replies = [line for line in output.splitlines() if not line.startswith("250 ") or "2." in line]
    assert [reply[:3] for reply in replies[-8:]] == [
        "334", "334", "235", "250", "250", "354", "250", "221",
    ], output  # fmt: skip
    found = re.search(r"queued as (\w+)", output)
    assert found is not None
    return found[1]
