"""Jupyter notebooks: the cells one after another, each with its number; text outputs shortened."""

from __future__ import annotations

import json

from ingest.decode import clean, decode
from ingest.errors import UnreadableFile
from ingest.parsers.markdown import headings
from ingest.types import Document, Mark, MarkKind

NAME = "notebook"
VERSION = 1

MAX_OUTPUT_CHARS = 2_000  # of one cell: longer ones are tables and logs


def parse(data: bytes, *, name: str) -> Document:
    """Markdown cells as they are, code cells as code, their text output behind them."""
    try:
        notebook = json.loads(decode(data))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise UnreadableFile("damaged notebook: it is not valid JSON with cells") from error
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for number, cell in enumerate(cells, start=1):
        text = clean(_source(cell)).strip("\n")
        if not text.strip():
            continue
        marks.append(Mark(at, MarkKind.CELL, str(number), 0))
        if cell.get("cell_type") == "markdown":
            marks.extend(Mark(at + m.start, m.kind, m.label, m.level) for m in headings(text))
        parts.append(text)
        at += len(text) + 2
    title = next((mark.label for mark in marks if mark.kind is MarkKind.HEADING and mark.level == 1), "")
    return Document(
        text="\n\n".join(parts),
        title=title,
        dated=None,
        fields=(),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _source(cell: dict[str, object]) -> str:
    parts = [_joined(cell.get("source", cell.get("input", "")))]
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        data = output.get("data", {})
        text = _joined(output.get("text") or (data.get("text/plain") if isinstance(data, dict) else "") or "")
        if text.strip():
            parts.append(text.strip("\n")[:MAX_OUTPUT_CHARS])
    return "\n\n".join(parts)


def _joined(lines: object) -> str:
    return "".join(str(line) for line in lines) if isinstance(lines, list) else str(lines)
