"""A reply as a value (RFC 5321 §4.2, RFC 2034 §4)."""

from __future__ import annotations

import re
from dataclasses import field

from reference_relay.mail.immutable import immutable

# RFC 2034 §4: status-code = class "." subject "." detail
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
# RFC 5321 §4.5.3.1.5: 512 octets with code, separator and CRLF.
_MAXIMUM_TEXT = 512 - 4 - 2


@immutable
class Reply:
    """A reply code, an enhanced status code where one belongs, and the text lines."""

    code: int
    enhanced: str | None
    lines: tuple[str, ...]
    octets: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "octets", _encode(self.code, self.enhanced, self.lines))

    @classmethod
    def of(cls, line: str) -> Reply:
        """Make a reply from its one-line form, `"550 5.7.1 Access denied"`."""
        code, _, rest = line.partition(" ")
        first, _, text = rest.partition(" ")
        if _ENHANCED.fullmatch(first):
            return cls(int(code), first, (text,))
        return cls(int(code), None, (rest,))

    @property
    def is_positive(self) -> bool:
        """Whether the code is 2yz or 3yz."""
        return self.code < 400

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, " ".join(self.lines))))


def _encode(code: int, enhanced: str | None, lines: tuple[str, ...]) -> bytes:
    if len(lines) == 1:
        text = lines[0]
        if len(text) < 400 and text.isascii() and text.isprintable():
            separator = " " if enhanced is None else f" {enhanced} "
            return f"{code}{separator}{text}\r\n".encode()
    # RFC 2034 §4: the enhanced code is repeated on every line of a reply.
    prefix = f"{enhanced} " if enhanced else ""
    encoded = [_neutral(prefix + line)[:_MAXIMUM_TEXT] for line in lines]
    last = len(encoded) - 1
    return b"".join(
        b"%d%s%s\r\n" % (code, b" " if index == last else b"-", text)
        for index, text in enumerate(encoded)
    )


def _neutral(text: str) -> bytes:
    """Keep replies printable ASCII whatever a client made us echo (RFC 5321 §2.4)."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return bytes(octet if 32 <= octet < 127 else 63 for octet in text.encode("utf-8", "replace"))
