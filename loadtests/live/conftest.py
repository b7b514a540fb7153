"""A real relay with its sink for the tests here; Locust runs in processes of its own.

gevent patches sockets for a whole process, so nothing of it may be imported where pytest runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.world import open_target
from loadtests.site import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The reference relay, delivering to the sink."""
    with open_target(load_profile(DEFAULT_PROFILE)) as target:
        yield Site.of(target)


@pytest.fixture(autouse=True)
def gevent_stays_outside() -> Iterator[None]:
    """No test may bring gevent into this process as more than a name on disk."""
    yield
    monkey = sys.modules.get("gevent.monkey")
    assert monkey is None or not monkey.saved, "gevent has patched the tests' own process"
