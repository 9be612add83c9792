"""Numbers of spreadsheet cells as people see them: percent, currency, decimals, units, dates, by format code.

Rule: the digits shown are the sheet's; what differs by country is not imitated: no thousands separators, dates as
2024-02-29. Format codes after ECMA-376, part 1, 18.8.30 and 18.8.31.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

BUILT_IN: Mapping[int, str] = {
    1: "0",
    2: "0.00",
    3: "0",
    4: "0.00",
    9: "0%",
    10: "0.00%",
    **dict.fromkeys(range(14, 18), "yyyy-mm-dd"),
    **dict.fromkeys(range(18, 22), "hh:mm:ss"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys((*range(27, 32), 36, *range(50, 55), 57, 58), "yyyy-mm-dd"),  # in East Asia
    **dict.fromkeys((*range(32, 36), 55, 56), "hh:mm:ss"),
    37: "0",
    38: "0",
    39: "0.00",
    40: "0.00",
    41: "0",
    42: "0",
    43: "0.00",
    44: "0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss",
}
"""The codes that files name by number only; what is not here is shown as it is."""

MAX_DIGITS = 11  # that a spreadsheet program shows of a number without a format
_LARGEST = 1e15  # floats have no more digits
_MAX_CODE_CHARS = 255  # as Excel allows
_SECTION = re.compile(r'(?:"[^"]*"|\\.|[^;"\\])*')
_CURRENCY = re.compile(r"\[\$([^\]-]*)(?:-[^\]]*)?\]")
_UNSHOWN = re.compile(r"\[[^\]]*\]|_.|\*.")  # colours and conditions; room for a character; a filling one
_LITERAL = re.compile(r'"([^"]*)"|\\(.)')
_DIGITS = re.compile(r"([#0?][#0?, ]*)(\.[#0?]*)?(,*)")
_ODD = re.compile(r"[/#0?]|e[+-]", re.IGNORECASE)  # fractions, exponents, digits in groups such as 000-00-0000
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_FIRST_DAY = datetime(1899, 12, 30)
_FIRST_DAY_1904 = datetime(1904, 1, 1)
_LAST_SERIAL = 2_958_466  # 10000-01-01


def general(value: float) -> str:
    """A number without a format: 1234.5, 12, 1e-07."""
    if abs(value) < 1e15 and value.is_integer():
        return str(int(value))
    return f"{value:.{MAX_DIGITS}g}"


@lru_cache(maxsize=1000)
def format_of(code: str, *, is_1904: bool) -> Callable[[float], str]:
    """What shows a number as the format does. is_1904: days are counted from 1904."""
    if not code or len(code) > _MAX_CODE_CHARS:
        return general
    section = _SECTION.match(code)
    first = _CURRENCY.sub(lambda found: f'"{found[1]}"', section[0] if section is not None else "")
    bare = _LITERAL.sub("", _UNSHOWN.sub("", first)).lower()
    if _ELAPSED.search(first):
        return _elapsed
    if set(bare) & set("ydhs") or (set(bare) & {"m"} and "general" not in bare):
        start = _FIRST_DAY_1904 if is_1904 else _FIRST_DAY
        has_day = bool(set(bare) & set("yd")) or not set(bare) & set("hs")
        return lambda value: _moment(value, start, has_day=has_day)
    return _number(_UNSHOWN.sub("", first))


def _number(code: str) -> Callable[[float], str]:
    masked = _LITERAL.sub(lambda found: "\0" * len(found[0]), code)  # digits in literals are none
    digits = _DIGITS.search(masked)
    if digits is None or _ODD.search(masked, digits.end()):
        return general
    whole = digits[1].rstrip(" ,")
    thousands = len(digits[1].rstrip()) - len(whole) + len(digits[3])  # commas behind the digits
    places, power = len(digits[2] or ".") - 1, 2 * masked.count("%") - 3 * thousands
    zeros = max(1, min(whole.count("0"), MAX_DIGITS))  # postal codes begin with some
    width = zeros + (places + 1 if places else 0)
    if places > MAX_DIGITS or abs(power) > MAX_DIGITS:
        return general
    before, behind = (_LITERAL.sub(r"\1\2", part) for part in (code[: digits.start()], code[digits.end() :]))
    before, behind = before.strip(" ()-+"), behind.rstrip(" ()-+")
    unit = Decimal(1).scaleb(-places)

    def shown(value: float) -> str:
        if not abs(value) * 10**power < _LARGEST:
            return general(value)
        number = Decimal(f"{value:.15g}").scaleb(power).quantize(unit, ROUND_HALF_UP)
        return f"{'-' if number < 0 else ''}{before}{abs(number):0{width}f}{behind}"

    return shown


def _moment(value: float, start: datetime, *, has_day: bool) -> str:
    if not 0 <= value < _LAST_SERIAL:
        return general(value)
    moment = start + timedelta(seconds=round(value * 86_400))
    return when(moment, has_day=has_day and value >= 1)


def when(moment: datetime, *, has_day: bool) -> str:
    """2024-02-29, 2024-02-29 10:30, 10:30, 10:30:05."""
    day, _, time = moment.isoformat(timespec="seconds").partition("T")
    time = time.removesuffix(":00")
    if not has_day:
        return time
    return day if time == "00:00" else f"{day} {time}"


def _elapsed(value: float) -> str:
    if not abs(value) < _LAST_SERIAL:
        return general(value)
    seconds = round(abs(value) * 86_400)
    return f"{'-' if value < 0 else ''}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
