"""The numbers, dates and times that a text names, each written one way.

Rule: what a writing may mean are its readings ("03/02/2018" has two), and one that holds is enough. A number is not a
word: "1,200", "1200" and "twelve hundred" are equal, "3.10" and "3.1" are not.

Months are known in English, German, Spanish and French, dates also as 2018年2月28日; number words in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar enero janvier",
            "february feb februar febrero février",
            "march mar märz marzo mars",
            "april apr abril avril",
            "may mai mayo",
            "june jun juni junio juin",
            "july jul juli julio juillet",
            "august aug agosto août",
            "september sept sep septiembre septembre",
            "october oct oktober okt octubre octobre",
            "november nov noviembre novembre",
            "december dec dezember dez diciembre décembre",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?"
_YEAR = r"(?P<year>\d{4})"
_OF = r"(?:\s+|-)(?:of\s+|de\s+)?"
_DATES = tuple(
    re.compile(rf"(?<![\w.,]){pattern}(?!\w)", re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})([-/.])(?P<month_number>\d{1,2})\2(?P<day>\d{1,2})(?:T[\d:]+)?",
        rf"{_YEAR}年(?:(?P<month_number>\d{{1,2}})月)?(?:(?P<day>\d{{1,2}})日)?",
        r"(?P<first>\d{1,2})([-/.])(?P<second>\d{1,2})\2(?P<year>\d{4})",
        rf"{_DAY}{_OF}{_MONTH}(?:,?\s+(?:de\s+)?|-){_YEAR}",
        rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}",
        rf"{_MONTH},?\s+(?:of\s+|de\s+)?{_YEAR}",
        rf"{_MONTH}\s+{_DAY}",
        rf"{_DAY}{_OF}{_MONTH}",
    )
)
_DIGIT = re.compile(r"\d")
_TIME = re.compile(
    r"(?<![\w:.])(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s?([ap])\.?m\b\.?|(?<![\w:.])(\d{1,2}):(\d{2})\b", re.I
)

_UNITS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {"dozen": 12}
_TENS = {
    word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        start=1,
    )
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SUFFIXES = {"k": 10**3, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9}
_WORDS = {**_UNITS, **_TENS, **_ORDINALS, **_SCALES}
_WORD_NUMBER = re.compile(
    rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})s?\b(?:(?:\s+and)?[\s-]+(?:{'|'.join(_WORDS)})s?\b)*",
    re.I,
)
_DIGITS = re.compile(
    r"(?<![\w.,])(?P<digits>\d+(?:[.,'’\u00a0\u202f]\d+)*)"
    r"(?:(?P<ordinal>st|nd|rd|th)\b|(?P<decade>['’]?s)\b|(?P<suffix>k|K|m|M|mn|bn|B)\b"
    r"|(?:\s|-)(?P<scale>hundred|thousand|million|billion|trillion)s?\b)?",
)
_PERCENT = re.compile(r"\s?(?:%|percent\b|per\s+cent\b|pct\b|prozent\b|por\s+ciento\b|pour\s+cent\b)", re.I)
_CENTURY = re.compile(r"[\s-]+centur(?:y|ies)\b", re.I)
_GROUPED = re.compile(r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+")
_HEDGE = re.compile(
    r"\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|over|under|circa|ca\.|more than|less than|"
    r"just over|just under|at least|up to)\s+[$€£¥]?$|[~≈]\s?[$€£¥]?$",
    re.I,
)
_NEARLY = 0.05  # "about 1.2 million" of 1,234,567: by so much a hedged number may be off
_WEAK = frozenset({"one", "first", "second", "ones", "seconds", "dozens", "hundreds", "thousands", "millions"})
"""Words that are a number now and then, and mostly are not."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters [start, end) of a text that name a number, a date or a time.

    readings: each may be meant. implied: what it says besides: a date its year. is_hedged: "about 1,200". is_weak: a
    word that mostly is no number.
    """

    start: int
    end: int
    readings: frozenset[str]
    implied: frozenset[str]
    is_hedged: bool
    is_weak: bool


def mentions(text: str) -> list[Mention]:
    """What `text` names, in order; dates before the numbers in them."""
    found: list[Mention] = []
    rest = text
    for finder in (_dates, _times, _digits, _words):
        for mention in finder(rest):
            found.append(mention)
            rest = rest[: mention.start] + "\u0000" * (mention.end - mention.start) + rest[mention.end :]
    return sorted(found, key=lambda m: m.start)


def values(found: list[Mention]) -> frozenset[str]:
    """All that a text with these mentions says."""
    return frozenset().union(*(m.readings | m.implied for m in found)) if found else frozenset()


def holds(mention: Mention, said: frozenset[str]) -> bool:
    """Whether a text that says these values supports the mention."""
    if mention.readings & said:
        return True
    for reading in mention.readings:  # the day in one sentence, the year in the next
        year, dash, day = reading.partition("-")
        if dash and len(year) == 4 and len(day) == 5 and year in said and f"--{day}" in said:
            return True
    return mention.is_hedged and any(_is_near(reading, other) for reading in mention.readings for other in said)


def _dates(text: str) -> Iterator[Mention]:
    if not _DIGIT.search(text):
        return
    taken = [False] * len(text)
    for pattern in _DATES:
        for found in pattern.finditer(text):
            if any(taken[found.start() : found.end()]):
                continue
            readings = _read_date({name: value for name, value in found.groupdict().items() if value is not None})
            if readings:
                taken[found.start() : found.end()] = [True] * (found.end() - found.start())
                yield Mention(*found.span(), frozenset(readings), _implied_by(readings), False, False)


def _read_date(parts: dict[str, str]) -> set[str]:
    """As 2018-02-28, 2018-02, --02-28 or, of a year alone, 2018."""
    year = parts.get("year")
    if "first" in parts:  # the day or the month first
        pairs = {(parts["first"], parts["second"]), (parts["second"], parts["first"])}
        return {f"{year}-{int(m):02}-{int(d):02}" for m, d in pairs if _is_day(m, d)}
    named = parts.get("month")
    month = parts.get("month_number") if named is None else str(_MONTHS[named.lower()])
    day = parts.get("day")
    if month is None:
        return {str(year)}
    if not _is_day(month, day or "1"):
        return set()
    ending = "" if day is None else f"-{int(day):02}"
    return {f"{year or '-'}-{int(month):02}{ending}"}


def _is_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _implied_by(dates: set[str]) -> frozenset[str]:
    implied: set[str] = set()
    for read in dates:
        if read.startswith("--"):
            implied.add(str(int(read[5:])))
            continue
        year, *others = read.split("-")
        implied |= {year, *_of_year(year)}
        if len(others) == 2:
            implied |= {f"{year}-{others[0]}", f"--{others[0]}-{others[1]}", str(int(others[1]))}
    return frozenset(implied)


def _of_year(year: str) -> set[str]:
    """The decade and the century of a year; empty for other numbers."""
    if len(year) != 4 or not year.isdecimal() or not 1000 <= int(year) <= 2200:
        return set()
    return {f"{year[:3]}0s", f"century {(int(year) - 1) // 100 + 1}"}


def _times(text: str) -> Iterator[Mention]:
    for found in _TIME.finditer(text):
        hour, minute = int(found[1] or found[4]), found[2] or found[5] or "00"
        if hour > 24 or int(minute) > 59:
            continue
        if found[3] is None:
            readings = {f"{hour}:{minute}"}
        else:
            readings = {f"{hour % 12 + (12 if found[3].lower() == 'p' else 0)}:{minute}"}
        yield Mention(*found.span(), frozenset(readings), frozenset({f"{hour % 12}:{minute}"}), False, False)


def _digits(text: str) -> Iterator[Mention]:
    for found in _DIGITS.finditer(text):
        readings = _read_digits(found["digits"])
        end = found.end()
        scale = _SCALES.get((found["scale"] or "").lower()) or _SUFFIXES.get((found["suffix"] or "").lower())
        implied: set[str] = set()
        if scale is not None:
            if found["suffix"] == "m":  # metres as likely
                implied = set(readings)
            readings = {_plain(Decimal(read) * scale) for read in readings if read.count(".") < 2} or readings
        if found["decade"]:
            readings = {f"{read}s" for read in readings}
        yield _number(text, found.start(), end, readings, implied, is_weak=False)


def _words(text: str) -> Iterator[Mention]:
    for found in _WORD_NUMBER.finditer(text):
        words = [word for word in re.split(r"[\s-]+", found.group().lower()) if word != "and"]
        singular = [word if word in _WORDS else word.removesuffix("s") for word in words]
        readings = {str(_total(singular))} if words[-1] in _WORDS or words[-1][:-1] not in _TENS else set()
        if readings:
            is_weak = len(words) == 1 and words[0] in _WEAK
            yield _number(text, *found.span(), readings, set(), is_weak=is_weak)


def _total(words: list[str]) -> int:
    """twelve hundred and five → 1205."""
    total, part = 0, 0
    for word in words:
        if word in ("thousand", "million", "billion", "trillion"):
            total, part = total + max(part, 1) * _SCALES[word], 0
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            part += _WORDS[word]
    return total + part


def _number(text: str, start: int, end: int, readings: set[str], implied: set[str], *, is_weak: bool) -> Mention:
    percent, century = _PERCENT.match(text, end), _CENTURY.match(text, end)
    if percent is not None:
        implied |= readings
        readings, end, is_weak = {f"{read}%" for read in readings}, percent.end(), False
    elif century is not None:
        readings, end, is_weak = {f"century {read}" for read in readings}, century.end(), False
    elif text[start:end].isdecimal():
        implied |= _of_year(text[start:end])
    is_hedged = _HEDGE.search(text[max(0, start - 20) : start]) is not None
    return Mention(start, end, frozenset(readings), frozenset(implied), is_hedged, is_weak)


def _read_digits(digits: str) -> set[str]:
    """1,200 → 1200, and 1.200 as well as the fraction; a version (3.11.2) as it stands."""
    unified = re.sub(r"['’\u00a0\u202f]", ",", digits)
    marks = [char for char in unified if not char.isdigit()]
    if not marks:
        return {unified.lstrip("0") or "0"}
    readings = set()
    if _GROUPED.fullmatch(unified) and len(set(marks)) == 1:
        readings.add(re.sub(r"\D", "", unified).lstrip("0") or "0")
    if len(marks) == 1 and (marks[0] == "." or not readings):
        readings.add(_fraction(unified.replace(",", ".")))
    elif len(set(marks)) == 2 and marks.count(marks[-1]) == 1:  # 1,234.5
        whole, _, part = unified.rpartition(marks[-1])
        readings.add(_fraction(re.sub(r"\D", "", whole) + "." + part))
    return readings or {digits}


def _fraction(text: str) -> str:
    whole, _, part = text.partition(".")
    return f"{whole.lstrip('0') or '0'}.{part}"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _is_near(reading: str, other: str) -> bool:
    if reading.endswith("%") != other.endswith("%"):
        return False
    try:
        mine, theirs = float(reading.rstrip("%")), float(other.rstrip("%"))
    except ValueError:  # a date, a version
        return False
    return abs(mine - theirs) <= _NEARLY * max(abs(mine), abs(theirs))
