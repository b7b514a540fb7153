from __future__ import annotations

import smtplib
import ssl
from pathlib import Path

from loadtests.content import MessageTemplate, token
from loadtests.instrument import null_site
from loadtests.null_sink import read_books

TEMPLATE = MessageTemplate.render("a@b.example", "c@d.example", 2000)


def test_a_library_client_is_served_from_greeting_to_quit_and_its_message_counted(
    tmp_path: Path,
) -> None:
    """QUIT has its reply, and the books hold what it sent, octet by octet."""
    books = tmp_path / "books.json"
    with null_site(books=books) as site:
        context = ssl.create_default_context(cadata=site.authorities)
        with smtplib.SMTP(site.address, site.port(), timeout=20) as client:
            client._host = site.host  # type: ignore[attr-defined]  # the name for SNI
            client.starttls(context=context)
            client.login("anyone", "anything")
            content = TEMPLATE.data(token(b"run12345", 0, 0))[: -len(b".\r\n")]
            client.sendmail("a@b.example", ["c@d.example"], content)
            assert client.quit()[0] == 221
    tally, changed = read_books(books, "run12345", TEMPLATE.body)
    assert tally.ledger({0: [0]}, {}, changed=changed).is_balanced
    assert tally.count == 1
