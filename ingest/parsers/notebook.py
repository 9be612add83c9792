"""Jupyter notebooks: the cells one after another, each with its number; text outputs shortened.

Rule: cells are counted as in the file, blank ones too, so that "cell 7" is the seventh. Pictures, HTML and the plain
names of objects that stand for them (`<Figure size …>`) are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from ingest.decode import clean, decode
from ingest.errors import UnreadableFile
from ingest.header import date_of, property_field
from ingest.limits import Limits
from ingest.parsers.markdown import headings
from ingest.types import Document, Field, Mark, MarkKind

NAME = "notebook"
VERSION = 2

MAX_OUTPUT_CHARS = 2_000  # of one cell: longer ones are tables and logs

_DAMAGED = "damaged notebook: it is not valid JSON with cells; open it in Jupyter and save it anew"
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_REDRAWN = re.compile(r"^[^\n]*\r(?!\n)", re.MULTILINE)  # a progress bar: only its last state is seen
_OBJECT = re.compile(r"\[?<[^<>\n]*>,?\]?(?:\n? ?\[?<[^<>\n]*>,?\]?)*")


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """Markdown cells as they are, code cells as code, their text output behind them; no cells are the text "".

    Raises UnreadableFile if it is no notebook.
    """
    notebook = _notebook(data)
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    for number, cell in enumerate(_cells(notebook), start=1):
        if not isinstance(cell, dict):
            raise UnreadableFile(_DAMAGED)
        text = clean("\n\n".join(_texts(cell)))
        if not text:
            continue
        marks.append(Mark(at, MarkKind.CELL, str(number), 0))
        kind = cell.get("cell_type")
        if kind == "markdown":
            marks.extend(Mark(at + mark.start, mark.kind, mark.label, mark.level) for mark in headings(text))
        elif kind == "heading":  # of notebooks before version 4
            level = cell.get("level")
            label = " ".join(text.split())
            marks.append(Mark(at, MarkKind.HEADING, label, level if isinstance(level, int) and 0 < level < 7 else 1))
        parts.append(text)
        at += len(text) + 2
    fields = tuple(_fields(notebook.get("metadata")))
    first = next((mark.label for mark in marks if mark.kind is MarkKind.HEADING and mark.level == 1), "")
    return Document(
        text="\n\n".join(parts),
        title=next((field.value for field in fields if field.name == "title"), first),
        dated=date_of(fields),
        fields=fields,
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _notebook(data: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(decode(data))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(_DAMAGED) from error
    if not isinstance(found, dict):
        raise UnreadableFile(_DAMAGED)
    return found


def _cells(notebook: Mapping[str, object]) -> list[object]:
    """The cells; before version 4 they stood in worksheets."""
    cells = notebook.get("cells")
    sheets = notebook.get("worksheets")
    if cells is None and isinstance(sheets, list):
        found = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in found if isinstance(part, list) for cell in part]
    if not isinstance(cells, list):
        raise UnreadableFile(_DAMAGED)
    return cells


def _texts(cell: Mapping[str, object]) -> Iterator[str]:
    """The cell's own text and its outputs, those that are not blank."""
    own = _joined(cell.get("source", cell.get("input"))).strip("\r\n").rstrip()
    if own:
        yield own
    outputs = cell.get("outputs")
    left = MAX_OUTPUT_CHARS
    for output in outputs if isinstance(outputs, list) else []:
        text = _output(output) if isinstance(output, dict) else ""
        if text and left > 0:
            yield text if len(text) <= left else text[:left].rpartition("\n")[0] or text[:left]
            left -= len(text)


def _output(output: Mapping[str, object]) -> str:
    """What an output says in plain text: prints, values, errors."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{_joined(output.get('ename'))}: {_COLOUR.sub('', _joined(output.get('evalue')))}"
    data = output.get("data")
    text = _joined(output.get("text")) or (_joined(data.get("text/plain")) if isinstance(data, dict) else "")
    text = _REDRAWN.sub("", _COLOUR.sub("", text)).strip("\r\n").rstrip()
    return "" if _OBJECT.fullmatch(text) else text


def _joined(lines: object) -> str:
    """A string, or a list of its lines; "" for anything else."""
    if isinstance(lines, list):
        return "".join(line for line in lines if isinstance(line, str))
    return lines if isinstance(lines, str) else ""


def _fields(metadata: object) -> Iterator[Field]:
    if not isinstance(metadata, dict):
        return
    authors = metadata.get("authors")
    names = [author.get("name") for author in authors if isinstance(author, dict)] if isinstance(authors, list) else []
    found = {
        "title": metadata.get("title"),
        "author": ", ".join(name for name in names if isinstance(name, str)) or metadata.get("author"),
        "date": metadata.get("date"),
    }
    for name, value in found.items():
        field = property_field(name, clean(value)) if isinstance(value, str) else None
        if field is not None:
            yield field
