from __future__ import annotations

from itertools import islice

import pytest

from loadtests.content import ContentTooSmall, MessageTemplate, token_of, tokens

SENDER, RECIPIENT = "mailer@example.com", "rcpt@sink.example"


def rendered(octets: int) -> MessageTemplate:
    return MessageTemplate.render(SENDER, RECIPIENT, octets)


@pytest.mark.parametrize("octets", [400, 401, 402, 473, 474, 475, 476, 4096, 65_536])
def test_a_message_has_exactly_the_size_that_was_asked_for(octets: int) -> None:
    """Header, separator and body together are as many octets as wanted, whatever the remainder."""
    data = rendered(octets).data(next(tokens("run00000", 0, 0)))
    content = data.removesuffix(b".\r\n")
    assert len(content) == octets
    assert content.endswith(b"\r\n")


def test_nothing_needs_stuffing() -> None:
    """No line begins with a dot, ends without CRLF, or is longer than text may be."""
    data = rendered(20_000).data(next(tokens("run00000", 0, 0)))
    lines = data.removesuffix(b".\r\n").split(b"\r\n")
    assert not any(line.startswith(b".") or b"\n" in line or b"\r" in line for line in lines)
    assert max(map(len, lines)) <= 78
    assert b"  " not in data


def test_only_the_token_differs_between_messages() -> None:
    """Two messages are the same but for their tokens, and every token is found again."""
    template = rendered(1000)
    first, second = islice(tokens("run00000", 1, 2), 2)
    assert template.data(first).replace(first, second) == template.data(second)
    assert template.data(first).endswith(template.body + b".\r\n")
    assert token_of(template.data(first)) == first


def test_tokens_of_different_users_never_meet() -> None:
    """Worker, user and number are all in the token."""
    made = [
        token
        for worker in (0, 1, 255)
        for user in (0, 1, 65_535)
        for token in islice(tokens("run00000", worker, user), 3)
    ]
    assert len(set(made)) == len(made)
    assert {len(token) for token in made} == {24}


def test_a_size_below_the_header_is_refused_with_the_least_size() -> None:
    """The message names a size that works."""
    with pytest.raises(ContentTooSmall, match="at least") as caught:
        rendered(10)
    least = int(str(caught.value).split()[2])
    assert rendered(least).body == b"\r\n"


def test_foreign_mail_has_no_token() -> None:
    """A message that is not ours is told apart."""
    assert token_of(b"From: <a@b>\r\nX-Load-Tokens: x\r\n\r\n") is None
