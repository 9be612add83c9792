"""Org on files written here, and on random ones."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind
from ingest.limits import DEFAULT
from ingest.parsers.org import parse


def read(text: str) -> Document:
    return parse(text.encode(), name="a.org", limits=DEFAULT)


def outline(text: str) -> list[tuple[int, str]]:
    found = read(text)
    assert all(mark.kind is MarkKind.HEADING and found.text[mark.start] == "*" for mark in found.marks)
    return [(mark.level, mark.label) for mark in found.marks]


def test_the_text_stays_and_headings_are_marks_where_their_stars_stand() -> None:
    text = "words\n* One\ntext\n** Two\n*no* heading\n * none either\n"
    found = read(text)
    assert (found.text, found.is_source, found.title) == (text, True, "One")
    assert [(m.start, m.label, m.level) for m in found.marks] == [(6, "One", 1), (17, "Two", 2)]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("* TODO Buy milk", "Buy milk"),
        ("* DONE [#A] Buy milk :home:shop:", "Buy milk"),
        ("* NEXT [#1] COMMENT Buy milk [1/3] [33%]", "Buy milk"),
        ("* TODO", "TODO"),
        ("* TODOS are many", "TODOS are many"),
        ("* VERIFY Sums", "VERIFY Sums"),
        ("* See [[https://x.org/a][the page]] and [[file:b.org]]", "See the page and file:b.org"),
        ("* The *bold* /leaning/ =code= ~verb~ word[fn:1]", "The bold leaning code verb word"),
        ("* 2*3*4 and a/b/c and snake_case_name", "2*3*4 and a/b/c and snake_case_name"),
        ("* Ratio 3:4 :not a tag:", "Ratio 3:4 :not a tag:"),
        ("*\tTabbed", "Tabbed"),
    ],
)
def test_a_label_is_what_a_reader_takes_for_the_heading(line: str, label: str) -> None:
    assert outline(line) == [(1, label)]


def test_a_heading_without_words_is_none() -> None:
    assert outline("* \n*\n* :tag:\n* [#A]\n") == []


def test_states_of_the_file_count() -> None:
    assert outline("#+TODO: IDEA(i) DRAFT | PRINTED(p!)\n* IDEA One\n* PRINTED Two\n* TODO Three") == [
        (1, "One"),
        (1, "Two"),
        (1, "Three"),
    ]


def test_blocks_give_no_headings() -> None:
    text = "* A\n#+BEGIN_SRC org\n* no\n#+end_src\n* B\n  #+begin_quote\n  #+begin_example\n* no\n#+end_example\n* no\n#+end_quote\n* C\n"
    assert [label for _, label in outline(text)] == ["A", "B", "C"]
    assert [label for _, label in outline("#+BEGIN: clocktable\n* no\n#+END:\n* A")] == ["A"]


def test_a_block_that_does_not_end_hides_nothing() -> None:
    assert [label for _, label in outline("#+begin_src\n* A\n")] == ["A"]
    text = "#+begin_src\n* A\n#+begin_src\n* no\n#+end_src\n* B\n#+end_src\n* C"
    assert [label for _, label in outline(text)] == ["A", "B", "C"]


def test_settings_and_the_drawer_of_the_file_are_fields_with_spans() -> None:
    text = (
        ":PROPERTIES:\n:ID: 7f\n:CREATED: [2024-02-28 Wed]\n:EMPTY:\n:END:\n#+title: On /apples/\n#+Title: and pears\n"
        "#+AUTHOR: Ana Ruiz  \n#+DATE: <2024-03-01 Fri>\n#+OPTIONS: toc:nil\n* One\n:PROPERTIES:\n:ID: 8\n:END:\n#+AUTHOR: Ben\n"
    )
    found = read(text)
    assert [(f.name, f.value, text[f.start : f.end]) for f in found.fields] == [
        ("id", "7f", ":ID: 7f"),
        ("created", "2024-02-28 Wed", ":CREATED: [2024-02-28 Wed]"),
        ("title", "On /apples/", "#+title: On /apples/"),
        ("title", "and pears", "#+Title: and pears"),
        ("author", "Ana Ruiz", "#+AUTHOR: Ana Ruiz"),
        ("date", "2024-03-01 Fri", "#+DATE: <2024-03-01 Fri>"),
    ]
    assert (found.title, found.dated) == ("On apples and pears", date(2024, 2, 28))
    assert read("#+DATE: \\today\n").dated is None


def test_an_empty_file_is_an_empty_document() -> None:
    assert (read("").text, read("").marks, read("").title) == ("", (), "")


HOSTILE = [
    "#+begin_src\n",
    "* *a ",
    "* :a",
    "[[",
    "*a ",
    "*",
    "\n",
    ":a: b\n",
    "[fn:",
    "# x\n",
    " ",
    "<2024-01-01 ",
    ":",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("head", ["", "* a ", ":PROPERTIES:\n", "#+TITLE: a"])
def test_hostile_text_takes_linear_time(head: str, piece: str) -> None:
    text = head + piece * (60_000 // len(piece)) + "b"
    before = time.process_time()
    read(text)
    assert time.process_time() - before < 3.0


PIECES = "* |** |TODO |[#A] |:a:|\n|#+begin_src\n|#+end_src\n|#+TITLE: |:PROPERTIES:\n|:END:\n|[[|][|]]|*b*|é|\t|word |\x0c|\r\n".split(
    "|"
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_random_text_keeps_the_rules(text: str) -> None:
    found = read(text)
    for mark in found.marks:
        assert found.text[mark.start] == "*" and mark.label.strip() == mark.label != ""
        assert mark.start == 0 or found.text[mark.start - 1] == "\n"
    for field in found.fields:
        assert (
            field.start is not None
            and found.text[field.start] in "#:"
            and "\n" not in found.text[field.start : field.end]
        )
