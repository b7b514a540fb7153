"""What is wrong with a configuration, in words: file, key, and what was expected there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reference_relay.config_tables import RelayTable

# What was expected where a mistake of this kind was found.
_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "frozen_set_type": "an array",
    "model_type": "a table",
    "dataclass_type": "a table",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than_equal": "a number from {ge} on",
    "less_than_equal": "a number up to {le}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


class ConfigError(Exception):
    """The relay cannot start as it is configured.

    Attributes:
        problems: One line each: file, key, and what was expected.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def problems(source: Path, error: ValidationError) -> Iterator[str]:
    """Put what pydantic found into words for somebody who reads TOML, not Python."""
    mistakes = error.errors(include_url=False)
    found_at = [one["loc"] for one in mistakes]
    for one in mistakes:
        location, found = one["loc"], one["input"]
        match one["type"]:
            case "too_short" if any(_is_inside(other, location) for other in found_at):
                # An entry that is wrong counts as none; its own problem is enough.
                continue
            case "missing":
                text = "expected this key, it is missing"
            case "extra_forbidden" | "unexpected_keyword_argument":
                text = _unknown_key(location)
            case "value_error":
                text = one["msg"].removeprefix("Value error, ")
            case kind:
                text = f"expected {_EXPECTED.get(kind, one['msg']).format(**one.get('ctx', {}))}"
                if isinstance(found, str | int | float) and "password_hash" not in location:
                    text += f", found {json.dumps(found, ensure_ascii=False)}"
        yield f"{source}: {_key(location)}: {text}"


def _is_inside(location: tuple[int | str, ...], table: tuple[int | str, ...]) -> bool:
    return len(location) > len(table) and location[: len(table)] == table


def _key(location: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _unknown_key(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    close = get_close_matches(str(location[-1]), known, n=1)
    hint = f", did you mean {close[0]!r}" if close else ""
    return f"unknown key{hint}; expected one of {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """List the keys of the table at a location, by walking the types of the fields."""
    table: Any = RelayTable
    for name in location:
        if isinstance(name, str):
            table = _innermost(_fields(table)[name])
    return sorted(_fields(table))


def _fields(table: Any) -> dict[str, Any]:
    if issubclass(table, BaseModel):
        return {name: field.annotation for name, field in table.model_fields.items()}
    return dict.fromkeys(table.__dataclass_fields__)


def _innermost(annotation: Any) -> Any:
    """Find the table inside `tuple[T, ...]` or `T | None`."""
    while inner := get_args(annotation):
        annotation = inner[0]
    return annotation
