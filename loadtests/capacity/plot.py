"""Plots as inline SVG: a few lines, their axes, and nothing that asks the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 42, 40
# Of a letter of the legend, at least.
_LETTER = 6.2
# Okabe and Ito's, told apart by people who see colours differently.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one line, or dots where it is none.

    Attributes:
        name: For the legend; without one it shares the entry of the line with its colour.
        points: x and y.
        is_dots: Whether to draw dots instead of a line.
        is_dashed: Whether it is drawn dashed.
        colour: Its number among the colours; None takes the next one.
    """

    name: str
    points: Sequence[tuple[float, float]]
    is_dots: bool = False
    is_dashed: bool = False
    colour: int | None = None


def plot(
    title: str,
    lines: Sequence[Line],
    x_name: str,
    y_name: str,
    *,
    logarithmic_x: bool = False,
    logarithmic_y: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Draw it.

    Args:
        title: Also its accessible name.
        lines: What to draw; those without points are left out.
        x_name: With its unit.
        y_name: With its unit.
        logarithmic_x: Powers of ten on the x axis.
        logarithmic_y: On the y axis.
        marks: Vertical lines with a name.
    """
    shown = [line for line in lines if line.points]
    xs = [x for line in shown for x, _ in line.points] + [x for x, _ in marks]
    ys = [y for line in shown for _, y in line.points]
    if not ys:
        return f"<p>{escape(title)}: nothing to draw.</p>"
    across = _axis(xs, _LEFT, _WIDTH - _RIGHT, logarithmic_x)
    up = _axis(ys, _HEIGHT - _BOTTOM, _TOP, logarithmic_y, from_zero=True)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text class="title" x="{_LEFT}" y="15">{escape(title)}</text>',
    ]
    for value, place in up.ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{place + 4:.1f}" class="end">{value}</text>')
    for value, place in across.ticks:
        # The last one would stand half outside.
        anchor = "end" if place > _WIDTH - _RIGHT - 1 else "middle"
        parts.append(f'<path class="grid" d="M{place:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text x="{place:.1f}" y="{_HEIGHT - _BOTTOM + 15}" class="{anchor}">{value}</text>'
        )
    for x, name in marks:
        place = across.place(x)
        parts.append(f'<path class="mark" d="M{place:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{place + 4:.1f}" y="{_TOP + 10}">{escape(name)}</text>')
    legend = float(_LEFT)
    for number, line in enumerate(shown):
        colour = _COLOURS[(number if line.colour is None else line.colour) % len(_COLOURS)]
        places = [(across.place(x), up.place(y)) for x, y in line.points]
        if line.is_dots:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
            ]
        else:
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            dashes = ' stroke-dasharray="5 4"' if line.is_dashed else ""
            parts.append(f'<polyline points="{way}" stroke="{colour}"{dashes}/>')
        if line.name:
            # Above the plot, where nothing is drawn over it.
            parts.append(
                f'<text x="{legend:.0f}" y="{_TOP - 10}" style="fill:{colour}">'
                f"{escape(line.name)}</text>"
            )
            legend += _LETTER * (len(line.name) + 3)
    parts.append(f'<text class="middle" x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}">')
    parts.append(f"{escape(x_name)}</text>")
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text class="middle" transform="rotate(-90 14 {middle})" x="14" y="{middle}">')
    parts.append(f"{escape(y_name)}</text></svg>")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axis:
    place: Callable[[float], float]
    ticks: Sequence[tuple[str, float]]


def _axis(
    values: Sequence[float],
    begin: float,
    end: float,
    is_logarithmic: bool,
    *,
    from_zero: bool = False,
) -> _Axis:
    if is_logarithmic:
        positive = [value for value in values if value > 0] or [1.0]
        first = math.floor(math.log10(min(positive)))
        last = max(math.ceil(math.log10(max(positive))), first + 1)

        def logarithmic(value: float) -> float:
            share = (math.log10(max(value, 10.0**first)) - first) / (last - first)
            return begin + share * (end - begin)

        tens = [10.0**power for power in range(first, last + 1)]
        return _Axis(logarithmic, [(_text(ten), logarithmic(ten)) for ten in tens])
    low, high = (0.0 if from_zero else min(values)), max(values)
    if high <= low:
        high = low + 1
    step: float = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step * many for many in (1, 2, 5, 10) if (high - low) / (step * many) <= 6)
    high = math.ceil(high / step) * step
    low = math.floor(low / step) * step

    def linear(value: float) -> float:
        return begin + (value - low) / (high - low) * (end - begin)

    count = round((high - low) / step)
    wanted = [low + step * number for number in range(count + 1)]
    return _Axis(linear, [(_text(value), linear(value)) for value in wanted])


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.3g}"
