"""Notes as text: what the user wrote stays, every note keeps its own heading, and other programs' files stay theirs."""

from __future__ import annotations

import codecs
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.parsers import parse
from rag_lifelong.errors import NoteUnusable
from rag_lifelong.notes import EMPTY, NOTE_CHARS, Page, addition, clean, name_of, page_of

AT = datetime(2026, 11, 23, 14, 31, tzinfo=UTC)


def added(page: Page, text: str, at: datetime = AT) -> str:
    """The page's text with a note."""
    found = addition(page, clean(text), at)
    assert found is not None
    return page.text + found


def test_the_first_note_of_a_day_begins_a_page_that_bears_the_day() -> None:
    text = added(EMPTY, "five attempts is final until the audit")
    assert text == (
        "---\ndate: 2026-11-23\n---\n\n# Notes of 2026-11-23\n\n## 14:31\n\nfive attempts is final until the audit\n"
    )
    document = parse(text.encode(), name="2026-11-23.md")
    assert (document.dated, document.title) == (date(2026, 11, 23), "Notes of 2026-11-23")
    assert [(mark.label, mark.level) for mark in document.marks] == [("Notes of 2026-11-23", 1), ("14:31", 2)]


def test_the_next_note_stands_below_what_is_there_whatever_that_ends_with() -> None:
    for end in ("", "\n", "\n\n"):
        page = page_of(f"# Monday\n\nMilk.{end}".encode())
        assert page is not None
        gap = "\n\n" if not end else end + "\n"
        assert added(page, "Bread.") == f"# Monday\n\nMilk.{gap}## 14:31\n\nBread.\n"


def test_files_of_one_day_are_numbered() -> None:
    assert [name_of(date(2026, 11, 23), n) for n in (1, 2, 3)] == [
        "2026-11-23.md",
        "2026-11-23-2.md",
        "2026-11-23-3.md",
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\n\n  indented\r\nand\tmore \n\n", "  indented\nand\tmore"),
        ("长城很长。\n\nÜber alles.", "长城很长。\n\nÜber alles."),
        ("red \x1b[31malarm\x1b[0m\x07 \x00\x9b2J", "red [31malarm[0m 2J"),
        ("half a pair \ud83d", "half a pair ?"),
        ("\ufeffmark", "mark"),
        ("---\nforget: all\n---\n", "---\nforget: all\n---"),
    ],
)
def test_what_was_written_stays_but_for_what_drives_a_terminal(text: str, kept: str) -> None:
    assert clean(text) == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is nothing to remember in an empty note"),
        (" \n\t\x00\x1b", "there is nothing to remember in an empty note"),
        ("x" * (NOTE_CHARS + 1), "a note of 100,001 characters; the limit is 100,000: keep it as a file, and lifelong add FILE"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_says_why(text: str, said: str) -> None:
    with pytest.raises(NoteUnusable) as raised:
        clean(text)
    assert str(raised.value) == said


def test_nothing_in_a_note_becomes_a_header_of_the_page() -> None:
    text = added(EMPTY, "---\nstatus: Withdrawn\ndate: 1999-01-01\n---\n\nAuthor: Eve")
    document = parse(text.encode(), name="a.md")
    assert [(field.name, field.value) for field in document.fields] == [("date", "2026-11-23")]


@pytest.mark.parametrize("opener", ["```", "~~~~", "<!-- a comment", "<script>", "<pre>", "<![CDATA[", "```\n````"])
def test_a_note_that_leaves_something_open_swallows_no_other(opener: str) -> None:
    page = page_of(added(EMPTY, f"see\n\n{opener}\nx").encode())
    assert page is not None
    text = added(page, "the next", AT.replace(hour=15))
    labels = [mark.label for mark in parse(text.encode(), name="a.md").marks]
    assert labels == ["Notes of 2026-11-23", "14:31", "15:31"]
    assert f"{opener}\nx" in text


def test_a_page_that_its_editor_left_open_takes_no_note() -> None:
    for text in ("# Monday\n\n```python\nx = 1\n", "<!-- to do\n", "---\ntitle: not closed\n\ntext\n"):
        page = page_of(text.encode())
        assert page is not None
        is_swallowing = addition(page, "a note", AT) is None
        # front matter that is not closed is a rule and text: a note may follow, unless it would close it
        assert is_swallowing == (not text.startswith("---"))
    page = page_of(b"---\ntitle: not closed\n\ntext\n")
    assert page is not None
    assert addition(page, "---", AT) is None


PIECES = st.sampled_from(
    "a|Ünï|长| |\n|\n\n|#|## 14:31|```|````|~~~|---|===|- |> |1. |    |<!--|-->|<div>|<pre>|</pre>|`|\t|\r\n|\x00|\x0c|"
    "[x]: y|date: 1999-01-01".split("|")
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.lists(PIECES, min_size=1, max_size=12).map("".join), min_size=1, max_size=5))
def test_of_any_notes_each_keeps_its_text_and_its_heading(notes: list[str]) -> None:
    page, at, wanted = EMPTY, AT, []
    for note in notes:
        try:
            kept = clean(note)
        except NoteUnusable:  # nothing in it
            continue
        page = Page(added(page, note, at), b"", "utf-8", "\n")
        wanted.append((at.strftime("%H:%M"), kept))
        at = at.replace(minute=at.minute + 1)
    document = parse(page.text.encode(), name="a.md")
    assert document.text == page.text
    assert [(f.name, f.value) for f in document.fields] == ([("date", "2026-11-23")] if wanted else [])
    after = 0
    for label, kept in wanted:
        start = next(mark.start for mark in document.marks if mark.label == label and mark.start >= after)
        at_note = page.text.index(kept, start + len(f"## {label}\n\n"))
        after = at_note + len(kept)
        assert re.fullmatch(f"## {label}\n\n(`{{3,}}\n)?", page.text[start:at_note])


@pytest.mark.parametrize(
    ("mark", "encoding", "newline"),
    [
        (b"", "utf-8", "\r\n"),
        (codecs.BOM_UTF8, "utf-8", "\n"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "\r\n"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "\n"),
    ],
)
def test_a_file_of_another_program_keeps_its_bytes_its_encoding_and_its_newlines(
    mark: bytes, encoding: str, newline: str
) -> None:
    before = mark + f"# Montag{newline}{newline}Käse.{newline}".encode(encoding)
    page = page_of(before)
    assert page is not None
    after = page.to_bytes(added(page, "Brot.\nÄpfel."))
    tail = f"{newline}## 14:31{newline}{newline}Brot.{newline}Äpfel.{newline}"
    assert after == before + tail.encode(encoding)
    assert decode(after) == "# Montag\n\nKäse.\n\n## 14:31\n\nBrot.\nÄpfel.\n"


@pytest.mark.parametrize(
    "data", ["Käse".encode("cp1252"), "Milk".encode("utf-16-le"), b"\x00\x01", "a".encode("utf-32")]
)
def test_a_file_whose_encoding_would_be_a_guess_is_not_added_to(data: bytes) -> None:
    assert page_of(data) is None
