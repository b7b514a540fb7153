from __future__ import annotations

from pathlib import Path

from loadtests.content import MessageTemplate, token
from loadtests.ledger import Tally
from loadtests.null_sink import Books, read_books

TEMPLATE = MessageTemplate.render("a@b.example", "c@d.example", 600)


def content(number: int, run: bytes = b"run12345") -> bytes:
    return TEMPLATE.data(token(run, 0, number))[: -len(b".\r\n")]


def test_a_message_is_complete_once() -> None:
    """With its last recipient, and with no copy after that."""
    tally = Tally(recipients=2)
    assert [tally.note(0, 3), tally.note(0, 3), tally.note(0, 3)] == [False, True, False]
    assert tally.count == 1
    assert tally.ledger({0: [3]}, {}).doubled == 1


def test_the_null_sinks_books_say_what_was_lost_doubled_changed_and_never_acknowledged(
    tmp_path: Path,
) -> None:
    """Counted in one process, compared in another: each kind of leak is told apart."""
    books = Books()
    for one in (content(0), content(2), content(2), content(3)[:-2] + b"!\r\n", content(7)):
        books.note(one)
    books.note(content(1, b"other678"))
    books.note(b"no token\r\n\r\nof ours\r\n")
    books.write(tmp_path / "books.json")
    tally, changed = read_books(tmp_path / "books.json", "run12345", TEMPLATE.body)
    ledger = tally.ledger({0: [0, 1, 2, 3]}, {}, changed=changed)
    assert (ledger.arrived, ledger.missing, ledger.doubled, ledger.changed) == (3, 1, 1, 1)
    assert ledger.unexpected == 1
    assert not ledger.is_balanced


def test_a_run_of_which_nothing_came_has_empty_books(tmp_path: Path) -> None:
    """All of it is missing, and nobody stumbles."""
    Books().write(tmp_path / "books.json")
    tally, changed = read_books(tmp_path / "books.json", "run12345", TEMPLATE.body)
    assert (tally.ledger({0: [0]}, {}, changed=changed).missing, changed) == (1, 0)
