"""Source code and settings, as they stand: classes and functions as marks.

Python by `ast`, with the patterns of other languages where its syntax is broken.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from ingest.decode import decode
from ingest.definitions import PYTHON_ABOVE, block_start, definitions
from ingest.limits import Limits
from ingest.types import Document, Mark, MarkKind

NAME = "source"
VERSION = 3

_DEFINING = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_HOLDING = ast.stmt | ast.ExceptHandler | ast.match_case  # expressions hold no definitions


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, with its definitions as marks."""
    text = decode(data)
    lowered = name.lower()
    suffix = lowered[lowered.rfind(".") :] if "." in lowered else lowered
    marks: tuple[Mark, ...]
    if suffix in (".py", ".pyi"):
        try:
            marks = tuple(_python(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            marks = tuple(definitions(text, suffix))
    else:
        marks = tuple(definitions(text, suffix))
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escape sequences in the file read
        tree = ast.parse(text, filename="")  # a wrong line is looked up in the file of that name: there is none
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    last = 0
    for level, node in _definitions(tree, 1):
        first = starts[min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1]
        yield Mark(block_start(text, first, last, PYTHON_ABOVE), MarkKind.SYMBOL, node.name, level)
        last = starts[node.lineno - 1] + 1


def _definitions(
    node: ast.AST, level: int
) -> Iterator[tuple[int, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Level and node of the definitions below `node`, in order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _DEFINING):
            yield level, child
            yield from _definitions(child, level + 1)
        elif isinstance(child, _HOLDING):
            yield from _definitions(child, level)
