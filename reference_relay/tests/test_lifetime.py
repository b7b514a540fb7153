"""How a running relay ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import pytest

from reference_relay.config import Config
from reference_relay.lifetime import stop_event, until_stopped


class ScriptedRelay:
    """Its delivery goes on for ever, or breaks at once."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def ended(self) -> None:
        if self.fault is not None:
            raise self.fault
        await asyncio.Event().wait()

    async def reload(self, wanted: Config) -> tuple[str, ...]:
        raise NotImplementedError


def run(fault: Exception | None, number: signal.Signals | None) -> int:
    async def live() -> int:
        stopping = stop_event()
        if number is not None:
            os.kill(os.getpid(), number)
        return await asyncio.wait_for(until_stopped(ScriptedRelay(fault), stopping), timeout=10)

    return asyncio.run(live())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    """Both signals mean the same: stop, status 0."""
    assert run(None, number) == 0


def test_broken_delivery_ends_it_with_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A relay that accepts but cannot deliver any more says why and ends with status 1."""
    with caplog.at_level(logging.CRITICAL):
        assert run(RuntimeError("out of order"), None) == 1
    assert "delivery_broken" in caplog.text
    assert "out of order" in caplog.text
