"""What people write for a moment → a version's number, or a time.

Rule: a bare day, week, month or year means its end, local time; "3 weeks ago" is counted back from now.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta

from rag_lifelong.errors import NoSuchVersion

AsOf = int | str | date | datetime

_LENGTH = r"(\d+|an?|one) ?(second|sec|s|minute|min|hour|h|day|d|week|w|month|mo|year|y)s?"  # no m: month or minute?
_AGO = re.compile(f"{_LENGTH} ago")
_SPAN = re.compile(_LENGTH)
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_SPANS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_SHORT = {
    "sec": "second",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
HINT = "give a version's number, a date such as 2026-03-01, yesterday, or 3 weeks ago"


def moment(as_of: AsOf, *, now: datetime) -> int | datetime:
    """A version's number as it is, all else as an aware time. now: aware. Raises NoSuchVersion for other text.

    "3 days ago" (weeks, months of 30 days, years of 365) is a day and means its end; hours and less are exact.
    """
    if isinstance(as_of, str):
        as_of = _read(as_of.strip(), now)
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC)
    if isinstance(as_of, date):
        return datetime.combine(as_of, time.max).astimezone(UTC)
    return as_of


def span(text: str) -> timedelta:
    """A length of time: "90 days", "90d", "1 year" (365 days), "6mo" (months of 30), "36 hours". Raises ValueError."""
    found = _SPAN.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise ValueError(f"cannot read {text!r} as a length of time; give 90 days, 2w, 6mo or 1 year")
    count, unit = _counted(found)
    try:
        return count * (_SPANS.get(unit) or timedelta(days=_DAYS[unit]))
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def _counted(found: re.Match[str]) -> tuple[int, str]:
    return int(found[1]) if found[1].isdecimal() else 1, _SHORT.get(found[2], found[2])


def _read(text: str, now: datetime) -> int | date | datetime:
    today = now.astimezone().date()
    lowered = " ".join(text.lower().split())
    if text.isdecimal():
        return int(text)
    if lowered in ("now", "today", "yesterday"):
        return now if lowered == "now" else today - timedelta(days=lowered == "yesterday")
    ago = _AGO.fullmatch(lowered)
    if ago is not None:
        count, unit = _counted(ago)
        try:
            return now - count * _SPANS[unit] if unit in _SPANS else today - timedelta(days=count * _DAYS[unit])
        except OverflowError:
            raise NoSuchVersion(f"{text!r} is too long ago") from None
    month = _MONTH.fullmatch(text)
    try:
        if month is not None:
            year, number = int(month[1]), int(month[2])
            return date(year, number, calendar.monthrange(year, number)[1])
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise NoSuchVersion(f"cannot read {text!r} as a version; {HINT}") from None
