"""Figures from outcomes: shares, means and differences of ranks, each with its 95 % interval.

Rule: pure functions and values; randomness is an argument. A figure of nothing has no value, and says so with None.

recall@k with one right passage is the share of queries that have it among the first k. The reciprocal rank is
1 / rank, 0 where it was not found (mean reciprocal rank: Voorhees, TREC-8, 1999). Interval of a share: Wilson's score
interval (JASA 22, 1927); of a mean: the percentile bootstrap (Efron, Annals of Statistics 7, 1979).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959964  # the normal distribution's 97.5 % point
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `total` cases."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """count / total; None of nothing."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval; None of nothing."""
        if not self.total:
            return None
        n, p = self.total, self.count / self.total
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        return (0.0 if self.count == 0 else low), (1.0 if self.count == n else high)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `total` values; value and interval are None of nothing."""

    value: float | None
    interval: tuple[float, float] | None
    total: int


def mean(values: Sequence[float], *, rng: random.Random) -> Mean:
    """The mean with its 95 % interval by resampling."""
    if not values:
        return Mean(None, None, 0)
    n = len(values)
    means = sorted(sum(rng.choices(values, k=n)) / n for _ in range(RESAMPLES))
    low, high = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]
    return Mean(sum(values) / n, (low, high), n)


def difference(first: Sequence[float], second: Sequence[float], *, rng: random.Random) -> Mean:
    """The mean of first − second of aligned values: a paired comparison."""
    return mean([a - b for a, b in zip(first, second, strict=True)], rng=rng)


def recalled(rank: int | None, k: int) -> float:
    """1.0 if the right one is among the first `k`. rank: from 1; None: not found."""
    return 1.0 if rank is not None and rank <= k else 0.0


def reciprocal(rank: int | None) -> float:
    """1 / rank; 0.0 for None."""
    return 0.0 if rank is None else 1.0 / rank
