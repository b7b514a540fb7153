"""pytest plugin: keeps one check by the name it has in the reports, where secrets are taken out."""

from __future__ import annotations

import pytest

from conformance.outcome import redacted_node
from fixtures.transcript import SECRETS

OPTION = "--single-check"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(OPTION, default="", metavar="CHECK", help="run this check alone")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop every other check."""
    name = config.getoption(OPTION)
    if not name:
        return
    kept = [item for item in items if redacted_node(item.nodeid, SECRETS) == name]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
