"""`python -m reference_relay.policy.tests.fuzz`: octets that the engine might raise at, by atheris.

What it finds is written to a `crash-…` file in the working folder; mend the engine and keep the
file, made small, in `corpus/`, which an ordinary test replays.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["reference_relay.smtp", "reference_relay.policy"]):
    from reference_relay.policy.tests.any_octets import CORPUS, take


def main() -> None:
    """Search for so many seconds; atheris ends the process, with 0 if nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="default: %(default)s")
    parser.add_argument("--corpus", type=Path, help="where new inputs go; default: thrown away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as folder:
        arguments = [
            *(sys.argv[0], str(options.corpus or folder), str(CORPUS)),
            *(f"-max_total_time={options.seconds}", "-max_len=4096", "-timeout=10"),
        ]
        atheris.Setup(arguments, take)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
