"""Markdown by hand, and its headings beside those markdown-it finds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest import Document, MarkKind
from ingest.decode import decode
from ingest.parsers import markdown, parse

NOTES = """\
---
title: "Weekly notes"  # of the team
author: [Ana Ruiz, 'Bo Li']
date: 2026-02-18
tags:
  - retries
  - keys
---
# Retries #

~~~md
# not this
```
~~~

## `get()` and *keys* [here](x.html)
"""


def labels(found: Document) -> list[tuple[str, int]]:
    return [(mark.label, mark.level) for mark in found.marks]


def test_front_matter_and_headings() -> None:
    found = parse(NOTES.encode(), name="a.md")
    assert (found.text, found.is_source) == (NOTES, True)
    assert (found.title, found.dated) == ("Weekly notes", date(2026, 2, 18))
    assert labels(found) == [("Retries", 1), ("get() and keys here", 2)]
    assert [NOTES[mark.start :].split(" ", 1)[0] for mark in found.marks] == ["#", "##"]
    assert [(field.name, field.value, NOTES[field.start : field.end]) for field in found.fields] == [
        ("title", "Weekly notes", 'title: "Weekly notes"  # of the team'),
        ("author", "Ana Ruiz, Bo Li", "author: [Ana Ruiz, 'Bo Li']"),
        ("date", "2026-02-18", "date: 2026-02-18"),
        ("tags", "retries, keys", "tags:\n  - retries\n  - keys"),
    ]


def test_the_first_heading_of_the_first_level_is_the_title() -> None:
    assert parse(b"## Part\n\n# Name\n\n# Other\n", name="a.md").title == "Name"
    assert parse(b"## Part\n", name="a.md").title == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One\n===\n\nTwo words\nover lines\n---\n", [("One", 1), ("Two words over lines", 2)]),
        ("<div>\n# in HTML\n\n# One\n", [("One", 1)]),
        ("<!--\n\n# in a comment\n\n-->\n# One\n", [("One", 1)]),
        ("- item\n\n  # in a list\n\n# One\n", [("One", 1)]),
        ("> # in a quotation\n\n# One\n", [("One", 1)]),
        ("    # indented code\n\n#hashtag\n\n####### seven\n", []),
        ("```\n# never closed\n", []),
        ("````\n```\n# x\n````\n# One\n", [("One", 1)]),
        ("``` a`b\n# One\n", [("One", 1)]),
        ("#\n\n# #\n\n#\tTab\n", [("Tab", 1)]),
        ("words\n# One\nwords\n", [("One", 1)]),
        ("---\n\n# One\n\n---\n", [("One", 1)]),
        ("  # Two spaces before\n", [("Two spaces before", 1)]),
    ],
)
def test_what_is_a_heading(text: str, expected: list[tuple[str, int]]) -> None:
    found = parse(text.encode(), name="a.md")
    assert labels(found) == expected
    assert all(mark.kind is MarkKind.HEADING for mark in found.marks)


PIECES = "\n|\n\n|# |## |#|a|b c|```|~~~|````| |  |    |\t|> |- |1. |* |=|---|===|<b>|<!-- |-->|</b>|`|\\|[x]: y|&amp;".split(
    "|"
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("a\n```\n# b\n```\n# c\n")
@example("- a\n```\n# b\n")
@example("1. a\n\n\t```\n# b\n")
@example("# a ## \n")
def test_lines_tell_what_markdown_it_tells(text: str) -> None:
    found = markdown._by_lines(text)
    if found is not None:
        expected = [(start, markdown.plain(label), level) for start, label, level in markdown._by_blocks(text)]
        assert [(start, markdown.plain(label), level) for start, label, level in found] == expected


def test_lines_tell_what_markdown_it_tells_of_real_files(shared: Path) -> None:
    told = 0
    for path in sorted((shared / "docs").rglob("*.md")):
        text = decode(path.read_bytes())
        found = markdown._by_lines(text)
        if found is not None:
            told += 1
            expected = [(start, markdown.plain(label), level) for start, label, level in markdown._by_blocks(text)]
            assert [(start, markdown.plain(label), level) for start, label, level in found] == expected, path.name
    assert told >= 10  # of 19
