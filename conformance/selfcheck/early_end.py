"""pytest plugin: ends a run as soon as enough was found.

`--until-not-met A,B` ends it when each of these requirements has a check that says *not met*:
what else there is to say about a broken relay is not worth the time.
"""

from __future__ import annotations

import pytest

from conformance.outcome import PROPERTY, Outcome
from conformance.requirement import seconds_of
from conformance.verdict import Verdict

OPTION = "--until-not-met"


class EarlyEnd:
    """Waits for the last requirement to be found not met."""

    def __init__(self, requirements: frozenset[str]) -> None:
        self._missing = set(requirements)
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember whom to stop."""
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Begin with what is quick: most often that is enough."""
        items.sort(key=seconds_of)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Strike out what a check has found."""
        for name, value in report.user_properties:
            if name == PROPERTY:
                outcome = Outcome.from_json(str(value))
                if outcome.finding.verdict is Verdict.NOT_MET:
                    self._missing.difference_update(outcome.requirements)
        if not self._missing and self._session is not None:
            # Not `shouldstop`: pytest would show where we stopped it, and look for the lines of it.
            self._session.shouldfail = "every requirement named was found not met"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(OPTION, default="", metavar="ID,ID", help="end the run when all are not met")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run if there is something to wait for."""
    if names := config.getoption(OPTION):
        config.pluginmanager.register(EarlyEnd(frozenset(names.split(","))))
