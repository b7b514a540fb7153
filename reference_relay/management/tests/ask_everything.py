"""The API against its own description: schemathesis asks what it allows, and what it does not.

`python -m reference_relay.management.tests.ask_everything 2000`: so many examples in all, every
check of schemathesis, sequences of calls included. Ends with its exit status.
"""

from __future__ import annotations

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


def main(examples: int, phases: str = ALL_PHASES) -> int:
    """Serve an API with a store in memory and ask it; return schemathesis' exit status."""
    with served() as api:
        described = asked(api, "GET", "/openapi.json").body
        operations = sum(map(len, described["paths"].values()))
        words = [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", CONFIGURATION),
            *("run", f"{api.url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}"),
            *("--phases", phases, "--checks", "all", "--seed", "587", "--no-color"),
            *("--max-examples", str(-(-examples // operations))),
        ]
        hooks = "reference_relay.management.tests.schemathesis_hooks"
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": "."}
        return subprocess.run(words, check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
