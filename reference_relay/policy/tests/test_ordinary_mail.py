"""Mail as common programs write it passes every rule, and leaves as it came."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage

import pytest

from reference_relay.mail.content import complete, outline
from reference_relay.policy.message import judge_message
from reference_relay.policy.mime_structure import AttachmentRules

HEADER = (
    b"Date: Mon, 24 Nov 2025 10:00:00 +0000\r\nFrom: Mailer <mailer@example.com>\r\n"
    b"To: b@example.net\r\nSubject: x\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)


def _written_by_the_stdlib(text: str, html: str | None, encoding: str | None) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "Jürgen Müller <mailer@example.com>"
    message["To"] = "b@example.net"
    message["Date"] = "Mon, 24 Nov 2025 10:00:00 +0000"
    message["Message-ID"] = "<1@example.com>"
    message["Subject"] = "Ein langer Betreff mit Umlauten äöü " * 5
    message.set_content(text, cte=encoding)
    if html is not None:
        message.add_alternative(html, subtype="html", cte=encoding)
    return message.as_bytes()


def _report() -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    for name, value in (("From", "mailer@example.com"), ("Date", "24 Nov 2025 10:00:00 +0000")):
        message[name] = value
    message["Message-ID"] = "<1@example.com>"
    message["Content-Type"] = "multipart/report; report-type=delivery-status"
    note = EmailMessage(policy=email.policy.SMTP)
    note.set_content("Not delivered.\n")
    returned = EmailMessage(policy=email.policy.SMTP)
    returned["Content-Type"] = "text/rfc822-headers"
    returned.set_payload("From: a@example.com\r\nSubject: x\r\n")
    for part in (note, returned):
        message.attach(part)
    return message.as_bytes()


MAIL = {
    "stdlib plain": _written_by_the_stdlib("Hello\n", None, None),
    "stdlib quoted-printable": _written_by_the_stdlib("Grüße\n" * 9, None, "quoted-printable"),
    "stdlib base64": _written_by_the_stdlib("Grüße\n" * 99, "<p>Grüße</p>\n", "base64"),
    "stdlib 8bit": _written_by_the_stdlib("Grüße\n", "<p>Grüße</p>\n", "8bit"),
    "stdlib report": _report(),
    "outlook": HEADER
    + b'Content-Type: multipart/alternative;\r\n\tboundary="_000_AM0PR01MB1234_"\r\n'
    + b"Content-Language: en-US\r\nX-MS-Has-Attach: \r\nThread-Index: AQ==\r\n\r\n"
    + b'--_000_AM0PR01MB1234_\r\nContent-Type: text/plain; charset="us-ascii"\r\n'
    + b"Content-Transfer-Encoding: quoted-printable\r\n\r\nHello=20\r\n\r\n"
    + b'--_000_AM0PR01MB1234_\r\nContent-Type: text/html; charset="us-ascii"\r\n'
    + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"x\">Hello\r\n\r\n"
    + b"--_000_AM0PR01MB1234_--\r\n",
    "gmail": HEADER
    + b'Content-Type: multipart/alternative; boundary="000000000000a1b2c3d4e5f6a7b8"\r\n\r\n'
    + b'--000000000000a1b2c3d4e5f6a7b8\r\nContent-Type: text/plain; charset="UTF-8"\r\n\r\n'
    + b"Hello\r\n\r\n-- \r\nSignature\r\n\r\n--000000000000a1b2c3d4e5f6a7b8\r\n"
    + b'Content-Type: text/html; charset="UTF-8"\r\n\r\n<div>Hello</div>\r\n\r\n'
    + b"--000000000000a1b2c3d4e5f6a7b8--\r\n",
    "apple": HEADER
    + b"Content-Type: text/plain;\r\n\tcharset=us-ascii;\r\n\tformat=flowed;\r\n\tdelsp=yes\r\n"
    + b"Content-Transfer-Encoding: 7bit\r\nX-Mailer: iPhone Mail (20A362)\r\n\r\nHello\r\n",
    "javamail": HEADER
    + b'Content-Type: multipart/mixed; \r\n\tboundary="----=_Part_0_123.456"\r\n\r\n'
    + b"------=_Part_0_123.456\r\nContent-Type: text/html;charset=UTF-8\r\n"
    + b"Content-Transfer-Encoding: 7bit\r\n\r\n<p>Hello\r\n------=_Part_0_123.456--\r\n",
    "nodemailer": HEADER
    + b'Content-Type: multipart/alternative;\r\n boundary="--_NmP-abc123-Part_1"\r\n\r\n'
    + b"----_NmP-abc123-Part_1\r\nContent-Type: text/plain; charset=utf-8\r\n"
    + b"Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n"
    + b"----_NmP-abc123-Part_1\r\nContent-Type: text/html; charset=utf-8\r\n"
    + b"Content-Transfer-Encoding: 7bit\r\n\r\n<p>Hello\r\n----_NmP-abc123-Part_1--\r\n",
    "cron": b"From: root (Cron Daemon) <root@example.com>\r\nTo: b@example.net\r\n"
    + b"Subject: Cron <root@host> run-parts\r\nMIME-Version: 1.0\r\n"
    + b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    + b"X-Cron-Env: <SHELL=/bin/sh>\r\nX-Cron-Env: <HOME=/root>\r\n"
    + b"Date: Mon, 24 Nov 2025 10:00:00 +0100 (CET)\r\nMessage-Id: <2025.1@host>\r\n\r\nx\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", MAIL)
def test_mail_of_common_programs_passes_and_leaves_as_it_came(name: str) -> None:
    """ATT-01, SND-01, SUB-08: no rule refuses it, and nothing in it is touched."""
    content = MAIL[name]
    assert judge_message(outline(content), "example.com", AttachmentRules()) is None
    assert complete(content, date="x", message_id="x") == content
