"""The date-time of header fields (RFC 5322 §3.3), read and written."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone [CFWS]
# A zone by name (§4.3 obs-zone) is read, since one reader's GMT is everybody's; a year of two
# digits is not.
_DATE_TIME = re.compile(
    rb"""(?: (?:mon|tue|wed|thu|fri|sat|sun) [ \t]*+ , )?+ [ \t]*+
    (?P<day>[0-9]{1,2}) [ \t]++
    (?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) [ \t]++
    (?P<year>[0-9]{4}) [ \t]++
    (?P<hour>[01][0-9]|2[0-3]) : (?P<minute>[0-5][0-9]) (?: : (?:[0-5][0-9]|60) )?+ [ \t]++
    (?: [+-] [0-9]{2} [0-5][0-9] | ut | gmt | [ecmp][sd]t )
    (?: [ \t]*+ \( [ -'*-\[\]-~]*+ \) )*+""",
    re.VERBOSE | re.IGNORECASE,
)


def written(timestamp: float) -> str:
    """Return the instant, seconds since 1970 in UTC, as a date-time in zone +0000."""
    moment = datetime.fromtimestamp(timestamp, UTC)
    # Not strftime: its names of days and months follow the locale.
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1].capitalize()}"
        f" {moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} +0000"
    )


def is_valid(value: bytes) -> bool:
    """Tell whether an unfolded field value is one date-time of a day that exists."""
    match = _DATE_TIME.fullmatch(value)
    if match is None:
        return False
    day = int(match["day"])
    if 1 <= day <= 28:
        return True
    month = _MONTHS.index(match["month"].lower().decode("ascii")) + 1
    try:
        datetime(int(match["year"]), month, day, tzinfo=UTC)
    except ValueError:
        return False
    return True
