"""Programs of others that a check needs, found or missed in one place."""

from __future__ import annotations

import os
import shutil

from conformance.judgement import not_observable

# Set where a missing program is a fault of the set-up, as in the project's own pipeline.
DEMAND = "DEMAND_INTEROP_TOOLS"


class ToolMissing(Exception):
    """A program is not installed although the environment demands it."""


def tool(name: str) -> str:
    """Return the path of a program, or end the check as not observable.

    Raises:
        ToolMissing: It is not installed and the environment variable DEMAND_INTEROP_TOOLS is set.
    """
    path = shutil.which(name)
    if path is None:
        if os.environ.get(DEMAND):
            raise ToolMissing(f"{name} is not installed, and {DEMAND} is set")
        not_observable(f"needs the program {name}")
    return path
