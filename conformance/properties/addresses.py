"""Generated addresses, as far as RFC 5321 §4.1.2 decides which of them are valid."""

from __future__ import annotations

import string

from hypothesis import strategies

# RFC 5322 §3.2.3.
_ATEXT = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~"
# RFC 5321 §4.5.3.1.1.
_LONGEST_LOCAL_PART = 64
# No part of a sub-domain, and no end of the path or of the local part either.
_NO_DOMAIN = "!#$%&'*+/=?^`{|}~_ (),;\"\\\x7f"

_ATOM = strategies.text(_ATEXT, min_size=1, max_size=20)
LOCAL_PARTS = (
    strategies.lists(_ATOM, min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda part: len(part) <= _LONGEST_LOCAL_PART)
)
# Several recipients of one message.
RECIPIENTS = strategies.lists(LOCAL_PARTS, min_size=1, max_size=6, unique=True).map(tuple)

_LABEL = strategies.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
_LABELS = strategies.lists(_LABEL, min_size=2, max_size=4)


def _dotted_wrongly(parts: list[str], place: int) -> str:
    """Put a dot where no atom stands beside it."""
    place %= len(parts) + 1
    return ".".join([*parts[:place], "", *parts[place:]])


def _spoilt(labels: list[str], number: int, place: int, letter: str) -> str:
    """Put a letter that belongs into no domain into one of the labels."""
    label = labels[number % len(labels)]
    at = place % (len(label) + 1)
    labels = [*labels]
    labels[number % len(labels)] = label[:at] + letter + label[at:]
    return ".".join(labels)


def _hyphened(labels: list[str], number: int, is_first: bool) -> str:
    """Put a hyphen at the edge of one of the labels."""
    number %= len(labels)
    label = labels[number]
    return ".".join(
        [*labels[:number], f"-{label}" if is_first else f"{label}-", *labels[number + 1 :]]
    )


MISDOTTED = strategies.builds(
    _dotted_wrongly, strategies.lists(_ATOM, min_size=1, max_size=3), strategies.integers(0, 3)
)
_NUMBER = strategies.integers(0, 20)
BAD_DOMAINS = strategies.one_of(
    # An empty label in front or in the middle; a final dot is PATH-15's other half.
    strategies.builds(
        lambda labels, place: _dotted_wrongly(labels, place % len(labels)), _LABELS, _NUMBER
    ),
    strategies.builds(_spoilt, _LABELS, _NUMBER, _NUMBER, strategies.sampled_from(_NO_DOMAIN)),
    strategies.builds(_hyphened, _LABELS, _NUMBER, strategies.booleans()),
)
