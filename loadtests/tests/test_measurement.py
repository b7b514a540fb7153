from __future__ import annotations

from pathlib import Path

from loadtests.measurement import Measurement, Recorder, read_numbers
from loadtests.phase import Phase


def numbers(folder: Path, kind: str) -> dict[int, list[int]]:
    return {worker: list(those) for worker, those in read_numbers(folder, kind).items()}


def test_what_two_workers_measured_is_one_measurement(tmp_path: Path) -> None:
    """Counts add up, the time runs from the first begin to the last end, tokens are all there."""
    for worker, (begun, ended) in enumerate([(10.0, 14.0), (11.0, 16.0)]):
        recorder = Recorder(tmp_path, worker)
        recorder.begin(begun)
        recorder.begin(begun + 1)
        recorder.accept(7 + worker, ended)
        recorder.second(3.5)[:] = [2, 1, 1, 900 + worker]
        recorder.doubt(70_000 + worker)
        recorder.measurement.phases[Phase.MESSAGE].record(ended - begun)
        recorder.measurement.failures["AUTH: 535 no"] += 2
        recorder.close()
        recorder.close()
    merged = Measurement.merged(tmp_path.glob("measurement-*.json"))
    assert (merged.accepted, merged.in_doubt, merged.failures["AUTH: 535 no"]) == (2, 2, 4)
    assert round(merged.elapsed_seconds, 1) == 6.0
    assert merged.phases[Phase.MESSAGE].count == 2
    assert numbers(tmp_path, "accepted") == {0: [7], 1: [8]}
    assert numbers(tmp_path, "in-doubt") == {0: [70_000], 1: [70_001]}
    assert merged.series == {3: [4, 2, 2, 901]}


def test_a_run_without_a_message_has_no_duration(tmp_path: Path) -> None:
    """Nothing begun means nothing elapsed, also after a trip through the file."""
    Recorder(tmp_path, 0).close()
    measured = Measurement.merged(tmp_path.glob("measurement-*.json"))
    assert (measured.elapsed_seconds, measured.cpu_seconds, measured.accepted) == (0.0, 0.0, 0)


def test_a_run_that_was_cut_off_leaves_what_it_had(tmp_path: Path) -> None:
    """A snapshot can be read although the books were never closed."""
    recorder = Recorder(tmp_path, 0)
    recorder.begin(1.0)
    recorder.accept(5, 2.0)
    recorder.snapshot()
    recorder.accept(6, 3.0)
    assert Measurement.merged(tmp_path.glob("measurement-*.json")).accepted == 1
    assert numbers(tmp_path, "accepted") == {0: [5]}
    recorder.close()
