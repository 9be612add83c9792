"""An input of the fuzzer ↔ a file's name and bytes, and the inputs it begins with.

Rule: an input's first byte picks the file's ending among those of its parser, so that a change of the bytes behind it
leaves the format. Of the chunker's inputs, what stands before the first NUL makes the marks.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz import oracle
from benchmarks.fuzz.oracle import ANY, Fault
from benchmarks.fuzz.samples import by_parser, samples
from ingest import Document, Mark, MarkKind
from ingest.decode import clean
from ingest.parsers import SUFFIXES, parser_for
from ingest.recognise import recognise

CHUNKS = "chunks"
"""The chunker alone, on documents that no parser makes."""

MAX_SEED_BYTES = 30_000
MAX_SEEDS = 50

_KINDS = tuple(MarkKind)
_NESTED = (MarkKind.HEADING, MarkKind.SYMBOL)


def targets() -> list[str]:
    """The names of all that can be fuzzed: the parsers of the table, then the table itself and the chunker."""
    return [*dict.fromkeys(SUFFIXES.values()), ANY, CHUNKS]


def endings(target: str) -> list[str]:
    """The file name endings an input's first byte picks from."""
    return [suffix for suffix, parser in SUFFIXES.items() if target in (ANY, CHUNKS, parser)]


def file_of(target: str, given: bytes) -> tuple[str, bytes]:
    """Name and bytes of the file an input stands for."""
    choice = endings(target)
    return f"a{choice[given[0] % len(choice)] if given else choice[0]}", given[1:]


def input_of(target: str, name: str, data: bytes) -> bytes:
    """The input that stands for a file."""
    choice = endings(target)
    suffix = name[name.rfind(".") :].lower()
    return bytes([choice.index(suffix) % 256 if suffix in choice else 0]) + data


def faults_of(target: str, given: bytes, *, is_twice: bool = True) -> list[Fault]:
    """As `oracle.faults`, of an input."""
    name, data = file_of(target, given)
    if target == CHUNKS:
        return oracle.of_chunks(document_of(data), target_tokens=40 + given[0] if given else 60)
    return oracle.faults(target, data, name=name, is_twice=is_twice)


def document_of(data: bytes) -> Document:
    """A document with marks anywhere: three bytes each before the first NUL give its kind, level and place."""
    head, _, body = data.partition(b"\x00")
    text = clean(body.decode("utf-8", "replace"))
    marks = []
    for i in range(0, len(head) - 2, 3):
        kind = _KINDS[head[i] % len(_KINDS)]
        level = 1 + head[i + 1] % 7 if kind in _NESTED else 0
        label = f"0:00:{i % 60:02}" if kind is MarkKind.TIME else str(i // 3 + 1)
        if kind in (*_NESTED, MarkKind.SHEET):
            label = f"Head {head[i + 1]} " + "of a part with a long name " * (head[i + 1] % 3)
        marks.append(Mark(len(text) * head[i + 2] // 255, kind, label.strip(), level))
    marks.sort(key=lambda mark: mark.start)
    return Document(text, "A title" if len(head) % 2 else "", None, (), tuple(marks), False, "text", 1)


def seeds(target: str, folders: Sequence[Path]) -> list[bytes]:
    """The inputs a target begins with: our own samples, and the smaller files of its kind below the folders."""
    if target == CHUNKS:
        texts = [data for name, data in samples().items() if name.endswith((".txt", ".md", ".py", ".csv", ".org"))]
        return [
            bytes([20]) + marks + b"\x00" + text
            for text in texts
            for marks in (b"", b"\x06\x01\x40\x00\x00\x80\x03\x00\xa0")
        ]
    files = dict(samples() if target == ANY else by_parser(target))
    if target == ANY:
        del files["a.doc"]  # each costs a run of LibreOffice
    found = sorted((path.stat().st_size, path) for folder in folders for path in folder.rglob("*") if path.is_file())
    for size, path in found:
        by_name = parser_for(path.name)
        if size > MAX_SEED_BYTES or by_name is None or len(files) >= MAX_SEEDS:
            continue
        data = path.read_bytes()
        if target == ANY or recognise(data, by_name) == target:
            files[f"{zlib.crc32(data):08x}{path.suffix}"] = data
    return [input_of(target, name, data) for name, data in files.items()]
