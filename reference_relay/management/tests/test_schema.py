"""The API describes itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reference_relay.management.tests.ask_everything import QUICK_PHASES, main
from reference_relay.management.tests.asking import asked
from reference_relay.management.tests.served import Served, served


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as running:
        yield running


def test_the_description_is_openapi_31(api: Served) -> None:
    """Each operation is described under its own name, in version 3.1."""
    described = asked(api, "GET", "/openapi.json").body
    assert described["openapi"].startswith("3.1")
    ids = [
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))
    assert {"create_smtp_configuration", "update_verify_smtp", "replace_zone"} < set(ids)


def test_the_api_is_as_it_is_described() -> None:
    """Of five examples of each operation, sequences included, all answers are described."""
    assert main(5, QUICK_PHASES) == 0
