"""The Universal Scalability Law: X(N) = gamma N / (1 + sigma (N-1) + kappa N (N-1)).

Sigma is contention (what only one can do at a time), kappa coherency (what all must agree on),
gamma what one does alone. Fitted to N/X, which is linear in 1/gamma, sigma/gamma and kappa/gamma,
with weights that make errors of X relative; intervals by the bootstrap. Like every model it is
there to sharpen questions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

# Beyond twice the widest point measured nothing is said (a fit through noise bends anywhere).
REACH = 2.0
_RESAMPLES = 400
_CONFIDENCE = 0.9

Point = tuple[float, float]


class NotFitted(ValueError):
    """The points do not determine the law; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Law:
    """A fitted law.

    Attributes:
        gamma: What one does alone.
        sigma: Contention, 0 to 1.
        kappa: Coherency.
        largest: The widest N it was fitted to.
    """

    gamma: float
    sigma: float
    kappa: float
    largest: float

    def at(self, n: float) -> float:
        """X(N).

        Raises:
            NotFitted: N is beyond twice the measured range.
        """
        if n > REACH * self.largest:
            raise NotFitted(f"{n:g} is beyond twice the {self.largest:g} that were measured")
        return self.gamma * n / (1 + self.sigma * (n - 1) + self.kappa * n * (n - 1))

    @property
    def peak(self) -> float | None:
        """The N of the highest X, None where more is always more."""
        if self.kappa <= 0:
            return None
        return math.sqrt(max(1 - self.sigma, 0) / self.kappa)


@dataclass(frozen=True, slots=True)
class Fit:
    """A law with what is known of its certainty.

    Attributes:
        law: The best one.
        intervals: 90 % of gamma, sigma and kappa, by the bootstrap.
        residuals: Measured minus fitted, as a share of the fitted, point by point.
        held_out: A size the fit never saw, its mean, and what the law says there; None with few
            sizes.
    """

    law: Law
    intervals: tuple[tuple[float, float], ...]
    residuals: tuple[float, ...]
    held_out: tuple[float, float, float] | None


def fit(points: Sequence[Point], seed: int = 1) -> Fit:
    """Fit the law, one size held out where four or more are there.

    Args:
        points: N and X(N), at least three different N.
        seed: Of the bootstrap.

    Raises:
        NotFitted: Too few points.
    """
    ordered = sorted(points)
    sizes = sorted({n for n, _ in ordered})
    if len(sizes) < 3:
        raise NotFitted("three different sizes at least")
    held = None
    if len(sizes) > 3:
        # From the middle, however often it was measured: the ends are what the law is made of.
        size = sizes[len(sizes) // 2]
        held = (size, fmean(x for n, x in ordered if n == size))
        ordered = [(n, x) for n, x in ordered if n != size]
    law = _solved(ordered)
    residuals = tuple(x / law.at(n) - 1 for n, x in ordered)
    chance = random.Random(seed)
    found: list[Law] = []
    for _ in range(_RESAMPLES):
        moved = [(n, law.at(n) * (1 + chance.choice(residuals))) for n, _ in ordered]
        found.append(_solved(moved))
    intervals = tuple(
        _middle([getattr(one, name) for one in found]) for name in ("gamma", "sigma", "kappa")
    )
    told = None if held is None else (held[0], held[1], law.at(held[0]))
    return Fit(law, intervals, residuals, told)


def _middle(values: list[float]) -> tuple[float, float]:
    values.sort()
    skip = int(len(values) * (1 - _CONFIDENCE) / 2)
    return values[skip], values[-1 - skip]


def _solved(points: Sequence[Point]) -> Law:
    """Least squares with parameters that are not negative: the best of all active sets."""
    largest = max(n for n, _ in points)
    best: tuple[float, Law] | None = None
    for used in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        parameters = _least_squares(points, used)
        if parameters is None or parameters[0] <= 0 or min(parameters) < 0:
            continue
        a, b, c = parameters
        law = Law(1 / a, b / a, c / a, largest)
        error = sum((x / law.at(n) - 1) ** 2 for n, x in points)
        if best is None or error < best[0]:
            best = (error, law)
    if best is None:
        raise NotFitted("no law with sensible parameters fits")
    return best[1]


def _least_squares(points: Sequence[Point], used: Sequence[int]) -> list[float] | None:
    size = len(used)
    matrix = [[0.0] * (size + 1) for _ in range(size)]
    for n, x in points:
        terms = (1.0, n - 1, n * (n - 1))
        weight = (x / n) ** 2
        for row, i in enumerate(used):
            for column, j in enumerate(used):
                matrix[row][column] += weight * terms[i] * terms[j]
            matrix[row][size] += weight * terms[i] * n / x
    for pivot in range(size):
        best = max(range(pivot, size), key=lambda row: abs(matrix[row][pivot]))
        matrix[pivot], matrix[best] = matrix[best], matrix[pivot]
        if abs(matrix[pivot][pivot]) < 1e-15:
            return None
        for row in range(size):
            if row != pivot:
                share = matrix[row][pivot] / matrix[pivot][pivot]
                for column in range(pivot, size + 1):
                    matrix[row][column] -= share * matrix[pivot][column]
    found = [0.0, 0.0, 0.0]
    for row, i in enumerate(used):
        found[i] = matrix[row][size] / matrix[row][row]
    return found
