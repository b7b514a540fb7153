"""The API against its own description: schemathesis asks what it allows, and what it does not.

`python -m reference_relay.management.tests.ask_everything 2000`: so many examples of each
operation, every check of schemathesis, sequences of calls included; `--shard 2/9` takes every ninth
operation, from the second on, so that several runs do the whole. Ends with schemathesis' status.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from reference_relay.management.tests.asking import asked
from reference_relay.management.tests.served import TOKEN, served

CONFIGURATION = str(Path(__file__).with_name("schemathesis.toml"))


# "coverage" is every boundary of every value, some 2,500 requests: for the session of its own.
ALL_PHASES = "examples,coverage,fuzzing,stateful"
QUICK_PHASES = "fuzzing,stateful"


def main(examples: int, phases: str = ALL_PHASES, shard: tuple[int, int] = (1, 1)) -> int:
    """Serve an API with a store in memory and ask it.

    Args:
        examples: How many of each operation.
        phases: Those of schemathesis.
        shard: Which part of how many; sequences of calls stay within a part.

    Returns:
        The exit status of schemathesis.
    """
    number, count = shard
    with served() as api:
        described = asked(api, "GET", "/openapi.json").body
        operations = sorted(
            f"{method.upper()} {path}"
            for path, methods in described["paths"].items()
            for method in methods
        )
        words = [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", CONFIGURATION),
            *("run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}"),
            *("--phases", phases, "--checks", "all", "--seed", "587", "--no-color"),
            *("--max-examples", str(examples)),
        ]
        for operation in operations[number - 1 :: count]:
            words += ("--include-name", operation)
        hooks = "reference_relay.management.tests.schemathesis_hooks"
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": "."}
        return subprocess.run(words, check=False, env=environment).returncode


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a part of a whole, such as 2/9")
    return int(number), int(count)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", type=int, nargs="?", default=2000)
    parser.add_argument("--phases", default=ALL_PHASES, help="default: %(default)s")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N")
    options = parser.parse_args()
    return main(options.examples, options.phases, options.shard)


if __name__ == "__main__":
    sys.exit(_main())
