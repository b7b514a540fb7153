"""SVCB and HTTPS records: where a service is and how it is spoken to (RFC 9460).

Reads and writes the parameters; the record itself is a value like those in `record`.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fake_dns.name import Name
from fake_dns.words import Word, quoted

# RFC 9460 §14.3.2 and RFC 9461 §5.
KEYS: Final[dict[str, int]] = {
    "mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5,
    "ipv6hint": 6, "dohpath": 7,
}  # fmt: skip
_KEY_NAMES: Final = {number: name for name, number in KEYS.items()}
_INVALID_KEY: Final = 65535  # RFC 9460 §14.3.2: reserved


class MalformedParameter(ValueError):
    """A service parameter that breaks RFC 9460; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class ServiceBinding:
    """A record of type SVCB or HTTPS; priority 0 is an alias (RFC 9460 §2.4.2).

    `parameters` are numbers and values as on the wire, in ascending order.
    """

    type: str
    priority: int
    target: Name
    parameters: tuple[tuple[int, bytes], ...] = ()

    @property
    def text(self) -> str:
        written = (_parameter_text(key, value) for key, value in self.parameters)
        return " ".join((f"{self.priority} {self.target.absolute_text}", *written))


def parse_parameters(words: Sequence[Word]) -> tuple[tuple[int, bytes], ...]:
    """Read the words behind the target.

    Raises:
        MalformedParameter: An unknown key, one given twice or not listed though mandatory, or a
            value that does not fit its key.
    """
    found: dict[int, bytes] = {}
    for word in words:
        name, _, value = word.octets.partition(b"=")
        has_value = b"=" in word.octets
        key = _key(name.decode("ascii", "replace"))
        if key in found:
            raise MalformedParameter(f"{_key_name(key)} is given twice; expected it once")
        try:
            found[key] = _READERS.get(key, bytes)(value)
        except (ValueError, struct.error) as error:
            raise MalformedParameter(
                f"{_key_name(key)}={value.decode('ascii', 'replace')[:60]}:"
                f" expected {_EXPECTED.get(key, 'octets')}"
            ) from error
        if key == KEYS["no-default-alpn"] and has_value:
            raise MalformedParameter("no-default-alpn takes no value")
    _check(found)
    return tuple(sorted(found.items()))


def _check(found: dict[int, bytes]) -> None:
    if KEYS["no-default-alpn"] in found and KEYS["alpn"] not in found:
        raise MalformedParameter("no-default-alpn without alpn; expected both (RFC 9460 §7.1.1)")
    mandatory = found.get(KEYS["mandatory"], b"")
    for (key,) in struct.iter_unpack("!H", mandatory):
        if key not in found:
            raise MalformedParameter(
                f"mandatory names {_key_name(key)}, which is not given (RFC 9460 §8)"
            )


def _key(name: str) -> int:
    if name in KEYS:
        return KEYS[name]
    if re.fullmatch(r"key(0|[1-9][0-9]{0,4})", name) and int(name[3:]) < _INVALID_KEY:
        return int(name[3:])
    raise MalformedParameter(f"{name[:40]!r}: expected one of {', '.join(KEYS)}, or key<number>")


def _key_name(key: int) -> str:
    return _KEY_NAMES.get(key, f"key{key}")


def _list(value: bytes) -> list[bytes]:
    r"""Cut a comma-separated list; `\,` and `\\` are characters (RFC 9460 appendix A.1)."""
    items = [bytearray()]
    position = 0
    while position < len(value):
        octet = value[position]
        if octet == ord("\\"):
            position += 1
            octet = value[position]
            items[-1].append(octet)
        elif octet == ord(","):
            items.append(bytearray())
        else:
            items[-1].append(octet)
        position += 1
    return [bytes(item) for item in items]


def _read_mandatory(value: bytes) -> bytes:
    keys = [_key(item.decode("ascii")) for item in value.split(b",")]
    if KEYS["mandatory"] in keys or len(set(keys)) < len(keys):
        raise ValueError(keys)
    return b"".join(struct.pack("!H", key) for key in sorted(keys))


def _read_alpn(value: bytes) -> bytes:
    try:
        items = _list(value)
    except IndexError as error:
        raise ValueError(value) from error
    if not all(0 < len(item) < 256 for item in items):
        raise ValueError(value)
    return b"".join(bytes([len(item)]) + item for item in items)


def _read_port(value: bytes) -> bytes:
    if not value.isdigit() or len(value) > 5:
        raise ValueError(value)
    return struct.pack("!H", int(value))


def _read_hint4(value: bytes) -> bytes:
    parts = value.decode("ascii").split(",")
    return b"".join(ipaddress.IPv4Address(part).packed for part in parts)


def _read_hint6(value: bytes) -> bytes:
    parts = value.decode("ascii").split(",")
    return b"".join(ipaddress.IPv6Address(part).packed for part in parts)


def _read_ech(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if value else _nothing(value)
    except binascii.Error as error:
        raise ValueError(value) from error


def _nothing(value: bytes) -> bytes:
    raise ValueError(value)


def _read_path(value: bytes) -> bytes:
    value.decode("utf-8")
    return value


_READERS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: _read_mandatory, 1: _read_alpn, 3: _read_port, 4: _read_hint4, 5: _read_ech,
    6: _read_hint6, 7: _read_path,
}  # fmt: skip
_EXPECTED: Final = {
    0: "keys, each once, such as mandatory=alpn,port",
    1: "protocols of 1 to 255 octets, such as alpn=h2,h3",
    3: "a port from 0 to 65535",
    4: "IPv4 addresses, such as ipv4hint=192.0.2.1,192.0.2.2",
    5: "base64",
    6: "IPv6 addresses, such as ipv6hint=2001:db8::1",
    7: "a path in UTF-8, such as dohpath=/dns-query{?dns}",
}


def _parameter_text(key: int, value: bytes) -> str:
    name = _key_name(key)
    match name:
        case "mandatory" if value and len(value) % 2 == 0:
            keys = (_key_name(number) for (number,) in struct.iter_unpack("!H", value))
            return f"{name}={','.join(keys)}"
        case "alpn":
            return f"{name}={quoted(b','.join(_escaped(item) for item in _strings(value)))}"
        case "no-default-alpn":
            return name
        case "port" if len(value) == 2:
            return f"{name}={int.from_bytes(value, 'big')}"
        case "ipv4hint" if value and len(value) % 4 == 0:
            parts = (value[i : i + 4] for i in range(0, len(value), 4))
            return f"{name}={','.join(str(ipaddress.IPv4Address(part)) for part in parts)}"
        case "ipv6hint" if value and len(value) % 16 == 0:
            parts = (value[i : i + 16] for i in range(0, len(value), 16))
            return f"{name}={','.join(str(ipaddress.IPv6Address(part)) for part in parts)}"
        case "ech":
            return f"{name}={base64.b64encode(value).decode()}"
        case _:
            return f"{name}={quoted(value)}" if value else name


def _strings(value: bytes) -> list[bytes]:
    strings = []
    while value:
        strings.append(value[1 : 1 + value[0]])
        value = value[1 + value[0] :]
    return strings


def _escaped(item: bytes) -> bytes:
    return item.replace(b"\\", b"\\\\").replace(b",", b"\\,")
