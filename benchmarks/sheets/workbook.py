"""A workbook made of a seed, and of each cell the text that a spreadsheet program shows.

Rule: what is shown is worked out from the whole numbers that a value is made of, not by a format's code. Thousands
separators are left out of it, for all alike: they differ with the country.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SEED = 5
_FIRST_NAMES = "Ada Bo Carla Deniz Emil Fatima Goran Hanna Ivo Jana Kofi Lena".split()
_LAST_NAMES = "Adler Berg Costa Dorn Engel Fuchs Gomez Haas Ito Jansen Kaya Lang".split()
_WORDS = "the order was late and came in two boxes with a note about paper ink tea and a lamp for them".split()
_EPOCH = datetime.date(2000, 1, 1)
_DAYS = 9_500

Drawn = tuple[object, str]
"""A cell's value, and what is shown of it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column. code: the number format, "" for none."""

    name: str
    code: str
    draw: Callable[[random.Random], Drawn]


def _name(rng: random.Random) -> Drawn:
    name = f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}"
    return name, name


def _date(rng: random.Random) -> Drawn:
    day = _EPOCH + datetime.timedelta(days=rng.randrange(_DAYS))
    return day, f"{day.year}-{day.month:02}-{day.day:02}"


def _percentage(rng: random.Random) -> Drawn:
    number = rng.randrange(10_000)  # of ten-thousandths
    tenths = (number + 5) // 10
    return number / 10_000, f"{tenths // 10}.{tenths % 10}%"


def _currency(rng: random.Random) -> Drawn:
    cents = rng.randrange(1_000_000)
    return cents / 100, f"{cents // 100}.{cents % 100:02} €"


def _integer(rng: random.Random) -> Drawn:
    number = rng.randrange(1_000_000)
    return number, str(number)


def _text(rng: random.Random) -> Drawn:
    text = " ".join(rng.choices(_WORDS, k=rng.randrange(3, 10)))
    return text, text


KINDS = (
    Kind("name", "", _name),
    Kind("date", "yyyy-mm-dd", _date),
    Kind("percentage", "0.0%", _percentage),
    Kind("currency", '#,##0.00 "€"', _currency),
    Kind("integer", "", _integer),
    Kind("text", "", _text),
)


def columns(count: int) -> list[Kind]:
    """The kinds in turn."""
    return [KINDS[i % len(KINDS)] for i in range(count)]


def header(count: int) -> list[str]:
    """ "Name 1", "Date 1", …, "Name 2", …"""
    return [f"{kind.name.capitalize()} {i // len(KINDS) + 1}" for i, kind in enumerate(columns(count))]


def cells(rows: int, count: int) -> Iterator[list[Drawn]]:
    """The rows below the header; the same each time."""
    rng = random.Random(SEED)
    kinds = columns(count)
    for _ in range(rows):
        yield [kind.draw(rng) for kind in kinds]


def make(path: Path, *, rows: int, count: int) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("Made")
    sheet.append(header(count))
    kinds = columns(count)
    for row in cells(rows, count):
        written: list[object] = []
        for kind, (value, _) in zip(kinds, row, strict=True):
            if kind.code:
                cell = WriteOnlyCell(sheet, value=value)
                cell.number_format = kind.code
                written.append(cell)
            else:
                written.append(value)
        sheet.append(written)
    workbook.save(path)
