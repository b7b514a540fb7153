"""Logging of the programs: one line per event on stderr, key=value."""

from __future__ import annotations

import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s %(message)s"


def log_to_stderr(level: str) -> None:
    """Send every record of at least this level to stderr, in UTC.

    Args:
        level: "debug", "info", "warning" or "error".
    """
    destination = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    destination.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[destination], force=True)
    # Their own lines of each request and loop say nothing that ours do not.
    for chatty in ("uvicorn.error", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
