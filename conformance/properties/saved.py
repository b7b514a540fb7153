"""Failing examples as files: plain JSON in which every octet can be read, and back.

An example is made of text, numbers, octets and tuples of those.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.judgement import octets_of, octets_shown

_OCTETS = "octets"


class ExampleError(Exception):
    """A file that holds no example; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SavedExample:
    """One example at fault.

    Attributes:
        check: The node id of the property.
        requirement: The requirement it breaks.
        expected: What should have come out.
        observed: What did.
        example: The value that the property takes.
    """

    check: str
    requirement: str
    expected: str
    observed: str
    example: Any

    def to_json(self) -> dict[str, object]:
        """Return the JSON values of the file."""
        return {
            "check": self.check,
            "requirement": self.requirement,
            "expected": self.expected,
            "observed": self.observed,
            "example": plain(self.example),
            "again": "judge it again with nox -s properties -- --replay FILE --target PROFILE",
        }

    @classmethod
    def read(cls, path: Path) -> SavedExample:
        """Read a file that holds what `to_json` returned.

        Raises:
            ExampleError: It cannot be read, or is no such file.
        """
        try:
            document = json.loads(path.read_text("utf-8"))
            example = valued(document["example"])
            names = ("check", "requirement", "expected", "observed")
            check, requirement, expected, observed = (str(document[name]) for name in names)
            return cls(check, requirement, expected, observed, example)
        except OSError as error:
            raise ExampleError(f"{path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            why = f"no key {error}" if isinstance(error, KeyError) else str(error)
            raise ExampleError(
                f"{path}: no failing example of a property ({why}); "
                "give a file of the folder `examples` of a report"
            ) from None


def plain(example: Any) -> Any:
    """Return an example as JSON values; octets become readable text."""
    match example:
        case bytes():
            return {_OCTETS: octets_shown(example)}
        case tuple() | list():
            return [plain(one) for one in example]
        case str() | int() | None:
            return example
        case _:
            raise TypeError(f"no example is made of {type(example).__name__}")


def valued(document: Any) -> Any:
    """Undo `plain`; lists become tuples.

    Raises:
        ValueError: A value that `plain` never writes.
    """
    match document:
        case {"octets": str(text)} if len(document) == 1:
            return octets_of(text)
        case list():
            return tuple(valued(one) for one in document)
        case str() | int() | None:
            return document
        case _:
            raise ValueError(f"{type(document).__name__} in an example")


def size_of(example: Any) -> tuple[int, int]:
    """Return how large an example is, for comparing: all its octets, then how odd they are."""
    text = json.dumps(plain(example))
    return len(text), sum(map(ord, text))
