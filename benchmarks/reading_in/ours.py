"""Ours, through the public door, and our texts and chunks for the peers that read no files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.reading_in.edit import edited
from benchmarks.reading_in.folders import Folder
from benchmarks.reading_in.reader import FOUND, Read
from ingest.apart import ParserProcess
from ingest.chunk import CHUNKER_VERSION
from ingest.errors import IngestError
from rag_lifelong import open_assistant
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.operations import embedded_string
from rag_lifelong.reading import cut
from rag_lifelong.store import revisions
from rag_lifelong.sync import Silent
from rag_lifelong.types import Vector, Vectors


class Watched:
    """The default embedder, which keeps the strings it is given."""

    def __init__(self) -> None:
        self._inner = open_embedder(None, cache_dir=None)
        self.name, self.fingerprint = self._inner.name, self._inner.fingerprint
        self.dim, self.max_tokens = self._inner.dim, self._inner.max_tokens
        self.strings: list[str] = []

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def unknown_share(self, text: str) -> float:
        return self._inner.unknown_share(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.strings.extend(texts)
        return self._inner.embed(texts)

    def embed_query(self, text: str) -> Vector:
        return self._inner.embed_query(text)


class Asking(Silent):
    """Asks for something after each file, until it is found for the first time.

    readable_s: how long until all text could be found by words.
    """

    def __init__(self, ask: Callable[[], bool], found: Callable[[], None]) -> None:
        self._ask, self._found = ask, found
        self._is_found = False
        self._began = time.perf_counter()
        self.readable_s: float | None = None

    def reading(self, done_files: int, total_files: int, passages: int) -> None:
        if not self._is_found and self._ask():
            self._is_found = True
            self._found()

    def readable(self, passages: int) -> None:
        self.readable_s = time.perf_counter() - self._began
        self.reading(0, 0, passages)


class Ours:
    """`open_assistant(…).add(folder)` with its defaults: text and words are committed every two seconds and found at
    once, vectors follow; `sync` finds what has changed."""

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        embedder = Watched()
        self.strings = embedder.strings
        self._folder = folder.resolve()
        self._assistant = open_assistant(store, llm="quote", embedder=embedder)

    def read_in(self, found: Callable[[], None]) -> Read:
        base = self._assistant.knowledge_base
        asking = Asking(lambda: base.passages() > 0 and bool(self._assistant.search(FOUND)), found)
        self._assistant.add(self._folder, progress=asking)
        read = Read(reading_s=asking.readable_s)
        with base.reading() as connection:
            living = revisions.living(connection)
            for document in self._assistant.documents():
                revision = revisions.read(connection, living[document.document_id])
                path = self._below(document.path)
                read.add(path, revision.text)
                read.places.update(
                    {mark.kind for mark in revision.marks} & {"page", "slide", "sheet", "cell", "row", "time"}
                )
        read.told = {self._below(failure.path): failure.reason for failure in self._assistant.failures()}
        read.chunks = base.passages()
        return read

    def update(self, changed: str, gone: str) -> None:
        self._assistant.sync(self._folder)

    def search(self, question: str) -> list[tuple[str, str]]:
        return [(self._below(hit.path), hit.text) for hit in self._assistant.search(question, 5)]

    def _below(self, path: str) -> str:
        return path.removeprefix(f"{self._folder}/")


def give(folder: Folder, place: Path) -> None:
    """Writes our texts and chunks of a folder as lines of JSON, and beside them those of the file that is edited."""
    embedder = open_embedder(None, cache_dir=None)
    place.parent.mkdir(parents=True, exist_ok=True)
    with ParserProcess() as parser:
        files = sorted(path for path in folder.path.rglob("*") if path.is_file())
        with place.open("w", encoding="utf-8") as lines:
            for file in files:
                for entry in _entries(parser, embedder, file.relative_to(folder.path).as_posix(), file.read_bytes()):
                    lines.write(json.dumps(entry) + "\n")
        after = edited((folder.path / folder.edited).read_text(encoding="utf-8")).encode()
        with place.with_name(f"{place.stem}-after.jsonl").open("w", encoding="utf-8") as lines:
            for entry in _entries(parser, embedder, folder.edited, after):
                lines.write(json.dumps(entry) + "\n")


def _entries(parser: ParserProcess, embedder: Embedder, path: str, data: bytes) -> Iterator[dict[str, object]]:
    """Of a file and the files in it."""
    try:
        document = parser.parse(data, name=path.rsplit("/", 1)[-1])
    except IngestError:
        return
    chunks = [
        {
            "id": f"{path}#{number}",
            "path": path,
            "label": chunk.label,
            "text": embedded_string(chunk.context, chunk.text, chunker_version=CHUNKER_VERSION),
        }
        for number, chunk in enumerate(cut(document, embedder, chunk_tokens=DEFAULTS.chunk_tokens))
    ]
    yield {"path": path, "text": document.text, "chunks": chunks}
    for member in document.members:
        yield from _entries(parser, embedder, f"{path}/{member.name}", member.data)
