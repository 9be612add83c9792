"""Preferences as text: items of a list that any editor can change."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_lifelong.errors import NoteUnusable
from rag_lifelong.preferences import (
    HEAD,
    PREFERENCE_CHARS,
    concerning,
    is_preferences,
    name_of,
    one_line,
    read,
    worded,
    written,
)

DAY = date(2026, 11, 23)


def test_what_is_written_is_read_back() -> None:
    text = (
        HEAD + written("answer in German", within=(), since=DAY) + written("be brief", within=("a/*", "b c"), since=DAY)
    )
    assert text == "# Preferences\n\n- 2026-11-23: answer in German\n- 2026-11-23, in `a/*`, `b c`: be brief\n"
    first, second = read([("/n/preferences.md", text)])
    assert (first.number, first.text, first.within, first.since) == (1, "answer in German", (), DAY)
    assert (second.number, second.text, second.within, second.since) == (2, "be brief", ("a/*", "b c"), DAY)
    assert text[second.start : second.end] == "- 2026-11-23, in `a/*`, `b c`: be brief\n"


def test_what_is_written_by_hand_counts_with_or_without_a_date() -> None:
    text = """\
# How I want it

Some words about it.

- answer in German
* in `peps/*`: give the number
  of the PEP
1. 2026-02-30: no such day
+ 2026-11-23: twice: said

<!--
- commented out
-->
```
- code
```
  - not at the margin

- [the last](x)"""
    found = read([("/n/preferences.md", text)])
    assert [(one.text, one.within, one.since) for one in found] == [
        ("answer in German", (), None),
        ("give the number of the PEP", ("peps/*",), None),
        ("2026-02-30: no such day", (), None),
        ("twice: said", (), DAY),
        ("[the last](x)", (), None),
    ]


def test_files_are_numbered_on() -> None:
    pages = [("/n/preferences.md", "- a\n- b\n"), ("/n/preferences-2.md", "- c\n")]
    assert [(one.number, one.text, one.path) for one in read(pages)] == [
        (1, "a", "/n/preferences.md"),
        (2, "b", "/n/preferences.md"),
        (3, "c", "/n/preferences-2.md"),
    ]
    assert [name_of(n) for n in (1, 2, 17)] == ["preferences.md", "preferences-2.md", "preferences-17.md"]


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("/n/preferences.md", True),
        ("/n/preferences-2.md", True),
        ("/n/my preferences.md", False),
        ("/n/preferences.md.txt", False),
        ("/n/sub/preferences.md", False),
        ("/docs/preferences.md", False),
        ("/n/preferences.md\n", False),
    ],
)
def test_only_the_notes_folder_holds_preferences(path: str, is_so: bool) -> None:
    assert is_preferences(path, {"/n"}) is is_so


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text(alphabet="aÜ长 :,`-<!>#*12026-11in", min_size=1, max_size=30), min_size=1, max_size=4))
def test_no_text_can_pass_for_a_date_a_place_or_another_item(texts: list[str]) -> None:
    kept = [one_line(text) for text in texts if text.strip()]
    page = HEAD + "".join(written(text, within=("x/*",), since=DAY) for text in kept)
    assert [(one.text, one.within, one.since) for one in read([("/n/preferences.md", page)])] == [
        (text, ("x/*",), DAY) for text in kept
    ]


def test_what_cannot_go_into_every_prompt_says_so() -> None:
    with pytest.raises(NoteUnusable, match=r"^a preference of 401 characters; the limit is 400"):
        one_line("x" * (PREFERENCE_CHARS + 1))
    for glob in ("a`b", " ", "a\nb"):
        with pytest.raises(NoteUnusable, match=r"as the place of a preference; give a glob or a folder$"):
            written("x", within=(glob,), since=DAY)


def test_a_scope_is_of_whole_paths_of_paths_below_a_root_or_of_folders() -> None:
    globs = [(), ("peps/*",), ("peps",), ("/data/peps/pep-0008.rst",), ("*.md",)]
    found = read([("/n/preferences.md", "".join(written(f"{i}", within=g, since=DAY) for i, g in enumerate(globs)))])
    chosen = concerning(found, ["/data/peps/pep-0008.rst"], ["/data"])
    assert [one.text for one in chosen] == ["0", "1", "2", "3"]
    assert [one.text for one in concerning(found, ["/data/a.md"], ["/data"])] == ["0", "4"]
    assert [one.text for one in concerning(found, [], ["/data"])] == ["0"]


def test_a_model_reads_since_when_and_for_what() -> None:
    text = written("answer in German", within=(), since=DAY) + written("b", within=("x", "y"), since=DAY) + "- c\n"
    assert [worded(one) for one in read([("/n/preferences.md", text)])] == [
        "(since 2026-11-23) answer in German",
        "(since 2026-11-23, for passages of x, y) b",
        "c",
    ]
