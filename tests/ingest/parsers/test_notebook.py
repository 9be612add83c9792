"""Notebooks, by hand; damaged ones have a reason."""

from __future__ import annotations

import json
from datetime import date

import pytest

from ingest import Document, Mark, MarkKind, UnreadableFile
from ingest.parsers import parse


def read(*cells: object, **more: object) -> Document:
    return parse(json.dumps({"cells": list(cells), **more}).encode(), name="a.ipynb")


def code(source: str, *outputs: object) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def test_cells_keep_their_number_and_markdown_its_headings() -> None:
    found = read(
        {"cell_type": "markdown", "source": ["# Plan\n", "\n", "```\n", "# not this\n", "```\n", "## Keys"]},
        code("\n  \n"),
        code("def f():\n    pass\n"),
    )
    assert found.text == "# Plan\n\n```\n# not this\n```\n## Keys\n\ndef f():\n    pass"
    assert found.marks == (
        Mark(0, MarkKind.CELL, "1", 0),
        Mark(0, MarkKind.HEADING, "Plan", 1),
        Mark(27, MarkKind.HEADING, "Keys", 2),
        Mark(36, MarkKind.CELL, "3", 0),
    )
    assert (found.title, found.is_source) == ("Plan", False)
    assert found.text[27:].startswith("## Keys") and found.text[36:].startswith("def f")


def test_outputs_are_what_a_reader_sees() -> None:
    found = read(
        code(
            "run()",
            {"output_type": "stream", "text": ["10%\r", "100%\n", "\x1b[31mred\x1b[0m\n"]},
            {"output_type": "execute_result", "data": {"text/plain": ["   a\n", "0  1"], "text/html": "<table>"}},
            {
                "output_type": "display_data",
                "data": {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "x"},
            },
            {"output_type": "error", "ename": "ValueError", "evalue": "no such key", "traceback": ["long"]},
        )
    )
    assert found.text == "run()\n\n100%\nred\n\n   a\n0  1\n\nValueError: no such key"


def test_a_long_output_ends_at_a_line() -> None:
    lines = "".join(f"line {i:04}\n" for i in range(1000))  # 10 characters each
    found = read(code("x", {"output_type": "stream", "text": lines}, {"output_type": "stream", "text": "never"}))
    assert found.text == "x\n\n" + "\n".join(f"line {i:04}" for i in range(200))  # 2,000 characters


def test_properties_of_the_notebook() -> None:
    found = read(
        code("1"), metadata={"title": "Study", "authors": [{"name": "Ana"}, {"name": "Bo"}], "date": "2026-02-18"}
    )
    assert (found.title, found.dated) == ("Study", date(2026, 2, 18))
    assert [(field.name, field.value, field.start) for field in found.fields] == [
        ("title", "Study", None),
        ("author", "Ana, Bo", None),
        ("date", "2026-02-18", None),
    ]


def test_a_notebook_of_version_3() -> None:
    cells = [{"cell_type": "heading", "level": 2, "source": ["Old\n"]}, {"cell_type": "code", "input": ["x = 1"]}]
    found = parse(json.dumps({"worksheets": [{"cells": cells}]}).encode(), name="a.ipynb")
    assert found.text == "Old\n\nx = 1"
    assert [(mark.kind, mark.label) for mark in found.marks] == [
        (MarkKind.CELL, "1"),
        (MarkKind.HEADING, "Old"),
        (MarkKind.CELL, "2"),
    ]


def test_no_cells_are_an_empty_document() -> None:
    assert (read().text, read().marks) == ("", ())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "3", "null", '{"cells": 3}', '{"cells": ["x"]}', '{"cells": [null]}', "[" * 100_000]
)
def test_what_is_no_notebook_has_a_reason(text: str) -> None:
    with pytest.raises(UnreadableFile, match=r"^damaged notebook: "):
        parse(text.encode(), name="a.ipynb")


def test_odd_values_inside_a_cell_are_passed_over() -> None:
    found = read(code("x", 3, {"data": 3}, {"text": {"a": 1}}, {"data": {"text/plain": 3}}), {"source": 7})
    assert found.text == "x"
