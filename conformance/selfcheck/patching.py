"""Putting a mistake in the place of something inside the relay.

What is not there cannot be replaced: a mutation that names something renamed since fails
loudly, when the relay starts, and does not survive as a relay that is right.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Broken = Callable[..., Any]


def replace(owner: Any, name: str, new: Any) -> Any:
    """Put `new` in the place of an attribute, of a frozen value too; return what was there.

    Raises:
        AttributeError: There is no such attribute.
    """
    before = getattr(owner, name)
    if isinstance(owner, type) or not hasattr(type(owner), "__dataclass_fields__"):
        setattr(owner, name, new)
    else:
        object.__setattr__(owner, name, new)
    return before


def around(owner: Any, name: str) -> Callable[[Broken], Broken]:
    """Replace a function or method by one that is given the original before its arguments.

    Raises:
        AttributeError: There is no such function.
    """

    def decorate(broken: Broken) -> Broken:
        original = getattr(owner, name)

        @functools.wraps(broken)
        def instead(*arguments: Any, **named: Any) -> Any:
            return broken(original, *arguments, **named)

        # A bound original (a class method) must not be bound once more.
        is_bound = isinstance(owner, type) and hasattr(original, "__self__")
        setattr(owner, name, staticmethod(instead) if is_bound else instead)
        return broken

    return decorate


def around_verb(name: str) -> Callable[[Broken], Broken]:
    """Replace what the session does on a verb by one that is given the original first.

    Raises:
        KeyError: The session knows no such verb.
    """
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Verb

    def decorate(broken: Broken) -> Broken:
        actions: dict[Any, Broken] = server_session._ACTIONS
        original = actions[Verb[name]]

        def instead(session: Any, argument: bytes) -> Any:
            return broken(original, session, argument)

        actions[Verb[name]] = instead
        return broken

    return decorate


def allow(state: str, verb: str, then: str) -> None:
    """Let a verb come in a state where it may not.

    Raises:
        KeyError: There is no such state or verb.
    """
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.transitions import TRANSITIONS, State

    moves: Any = TRANSITIONS[State[state]]
    moves[Verb[verb]] = State[then]


def forbid(state: str, verb: str) -> None:
    """Let a verb be out of sequence in a state where it may come.

    Raises:
        KeyError: It may not come there anyway.
    """
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.transitions import TRANSITIONS, State

    moves: Any = TRANSITIONS[State[state]]
    del moves[Verb[verb]]


def open_to(group: str, *verbs: str) -> None:
    """Add verbs to `IN_CLEAR` (before TLS) or `UNAUTHENTICATED` (before AUTH)."""
    from reference_relay.smtp import server_session
    from reference_relay.smtp.command import Verb

    before = getattr(server_session, group)
    replace(server_session, group, before | {Verb[verb] for verb in verbs})


def word(name: str, line: str) -> None:
    """Reword a reply that all profiles share."""
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply

    replace(replies, name, Reply.of(line))


def reword(name: str, line: str) -> None:
    """Reword a reply of the seed's book."""
    from reference_relay.smtp import replies
    from reference_relay.smtp.reply import Reply

    is_text = isinstance(getattr(replies.SEED, name), str)
    replace(replies.SEED, name, line if is_text else Reply.of(line))
    if name in ("sender_ok", "recipient_ok"):
        replies._OK[line] = Reply.of(line)


def keywords(change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
    """Change the EHLO keywords."""
    from reference_relay.smtp.settings import SessionSettings

    @around(SessionSettings, "keywords")
    def changed(original: Broken, self: Any, *, is_encrypted: bool) -> tuple[str, ...]:
        return change(original(self, is_encrypted=is_encrypted))


def content_becomes(change: Callable[[bytes], bytes]) -> None:
    """Change every content after it was received and judged for its line ends."""
    from reference_relay.smtp import server_session

    @around(server_session, "normalise")
    def changed(original: Broken, content: bytes, line_end: Any) -> Any:
        outcome = original(content, line_end)
        return change(outcome) if isinstance(outcome, bytes) else outcome


def anybody_may_send() -> None:
    """Accept every MAIL, also of a client that is not authenticated."""
    from reference_relay.submission import accept

    @around(accept, "judge_sender")
    def accepted(original: Broken, context: Any, *rest: Any) -> Any:
        reverse_path = rest[-1]
        return some_account(context.directory(), reverse_path.domain if reverse_path else "")


def some_account(directory: Any, domain: str = "") -> Any:
    """Return an account that may send, in each world the same one; of this domain if it has one.

    The directory's own order is by random ids, and not every configuration has a user.
    """
    usable = [one for one in directory.configurations if one.users and not one.verification.missing]
    chosen = min(usable, key=lambda one: (one.domain != domain, one.domain))
    return directory.account(chosen.users[0].username)
