"""A folder that is followed by the real watcher, for tests: what is written into it, and what stands of it.

Rule: what is waited for is a condition.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.scan import Rules
from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.embed import Embedder
from rag_lifelong.follow import Watcher
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.status import Folder

SETTLE_MS = 60

Counts = tuple[int, int, int, int]
"""Documents that a version added, changed, moved and removed."""


def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Returns once the condition holds; fails after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Followed:
    """A folder, an assistant and its watcher, with what they say of each other."""

    def __init__(self, tmp_path: Path, embedder: str | Embedder = "hash") -> None:
        self.folder = tmp_path / "notes"
        self.folder.mkdir(exist_ok=True)
        self.assistant: Assistant = open_assistant(tmp_path / "kb", embedder=embedder)
        self.told: list[Happening] = []
        self._watcher: Watcher | None = None

    def start(
        self, *, settle_ms: int = SETTLE_MS, rules: Rules | None = None, kinds: Sequence[str] = ("ready",)
    ) -> None:
        """Follows the folder, and returns when it has compared it once."""
        self.told.clear()
        self._watcher = self.assistant.watch(self.folder, settle_ms=settle_ms, rules=rules, tell=self.told.append)
        until(lambda: any(happening.kind in kinds for happening in self.told))
        self.rest()

    @property
    def watcher(self) -> Watcher:
        assert self._watcher is not None
        return self._watcher

    def stop(self) -> None:
        self.watcher.stop()

    def rest(self) -> None:
        """What was heard of is done, and has its vectors."""
        assert self.watcher.wait(15.0, for_vectors=True)

    def sweep(self) -> None:
        self.watcher.sweep()
        self.rest()

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def paths(self) -> list[str]:
        """The documents that live, below the folder."""
        return sorted(os.path.relpath(document.path, self.folder) for document in self.assistant.documents())

    def id_of(self, name: str) -> int:
        return next(d.document_id for d in self.assistant.documents() if d.path == str(self.folder / name))

    def found(self, word: str, as_of: int | None = None) -> list[str]:
        """The files whose passages hold a word, as search gives them, below the folder."""
        hits = self.assistant.search(word, 50, as_of=as_of)
        return sorted({os.path.relpath(hit.path, self.folder) for hit in hits if word in hit.text})

    def changes(self) -> list[Counts]:
        """What each version did, oldest first."""
        versions = reversed(self.assistant.versions(1_000))
        return [(v.added, v.changed, v.moved, v.removed) for v in versions]

    def has(self, *names: str) -> Callable[[], bool]:
        return lambda: self.paths() == sorted(names)

    def until_found(self, word: str, *names: str) -> None:
        until(lambda: self.found(word) == sorted(names))
        self.rest()

    def until_has(self, *names: str) -> None:
        until(self.has(*names))
        self.rest()

    def beacon(self) -> None:
        """Events come in order: once this file is there and gone, all that was before it was heard."""
        file = self.write("beacon.md", "beacon")
        until(lambda: "beacon.md" in self.paths())
        file.unlink()
        until(lambda: "beacon.md" not in self.paths())
        self.rest()

    def state(self) -> Folder:
        return next(folder for folder in self.assistant.folders() if folder.path == str(self.folder))

    def kinds(self) -> list[str]:
        return [happening.kind for happening in self.told if happening.kind not in ("embedded", "ready")]

    def all_well(self) -> None:
        assert [finding for finding in self.assistant.check() if not finding.is_well] == []

    def equals_a_clean_build(self, place: Path) -> None:
        """The documents, their texts and where their passages stand are those of a knowledge base made in one go."""
        with open_assistant(place, embedder="hash") as clean:
            clean.add(self.folder)
            assert [stood(clean, d.path) for d in clean.documents()] == [
                stood(self.assistant, d.path) for d in self.assistant.documents()
            ]


def stood(assistant: Assistant, path: str) -> tuple[str, str, list[tuple[int, int, str]]]:
    """A document's path, its text, and where its passages stand."""
    found = assistant.knowledge_base.document_at(path)
    assert found is not None
    return path, found.text, [(p.start, p.end, p.label) for p in found.placements]
