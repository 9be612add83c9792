"""What is asked of each that reads a folder in, and what it tells of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

FOUND = "document"
"""What is asked to see whether anything can be found."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]")
MAX_TOKENS = 256  # what all-MiniLM-L6-v2 reads of a text
BATCH = 32  # sentence-transformers' own


@dataclass(slots=True)
class Read:
    """What became of a folder. Paths are below it.

    read: files of which it made a document, with the characters of each. told: files it said it could not read, with
    the reason; of a file in neither the user hears nothing. misread: files of whose text over one character in a
    hundred is a control character: bytes taken for text.
    places: keys of metadata that say where in a file a text stands, with how many files have them. reading_s: of
    making texts of files, before they are cut; None where it is not apart.
    """

    read: dict[str, int] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    misread: set[str] = field(default_factory=set)
    places: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    reading_s: float | None = None

    def add(self, path: str, text: str) -> None:
        """Another part of a file's text."""
        self.read[path] = self.read.get(path, 0) + len(text)
        if 100 * len(_CONTROL.findall(text)) > len(text):
            self.misread.add(path)


class FolderReader(Protocol):
    """One that makes a folder searchable, and keeps it so.

    Its docstring says how it is used, for the page.
    """

    strings: list[str]
    """What was embedded, in the order it was."""

    def __init__(self, folder: Path, store: Path, *, model: Path, given: Path) -> None:
        """folder: what is read. store: an empty folder to keep everything in. model: the folder of all-MiniLM-L6-v2.

        given: our texts and chunks of the folder, for those that read no files.
        """

    def read_in(self, found: Callable[[], None]) -> Read:
        """Reads the folder and keeps it. found: to be called as soon as a search may find something."""

    def update(self, changed: str, gone: str) -> None:
        """Brings along that one file has changed and one is gone; paths below the folder."""

    def search(self, question: str) -> list[tuple[str, str]]:
        """(path, text) of the five best passages, best first."""
