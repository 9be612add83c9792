"""Random histories of a folder: after each step everything holds that must always hold.

Add, edit, move, copy, delete, revert, the same text twice in a file and in two files, crash, reopen; each
followed by `check`, by a comparison with a knowledge base built from scratch, and by as-of questions.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from rag_lifelong import sync, verify
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.types import Vectors

SETTINGS = sync.Settings(max_file_bytes=1_000_000, chunk_tokens=40, batch_s=2.0)
WORDS = (
    "amber birch cedar delta ember fjord grove heron islet juniper kestrel lagoon meadow nectar osprey poplar".split()
)


class CountingEmbedder:
    """A HashEmbedder that remembers which strings it was given."""

    def __init__(self) -> None:
        self._inner = HashEmbedder(64)
        self.given: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.given.extend(texts)
        return self._inner.embed(texts)


class History:
    """A folder, a knowledge base that follows it, and what stood where at each version."""

    def __init__(self, folder: Path, now: Callable[[], datetime], seed: int) -> None:
        self.rng = random.Random(seed)
        self.folder = folder / "notes"
        self.folder.mkdir()
        self.kb_path = folder / "kb"
        self.now = now
        self.embedder = CountingEmbedder()
        self.base = self.opened()
        self.at_version: dict[int, dict[str, str]] = {}
        self.past_texts: list[str] = []

    def opened(self) -> KnowledgeBase:
        return KnowledgeBase(self.kb_path, embedder=self.embedder, now=self.now)  # type: ignore[arg-type]

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.md") if path.is_file())

    def paragraph(self) -> str:
        return " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(12, 45))).capitalize() + "."

    def text(self) -> str:
        parts = [self.paragraph() for _ in range(self.rng.randint(1, 7))]
        if self.rng.random() < 0.3:
            parts += parts[:2]  # the same text twice in one file
        if self.rng.random() < 0.5:
            parts.insert(self.rng.randint(0, len(parts)), f"## {self.rng.choice(WORDS).title()}")
        return "\n\n".join(parts) + "\n"

    def step(self) -> str:
        """One random change of the folder; gives its name."""
        files = self.files()
        name = self.rng.choice(
            ["new", "edit", "edit", "insert", "move", "copy", "delete", "revert", "swap", "rename folder"]
        )
        some = self.rng.choice(files) if files else None
        if name == "new" or some is None:
            target = self.folder / self.rng.choice(["", "a", "b/c"]) / f"{self.rng.choice(WORDS)}.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            self.write(target, self.text())
        elif name == "edit":
            parts = some.read_text().split("\n\n")
            parts[self.rng.randrange(len(parts))] = self.paragraph()
            self.write(some, "\n\n".join(parts))
        elif name == "insert":
            self.write(some, self.paragraph() + "\n\n" + some.read_text())
        elif name == "move":
            some.rename(some.with_name(f"{self.rng.choice(WORDS)}-{self.rng.randrange(99)}.md"))
        elif name == "copy":
            target = some.with_name(f"copy-{self.rng.randrange(99)}.md")
            if not target.exists():
                shutil.copy(some, target)
        elif name == "delete":
            some.unlink()
        elif name == "revert" and self.past_texts:
            self.write(some, self.rng.choice(self.past_texts))
        elif name == "swap" and len(files) > 1:
            other = self.rng.choice([path for path in files if path != some])
            spare = self.folder / "spare"
            some.rename(spare)
            other.rename(some)
            spare.rename(other)
        elif name == "rename folder" and (self.folder / "a").is_dir():
            target = self.folder / f"z{self.rng.randrange(99)}"
            if not target.exists():
                (self.folder / "a").rename(target)
        return name

    def write(self, path: Path, text: str) -> None:
        self.past_texts.append(text)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text)
        os.utime(path, ns=(before + 1_000_000, before + 1_000_000))  # a later time, however fast the test is

    def follow(self) -> None:
        sync.read_in(
            self.base, [self.folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True
        )
        number = self.base.version_number(None)
        self.at_version[number] = {str(path): path.read_text() for path in self.files()}

    def disturb(self) -> None:
        """Embeds some, or all, or none; closes and opens again; or leaves without closing, as a crash does."""
        chance = self.rng.random()
        if chance < 0.5:
            self.base.embed_next(self.rng.choice([1, 3, 1_000]))
        if chance < 0.15:
            self.base.close()
            self.base = self.opened()
        elif chance > 0.9:
            self.base._database.close()  # no index is written, as after kill -9
            self.base = self.opened()


def found(base: KnowledgeBase, query: str) -> list[tuple[str, int, int, float]]:
    """What a search shows, in order, but for ids."""
    hits = base.search(query, 8)
    return sorted((hit.path, hit.start, hit.end, round(hit.score, 6)) for hit in hits)


def assert_well(base: KnowledgeBase) -> None:
    faults = [finding for finding in verify.check(base) if not finding.is_well]
    assert not faults, faults


@pytest.mark.parametrize("seed", range(6))
def test_a_random_history_keeps_every_invariant(tmp_path: Path, clock: Callable[[], datetime], seed: int) -> None:
    history = History(tmp_path, clock, seed)
    done = []
    for _ in range(25):
        done.append(history.step())
        history.follow()
        history.disturb()
        assert_well(history.base)
        stored = {d.path: history.base.document_at(d.path) for d in history.base.documents()}
        assert {p: r.text for p, r in stored.items() if r is not None} == history.at_version[
            history.base.version_number(None)
        ], done
    while history.base.embed_next(100):
        pass
    assert_well(history.base)
    assert len(history.embedder.given) == len(set(history.embedder.given)), "a string was embedded twice"
    assert_as_of_answers_hold(history)
    assert_equal_to_one_built_from_scratch(history, tmp_path, clock)
    history.base.close()


def assert_as_of_answers_hold(history: History) -> None:
    """At every version: the texts of then, and every hit is a span of them."""
    for number, texts in history.at_version.items():
        if number == 0:
            continue
        for path, text in texts.items():
            revision = history.base.document_at(path, as_of=number)
            assert revision is not None
            assert revision.text == text
        for word in WORDS[:4]:
            for hit in history.base.search(f"{word} {WORDS[7]}", 5, as_of=number):
                assert texts[hit.path][hit.start : hit.end] == hit.text
        assert {d.path for d in history.base.documents(as_of=number)} == set(texts)


def assert_equal_to_one_built_from_scratch(history: History, folder: Path, clock: Callable[[], datetime]) -> None:
    with KnowledgeBase(folder / "fresh", embedder=HashEmbedder(64), now=clock) as fresh:
        sync.read_in(
            fresh, [history.folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True
        )
        while fresh.embed_next(100):
            pass
        for i in range(0, len(WORDS) - 1, 2):
            query = f"{WORDS[i]} {WORDS[i + 1]}"
            # ties at the end of the list may fall either way: compare what scores above the last
            ours, theirs = found(history.base, query), found(fresh, query)
            last = min((row[3] for row in theirs), default=0.0)
            assert [row for row in ours if row[3] > last] == [row for row in theirs if row[3] > last]


def test_equal_texts_in_two_files_are_two_documents_and_share_vectors(base: KnowledgeBase, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a.md", "b.md"):
        (folder / name).write_text("The dead-letter queue is owned by Ana.\n")
    sync.read_in(base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    assert base.embed_next(100) == 1
    hits = base.search("dead-letter queue", 5)
    assert [Path(hit.path).name for hit in hits] == ["a.md", "b.md"]
    assert len({hit.document_id for hit in hits}) == 2
    assert len({hit.passage_id for hit in hits}) == 2


def test_a_moved_folder_embeds_nothing_and_keeps_identity(base: KnowledgeBase, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "old").mkdir(parents=True)
    for i in range(20):
        (folder / "old" / f"{i}.md").write_text(f"Note {i} is about topic {i}.\n")
    sync.read_in(base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    while base.embed_next(100):
        pass
    before = {Path(d.path).name: d.document_id for d in base.documents()}
    (folder / "old").rename(folder / "new")
    done = sync.read_in(
        base, [folder], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True
    )
    assert (done.moved, done.added, done.removed, done.waiting) == (20, 0, 0, 0)
    assert {Path(d.path).name: d.document_id for d in base.documents()} == before
    assert {Path(d.path).parent.name for d in base.documents()} == {"new"}
    assert {Path(d.path).parent.name for d in base.documents(as_of=1)} == {"old"}


def test_an_insertion_at_the_top_touches_no_other_passage(base: KnowledgeBase, tmp_path: Path) -> None:
    rng = random.Random(3)
    note = tmp_path / "note.md"
    paragraphs = [" ".join(rng.choice(WORDS) for _ in range(30)) + "." for _ in range(30)]
    note.write_text("\n\n".join(paragraphs))
    sync.read_in(base, [note], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    before = base.passages()
    note.write_text("A new first paragraph.\n\n" + "\n\n".join(paragraphs))
    done = sync.read_in(
        base, [note], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True
    )
    version = done.versions[0]
    assert before > 15
    assert version.passages_born <= 2, "only the neighbourhood of the insertion is cut anew"
    assert version.passages_died <= 1


def test_a_deleted_passage_is_in_no_answer_about_now_and_stays_in_the_past(base: KnowledgeBase, tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text("The password of the vault is xyzzy.\n")
    sync.read_in(base, [note], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    base.embed_next(100)
    note.write_text("Nothing to see here.\n")
    sync.read_in(base, [note], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    assert [hit.text for hit in base.search("xyzzy vault password", 5)] == ["Nothing to see here."] or not base.search(
        "xyzzy vault password", 5
    )
    assert "xyzzy" in base.search("xyzzy vault password", 5, as_of=1)[0].text
