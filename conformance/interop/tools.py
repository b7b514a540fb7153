"""Programs of others that a check needs, found or missed in one place."""

from __future__ import annotations

import os
import shutil

from conformance.judgement import not_observable

# Set where a missing program is a fault of the set-up, as in the project's own pipeline.
DEMAND = "DEMAND_INTEROP_TOOLS"


class ToolMissing(Exception):
    """A program is not installed although the environment demands it."""


def demand(is_there: bool, what: str) -> None:
    """End the check as not observable when something that is not ours is missing.

    Raises:
        ToolMissing: It is missing and the environment variable DEMAND_INTEROP_TOOLS is set.
    """
    if is_there:
        return
    if os.environ.get(DEMAND):
        raise ToolMissing(f"{what} is not installed, and {DEMAND} is set")
    not_observable(f"needs {what}")


def tool(name: str) -> str:
    """Return the path of a program, or end the check as `demand` does."""
    path = shutil.which(name)
    demand(path is not None, f"the program {name}")
    return str(path)
