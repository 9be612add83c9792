"""The table of parsers: what is chosen, what is refused, and that nothing but a reason comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import Document, IngestError, TooLarge, UnreadableFile, UnsupportedFile
from ingest.limits import DEFAULT, Limits
from ingest.parsers import SUFFIXES, parse, parser_for, parser_version, readers

TEXT_PARSERS = ("text", "markdown", "restructured", "html", "notebook", "source")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes.MD", "markdown"),
        ("a.tar.PY", "source"),
        ("pep-0008.rst", "restructured"),
        ("LICENSE", "text"),
        ("Dockerfile", "source"),
        (".gitignore", None),
        ("a.", None),
        ("a.xyz", None),
        ("unheard-of", None),
        ("", None),
    ],
)
def test_the_name_alone_chooses(name: str, expected: str | None) -> None:
    assert parser_for(name) == expected


def test_every_parser_has_its_name_and_number() -> None:
    for name in set(SUFFIXES.values()):
        module = import_module(f"ingest.parsers.{name}")
        assert (name, parser_version(name)) == (module.NAME, module.VERSION)
    assert parser_version("unheard-of") == 0


def test_choosing_loads_no_parser() -> None:
    program = (
        "import sys\nfrom ingest.parsers import parser_for, SUFFIXES\nassert parser_for('a.pdf') == 'pdf'\n"
        "heavy = {'pypdfium2', 'docx', 'lxml', 'selectolax', 'markdown_it', 'charset_normalizer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_no_parser_takes_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFile, match=r"^no parser for \.xyz files$"):
        parse(b"x", name="a.xyz")
    with pytest.raises(UnsupportedFile, match=r"^no parser for this kind of files$"):
        parse(b"x", name=".hidden")


def test_more_text_than_the_limit_is_too_large() -> None:
    limits = replace(DEFAULT, max_chars=2_000_000)
    assert len(parse(b"a" * 2_000_000, name="a.txt", limits=limits).text) == 2_000_000
    with pytest.raises(TooLarge, match=r"^2 million characters of text, the limit is 2: split the file$"):
        parse(b"a" * 2_000_001, name="a.txt", limits=limits)


def test_a_parser_that_fails_gives_a_reason_without_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes, *, name: str, limits: Limits) -> Document:
        raise RuntimeError("secret\nwords")

    monkeypatch.setattr("ingest.parsers.text.parse", fail)
    with pytest.raises(UnreadableFile, match=r"^damaged or unusual text file \(RuntimeError\): open it") as caught:
        parse(b"x", name="a.txt")
    assert isinstance(caught.value.__cause__, RuntimeError)


def straight(parser: str, data: bytes, name: str) -> None:
    """The parser's own answer: `parse` of the table would turn any fault of ours into a damaged file."""
    try:
        found: Document = import_module(f"ingest.parsers.{parser}").parse(data, name=name, limits=DEFAULT)
    except IngestError as error:
        reason = str(error)
        assert reason and "\n" not in reason
        return
    assert (found.parser, found.parser_version) == (parser, parser_version(parser))
    found.text.encode("utf-8")  # no lone surrogates
    assert not {"\x00", "\r"} & set(found.text)
    starts = [mark.start for mark in found.marks]
    assert starts == sorted(starts) and all(0 <= start <= len(found.text) for start in starts)
    for field in found.fields:
        if field.start is not None:
            printed = found.text[field.start : field.end].lower().lstrip(":\"'")
            assert printed.replace(" ", "-").replace("_", "-").replace(".", "-").startswith(field.name)


ENDINGS = st.sampled_from([(suffix, name) for suffix, name in sorted(SUFFIXES.items()) if name in TEXT_PARSERS])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), ENDINGS)
def test_random_bytes_raise_nothing_else(data: bytes, ending: tuple[str, str]) -> None:
    straight(ending[1], data, f"a{ending[0]}")


MARKUP = st.lists(
    st.sampled_from(
        "---\n|===\n|# |## |\n\n|title: x\n|Author: y\n|  more\n|:Date: 2020-01-01\n|```\n|~~~\n|- |    |.. |<p>|</p>|<table><tr><td>"
        "|<h1>|def f():\n|class A:\n|class A {\n|}\n|@d\n|/*|*/|\"\"\"|'''|`|function f(|) {\n|\r\n|\r|\x0c|é|漢|\ufeff|\t|word |=".split(
            "|"
        )
    ),
    max_size=60,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(MARKUP, ENDINGS)
def test_random_markup_raises_nothing_else(text: str, ending: tuple[str, str]) -> None:
    straight(ending[1], text.encode(), f"a{ending[0]}")


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    "cells source outputs text data metadata authors cell_type worksheets text/plain".split()
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_random_json_is_a_notebook_or_a_reason(value: object) -> None:
    straight("notebook", json.dumps({"cells": [value, value], "metadata": value}).encode(), "a.ipynb")
    straight("notebook", json.dumps(value).encode(), "a.ipynb")


def test_what_can_be_read_has_another_name_once_more_of_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [readers(DEFAULT), readers(replace(DEFAULT, max_pages=1))]
    for what in ("ingest.ocr.is_available", "ingest.parsers.office.is_available"):
        before = import_module(what.rpartition(".")[0]).is_available()
        with monkeypatch.context() as patch:
            patch.setattr(what, lambda before=before: not before)
            names.append(readers(DEFAULT))
    with monkeypatch.context() as patch:
        patch.setattr("ingest.parsers.pdf.VERSION", 999)
        names.append(readers(DEFAULT))
    assert len(set(names)) == 5
    assert readers(DEFAULT) == names[0]
