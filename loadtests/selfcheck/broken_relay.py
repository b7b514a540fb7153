"""`python -m loadtests.selfcheck.broken_relay NAME serve --config FILE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from loadtests.selfcheck.defects import DEFECTS


def main(arguments: Sequence[str]) -> int:
    """Break the relay as named and run it with the remaining arguments."""
    name, *rest = arguments or ("",)
    if name not in DEFECTS:
        sys.stderr.write(f"no defect {name!r}; expected one of {', '.join(DEFECTS)}\n")
        return 2
    DEFECTS[name]()
    from reference_relay.cli import main as serve

    return serve(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
