"""Picks the scenario; `python -m loadtests` hands it to Locust."""

from __future__ import annotations

from loadtests.scenarios import KeptSession

__all__ = ["KeptSession"]
