"""Messages have the length they should have, and the budget holds."""

from __future__ import annotations

import base64
import time

import pytest

from loadtests.benchmark.driver import Budget
from loadtests.benchmark.workload import WORKLOADS, Login, content, one_message


@pytest.mark.parametrize("octets", [4096, 65_536, *range(4000, 4080)])
def test_content_has_exactly_its_length(octets: int) -> None:
    """CRLF at the end, no bare line end, no dot to stuff, no line over the limit."""
    message = content(octets)
    assert len(message) == octets
    assert message.endswith(b"\r\n")
    assert b"\r\n\r\n" in message
    lines = message.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or line.startswith(b".") for line in lines)
    assert max(map(len, lines)) <= 78


def test_content_too_short_for_its_header_is_refused() -> None:
    """There is no message shorter than its header."""
    with pytest.raises(ValueError, match="at least"):
        content(100)


def test_a_group_awaits_the_reply_to_each_of_its_commands() -> None:
    """W3 sends three commands in one write and counts three replies."""
    group, end = one_message(b"text\r\n", is_grouped=True)
    assert group.octets.count(b"\r\n") == 3
    assert group.expected == (b"250", b"250", b"354")
    assert end.octets == b"text\r\n.\r\n"
    assert len(one_message(b"text\r\n", is_grouped=WORKLOADS["W1"].is_grouped)) == 4


def test_a_password_is_not_shown() -> None:
    """The login's repr keeps the secret; the initial response holds it."""
    login = Login("name", "secret")
    assert "secret" not in repr(login)
    assert base64.b64decode(login.initial_response) == b"\0name\0secret"


def test_a_budget_ends_after_its_time_but_not_before_its_least() -> None:
    """A slow server is given time for a few messages, a fast one is stopped in time."""
    spent = Budget(0.01, at_least=3)
    due_at = time.monotonic() + 0.02
    while time.monotonic() < due_at:
        pass
    assert [spent.take() for _ in range(4)] == [True, True, True, False]


def test_a_budget_gives_no_more_than_its_most() -> None:
    """An exact number of messages is an exact number."""
    exact = Budget(60, at_least=2, at_most=2)
    assert [exact.take() for _ in range(3)] == [True, True, False]
    assert exact.taken == 2
