"""Writing a zone table as TOML; the standard library only reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(table: Mapping[str, object]) -> str:
    """Write a zone table: plain keys first, then [records] with one line per name."""
    plain = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if key != "records"]
    records = table.get("records")
    owners: Mapping[str, object] = records if isinstance(records, Mapping) else {}
    lines = [f"{_key(owner)} = {_value(types)}" for owner, types in owners.items()]
    return "\n".join([*plain, "", "[records]", *lines]) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's, but for DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case Mapping():
            written = (f"{_key(str(key))} = {_value(item)}" for key, item in value.items())
            return "{ " + ", ".join(written) + " }"
        case _:
            raise TypeError(f"{value!r} cannot be written as TOML")
