"""A row of equals, one a format family, and the table from a file's name to one of them.

Adding a format is one module here and one line in `_TABLE`. A module has `NAME`, `VERSION` and
`parse(data, *, name, limits) -> Document`; a greater `VERSION` means its documents are to be read again.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from importlib import import_module
from typing import Protocol, cast

from ingest.errors import IngestError, TooLarge, UnreadableFile, UnsupportedFile
from ingest.limits import DEFAULT, Limits
from ingest.recognise import recognise
from ingest.types import Document

logger = logging.getLogger(__name__)

_TABLE: dict[str, str] = {
    "text": ".txt .text .log .asc .nfo",
    "markdown": ".md .markdown .mdown .mkd",
    "restructured": ".rst .rest",
    "org": ".org",
    "latex": ".tex .ltx",
    "html": ".html .htm .xhtml",
    "pdf": ".pdf",
    "docx": ".docx .docm .dotx",
    "pptx": ".pptx .pptm .potx .ppsx",
    "sheet": ".xlsx .xlsm .xltx .xls .xlsb .ods",
    "odf": ".odt .odp .ott .otp .fodt .fodp",
    "office": ".doc .dot .ppt .pps",
    "rtf": ".rtf",
    "epub": ".epub",
    "notebook": ".ipynb",
    "subtitles": ".srt .vtt .sbv .ass .ssa",
    "email": ".eml .emlx .mht .mhtml",
    "mbox": ".mbox .mbx",
    "msg": ".msg .oft",
    "json": ".json .jsonl .ndjson .jsonlines .geojson .topojson .jsonld .jsonc .json5 .webmanifest",
    "yaml": ".yaml .yml",
    "xml": ".xml .rss .atom .opml .xsd .xsl .xslt .wsdl .plist .kml .gpx .xlf .dita .docbook",
    "delimited": ".csv .tsv .tab .psv",
    "image": ".png .jpg .jpeg .tif .tiff .webp .bmp .gif",
    "archive": ".zip .tar .tgz .tbz2 .tbz .txz .tzst .gz .bz2 .xz .zst .7z .rar",
    "source": (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .groovy .scala .swift .c .h .cc .cpp .cxx "
        ".hpp .hh .hxx .cu .m .mm .cs .go .rs .rb .php .pl .pm .sh .bash .zsh .fish .ps1 .sql .lua .r .jl .dart .ex "
        ".exs .erl .hs .ml .clj .el .vim .bib .css .scss .less .toml .ini .cfg .conf .properties "
        ".cmake .mk .gradle .proto .graphql .tf"
    ),
}
SUFFIXES: dict[str, str] = {suffix: name for name, row in _TABLE.items() for suffix in row.split()}
"""Suffix, lower case with its dot → parser name."""

_WHOLE: dict[str, str] = {
    "text": (
        "readme license licence copying changelog changes history news authors contributors contributing maintainers "
        "credits install notice todo"
    ),
    "source": "makefile gnumakefile dockerfile containerfile jenkinsfile justfile rakefile gemfile vagrantfile",
}
_BARE: dict[str, str] = {bare: name for name, row in _WHOLE.items() for bare in row.split()}


HOLDING = frozenset(["archive", "email", "mbox", "msg"])
"""Parsers whose documents may hold other files."""

_HELPED = ("ingest.ocr", "ingest.parsers.office")  # with a program that may be installed any day


class _Parser(Protocol):
    NAME: str
    VERSION: int

    def parse(self, data: bytes, *, name: str, limits: Limits) -> Document: ...


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


def unsupported(name: str) -> UnsupportedFile:
    """The error for a file of that name whose kind nobody reads."""
    dot = name.rfind(".")
    return UnsupportedFile(f"no parser for {name[dot:] if dot > 0 else 'this kind of'} files")


def readers(limits: Limits) -> str:
    """Names what can be read now: another name, and a file that could not be read may be worth another try."""
    known = sorted((name, _module(name).VERSION) for name in _TABLE)
    helpers = [import_module(name).is_available() for name in _HELPED]
    return blake2b(repr((known, helpers, limits)).encode(), digest_size=8).hexdigest()


def parse(data: bytes, *, name: str, limits: Limits = DEFAULT) -> Document:
    """The document in a file of that name with those bytes; an empty file is an empty document.

    name: the file's name alone; its ending counts, unless the bytes are certainly of another format.
    Raises UnsupportedFile, UnreadableFile and its kinds, with a reason for people.
    """
    parser = recognise(data, parser_for(name))
    if parser not in _TABLE:
        raise unsupported(name)
    try:
        document = _module(parser).parse(data, name=name, limits=limits)
    except IngestError:
        raise
    except Exception as error:  # a foreign parser's call; RecursionError and MemoryError are exceptions too
        logger.info("parser %s failed", parser, exc_info=error)
        raise UnreadableFile(
            f"damaged or unusual {parser} file ({type(error).__name__}): open it in its own program and save it anew"
        ) from error
    chars = len(document.text)
    if chars > limits.max_chars:
        raise TooLarge(
            f"{chars / 1e6:.0f} million characters of text, the limit is {limits.max_chars / 1e6:.0f}: split the file"
        )
    return document


def _module(parser: str) -> _Parser:
    return cast(_Parser, import_module(f"ingest.parsers.{parser}"))
