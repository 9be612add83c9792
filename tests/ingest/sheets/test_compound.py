"""Compound files built sector by sector: chains that end, and chains that do not."""

from __future__ import annotations

import struct
from importlib import import_module
from pathlib import Path

import pytest

from ingest import UnreadableFile
from ingest.limits import DEFAULT
from ingest.sheets.compound import is_endless

END, FREE, TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
SAMPLE = Path(__file__).parents[1] / "parsers" / "files" / "small.xls"


def built(table: list[int], *, small: list[int] | None = None, more: list[int] | None = None) -> bytes:
    """Sector 0 holds the table, sector 1 that of the small sectors, sector 2 more numbers of the table's sectors."""
    first_small, first_more = (1 if small else END), (2 if more else END)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + struct.pack("<H", 9) + bytes(28)
    head += struct.pack("<4I", first_small, 1, first_more, 1) + struct.pack("<109I", 0, *[FREE] * 108)
    sectors = [[*numbers, *[FREE] * (128 - len(numbers))] for numbers in (table, small or [], more or [])]
    return head + b"".join(struct.pack("<128I", *sector) for sector in sectors)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (built([TABLE, END, END]), False),
        (built([TABLE, END, END, 4, 5, END]), False),
        (built([TABLE, END, END, 4, 5, 3]), True),
        (built([TABLE, END, END, 3]), True),  # to itself
        (built([TABLE, END, END, 4, 5, 4]), True),  # a tail, then a circle
        (built([TABLE, END, END, 900]), False),  # behind the end
        (built([TABLE, END, END], small=[1, 2, END]), False),
        (built([TABLE, END, END], small=[1, 2, 0]), True),
        (built([TABLE, END, END], more=[*[FREE] * 127, END]), False),
        (built([TABLE, END, END], more=[*[FREE] * 127, 2]), True),
        (b"PK\x03\x04" + bytes(900), False),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", False),
    ],
)
def test_a_chain_that_comes_back_to_itself_is_endless(data: bytes, expected: bool) -> None:
    assert is_endless(data) is expected


def test_a_sound_file_and_any_part_of_it_end() -> None:
    data = SAMPLE.read_bytes()
    assert not is_endless(data)
    assert not any(is_endless(data[:end]) for end in range(0, len(data), 501))


@pytest.mark.parametrize("name", ["a.msg", "a.xls"])
def test_a_file_whose_chains_never_end_is_a_reason_and_takes_no_memory(name: str) -> None:
    data = built([TABLE, END, END, 4, 5, 3])
    assert is_endless(data)
    with pytest.raises(UnreadableFile, match=r"^damaged "):
        import_module(f"ingest.parsers.{'msg' if name == 'a.msg' else 'sheet'}").parse(data, name=name, limits=DEFAULT)


def test_a_workbook_behind_other_bytes_is_damaged() -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged spreadsheet"):
        import_module("ingest.parsers.sheet").parse(
            b"\0" + built([TABLE, END, END, 4, 5, 3]), name="a.xls", limits=DEFAULT
        )
