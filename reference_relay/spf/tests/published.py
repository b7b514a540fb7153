"""Records as the openspf suite writes them, behind the evaluator's Resolver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from reference_relay.spf.outcome import TemporaryError

_MAXIMUM_ALIASES = 8
_SILENCE = "TIMEOUT"


class Published:
    """Names with records: `{"TXT": "…"}`, `{"MX": [0, "host"]}`; TIMEOUT for no answer."""

    def __init__(self, zone: Mapping[str, Sequence[Any]]) -> None:
        self._zone = {name.lower(): _as_txt(records) for name, records in zone.items()}
        self.asked: list[tuple[str, str]] = []

    async def txt(self, name: str) -> Sequence[bytes]:
        strings = ([one] if isinstance(one, str) else one for one in self._find(name, "TXT"))
        return ["".join(one).encode() for one in strings]

    async def ipv4(self, name: str) -> Sequence[str]:
        return self._find(name, "A")

    async def ipv6(self, name: str) -> Sequence[str]:
        return self._find(name, "AAAA")

    async def mail_hosts(self, name: str) -> Sequence[str]:
        return [host for _, host in self._find(name, "MX")]

    async def reverse(self, address: str) -> Sequence[str]:
        return self._find(ip_address(address).reverse_pointer, "PTR")

    def _find(self, name: str, kind: str) -> list[Any]:
        self.asked.append((name, kind))
        for _ in range(_MAXIMUM_ALIASES):
            published = self._zone.get(name.lower().removesuffix("."), ())
            records = [one for one in published if one != _SILENCE]
            found = [one[kind] for one in records if kind in one]
            if _SILENCE in found or (_SILENCE in published and not found):
                raise TemporaryError(f"no answer for {name}")
            alias = next((one["CNAME"] for one in records if "CNAME" in one), None)
            if found or alias is None:
                return found
            name = alias
        raise TemporaryError(f"{name} is an alias without end")


def _as_txt(records: Sequence[Any]) -> list[Any]:
    """Publish as TXT what the suite writes as SPF, unless it writes TXT itself."""
    has_txt = any("TXT" in one for one in records if one != _SILENCE)
    published = []
    for one in records:
        if one != _SILENCE and "SPF" in one:
            if not has_txt:
                published.append({"TXT": one["SPF"]})
        elif one == _SILENCE or one.get("TXT") != "NONE":
            published.append(one)
    return published
