from __future__ import annotations

from pathlib import Path

from loadtests.measurement import Measurement, Recorder, read_tokens
from loadtests.phase import Phase


def test_what_two_workers_measured_is_one_measurement(tmp_path: Path) -> None:
    """Counts add up, the time runs from the first begin to the last end, tokens are all there."""
    for worker, (begun, ended) in enumerate([(10.0, 14.0), (11.0, 16.0)]):
        recorder = Recorder(tmp_path, worker)
        recorder.begin(begun)
        recorder.begin(begun + 1)
        recorder.accept(b"token-%d" % worker, ended)
        recorder.doubt(b"doubt-%d" % worker)
        recorder.measurement.phases[Phase.MESSAGE].record(ended - begun)
        recorder.measurement.failures["AUTH: 535 no"] += 2
        recorder.close()
        recorder.close()
    merged = Measurement.merged(tmp_path.glob("measurement-*.json"))
    assert (merged.accepted, merged.in_doubt, merged.failures["AUTH: 535 no"]) == (2, 2, 4)
    assert round(merged.elapsed_seconds, 1) == 6.0
    assert merged.phases[Phase.MESSAGE].count == 2
    assert read_tokens(tmp_path, "accepted") == {b"token-0", b"token-1"}
    assert read_tokens(tmp_path, "in-doubt") == {b"doubt-0", b"doubt-1"}


def test_a_run_without_a_message_has_no_duration(tmp_path: Path) -> None:
    """Nothing begun means nothing elapsed, also after a trip through the file."""
    Recorder(tmp_path, 0).close()
    measured = Measurement.merged(tmp_path.glob("measurement-*.json"))
    assert (measured.elapsed_seconds, measured.cpu_seconds, measured.accepted) == (0.0, 0.0, 0)
