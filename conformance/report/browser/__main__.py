"""`python -m conformance.report.browser REPORT`: what a browser has against a report.

Opens it in headless Chromium, light and dark, on a phone and for print. Nothing may be said on the
console, nothing may be asked of the network, nothing may be wider than the screen, the search must
find, and axe-core may find nothing serious. The screenshots are for people to look at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent
_SECONDS = 540
_SERIOUS = ("serious", "critical")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program: 0 in order, 1 something found, 2 something missing."""
    parser = argparse.ArgumentParser(prog="conformance.report.browser", description=__doc__)
    parser.add_argument("report", type=Path, nargs="?", default=Path("reports/certify/report.html"))
    parser.add_argument("--out", type=Path, default=Path("reports/screens"), metavar="DIR")
    options = parser.parse_args(arguments)
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    node = shutil.which("node")
    if browser is None or node is None:
        return _missing("Chromium and node (Debian: apt-get install chromium nodejs npm)")
    if not (_HOME / "node_modules").is_dir():
        return _missing(f"axe-core and playwright-core (npm install --prefix {_HOME})")
    if not options.report.exists():
        return _missing(f"{options.report} (run nox -s certify first)")
    options.out.mkdir(parents=True, exist_ok=True)
    order = [node, str(_HOME / "look.mjs"), str(options.report), browser, str(options.out)]
    done = subprocess.run(order, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        sys.stderr.write(f"the browser could not be driven: {done.stderr.strip()}\n")
        return 2
    wrong = objections(json.loads(done.stdout))
    for one in wrong:
        sys.stdout.write(f"{one}\n")
    sys.stdout.write(f"{len(wrong)} objections to {options.report}; look at {options.out}\n")
    return 1 if wrong else 0


def objections(found: Mapping[str, Any]) -> list[str]:
    """Return what must not be, one line each."""
    lines = [
        f"{kind}: {one}"
        for kind in ("console", "requests", "wide", "filter")
        for one in found[kind]
    ]
    lines += [
        f"axe-core, {one['where']}: {one['id']} ({one['impact']}, {one['nodes']} places): "
        f"{one['help']}: {one['first']}"
        for one in found["violations"]
        if one["impact"] in _SERIOUS
    ]
    return lines


def _missing(what: str) -> int:
    sys.stderr.write(f"missing: {what}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
