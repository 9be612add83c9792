"""Rows of cells as text, worked out by hand; and rows of anything, of which no word may be lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import TooLarge
from ingest.sheets.tables import Row, write
from ingest.types import MarkKind


def numbered(*lines: str) -> list[Row]:
    """Rows from 1 on, cells between "|"; an empty line is an empty row."""
    return [(i, line.split("|") if line else []) for i, line in enumerate(lines, start=1)]


def text(*lines: str) -> list[str]:
    return write(numbered(*lines), start=0, max_chars=10_000)[0].split("\n")


def test_a_name_stands_before_each_value() -> None:
    assert text("Name|Age|Town", "Ana|31|Lima", "Bo||Oslo") == [
        "Name | Age | Town",
        "Name: Ana | Age: 31 | Town: Lima",
        "Name: Bo | Town: Oslo",
    ]


def test_marks_say_which_row_a_line_is_and_where_it_begins() -> None:
    found, marks = write([(4, ["k", "n"]), (7, ["a", "1"]), (8, []), (9, ["b"])], start=100, max_chars=1000)
    assert found == "k | n\nk: a | n: 1\n\nb"
    assert [(m.start, m.kind, m.label, m.level) for m in marks] == [
        (100, MarkKind.ROW, "4", 0),
        (106, MarkKind.ROW, "7", 0),
        (119, MarkKind.ROW, "9", 0),
    ]


def test_values_without_names_get_none() -> None:
    assert text("Revenue|$50,000", "Costs|$30,000", "Margin|40%") == [
        "Revenue | $50,000",
        "Costs | $30,000",
        "Margin | 40%",
    ]
    assert text("1|2", "3|4") == ["1 | 2", "3 | 4"]


@pytest.mark.parametrize(
    "value",
    [
        "12",
        "-1,234.50",
        "1 234,5",
        "(17)",
        "$1.2",
        "12 €",
        "34.5%",
        "1e-07",
        "2024-02-29",
        "29.2.2024",
        "10:30",
        "yes",
        "TRUE",
    ],
)
def test_what_counts_as_a_value(value: str) -> None:
    assert text("k|n", f"a|{value}") == ["k | n", f"k: a | n: {value}"]


def test_a_table_of_text_has_a_header_if_its_first_row_is_full_short_and_distinct() -> None:
    assert text("Short|Long", "MC|Multiple Choice", "TF|True or false")[1] == "Short: MC | Long: Multiple Choice"
    for first in ("Short|", "Short|Short", "Short|What is it?", "Short|" + "long " * 9, "MC|Long"):
        assert text(first, "MC|Multiple Choice", "TF|True or false")[1] == "MC | Multiple Choice"
    assert text("a|b", "c|d") == ["a | b", "c | d"]  # too few rows to tell


def test_titles_stand_above_the_header() -> None:
    assert text("Stanley Cups||", "Team|Location|Cups", "Blues|STL|1") == [
        "Stanley Cups",
        "Team | Location | Cups",
        "Team: Blues | Location: STL | Cups: 1",
    ]


def test_a_name_above_others_reaches_over_them() -> None:
    """The layout of a table of a published study, whose spans were spread by its program into empty cells."""
    assert text("Category|Ballots|Results||Notes", "||Accuracy|Time|", "Blind|5|34|1199|none")[2] == (
        "Category: Blind | Ballots: 5 | Results / Accuracy: 34 | Results / Time: 1199 | Notes: none"
    )


def test_a_row_of_text_below_a_header_is_no_second_header() -> None:
    assert text("Name|Score", "Ana|absent", "Bo|5", "Cy|6") == [
        "Name | Score",
        "Name: Ana | Score: absent",
        "Name: Bo | Score: 5",
        "Name: Cy | Score: 6",
    ]


def test_years_are_names_where_they_stand_in_order_above_other_values() -> None:
    assert text("Region|2022|2023", "North|12|13")[1] == "Region: North | 2022: 12 | 2023: 13"
    assert text("Ana|2001|2004", "Bo|2003|2009", "Cy|2010|5")[1:] == ["Bo | 2003 | 2009", "Cy | 2010 | 5"]
    assert text("Ana|2001|2004", "Bo|2003|2009", "", "Cy|2010|5")[-1] == "Cy | 2010 | 5"


def test_names_of_few_of_the_columns_are_no_header() -> None:
    assert text("k|n|||", "a|1|2|3|4")[1] == "a | 1 | 2 | 3 | 4"


def test_several_tables_below_one_another_have_their_own_headers() -> None:
    assert text("k|n", "a|1", "", "Town|Height", "Oslo|23", "", "just a word") == [
        "k | n",
        "k: a | n: 1",
        "",
        "Town | Height",
        "Town: Oslo | Height: 23",
        "",
        "just a word",
    ]


def test_a_header_reaches_over_one_empty_row_to_values_of_the_same_columns() -> None:
    assert text("Month|Sales", "Jan|10", "", "Total|10")[-1] == "Month: Total | Sales: 10"
    assert text("Month|Sales|Zone", "", "Jan|10|A")[-1] == "Month: Jan | Sales: 10 | Zone: A"
    assert text("Month|Sales", "Jan|10", "", "", "Total|10")[-1] == "Total | 10"
    assert text("Month|Sales", "Jan|10", "", "Total|10|3")[-1] == "Total | 10 | 3"
    assert text("Month|Sales", "Jan|10", "", "7|10")[-1] == "7 | 10"


def test_a_lone_first_cell_names_a_part_of_a_wide_table() -> None:
    assert text("k|n|m", "a|1|2", "North", "b|3|4")[2] == "North"


def test_line_breaks_and_blanks_in_cells_become_one_blank() -> None:
    assert text("a\n\r\n b \u2028c|1") == ["a b c | 1"]


def test_a_value_that_says_its_name_is_not_said_twice() -> None:
    assert text("k|n", "a|1", "k|2")[2] == "k | n: 2"


def test_rows_beyond_the_sample_are_named_too() -> None:
    lines = text("k|n", *(f"a|{i}" for i in range(100)))
    assert lines[1:] == [f"k: a | n: {i}" for i in range(100)]


def test_too_much_text_ends_while_the_rows_come() -> None:
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for taken in range(1_000_000):
            yield taken, ["word"] * 10

    with pytest.raises(TooLarge, match=r"^over 0 million characters of text, the limit: split the file$"):
        write(rows(), start=0, max_chars=1000)
    assert taken < 100


def test_time_grows_with_the_cells() -> None:
    def seconds(count: int) -> float:
        began = time.process_time()
        write(((i, ["a", str(i)] if i % 3 else []) for i in range(count)), start=0, max_chars=10**8)
        return time.process_time() - began

    def least(count: int) -> float:  # other work, such as collecting garbage, only adds
        return min(seconds(count) for _ in range(3))

    assert least(40_000) < 16 * least(10_000)  # 4 times the rows


def test_no_pattern_runs_on_over_a_cell() -> None:
    began = time.process_time()
    write([(1, ["k", "n"]), *((i, ["1 " * 19, "1." * 20 + "x"]) for i in range(2, 32))], start=0, max_chars=10**6)
    assert time.process_time() - began < 2.0


CELLS = st.sampled_from(
    ["", "", "a", "b", "Name", "12", "2020", "2021", "2021-03-04", "yes", "-", "x", "long " * 12, "a: b"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=5), max_size=45))
def test_no_word_is_lost_and_every_row_has_its_mark(cells: list[list[str]]) -> None:
    rows = list(enumerate(cells, start=1))
    found, marks = write(rows, start=0, max_chars=10**6)
    assert [mark.label for mark in marks] == [str(number) for number, row in rows if any(row)]
    ends = [*(mark.start for mark in marks), len(found)][1:]
    for mark, end in zip(marks, ends, strict=True):
        line = found[mark.start : end].strip("\n")
        assert line and "\n" not in line
        words = Counter(word for cell in cells[int(mark.label) - 1] for word in cell.split())
        assert not words - Counter(line.replace(":", " ").split()) - Counter(line.split())
