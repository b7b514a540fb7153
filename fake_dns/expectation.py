"""What may be asked, and what was asked all the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fake_dns.name import MalformedName, Name
from fake_dns.query_log import Query
from fake_dns.record import type_code


class UnexpectedQuery(AssertionError):
    """Somebody asked what nobody should; the message lists the questions."""


def unexpected(queries: Iterable[Query], expected: Sequence[str]) -> tuple[Query, ...]:
    """Return the queries that are not expected.

    Args:
        queries: What was asked.
        expected: `NAME`, `NAME TYPE`, `*.NAME` (all below it) or `*.NAME TYPE`; empty expects
            every name that lies in a zone.

    Raises:
        ValueError: An expectation that is none.
    """
    if not expected:
        return tuple(query for query in queries if not query.is_in_zone)
    patterns = [_pattern(text) for text in expected]
    return tuple(
        query for query in queries if not any(_fits(query, *pattern) for pattern in patterns)
    )


def must_be_expected(queries: Iterable[Query], expected: Sequence[str]) -> None:
    """Raise when something was asked that is not expected.

    Raises:
        UnexpectedQuery: Lists what was asked.
        ValueError: An expectation that is none.
    """
    if found := unexpected(queries, expected):
        asked = ", ".join(sorted({f"{query.name} {query.type}" for query in found}))
        allowed = ", ".join(expected) or "names in the zones served"
        raise UnexpectedQuery(f"asked for {asked}; expected only {allowed}")


def _pattern(text: str) -> tuple[Name, bool, str | None]:
    name, *type = text.split()
    if len(type) > 1 or (type and type_code(type[0].upper()) is None):
        raise ValueError(f"{text!r}; expected a name, or a name and a record type")
    is_below = name.startswith("*.")
    try:
        parsed = Name.parse(name[2:] if is_below else name)
    except MalformedName as error:
        raise ValueError(f"{text!r}: {error}") from error
    return parsed, is_below, type[0].upper() if type else None


def _fits(query: Query, name: Name, is_below: bool, type: str | None) -> bool:
    asked = Name.parse(query.name)
    is_here = asked.key == name.key
    return (type is None or query.type == type) and (
        (asked.is_within(name) and not is_here) if is_below else is_here
    )
