"""What became of each file: through the process that parses, and in a real knowledge base.

Rule: a file ends as a document or as a failure with a reason; whatever else happened raises.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.apart import ParserProcess
from ingest.errors import IngestError
from ingest.parsers import parser_for
from ingest.recognise import recognise
from rag_lifelong import open_assistant


@dataclass(frozen=True, slots=True)
class Outcome:
    """path: below the folder. kind: what it is recognised as, "" for nothing. ms: of parsing.

    text: None if it failed, for `reason`. marks: kinds of marks in it, with how many; last_page: the greatest number
    of a page. members: files in it.
    """

    path: str
    kind: str
    suffix: str
    ms: float
    text: str | None
    reason: str
    marks: Mapping[str, int]
    last_page: int
    members: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a knowledge base has of the folder: failures as path → reason, and documents, of which some stand in files."""

    documents: frozenset[str]
    failures: Mapping[str, str]


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def parsed_apart(folder: Path, *, tell: Callable[[str], None]) -> list[Outcome]:
    """Each file through one ParserProcess, in the order of their paths."""
    with ParserProcess() as parser:
        outcomes = []
        for path in files_of(folder):
            tell(path)
            outcomes.append(parsed(parser, folder, path))
        return outcomes


def parsed(parser: ParserProcess, folder: Path, path: str) -> Outcome:
    data, name = (folder / path).read_bytes(), path.rsplit("/", 1)[-1]
    kind, suffix = recognise(data, parser_for(name)) or "", Path(name).suffix.lower()
    began = time.perf_counter()
    try:
        document = parser.parse(data, name=name)
    except IngestError as error:
        took = (time.perf_counter() - began) * 1_000
        if not str(error):
            raise AssertionError(f"{path} failed without a reason") from error
        return Outcome(path, kind, suffix, took, None, str(error), {}, 0, 0)
    took = (time.perf_counter() - began) * 1_000
    return Outcome(
        path,
        kind,
        suffix,
        took,
        document.text,
        "",
        Counter(mark.kind.value for mark in document.marks),
        max((int(mark.label) for mark in document.marks if mark.kind.value == "page"), default=0),
        len(document.members),
    )


def kept(folder: Path) -> Kept:
    """The folder in a new knowledge base, by the public door; raises AssertionError if a file was lost on the way."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        open_assistant(Path(temporary) / "kb", llm="quote", embedder="hash") as assistant,
    ):
        root = folder.resolve()
        assistant.add(root)
        documents = frozenset(document.path.removeprefix(f"{root}/") for document in assistant.documents())
        found = Kept(documents, {f.path.removeprefix(f"{root}/"): f.reason for f in assistant.failures()})
    check(files_of(folder), found)
    return found


def check(files: list[str], kept: Kept) -> None:
    """Every file is a document, a failure, or holds only documents that stand in it; nothing else is."""
    named = kept.documents | kept.failures.keys()
    containers = {"/".join(parts[:i]) for parts in (path.split("/") for path in named) for i in range(1, len(parts))}
    lost = [path for path in files if path not in named and path not in containers]
    silent = [path for path, reason in kept.failures.items() if not reason.strip()]
    both = sorted(kept.documents & kept.failures.keys())
    known = set(files)
    strange = [path for path in sorted(named) if not any(path == f or path.startswith(f + "/") for f in known)]
    for what, paths in (
        ("neither a document nor a failure", lost),
        ("failed without a reason", silent),
        ("both a document and a failure", both),
        ("from nowhere", strange),
    ):
        if paths:
            raise AssertionError(f"{len(paths)} {what}: {', '.join(paths[:10])}")
