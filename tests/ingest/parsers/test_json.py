"""JSON: as it stands where it is laid out, written out where it is not, text where it is broken."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.json import MAX_NUMBERS
from ingest.parsers.json import parse as straight


def read(text: str, name: str = "a.json") -> Document:
    return parse(text.encode(), name=name)


def marks(found: Document) -> list[tuple[str, str, int, str]]:
    """Kind, label, level, and what stands there."""
    return [
        (mark.kind.value, mark.label, mark.level, found.text[mark.start :].split("\n")[0][:20]) for mark in found.marks
    ]


def test_what_is_laid_out_is_its_own_text_with_its_keys_as_headings() -> None:
    text = """{
  "title": "Settings",
  "name": "x",
  "server": {
    "port": 1,
    "paths": ["a", "b"],
    "log": true
  },
  "version": 2,
  "empty": "",
  "list": [ {"deep": {}} ]
}
"""
    found = read(text)
    assert (found.text, found.is_source, found.title) == (text, True, "Settings")
    assert marks(found) == [
        ("heading", "server", 1, '"server": {'),
        ("heading", "paths", 2, '"paths": ["a", "b"],'),
        ("heading", "log", 2, '"log": true'),
        ("heading", "version", 1, '"version": 2,'),
        ("heading", "list", 1, '"list": [ {"deep": {'),
    ]


def test_a_word_in_the_next_section_is_no_heading() -> None:
    found = read('{\n "a": {"x": {}},\n "b": {"y": 1}\n}')
    assert [(mark.label, mark.level) for mark in found.marks] == [("a", 1), ("x", 2), ("b", 1)]


def test_records_are_rows() -> None:
    found = read('[\n  {"a": [1, {"b": 2}]},\n  "word, word",\n  {"a": 3}\n]\n')
    assert marks(found) == [("row", "1", 0, "["), ("row", "3", 0, '{"a": 3}')]
    by_line = '{"a": 1}\n\n{"a": 2}\n'
    for name in ("a.jsonl", "a.json"):
        lines = read(by_line, name)
        assert (lines.text, lines.is_source) == (by_line, True)
        assert marks(lines) == [("row", "1", 0, '{"a": 1}'), ("row", "2", 0, '{"a": 2}')]


def test_a_long_line_is_written_out() -> None:
    value = {
        "title": "Caf\u00e9",
        "size": 1.10,
        "is_new": True,
        "nothing": None,
        "tags": ["a", "b"],
        "lines": "one\ntwo",
        "place": {"city": "Köln", "geo": {"lat": 1, "box": [[1, 2], [3, 4]]}},
        "people": [{"name": "Jane", "age": 3}, {"name": "Bob", "age": None}],
        "empty": {},
        "words": "x" * 400,
    }
    found = read(json.dumps(value))
    assert found.text == "\n".join(
        [
            "title: Café",
            "size: 1.1",
            "is_new: true",
            "nothing: null",
            "tags: a, b",
            "lines:",
            "  one",
            "  two",
            "",
            "place:",
            "  city: Köln",
            "  geo:",
            "    lat: 1",
            "    box:",
            "      - 1, 2",
            "      - 3, 4",
            "",
            "people:",
            "  - name: Jane | age: 3",
            "  - name: Bob | age: null",
            "",
            "empty: {}",
            f"words: {'x' * 400}",
        ]
    )
    assert marks(found) == [
        ("heading", "place", 1, "place:"),
        ("heading", "geo", 2, "  geo:"),
        ("heading", "people", 1, "people:"),
        ("heading", "empty", 1, "empty: {}"),
    ]
    assert (found.title, found.is_source) == ("Café", False)


def test_a_long_line_of_records_reads_as_a_table() -> None:
    found = read(json.dumps([{"sku": f"GRD-{i}", "name": "Garden Trowel", "price": i / 2} for i in range(30)]))
    lines = found.text.split("\n")
    assert lines[:2] == [
        "sku: GRD-0 | name: Garden Trowel | price: 0.0",
        "sku: GRD-1 | name: Garden Trowel | price: 0.5",
    ]
    assert len(lines) == 30
    assert marks(found)[29] == ("row", "30", 0, "sku: GRD-29 | name: ")


def test_records_that_are_not_flat_are_apart() -> None:
    found = read(json.dumps([{"a": {"b": {"c": 1}}, "d": "x" * 400}, {"a": {"b": {"c": 2}}}]))
    assert found.text == f"a:\n  b: c: 1\nd: {'x' * 400}\n\na:\n  b: c: 2"
    assert [mark.start for mark in found.marks] == [0, found.text.index("\n\n") + 2]


def test_words_behind_signs_are_written_out() -> None:
    text = json.dumps({"greeting": "Привет, мир"}, indent=1)
    assert "\\u" in text
    assert read(text).text == "greeting: Привет, мир"


def test_numbers_stay_as_written_and_long_rows_of_them_are_cut() -> None:
    digits = "9" * 5000
    written = f'{{"pi": 3.140, "big": {digits}, "huge": 1e400, "nan": NaN, "row": {list(range(MAX_NUMBERS + 5))}}}'
    found = read(written).text.split("\n")
    assert found[:4] == ["pi: 3.140", f"big: {digits}", "huge: 1e400", "nan: NaN"]
    assert found[4].endswith(f" {MAX_NUMBERS - 1}, … 5 more numbers")


def test_a_key_that_comes_twice_is_there_twice() -> None:
    assert read(f'{{"a": 1, "a": 2, "b": "{"x" * 400}"}}').text.startswith("a: 1\na: 2\n")


def test_lone_surrogates_and_nuls_in_strings_are_no_fault() -> None:
    found = read('{"a": "\\ud800x\\u0000y\\r\\nz", "\\udfff": "' + "x" * 400 + '"}')
    assert found.text.startswith("a:\n  ?xy\n  z\n?: x")
    found.text.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2, "half of',
        '{"a": 1} and words',
        "// a comment\n{\n  /* more */ \"a\": 'b',\n}\n",
        "words only",
        '{"a": "' + "x" * 500,
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 300 + "]" * 300,
        '"just a string"',
        "{" + "}" * 1000,
    ],
)
def test_what_is_no_json_is_its_own_text(text: str) -> None:
    found = read(text)
    assert (found.text, found.is_source) == (text, True)


def test_comments_hide_their_brackets() -> None:
    found = read('{\n  // "no": {\n  /* "no": { */\n  "a": {\n    "b//": {}\n  }\n}\n', "a.jsonc")
    assert [mark.label for mark in found.marks] == ["a", "b//"]


def test_a_word_before_a_bracket_is_no_key() -> None:
    found = read('{"a" {"b": {}} : {}, "c": []}')
    assert [(mark.label, mark.level) for mark in found.marks] == [("b", 2), ("c", 1)]
    assert [mark.start for mark in read('{"a": []} [ [], [] ]').marks] == [1, 12, 16]


def test_half_a_file_of_records_is_read_as_far_as_it_goes() -> None:
    whole = "".join(json.dumps({"n": i, "words": "x" * 400}) + "\n" for i in range(3))
    found = read(whole[:-20], "a.jsonl")
    lines = found.text.split("\n")
    assert lines[0] == "n: 0" and found.text.endswith('{"n": 2, "words": "' + "x" * 383)
    assert [mark.label for mark in found.marks] == ["1", "2", "3"]


def test_depth_is_limited() -> None:
    text = '{"filler": "' + "x" * 400 + '", "a": ' + '{"b":[' * 8 + "1" + "]}" * 8 + "}"
    assert not parse(text.encode(), name="a.json").is_source
    assert parse(text.encode(), name="a.json", limits=replace(DEFAULT, max_depth=5)).is_source


def test_an_empty_file_is_an_empty_document_and_utf_16_is_read() -> None:
    assert read("").text == ""
    assert parse('{"a": "Köln"}'.encode("utf-16"), name="a.json").text == '{"a": "Köln"}'


@pytest.mark.parametrize(
    "text",
    [
        '"' * 500_000,
        "/*" * 300_000,
        "//" * 300_000,
        '"\\' * 300_000,
        "{}" * 300_000,
        '{"a":' * 200_000,
        "[\n" * 300_000,
        '{"title"' * 50_000,
        "{,,,,," * 50_000,
        "\n" * 300_000,
        "{}\n" * 100_000,
    ],
)
def test_hostile_files_take_little_time(text: str) -> None:
    started = time.process_time()
    check(text.encode())
    assert time.process_time() - started < 3.0


def check(data: bytes) -> None:
    ending(lambda content: straight(content, name="a.json", limits=DEFAULT), data)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_title_of_many_lines_is_one_short_line(indent: int | None) -> None:
    data = json.dumps({"title": "A\nlong \t title " + "x" * 500, "b": 1}, indent=indent).encode()
    assert straight(data, name="a.json", limits=DEFAULT).title == ("A long title " + "x" * 500)[:200]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("x" * 350),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        filled = [
            key for key, inner in value.items() if inner not in ("", "\x00", [], {}, [""])
        ]  # the others say nothing
        return [*filled, *(text for inner in value.values() for text in strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_no_word_is_lost(value: object, indent: int | None, is_ascii: bool) -> None:
    data = json.dumps([value], indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    check(data)
    found = straight(data, name="a.json", limits=DEFAULT)
    if found.is_source:
        assert json.loads(found.text) is not None
        return
    for text in strings(value):
        for word in text.split():
            if word.isalnum():
                assert word in found.text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*'{}[],:"\\\n\r\x00/*é1', '"a":', "//", "null", "\\u", "\ufeff", "x" * 301]), max_size=40)
)
def test_random_pieces_raise_nothing_else(pieces: list[str]) -> None:
    check("".join(pieces).encode())
