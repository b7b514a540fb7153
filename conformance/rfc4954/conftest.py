"""What checks of authentication leave behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from fixtures.plugin import LogIn
from fixtures.probe import ConnectionLost, Refused, ReplyTimeout
from fixtures.target import NotAvailable


@pytest.fixture
def forgiven(session: LogIn) -> Iterator[None]:
    """Sign in as it should be after many wrong passwords: whoever counts failures begins anew.

    A relay may lock a user out for a while (AUTH-20), and the next check would meet that.
    """
    yield
    for role in ("primary", "neighbour"):
        with contextlib.suppress(ConnectionLost, NotAvailable, Refused, ReplyTimeout):
            session(role).quit()
