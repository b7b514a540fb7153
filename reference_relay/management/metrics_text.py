"""The text format that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number.

    Attributes:
        labels: What sets it apart from the other numbers of its family.
        value: The number.
        suffix: For the parts of a histogram: "_bucket", "_sum" or "_count".
    """

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """What belongs under one name; `kind` is "counter", "gauge" or "histogram"."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def render(families: Iterable[Family]) -> str:
    """Write families as the text format wants them."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {family.help}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    # Sums of seconds need no more figures than the clock has.
    return str(int(value)) if value == int(value) else f"{value:.9g}"
