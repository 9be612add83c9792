"""reStructuredText by hand, and its section titles beside those docutils finds."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ingest import Document
from ingest.parsers import parse
from ingest.parsers.restructured import sections

PEP = """\
PEP: 572
Title: Assignment Expressions
Author: Chris Angelico <rosuav@gmail.com>,
        Tim Peters <tim@python.org>
Status: Final
Created: 28-Feb-2018

Abstract
========

The ``:=`` operator
-------------------

Words::

    Not a title
    ===========

Rationale
=========
"""


def labels(found: Document) -> list[tuple[str, int]]:
    return [(mark.label, mark.level) for mark in found.marks]


def test_a_pep() -> None:
    found = parse(PEP.replace("\n", "\r\n").encode(), name="pep-0572.rst")
    assert (found.text, found.is_source) == (PEP, True)
    assert (found.title, found.dated) == ("PEP 572 – Assignment Expressions", date(2018, 2, 28))
    assert labels(found) == [("Abstract", 1), ("The := operator", 2), ("Rationale", 1)]
    assert [(field.name, PEP[field.start : field.end]) for field in found.fields] == [
        ("pep", "PEP: 572"),
        ("title", "Title: Assignment Expressions"),
        ("author", "Author: Chris Angelico <rosuav@gmail.com>,\n        Tim Peters <tim@python.org>"),
        ("status", "Status: Final"),
        ("created", "Created: 28-Feb-2018"),
    ]
    assert found.fields[2].value == "Chris Angelico <rosuav@gmail.com>, Tim Peters <tim@python.org>"


def test_docinfo_below_the_title() -> None:
    text = "=======\nA paper\n=======\n\n:Author: Ana\n:Date: 2026-02-18\n\nPart\n====\n"
    found = parse(text.encode(), name="a.rst")
    assert (found.title, found.dated) == ("A paper", date(2026, 2, 18))
    assert [text[field.start : field.end] for field in found.fields] == [":Author: Ana", ":Date: 2026-02-18"]
    assert labels(found) == [("A paper", 1), ("Part", 2)]  # the same sign, but not overlined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A\n~\n\nB\n+\n\nC\n~\n", [("A", 1), ("B", 2), ("C", 1)]),
        ("-----\n Deep\n-----\n", [("Deep", 1)]),
        ("words\n\n-----\n\nmore\n", []),
        ("====  ====\na     b\n====  ====\n", []),
        ("Short line\n===\n", []),
        ("Still a title\n====\n", [("Still a title", 1)]),
        ("No end", []),
        ("Last\n====", [("Last", 1)]),
        ("漢字\n====\n", [("漢字", 1)]),
        ("See `PEP 8 <x>`_ and *it*\n=========================\n", [("See PEP 8 and it", 1)]),
        (".. note::\n\n   Inside\n   ======\n", []),
    ],
)
def test_what_is_a_title(text: str, expected: list[tuple[str, int]]) -> None:
    found = parse(text.encode(), name="a.rst")
    assert labels(found) == expected


@pytest.fixture
def peps(shared: Path, tmp_path: Path) -> list[tuple[str, str]]:
    """(name, text) of every sixth PEP."""
    archive = shared / "peps.git.tar"
    if not archive.is_file() or shutil.which("git") is None:
        pytest.skip("the repository of PEPs (shared/data/peps.git.tar beside the checkout), or git, is not here")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")

    def git(*words: str) -> str:
        done = subprocess.run(["git", f"--git-dir={tmp_path / 'peps.git'}", *words], capture_output=True, check=True)
        return done.stdout.decode()

    names = [name for name in git("ls-tree", "-r", "--name-only", "HEAD").split("\n") if name.endswith(".rst")]
    return [(name, git("show", f"HEAD:{name}")) for name in names[::6]]


@pytest.mark.slow
def test_the_titles_of_peps_are_those_docutils_finds(peps: list[tuple[str, str]]) -> None:
    pytest.importorskip("docutils")
    assert len(peps) > 100
    told = 0
    for name, text in peps:
        if ":mod:`" not in text and len(text) < 80_000:  # docutils leaves the roles of Sphinx as they are
            told += 1
            assert [mark.label for mark in sections(text)] == list(titles(text)), name
    assert told > 100


def titles(text: str) -> Iterator[str]:
    from docutils import nodes
    from docutils.core import publish_doctree

    settings = {"report_level": 5, "halt_level": 6, "doctitle_xform": False, "file_insertion_enabled": False}
    for node in publish_doctree(text, settings_overrides=settings).findall(nodes.title):
        if isinstance(node.parent, nodes.section):
            yield " ".join(node.astext().split())
