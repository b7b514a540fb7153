from __future__ import annotations

import pytest

from loadtests.content import ContentTooSmall, MessageTemplate, mark_of, token

SENDER, RECIPIENT = "mailer@example.com", "rcpt@sink.example"


def rendered(octets: int) -> MessageTemplate:
    return MessageTemplate.render(SENDER, RECIPIENT, octets)


@pytest.mark.parametrize("octets", [400, 401, 402, 473, 474, 475, 476, 4096, 65_536])
def test_a_message_has_exactly_the_size_that_was_asked_for(octets: int) -> None:
    """Header, separator and body together are as many octets as wanted, whatever the remainder."""
    data = rendered(octets).data(token(b"run00000", 0, 0))
    content = data.removesuffix(b".\r\n")
    assert len(content) == octets
    assert content.endswith(b"\r\n")


def test_nothing_needs_stuffing() -> None:
    """No line begins with a dot, ends without CRLF, or is longer than text may be."""
    data = rendered(20_000).data(token(b"run00000", 0, 0))
    lines = data.removesuffix(b".\r\n").split(b"\r\n")
    assert not any(line.startswith(b".") or b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 78
    assert b"  " not in data


def test_only_the_token_and_the_moment_differ_between_messages() -> None:
    """Two messages are the same but for their tokens, and every token is found again."""
    template = rendered(1000)
    first, second = token(b"run00000", 1, 2), token(b"run00000", 1, 3)
    assert template.data(first).replace(first, second) == template.data(second)
    assert template.data(first).endswith(template.body + b".\r\n")
    assert mark_of(template.data(first, 77)) == (b"run00000", 1, 2, 77)


def test_tokens_of_different_workers_never_meet() -> None:
    """Worker and number are both in the token, whose size never changes."""
    made = [
        token(b"run00000", worker, number)
        for worker in (0, 1, 255, 65_535)
        for number in (0, 1, 65_535, 1 << 32)
    ]
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {24}


def test_a_size_below_the_header_is_refused_with_the_least_size() -> None:
    """The message names a size that works."""
    with pytest.raises(ContentTooSmall, match="at least") as caught:
        rendered(10)
    least = int(str(caught.value).split()[2])
    assert rendered(least).body == b"\r\n"


def test_foreign_mail_has_no_token() -> None:
    """A message that is not ours is told apart."""
    assert mark_of(b"From: <a@b>\r\nX-Load-Tokens: x\r\n\r\n") is None
    assert mark_of(b"X-Load-Token: no-token-of-twenty-four!\r\n") is None
