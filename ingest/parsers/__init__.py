"""A row of equals, one a format family, and the table from a file's name to one of them.

Adding a format is one module here and one line in `_TABLE`. A module has `NAME`, `VERSION` and
`parse(data, *, name) -> Document`; a greater `VERSION` means its documents are to be read again.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from ingest.decode import clean
from ingest.errors import IngestError, UnreadableFile, UnsupportedFile
from ingest.types import Document

_TABLE: dict[str, str] = {
    "text": ".txt .text .log .asc .nfo",
    "markdown": ".md .markdown .mdown .mkd",
    "restructured": ".rst .rest",
    "html": ".html .htm .xhtml",
    "pdf": ".pdf",
    "docx": ".docx .docm .dotx",
    "notebook": ".ipynb",
    "source": (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .swift .c .h .cc .cpp .cxx .hpp .hh .cs .go "
        ".rs .rb .php .pl .pm .sh .bash .zsh .fish .ps1 .sql .lua .r .jl .dart .ex .exs .erl .hs .ml .clj .el "
        ".vim .tex .bib .css .scss .less .toml .yaml .yml .json .ini .cfg .conf .cmake .gradle .proto .graphql .tf"
    ),
}
SUFFIXES: dict[str, str] = {suffix: name for name, row in _TABLE.items() for suffix in row.split()}
"""Suffix, lower case with its dot → parser name."""

_BARE = {
    "readme": "text",
    "license": "text",
    "licence": "text",
    "copying": "text",
    "changelog": "text",
    "changes": "text",
    "authors": "text",
    "news": "text",
    "todo": "text",
    "notice": "text",
    "makefile": "source",
    "dockerfile": "source",
    "justfile": "source",
    "rakefile": "source",
    "gemfile": "source",
}


class _Parser(Protocol):
    NAME: str
    VERSION: int

    def parse(self, data: bytes, *, name: str) -> Document: ...


def parser_for(name: str) -> str | None:
    """The name of the parser for a file of that name, or None."""
    lowered = name.lower()
    dot = lowered.rfind(".")
    if dot > 0:
        return SUFFIXES.get(lowered[dot:])
    return _BARE.get(lowered)


def parser_version(parser: str) -> int:
    """The number of the parser of that name; 0 if there is none."""
    return _module(parser).VERSION if parser in _TABLE else 0


def parse(data: bytes, *, name: str) -> Document:
    """The document in a file of that name with those bytes; an empty file is an empty document.

    Raises UnsupportedFile, UnreadableFile and its kinds, with a reason for people.
    """
    parser = parser_for(name)
    if parser is None:
        raise UnsupportedFile(f"no parser for files such as {name}")
    try:
        return _module(parser).parse(data, name=name)
    except IngestError:
        raise
    except (Exception, RecursionError, MemoryError) as error:  # a foreign parser's call
        reason = clean(" ".join(str(error).split()))[:120] or type(error).__name__
        raise UnreadableFile(f"damaged or unusual {parser} file: {reason}") from error


def _module(parser: str) -> _Parser:
    return cast(_Parser, import_module(f"ingest.parsers.{parser}"))
