"""The scenarios for Locust; `python -m loadtests` names the ones it wants."""

from __future__ import annotations

import loadtests.generator  # noqa: F401 - listens to Locust's events
from loadtests.scenarios import (
    AbusiveSender,
    BigMessages,
    KeptSession,
    ManyRecipients,
    NewSession,
    PacedUser,
    ResumedSession,
    WrongCredentials,
)

__all__ = [
    "AbusiveSender",
    "BigMessages",
    "KeptSession",
    "ManyRecipients",
    "NewSession",
    "PacedUser",
    "ResumedSession",
    "WrongCredentials",
]
