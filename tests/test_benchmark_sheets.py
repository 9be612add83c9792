"""What `benchmarks.sheets` makes and counts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from benchmarks.sheets import __main__ as command
from benchmarks.sheets import workbook
from benchmarks.sheets.readers import READERS


class Given(random.Random):
    """Draws the number given."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return self._number


@pytest.mark.parametrize(
    ("kind", "number", "value", "shown"),
    [
        ("percentage", 1_234, 0.1234, "12.3%"),
        ("percentage", 1_235, 0.1235, "12.4%"),
        ("percentage", 9_995, 0.9995, "100.0%"),
        ("percentage", 4, 0.0004, "0.0%"),
        ("currency", 123_405, 1234.05, "1234.05 €"),
        ("currency", 7, 0.07, "0.07 €"),
        ("integer", 120, 120, "120"),
    ],
)
def test_what_is_shown_is_what_a_spreadsheet_program_shows(kind: str, number: int, value: object, shown: str) -> None:
    draw = next(own.draw for own in workbook.KINDS if own.name == kind)
    assert draw(Given(number)) == (value, shown)


def test_a_date_is_shown_as_its_format_says() -> None:
    draw = next(own.draw for own in workbook.KINDS if own.name == "date")
    assert draw(Given(59))[1] == "2000-02-29"  # 31 days of January and 28 before it


def test_the_workbook_holds_the_values_with_their_formats(tmp_path: Path) -> None:
    workbook.make(tmp_path / "a.xlsx", rows=2, count=7)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    head, first, second = sheet.iter_rows()
    assert [cell.value for cell in head] == [
        "Name 1",
        "Date 1",
        "Percentage 1",
        "Currency 1",
        "Integer 1",
        "Text 1",
        "Name 2",
    ]
    assert [cell.number_format for cell in first[1:4]] == ["yyyy-mm-dd", "0.0%", '#,##0.00 "€"']
    for row, made in zip((first, second), workbook.cells(2, 7), strict=True):
        assert [row[i].value for i in (0, 2, 3, 4, 5, 6)] == [made[i][0] for i in (0, 2, 3, 4, 5, 6)]


def test_every_reader_reads_all_rows_and_cells_that_read_otherwise_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook.make(path, rows=40, count=7)
    assert {name: read(path) for name, read in READERS.items()} == {"ours": 41, "python-calamine": 41, "openpyxl": 41}
    cells, right = command.agreement(path, rows=40, count=7)
    assert cells == Counter(name=80, date=40, percentage=40, currency=40, integer=40, text=40)
    assert right["ours"] == cells
    assert right["openpyxl"] == Counter(name=80, integer=40, text=40)

    def one_wrong(path: Path) -> Iterator[list[str]]:
        rows = [[shown for _, shown in row] for row in workbook.cells(40, 7)]
        rows[3][2] += " "
        return iter(rows)

    _, right = command.agreement(path, rows=40, count=7, readers={"x": one_wrong})
    assert right["x"] == cells - Counter(percentage=1)


def test_a_reader_that_left_out_rows_ends_the_command(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook.make(path, rows=3, count=6)
    with pytest.raises(AssertionError, match="ours read 4 rows of 5"):
        command.measured(path, rows=5, rounds=1)


def test_the_tables() -> None:
    best = {"ours": command.Best(3.0, 100_000_000), "openpyxl": command.Best(12.0, 50_400_000)}
    assert command.times(best, 6_000).splitlines()[2:] == [
        "| ours | finished text | 3.00 | 2,000 | 1.00 × | 100 |",
        "| openpyxl | values (read-only mode) | 12.00 | 500 | 0.25 × | 50 |",
    ]
    cells = Counter(name=3, date=1)
    assert command.shown(cells, {"ours": cells, "other": Counter(name=2)}).splitlines() == [
        "| kind | cells | ours | other |",
        "| --- | --- | --- | --- |",
        "| name | 3 | 3 | 2 |",
        "| date | 1 | 1 | 0 |",
        "| all | 4 | 100.0% | 50.0% |",
    ]
