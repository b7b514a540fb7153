"""The mark that ties a check to the catalogue.

A check carries the requirement's id and nothing else: level, source and wording live in
`conformance/catalogue/*.toml` alone.
"""

from __future__ import annotations

import pytest

MARK = "requirement"
DURATION = "takes_seconds"


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a check as judging these requirements.

    Collection fails when an id is not in the catalogue.

    Args:
        ids: One or more requirement ids, such as `"TLS-09"`.
    """
    if not ids:
        raise TypeError("requirement() takes at least one requirement id")
    mark: pytest.MarkDecorator = getattr(pytest.mark, MARK)
    return mark(*ids)


def ids_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the requirement ids a collected check is marked with, in order, once each."""
    found = [str(name) for mark in item.iter_markers(MARK) for name in mark.args]
    return tuple(dict.fromkeys(found))


def takes_seconds(seconds: float) -> pytest.MarkDecorator:
    """Mark a check that waits for long: beside others it runs first, and they run meanwhile."""
    mark: pytest.MarkDecorator = getattr(pytest.mark, DURATION)
    return mark(seconds)


def seconds_of(item: pytest.Item) -> float:
    """Return how long a check is known to take, 0.0 for most."""
    mark = item.get_closest_marker(DURATION)
    return float(mark.args[0]) if mark else 0.0
