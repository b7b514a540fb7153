"""Files written into text: uuencode (POSIX), its base64 variant, yEnc (ATT-20)."""

from __future__ import annotations

import re

# The line end comes first so that the search runs from line to line, not from octet to octet.
_START = (
    rb"(?:begin(?P<base64>-base64)?+[ \t]++[0-7]{3,4}[ \t]++[^\r\n \t][^\r\n]*+"
    rb"\r?\n(?P<first>[^\r\n]++)(?:\r?\n(?P<second>[^\r\n]*+))?+"
    rb"|=ybegin[ \t][^\r\n]*name=)"
)
_AT_ONCE = re.compile(_START)
_BEHIND_LINE_END = re.compile(rb"\n" + _START)
_UU_LINE = re.compile(rb"[ -`]*+")
_BASE64_LINE = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?[ \t]*")


def holds_file(octets: bytes, start: int = 0) -> bool:
    """Tell whether a uuencoded or yEnc file begins at or after `start`.

    Prose that quotes a begin line is not one: a line of the file has to follow. An end line is
    not asked for, since readers decode files that were cut off.
    """
    at_once = _AT_ONCE.match(octets, start)
    if at_once and _is_real(at_once):
        return True
    return any(map(_is_real, _BEHIND_LINE_END.finditer(octets, start)))


def _is_real(match: re.Match[bytes]) -> bool:
    first, second = match["first"], match["second"]
    if first is None:
        return True  # yEnc: its begin line is unmistakable
    if match["base64"]:
        return bool(_BASE64_LINE.fullmatch(first)) or first.startswith(b"====")
    # length character, then four characters for each three octets
    length = (first[0] - 32) & 63
    if length == 0:
        return second is not None and second.strip() == b"end"
    if not _UU_LINE.fullmatch(first):
        return False
    expected = (length + 2) // 3 * 4
    # Trailing blanks are zeros that get lost on the way; some encoders append a checksum.
    return expected - 3 <= len(first) - 1 <= expected + 1
