from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from loadtests.ledger import Ledger
from loadtests.measurement import Measurement
from loadtests.phase import Phase
from loadtests.result import Result, show
from loadtests.trial import Load, Outcome

BALANCED = Ledger(accepted=1000, arrived=1000, missing=0, doubled=0, changed=0)


def measured() -> Measurement:
    measurement = Measurement()
    measurement.accepted, measurement.begun, measurement.ended = 1000, 100.0, 110.0
    measurement.cpu_seconds = 0.5
    for number in range(1, 1001):
        measurement.phases[Phase.MESSAGE].record(number / 1000)
    return measurement


def result_of(
    measurement: Measurement, ledger: Ledger | None = None, settle_seconds: float = 0.0
) -> Result:
    return Result("a title", Outcome(Load(), measurement, ledger, settle_seconds=settle_seconds))


def shown(result: Result) -> str:
    file = io.StringIO()
    show(result, Console(file=file, width=80))
    return file.getvalue()


def test_a_good_run_shows_rate_percentiles_errors_cost_and_arrivals() -> None:
    """Every figure the command promises is there."""
    result = result_of(measured(), ledger=BALANCED)
    text = shown(result)
    assert result.is_good
    assert "1,000 messages in 10.0 s, 100 per second" in text
    row = next(line for line in text.splitlines() if line.startswith("message"))
    name, count, *values = row.split()
    assert (name, count) == ("message", "1,000")
    numbers = [float(value.replace(",", "")) for value in values]
    assert numbers == pytest.approx([500, 950, 990, 1000], rel=0.001)
    assert "none" in text
    assert "1,000 of 1,000 accepted" in text
    assert "500 µs CPU per message, 5% of a core" in text
    assert max(map(len, text.splitlines())) <= 80


def test_failures_are_shown_by_kind_and_spoil_the_run() -> None:
    """The most frequent kinds come first; the others are counted."""
    measurement = measured()
    measurement.failures.update(
        {f"envelope: 450 kind {number}": 20 - number for number in range(12)}
    )
    result = result_of(measurement, ledger=BALANCED)
    text = shown(result)
    assert not result.is_good
    assert "20 times: envelope: 450 kind 0" in text
    assert "and 2 other kinds" in text


def test_a_lost_message_spoils_the_run() -> None:
    """Throughput is not counted at the 250 alone."""
    lossy = replace(BALANCED, arrived=999, missing=1)
    result = result_of(measured(), ledger=lossy, settle_seconds=12.0)
    assert not result.is_good
    assert "1 missing: lost, or still in the queue" in shown(result)


def test_a_busy_generator_says_that_the_rate_is_a_lower_bound() -> None:
    """A generator that used its whole core may have been the limit itself."""
    measurement = measured()
    measurement.cpu_seconds = 9.5
    assert "at least" in shown(result_of(measurement, ledger=BALANCED))


def test_nothing_accepted_is_not_good() -> None:
    """An empty run is shown without percentiles and never green."""
    result = result_of(Measurement())
    assert not result.is_good
    assert "0 messages" in shown(result)
    assert "not observable" in shown(result)


def test_messages_in_doubt_are_shown() -> None:
    """What was sent and never answered is neither accepted nor forgotten."""
    measurement = measured()
    measurement.in_doubt = 3
    result = result_of(measurement, ledger=BALANCED)
    assert not result.is_good
    assert "3 sent, but never answered" in shown(result)


def test_what_could_not_be_sent_in_time_is_shown_and_spoils_the_run() -> None:
    """Planned is planned: a message that was never begun is not forgotten."""
    measurement = measured()
    measurement.planned, measurement.unsent = 1200, 200
    result = result_of(measurement, ledger=BALANCED)
    assert not result.is_good
    assert "200 of 1,200 planned, not in time" in shown(result)
