"""Numbers as Excel shows them under its format codes, thousands separators and the order of dates aside."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sheets.number_formats import BUILT_IN, format_of, general, when


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12.0, "12"),
        (-3.0, "-3"),
        (1234.5000000001, "1234.5"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "1e-07"),
        (1e15, "1e+15"),
        (4111111111111111.0, "4.1111111111e+15"),
        (123456789012.0, "123456789012"),
    ],
)
def test_without_a_format(value: float, expected: str) -> None:
    assert general(value) == expected


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (0.345, "0.0%", "34.5%"),
        (0.345, "0%", "35%"),  # half up, as Excel does
        (1234.567, "#,##0.00", "1234.57"),
        (2.675, "0.00", "2.68"),
        (1.0, "0.00", "1.00"),
        (0.5, "#", "1"),
        (7.0, "00000", "00007"),
        (7.5, "00000.0", "00007.5"),
        (-1234.567, '"$"#,##0.00;[Red]("$"#,##0.00)', "-$1234.57"),
        (-0.001, "0.0", "0.0"),
        (12.5, '0.00" kg"', "12.50 kg"),
        (12.5, "[$€-407] #,##0.00", "€12.50"),
        (12.5, r"#,##0.00\ [$€-1]", "12.50 €"),
        (3.0, '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-', "3.00"),
        (1_234_567.0, '0.0,,"M"', "1.2M"),
        (12_345_678.0, "#,##0,", "12346"),
        (0.25, "# ?/?", "0.25"),
        (123456789.0, "000-00-0000", "123456789"),
        (1234.5, "0.00E+00", "1234.5"),
        (5.0, "@", "5"),
        (5.5, "General", "5.5"),
        (5.0, '"none"', "5"),
        (1e300, "0.00", "1e+300"),
        (5.0, "0" * 300, "5"),
        (float("nan"), "0.00", "nan"),
    ],
)
def test_numbers(value: float, code: str, expected: str) -> None:
    assert format_of(code, is_1904=False)(value) == expected


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (45351.0, "dd/mm/yyyy", "2024-02-29"),
        (45351.4375, "d/m/yy h:mm", "2024-02-29 10:30"),
        (45351.0, "d/m/yy h:mm", "2024-02-29"),
        (45351.437511574, "yyyy-mm-dd hh:mm:ss", "2024-02-29 10:30:01"),
        (45351.0, r"[$-409]mmm\-yy;@", "2024-02-29"),
        (45351.0, 'yyyy"年"m"月"', "2024-02-29"),
        (45351.0, "mmmm", "2024-02-29"),
        (0.4375, "h:mm AM/PM", "10:30"),
        (45351.4375, "hh:mm", "10:30"),
        (1.5, "[h]:mm", "36:00:00"),
        (-0.5, "[mm]:ss", "-12:00:00"),
        (-1.0, "yyyy", "-1"),
        (3e6, "yyyy", "3000000"),
        (float("inf"), "[h]:mm", "inf"),
        (45351.0, BUILT_IN[14], "2024-02-29"),
        (0.4375, BUILT_IN[20], "10:30"),
    ],
)
def test_dates_and_times(value: float, code: str, expected: str) -> None:
    assert format_of(code, is_1904=False)(value) == expected


def test_days_from_1904() -> None:
    assert format_of("yyyy-mm-dd", is_1904=True)(1.0) == "1904-01-02"


def test_moments() -> None:
    assert when(datetime(2024, 2, 29, 0, 0, 5), has_day=True) == "2024-02-29 00:00:05"
    assert when(datetime(2024, 2, 29), has_day=False) == "00:00"


CODES = st.text(alphabet='0#?.,%"\\[]$€-;_*/ ymdhsE+@()Genral', max_size=40)


@settings(max_examples=400, deadline=None)
@given(st.floats(), CODES)
def test_any_code_shows_any_number(value: float, code: str) -> None:
    assert format_of(code, is_1904=False)(value)


def test_a_code_of_any_length_takes_no_time() -> None:
    began = time.process_time()
    for code in ("[" * 100_000, '"' * 99_999, "_" * 100_000, "0," * 50_000, "[" * 255, "0," * 127):
        format_of(code, is_1904=False)(1.0)
    assert time.process_time() - began < 1.0
