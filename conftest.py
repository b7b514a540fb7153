"""What holds in every room: the examples of Hypothesis, and how often races are run."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples each time, and no deadline on a busy machine.
settings.register_profile("rooms", deadline=None, derandomize=True)
settings.load_profile("rooms")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that makes short forms long."""
    parser.addoption(
        "--tls-sessions",
        type=int,
        default=50,
        metavar="N",
        help="sessions in which each TLS race of the submission edge is run (default 50)",
    )
