"""YAML: its own text, marked by what a parser's events say, whatever unfolds or breaks."""

from __future__ import annotations

import time

import pytest
from ending import ending
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document
from ingest.limits import DEFAULT
from ingest.parsers import parse
from ingest.parsers.yaml import parse as straight


def read(text: str, name: str = "a.yaml") -> Document:
    return parse(text.encode(), name=name)


def marks(found: Document) -> list[tuple[str, str, int, str]]:
    """Kind, label, level, and the line that begins there."""
    return [(m.kind.value, m.label, m.level, found.text[m.start :].split("\n")[0]) for m in found.marks]


def test_keys_that_hold_more_are_headings_and_comments_above_belong_to_them() -> None:
    text = """\
# Of the whole.
title: "A: b"  # remark
name: x

# Where it listens.
# Twice.
server:
  port: 1
  # On disk.
  paths: [a, {b: c}]
  log: true
version: 2
tail: 3
"""
    found = read(text)
    assert (found.text, found.is_source, found.title) == (text, True, "A: b")
    assert marks(found) == [
        ("heading", "server", 1, "# Where it listens."),
        ("heading", "paths", 2, "  # On disk."),
        ("heading", "log", 2, "  log: true"),
        ("heading", "version", 1, "version: 2"),
    ]


def test_items_of_a_list_are_rows() -> None:
    found = read("- name: a\n  with:\n    x: 1\n- word\n-\n  name: b\n")
    assert marks(found) == [("row", "1", 0, "- name: a"), ("row", "3", 0, "  name: b")]


def test_documents_of_a_stream_are_rows_and_each_begins_anew() -> None:
    found = read("kind: A\nspec:\n  a: 1\n---\nkind: B\nmeta:\n  b: 1\n---\n- x: 1\n")
    assert marks(found) == [
        ("row", "1", 0, "kind: A"),
        ("heading", "spec", 1, "spec:"),
        ("row", "2", 0, "---"),
        ("heading", "kind", 1, "kind: B"),
        ("heading", "meta", 1, "meta:"),
        ("row", "3", 0, "---"),
    ]


def test_the_next_document_ends_the_last_section() -> None:
    found = read("a: {b: 1}\nc: 1\n---\nd: 1\n")
    assert [mark.label for mark in found.marks] == ["1", "a", "c", "2", "d"]


def test_keys_that_are_no_words_are_no_headings() -> None:
    found = read("? {a: b}\n: {c: d}\n1:\n  x: y\n*b : z\n")
    assert [label for _, label, _, _ in marks(found)][:1] == ["1"]


def test_a_bomb_of_aliases_is_never_unfolded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    started = time.process_time()
    found = read("\n".join(lines))
    assert [mark.label for mark in found.marks] == [f"a{i}" for i in range(30)]
    assert time.process_time() - started < 3.0


def test_no_object_is_made() -> None:
    text = "a: !!python/object/apply:os.abort []\nb: !!python/name:os.system\nc: !mine {d: 1}\n"
    assert [mark.label for mark in read(text).marks] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  b: 1\nc: {{ a }}-{{ b }}\nd:\n  e: 1\n", ["a", "c"]),  # Helm
        ("a:\n  b: 1\nc:\n  d: 'half of", ["a", "c"]),
        ("a:\n  b: 1\n\tc: 2\n", ["a"]),
        ("a: " + "word " * 40 + "\x07\nb: {c: d}\n", []),
        ("words, only\n", []),
    ],
)
def test_what_breaks_off_keeps_its_text_and_the_marks_before(text: str, expected: list[str]) -> None:
    found = read(text)
    assert (found.text, found.is_source) == (text, True)
    assert [mark.label for mark in found.marks] == expected


def test_an_empty_file_is_an_empty_document_and_utf_16_is_read() -> None:
    assert read("").text == ""
    found = parse("größe:\n  länge: 1\n".encode("utf-16"), name="a.yml")
    assert marks(found) == [("heading", "größe", 1, "größe:")]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "- " * 100_000,
        "? " * 100_000,
        "#\n" * 200_000 + "a: {b: c}",
        "a: {b: c}\n#\n" * 20_000,
        "--- {}\n" * 20_000,
        "a: &a [*a]\n" * 20_000,
        '"\\\n' * 100_000,
        "title: " * 50_000,
        "a" * 500_000 + ": {b: c}",
    ],
)
def test_hostile_files_take_little_time(text: str) -> None:
    started = time.process_time()
    check(text.encode())
    assert time.process_time() - started < 3.0


def check(data: bytes) -> None:
    ending(lambda content: straight(content, name="a.yaml", limits=DEFAULT), data)


PIECES = [
    *":-?#&*!|>'\"%@{}[], \n\t\r\x00\u0085a1é😀",
    "  ",
    "a: ",
    "- ",
    "---\n",
    "...\n",
    "&x ",
    "*x",
    "title: b\n",
    "\ufeff",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_random_pieces_raise_nothing_else(pieces: list[str]) -> None:
    check("".join(pieces).encode())
