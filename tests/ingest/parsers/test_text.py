"""Plain text and its header block, by hand."""

from __future__ import annotations

from datetime import date

import pytest

from ingest import Mark, MarkKind
from ingest.parsers import parse

PEP = """\
PEP: 8
Title: Style Guide
Content-Type: text/x-rst
Created: 05-Jul-2001

Naming
======

Words.
"""


def test_a_pep_kept_as_text_has_its_title_date_and_sections() -> None:
    found = parse(PEP.encode(), name="pep-0008.txt")
    assert (found.text, found.is_source, found.parser) == (PEP, True, "text")
    assert (found.title, found.dated) == ("PEP 8 – Style Guide", date(2001, 7, 5))
    assert found.marks == (Mark(PEP.index("Naming"), MarkKind.HEADING, "Naming", 1),)
    assert [PEP[field.start : field.end] for field in found.fields] == PEP.split("\n\n", maxsplit=1)[0].split("\n")


def test_underlined_words_of_other_text_are_no_headings() -> None:
    assert parse(b"Total\n=====\n5\n", name="a.txt").marks == ()


def test_a_header_of_a_letter() -> None:
    text = "From: Ana <ana@example.org>\nSubject: The plan\nDate: Wed, 18 Feb 2026 10:00:00 +0100\n\nHello.\n"
    found = parse(text.encode(), name="README")
    assert (found.title, found.dated) == ("The plan", date(2026, 2, 18))


def test_an_entry_that_goes_on_over_lines_is_one_field() -> None:
    text = "Title: Plan\nAuthor: Ana Ruiz,\n   Bo Li\r\nCreated: 2018-02-28\n\nText\n"
    found = parse(text.encode(), name="a.text")
    author = found.fields[1]
    assert (author.name, author.value) == ("author", "Ana Ruiz, Bo Li")
    assert found.text[author.start : author.end] == "Author: Ana Ruiz,\n   Bo Li"


@pytest.mark.parametrize(
    "text", ["Note: words.\n\nMore.\n", "Ana: hi\nBo: hello\nAna: bye\n\nEnd.\n", "http://a.b/c\n"]
)
def test_prose_and_dialogues_are_no_header(text: str) -> None:
    assert parse(text.encode(), name="a.txt").fields == ()


def test_an_empty_file_is_an_empty_document() -> None:
    found = parse(b"", name="a.txt")
    assert (found.text, found.title, found.dated, found.fields, found.marks) == ("", "", None, (), ())
