"""How a property is looked into: the effort, the search, and the example to judge again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis.strategies import SearchStrategy

from conformance.judgement import (
    NotMet,
    inconclusive,
    keep_example,
    must,
    remark,
    shown,
)
from conformance.properties.effort import DEFAULT, EFFORTS, Effort
from conformance.properties.saved import ExampleError, SavedExample
from conformance.properties.search import Search
from conformance.requirement import ids_of


class Holds(Protocol):
    """What the fixture `holds` gives."""

    def __call__(
        self,
        expected: str,
        strategy: SearchStrategy[Any],
        judge: Callable[[Any], None],
        *,
        is_dear: bool = False,
    ) -> None: ...


class AtFault(Protocol):
    """What the fixture `at_fault` gives."""

    def __call__(self, example: Any, judge: Callable[[Any], None]) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --effort and --example."""
    group = parser.getgroup("properties")
    group.addoption(
        "--effort", choices=list(EFFORTS), default=DEFAULT, help="how hard properties are tried"
    )
    group.addoption(
        "--example", type=Path, metavar="FILE", help="judge this saved example and no other"
    )


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> Effort:
    """How hard to look."""
    return EFFORTS[pytestconfig.getoption("--effort", DEFAULT)]


@pytest.fixture
def saved(request: pytest.FixtureRequest) -> SavedExample | None:
    """The example that is to be judged again, if one was given."""
    path = request.config.getoption("--example", None)
    if path is None:
        return None
    try:
        return SavedExample.read(path)
    except ExampleError as error:
        pytest.fail(str(error))


@pytest.fixture
def at_fault(request: pytest.FixtureRequest) -> AtFault:
    """Judge an example once more, keep it for the report, and say what it came to."""

    def at_fault(example: Any, judge: Callable[[Any], None]) -> None:
        try:
            judge(example)
        except AssertionError as miss:
            expected = miss.expected if isinstance(miss, NotMet) else ""
            observed = miss.observed if isinstance(miss, NotMet) else shown(miss)
            name = ids_of(request.node)[0]
            found = SavedExample(request.node.nodeid, name, expected, observed, example)
            keep_example(found.to_json())
            raise
        inconclusive("an example was at fault when it was found, and not when it was judged again")

    return at_fault


@pytest.fixture
def holds(effort: Effort, saved: SavedExample | None, at_fault: AtFault) -> Holds:
    """Demand that a judge finds no example of a strategy at fault.

    The one it does find is judged once more, on a fresh connection if the judge opens one, so that
    the report ends with just that dialogue; what cannot be shown again is held against nobody.
    """

    def holds(
        expected: str,
        strategy: SearchStrategy[Any],
        judge: Callable[[Any], None],
        *,
        is_dear: bool = False,
    ) -> None:
        if saved is not None:
            judge(saved.example)
            must(True, expected, "the saved example is in order")
            return
        search: Search[Any] = Search(effort.lighter() if is_dear else effort)
        search.over(strategy, judge)
        if search.found is not None:
            at_fault(search.found, judge)
        if search.trouble is not None:
            raise search.trouble
        if not search.tried:
            inconclusive(f"no example could be judged within {effort.search_seconds:g} s")
        if search.ended_early:
            remark(f"{search.tried} of {search.effort.examples} examples, then the time was up")
        must(True, expected, f"{search.tried} generated examples, none of them at fault")

    return holds
