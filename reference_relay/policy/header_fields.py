"""The header rule: fields that may appear once do, and Date is a date (RFC 5322 §3.6)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from reference_relay.mail import date_time
from reference_relay.mail.content import Field, index
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply

# The table of RFC 5322 §3.6, "max number" 1; Bcc is not among them because it never leaves.
_SINGLE = frozenset(
    {
        b"date",
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"message-id",
        b"in-reply-to",
        b"references",
        b"subject",
    }
)

# Longer ones are read afresh: the memory must not grow with what clients send.
_MAXIMUM_REMEMBERED = 80


def judge_single_fields(header_fields: tuple[Field, ...]) -> Reply | None:
    """Refuse repeated single fields (SUB-05) and a Date that is none (SUB-03).

    Guessing which of two fields was meant, or when a message was written, is not ours.
    """
    return judge_repetitions(header_fields, index(header_fields))


def judge_repetitions(
    header_fields: Sequence[tuple[bytes, bytes]], by_key: Mapping[bytes, bytes]
) -> Reply | None:
    """Do what `judge_single_fields` does for fields that have been indexed already."""
    if len(by_key) != len(header_fields):
        keys = [name.lower() for name, _ in header_fields]
        if any(keys.count(key) > 1 for key in _SINGLE.intersection(keys)):
            return replies.HEADER_FIELD_REPEATED
    date = by_key.get(b"date")
    if date is not None and not _is_date(date):
        return replies.HEADER_DATE_INVALID
    return None


def _is_date(raw: bytes) -> bool:
    """Tell whether a raw Date field holds a date-time."""
    if len(raw) <= _MAXIMUM_REMEMBERED:
        return _remembered(raw)
    return _is_valid(raw)


def _is_valid(raw: bytes) -> bool:
    return date_time.is_valid(Field(b"date", raw).value)


# Mail of one second has one date, and where this counts a second brings thousands.
_remembered = functools.lru_cache(maxsize=256)(_is_valid)
