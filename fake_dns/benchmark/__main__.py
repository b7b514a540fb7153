"""`python -m fake_dns.benchmark compare|endure`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fake_dns.benchmark.comparison import compare
from fake_dns.benchmark.contestant import Missing
from fake_dns.benchmark.endurance import WARM_UP_SECONDS, endure


def main(arguments: list[str] | None = None) -> int:
    """Run one measurement; 1 when it shows what it should not, 2 when it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m fake_dns.benchmark")
    commands = parser.add_subparsers(dest="command", required=True)
    beside = commands.add_parser("compare", help="answers per CPU-second, beside dnslib and BIND")
    beside.add_argument("--rounds", type=int, default=5)
    beside.add_argument("--seconds", type=float, default=5.0, help="of each round (5)")
    beside.add_argument("--out", type=Path, help="write the document here too")
    enduring = commands.add_parser("endure", help="dnsperf with hostile packets mixed in")
    enduring.add_argument("--seconds", type=float, default=60.0)
    enduring.add_argument(
        "--warm-up", type=float, default=WARM_UP_SECONDS, help="until log and caches are full (12)"
    )
    enduring.add_argument(
        "--fuzz-seconds", type=int, default=20, help="of atheris before, where installed; 0 is none"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "compare":
            return compare(options.rounds, options.seconds, options.out)
        return endure(options.seconds, options.fuzz_seconds, options.warm_up)
    except (Missing, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
