"""results.json on disk: every transcript once, every text once; and back.

Most octets of a run are the same EHLO replies over and over. Written as they are they make tens of
megabytes; as numbers into one list of texts, a tenth of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("at_seconds", "direction", "is_tls", "octets", "omitted_octets", "label")
_TEXTS = (COLUMNS.index("octets"), COLUMNS.index("label"))


class _Shelf:
    """Things kept once, found again by number."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, key: Any, thing: Any) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.kept)
            self.kept.append(thing)
        return self._numbers[key]


def packed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return results with their transcripts and texts moved into two lists at the end."""
    texts, transcripts = _Shelf(), _Shelf()

    def numbers(given: Sequence[Mapping[str, Any]]) -> list[int]:
        return [transcripts.number(id(one), _packed_transcript(one, texts)) for one in given]

    rows = [
        {
            **row,
            "checks": [
                {**check, "transcripts": numbers(check["transcripts"])} for check in row["checks"]
            ],
        }
        for row in document["requirements"]
    ]
    run = {
        **document["run"],
        "sanity_transcripts": numbers(document["run"]["sanity_transcripts"]),
    }
    return {
        **document,
        "run": run,
        "requirements": rows,
        "event_columns": list(COLUMNS),
        "transcripts": transcripts.kept,
        "texts": texts.kept,
    }


def _packed_transcript(transcript: Mapping[str, Any], texts: _Shelf) -> dict[str, Any]:
    events = []
    for event in transcript["events"]:
        row = [event[name] for name in COLUMNS]
        for place in _TEXTS:
            row[place] = texts.number(row[place], row[place])
        events.append(row)
    return {**transcript, "events": events}


def unpacked(document: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `packed`: each check holds its transcripts, each event its texts."""
    texts = document["texts"]
    transcripts = [
        {**one, "events": [_event(row, texts) for row in one["events"]]}
        for one in document["transcripts"]
    ]
    rows = [
        {
            **row,
            "checks": [
                {**check, "transcripts": [transcripts[n] for n in check["transcripts"]]}
                for check in row["checks"]
            ],
        }
        for row in document["requirements"]
    ]
    sanity = [transcripts[n] for n in document["run"]["sanity_transcripts"]]
    whole = {**document, "run": {**document["run"], "sanity_transcripts": sanity}}
    for name in ("event_columns", "transcripts", "texts"):
        del whole[name]
    return {**whole, "requirements": rows}


def _event(row: Sequence[Any], texts: Sequence[str]) -> dict[str, Any]:
    event = dict(zip(COLUMNS, row, strict=True))
    for place in _TEXTS:
        event[COLUMNS[place]] = texts[row[place]]
    return event


def text_of(document: Mapping[str, Any]) -> str:
    """Return packed results as text, one line for each requirement and transcript."""
    lists = ("requirements", "transcripts")
    head = {key: value for key, value in document.items() if key not in lists}
    lines = [json.dumps(head, indent=None, separators=(",", ":")).removesuffix("}")]
    for name in lists:
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in document[name])
        lines.append(f',\n"{name}":[\n{rows}\n]')
    return "".join(lines) + "}\n"


def load(file: Path) -> dict[str, Any]:
    """Read a results.json and unpack it.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON.
        KeyError: It is no results.json of this schema.
    """
    document = json.loads(file.read_text(encoding="utf-8"))
    return unpacked(document)
