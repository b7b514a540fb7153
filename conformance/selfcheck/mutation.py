"""A relay broken on purpose: a name, a few lines, and the requirements that must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """One deliberate mistake.

    Attributes:
        requirements: The ids whose checks must say *not met*, by their own assertion.
        apply: Replaces something inside `reference_relay`; runs in the relay's process only, before
            it starts. It imports the relay inside its body.
        sentence: What this relay does wrong, for the kill matrix.
        traffic: Ids whose checks run as well and may say what they like: rules that judge every
            reply (RPL-01 and others) have no check that would make the relay talk.
        target: The profile it is certified with; None is the default one.
    """

    requirements: tuple[str, ...]
    apply: Callable[[], None]
    sentence: str
    traffic: tuple[str, ...] = ()
    target: str | None = None
