"""Two switches for laboratories: mail that is accepted and forgotten, and mail that stays."""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
from pathlib import Path
from typing import Any

from reference_relay.demo_world import RECIPIENT, SENDER, make_world, write_config
from reference_relay.tests.program import Program

WORLD = make_world()
TOKEN = {"LAB_TOKEN": "from-outside"}
CONTENT = f"From: <{SENDER}>\r\nTo: <{RECIPIENT}>\r\nSubject: x\r\n\r\ntext\r\n".encode()


def submit(ready: dict[str, Any]) -> str:
    """Submit one message and return the queue ID of its 250."""
    endpoint = ready["endpoints"][0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP(endpoint["address"], endpoint["port"], "client.example", 20) as client:
        client.starttls(context=context)
        client.login(WORLD.users[0].username, WORLD.users[0].password)
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        code, text = client.data(CONTENT)
    assert code == 250, text
    return text.decode().rpartition(" ")[2]


def recipients_of(ready: dict[str, Any], queue_id: str) -> list[dict[str, Any]] | None:
    """Ask the lab for the recipients of a message; None when it knows no such message."""
    management = ready["management"]
    connection = http.client.HTTPConnection(management["address"], management["port"], timeout=20)
    try:
        headers = {"Authorization": "Bearer from-outside"}
        connection.request("GET", f"/lab/v1/messages/{queue_id}", headers=headers)
        response = connection.getresponse()
        body = json.loads(response.read())
    finally:
        connection.close()
    if response.status == 404:
        return None
    found: list[dict[str, Any]] = body["recipients"]
    return found


def change(source: Path, table: str, replacement: str) -> None:
    """Set a switch, and let the test know the management token."""
    text = source.read_text()
    assert table in text
    text = text.replace(table, replacement, 1)
    source.write_text(text.replace("[management]", '[management]\ntoken_environment = "LAB_TOKEN"'))


def test_held_mail_stays_in_the_queue(tmp_path: Path) -> None:
    """With [delivery] hold a message is accepted, kept, and not once attempted."""
    source = write_config(tmp_path, WORLD, port=0, name_server_port=9, mailbox_port=9)
    change(source, "[delivery]", "[delivery]\nhold = true")
    with Program("serve", "--config", str(source), environment=TOKEN) as program:
        ready = json.loads(program.line())
        (recipient,) = recipients_of(ready, submit(ready)) or []
        assert [event["state"] for event in recipient["history"]] == ["submitted"]
    assert "event=delivery_held" in program.errors


def test_discarded_mail_is_accepted_and_gone(tmp_path: Path) -> None:
    """With [queue] discard a message gets its 250 and nobody knows it afterwards."""
    source = write_config(tmp_path, WORLD, port=0, name_server_port=9, mailbox_port=9)
    change(source, "[delivery]", "[queue]\ndiscard = true\n\n[delivery]")
    with Program("serve", "--config", str(source), environment=TOKEN) as program:
        ready = json.loads(program.line())
        assert recipients_of(ready, submit(ready)) is None
    assert "event=discarding" in program.errors
