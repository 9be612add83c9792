"""Source code and settings, as they stand: classes and functions as marks.

Python by `ast`, with the patterns of other languages where its syntax is broken.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ingest.decode import decode
from ingest.types import Document, Mark, MarkKind

NAME = "source"
VERSION = 1

_DEFINITION = re.compile(
    r"^(?P<indent>[ \t]*)(?:(?:export|default|public|private|protected|internal|static|abstract|final|async"
    r"|pub(?:\([a-z]+\))?"
    r"|unsafe|extern|override|virtual|inline|sealed|open|data)\s+)*"
    r"(?:class|interface|struct|enum|trait|impl|namespace|module|object|record|protocol|extension"
    r"|def|fn|func|fun|function|sub|proc|macro_rules!)[ \t]+\*?(?:\([^)]*\)\s*)?"
    r"(?P<name>[A-Za-z_$][\w$]*(?:(?:::|\.)[A-Za-z_$][\w$]*)*)",
    re.MULTILINE,
)


def parse(data: bytes, *, name: str) -> Document:
    """The text itself, with its definitions as marks."""
    text = decode(data)
    marks: tuple[Mark, ...] = ()
    if name.endswith((".py", ".pyi")):
        try:
            marks = tuple(_python(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            marks = tuple(_by_pattern(text))
    elif not name.endswith((".json", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".conf", ".css")):
        marks = tuple(_by_pattern(text))
    return Document(
        text=text,
        title="",
        dated=None,
        fields=(),
        marks=marks,
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def _python(text: str) -> Iterator[Mark]:
    starts = [0]
    for found in re.finditer("\n", text):
        starts.append(found.end())
    yield from _definitions(ast.parse(text), starts, 1)


def _definitions(node: ast.AST, starts: list[int], level: int) -> Iterator[Mark]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            yield Mark(starts[first - 1], MarkKind.SYMBOL, child.name, level)
            yield from _definitions(child, starts, level + 1)
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from _definitions(child, starts, level)


def _by_pattern(text: str) -> Iterator[Mark]:
    for found in _DEFINITION.finditer(text):
        indent = found["indent"].replace("\t", "    ")
        yield Mark(found.start(), MarkKind.SYMBOL, found["name"], 1 + len(indent) // 2)
