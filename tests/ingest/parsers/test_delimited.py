"""Tables of plain text: what parts the cells, what a record is, and what bounds them."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import IngestError, Mark, MarkKind, TooLarge
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.delimited import MAX_COLUMNS
from ingest.parsers.delimited import parse as straight


def lines(text: str, name: str = "a.csv") -> list[str]:
    return parse(text.encode(), name=name).text.split("\n")


def test_rows_name_their_columns_and_are_marked() -> None:
    found = parse(b"Team,Wins\r\nBlues,3\r\n\r\nLeafs,13\r\n", name="a.csv")
    assert found.text == "Team | Wins\nTeam: Blues | Wins: 3\n\nTeam: Leafs | Wins: 13"
    assert found.marks == (
        Mark(0, MarkKind.ROW, "1", 0),
        Mark(12, MarkKind.ROW, "2", 0),
        Mark(35, MarkKind.ROW, "4", 0),
    )
    assert (found.title, found.is_source, found.members) == ("", False, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,4", "a: 1 | b: 2"),
        ("a;b\n1,5;2,3\n3,5;4,1", "a: 1,5 | b: 2,3"),  # decimal commas
        ("1,5;2,3\n3,5;4,1\n7,5;8,1", "3,5 | 4,1"),
        ("a\tb\n1,2\t3\n4,5\t6", "a: 1,2 | b: 3"),
        ("a|b\n1|2\n3|4", "a: 1 | b: 2"),
        ("a,b\nx;y;z,1\nx;y;z,2", "a: x;y;z | b: 1"),  # a list in a cell
        ('a;b\n"x;y";1\n"z;w";2', "a: x;y | b: 1"),
        ('a,b\n"x\ny",1\nz,2', "a: x y | b: 1"),
        ('a,b\n"say ""hi""",1\nz,2', 'a: say "hi" | b: 1'),
        ('a,b\n"say \\"hi\\", you",1\nz,2', 'a: say "hi", you | b: 1'),  # as MySQL writes it
        ('a, b\nx, "y, z"\nv, w', "a: x | b: y, z"),
        ("sep=;\na;b\n1;2", "a: 1 | b: 2"),
        ("name\n1", "name: 1"),
        ("One, two.\nThree.\nFour, five, six.\nSeven.", "Three."),
        ("a,b\n1,2\n3", "a: 1 | b: 2"),
    ],
)
def test_the_records_tell_what_parts_the_cells(text: str, expected: str) -> None:
    assert lines(text)[1] == expected


def test_a_name_that_promises_a_sign_helps_where_the_records_do_not_tell() -> None:
    text = "x y\ta,b,c\nz\ta,b,c\nwords, only"
    assert lines(text, "a.tsv")[0] == "x y | a,b,c"
    assert lines("a,b\n1,2\n3,4", "a.tsv")[1] == "a: 1 | b: 2"  # and is no promise


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_encodings_are_told_apart(encoding: str) -> None:
    text = "Stadt;Größe\nKöln;5\nMünchen;7\n"
    assert parse(text.encode(encoding), name="a.csv").text.split("\n")[1] == "Stadt: Köln | Größe: 5"


def test_ragged_rows_keep_all_their_cells() -> None:
    assert lines("a,b\n1,2\n3,4,5\n6\n7,8") == ["a | b", "a: 1 | b: 2", "a: 3 | b: 4 | 5", "a: 6", "a: 7 | b: 8"]


def test_a_mark_never_closed_costs_its_own_record() -> None:
    text = 'a,b\n"5 inch,1\nx,2\ny,3\n'
    assert lines(text) == ["a | b", 'a: "5 inch | b: 1', "a: x | b: 2", "a: y | b: 3"]
    assert lines('a,b\n"x" y,1\nz,2\n')[1:] == ['a: "x" y | b: 1', "a: z | b: 2"]
    many = "a,b\n" + '"x,1\n' * 61
    assert lines(many)[-1] == 'a: "x | b: 1'
    wide = "y" * 500
    long = 'a,b\n"x,1\n' + f"{wide},2\n" * 3_000
    assert lines(long)[1:3] == ['a: "x | b: 1', f"a: {wide} | b: 2"]


def test_an_empty_file_is_an_empty_document() -> None:
    assert parse(b"", name="a.csv").text == ""
    assert parse(b"\n\n", name="a.csv").text == ""


def test_columns_and_text_are_bounded() -> None:
    with pytest.raises(TooLarge, match=rf"^a record of {MAX_COLUMNS + 1} cells, the limit is {MAX_COLUMNS}: split"):
        parse(b"a" + b"," * MAX_COLUMNS + b"\n", name="a.csv")
    rows = b"a name of a column,b\n" + b"x,1\n" * 1000
    with pytest.raises(TooLarge, match=r"characters of text"):
        parse(rows, name="a.csv", limits=replace(DEFAULT, max_chars=10_000))


@pytest.mark.parametrize(
    "data",
    [
        b'"' * 1_000_000,
        b'"\n' * 60_000,
        b'a,b\n"x\n' + b'""y,1\n' * 50_000,
        b'"""x\n' * 60_000,
        b'a,"\n' * 30_000,
        b'"a""' * 200_000,
        b"\\" * 500_000 + b'\\"',
        b"," * 90_000,
        (b"," * 1_000 + b"\n") * 300,
        b"\n" * 200_000,
        b"a,b\n" + b'"' + b"x" * 3_000_000 + b'",1\n',
        b"a\x00b,c\n" * 1000,
    ],
)
def test_hostile_tables_take_little_time(data: bytes) -> None:
    started = time.process_time()
    straight_or_reason(data)
    assert time.process_time() - started < 3.0


def straight_or_reason(data: bytes) -> None:
    limit = csv.field_size_limit()
    try:
        found = straight(data, name="a.csv", limits=DEFAULT)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason
        return
    finally:
        assert csv.field_size_limit() == limit
    found.text.encode()
    assert not {"\x00", "\r"} & set(found.text)


CELLS = st.text(st.sampled_from("ab12 ,;|\t\"'\n.é漢"), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_no_word_is_lost_whatever_is_told(rows: list[list[str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    found = straight(out.getvalue().encode(), name="a.csv", limits=DEFAULT).text
    for row in rows:
        for cell in row:
            for letter in set(cell) & set("ab12é漢"):
                assert found.count(letter) >= 1


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*'a1,;|\t"\\\n\r\x00é', '""', '"\n', "sep=;\n", "\ufeff", "10,5"]), max_size=40))
def test_random_pieces_raise_nothing_else(pieces: list[str]) -> None:
    straight_or_reason("".join(pieces).encode())
