"""Which of two documents is clearly the newer one: by the dates they bear, then by their names, then by their files.

Rule: where two of these that are worth trust say opposite things, neither is newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rag_lifelong.supersession.facts import Facts
from rag_lifelong.supersession.marks import Marks

_CLEARLY = timedelta(days=1)  # files less apart may be of one download, or one copying of a folder


@dataclass(frozen=True, slots=True)
class Order:
    """is_second_newer: of the two asked about. reason: of the newer one, for people. trust: in [0, 1]."""

    is_second_newer: bool
    reason: str
    trust: float


def order_of(first: Facts, second: Facts, marks: tuple[Marks, Marks]) -> Order | None:
    """Which is newer, and why; None if that is not clear. marks: of the first, of the second."""
    by_date = 0
    if first.dated is not None and second.dated is not None:
        by_date = _compare(first.dated.toordinal(), second.dated.toordinal())
    by_name = compare_names(*marks)
    if by_name is None or by_date * by_name < 0:
        return None
    if by_date:
        assert first.dated is not None and second.dated is not None  # by_date says so
        return Order(by_date > 0, f"dated {span(abs(second.dated - first.dated))} later", 1.0)
    if by_name:
        return Order(by_name > 0, "newer by its name", 0.9)
    gap = second.file_changed_at - first.file_changed_at
    if abs(gap) < _CLEARLY:
        return None
    return Order(gap > timedelta(0), f"its file is {span(abs(gap))} newer", 0.7)


def compare_names(first: Marks, second: Marks) -> int | None:
    """1 if the second is newer by its name, -1 if the first is, 0 if the names do not say, None if they say both."""
    signs = {sign for sign in _signs(first, second) if sign}
    return None if len(signs) > 1 else next(iter(signs), 0)


def _signs(first: Marks, second: Marks) -> tuple[int, ...]:
    version = _compare(first.version, second.version) if first.family == second.family else 0
    dates = 0
    if first.dates and second.dates:
        one, other = first.dates[0], second.dates[0]
        shared = min(len(one), len(other))  # 2024 and 2024-03 are in no order
        dates = _compare(one[:shared], other[:shared])
    # "report final v1" is older than "report draft v2"
    stage = 0 if version else _compare(first.stage, second.stage)
    away = _compare(not first.put_away, not second.put_away)
    copy = 0
    if first.is_copy == second.is_copy:  # a copy may be what was kept, or what was gone on with
        copy = _compare(first.copy, second.copy)
    return version, dates, stage, away, copy


def _compare(one: object, other: object) -> int:
    if one == other:
        return 0
    return 1 if one < other else -1  # type: ignore[operator]  # both are of one type: numbers, or tuples of them


def span(gap: timedelta) -> str:
    """A length of time in the unit people would say: "3 weeks"."""
    for unit, days in (("year", 365), ("month", 30), ("week", 7)):
        if gap.days >= 2 * days or (gap.days >= days and unit == "year"):
            return _count(gap.days // days, unit)
    return _count(max(gap.days, 1), "day")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
