"""The scenarios for Locust; `python -m loadtests` names the ones it wants."""

from __future__ import annotations

import loadtests.generator  # noqa: F401 - listens to Locust's events
from loadtests.own_client import OwnClient
from loadtests.scenarios import (
    AbusiveSender,
    KeptSession,
    ManyRecipients,
    NewSession,
    PacedUser,
    ResumedSession,
    WrongCredentials,
)

__all__ = [
    "AbusiveSender",
    "KeptSession",
    "ManyRecipients",
    "NewSession",
    "OwnClient",
    "PacedUser",
    "ResumedSession",
    "WrongCredentials",
]
