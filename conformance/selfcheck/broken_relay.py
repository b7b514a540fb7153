"""The reference relay with one mutation.

`python -m conformance.selfcheck.broken_relay NAME serve --config FILE` is the only door
through which the suite touches `reference_relay`; the name `none` breaks nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from conformance.selfcheck.mutations import MUTATIONS

UNBROKEN = "none"


def main(arguments: Sequence[str]) -> int:
    """Break the relay as named and run it with the remaining arguments.

    Returns:
        The relay's exit status; 2 if there is no such mutation.
    """
    name, *rest = arguments or ("",)
    if name != UNBROKEN:
        if name not in MUTATIONS:
            known = ", ".join([UNBROKEN, *MUTATIONS])
            sys.stderr.write(f"no mutation {name!r}; expected one of {known}\n")
            return 2
        MUTATIONS[name].apply()
    from reference_relay.cli import main as serve

    return serve(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
