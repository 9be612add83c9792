"""Random histories of a user who remembers, edits, forgets, takes back and reopens: what is in force is what must be.

Beside the assistant goes a slow reference: for each file, the words on the disk and the words in force.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest

from rag_lifelong import open_assistant, verify
from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoteUnusable, NothingToUndo

WORD = re.compile(r"word\d+")


@dataclass
class File:
    """What a file says, and what of it is in force. before: version → what was in force before that."""

    disk: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    is_held: bool = False
    last: int = 0
    before: dict[int, list[str]] = field(default_factory=dict)


class Past:
    """A user, and what they did."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.kb = folder / "kb"
        self.notes = self.kb / "notes"
        self.at = datetime(2026, 11, 23, 8, 0).astimezone()
        self.assistant = self.opened()
        self.files: dict[str, File] = {}
        self.words = 0

    def now(self) -> datetime:
        return self.at.astimezone(UTC)

    def opened(self) -> Assistant:
        return open_assistant(self.kb, embedder="hash", now=self.now)

    def step(self) -> str:
        """One random act; gives its name."""
        self.at += timedelta(minutes=self.rng.choice([0, 1, 90, -30]))
        acts = [self.remember, self.remember, self.prefer, self.drop, self.edit, self.forget, self.undo, self.sync]
        act = self.rng.choice([*acts, self.reopen, self.add, self.next_day])
        act()
        return act.__name__

    def remember(self) -> None:
        self.words += 1
        word = f"word{self.words}"
        done = self.assistant.remember(f"The note says {word}.")
        self.keep(f"{self.at:%Y-%m-%d}", word, done.path, done.version.number)

    def prefer(self) -> None:
        self.words += 1
        word = f"word{self.words}"
        done = self.assistant.remember(f"be {word}", always=True)
        self.keep("preferences", word, done.path, done.version.number)

    def keep(self, stem: str, word: str, path: str, version: int) -> None:
        names = [f"{stem}.md", *(f"{stem}-{n}.md" for n in range(2, 60))]
        name = next(name for name in names if not self.files.get(name, File()).is_held)
        assert Path(path) == self.notes / name, "the first file that is not held"
        file = self.files.setdefault(name, File())
        self.read(file)
        file.disk.append(word)
        self.store(file, [*file.disk], version)

    def read(self, file: File) -> None:
        """What is on the disk is in force, if it was not."""
        if sorted(file.stored) != sorted(file.disk):
            self.store(file, [*file.disk], self.assistant.versions(1)[0].number)

    def store(self, file: File, words: list[str], version: int) -> None:
        file.before[version], file.stored, file.last = file.stored, words, version

    def drop(self) -> None:
        found = self.assistant.preferences()
        if not found:
            return
        one = self.rng.choice(found)
        file = self.files[Path(one.path).name]
        word = WORD.findall(one.text)[0]
        try:
            done = self.assistant.drop_preference(one.number)
        except NoteUnusable:
            assert file.is_held or word not in file.disk
            if not file.is_held:
                self.read(file)
            return
        assert not file.is_held
        self.read(file)
        file.disk.remove(word)
        self.store(file, [*file.disk], done.version.number)

    def edit(self) -> None:
        """An editor adds a line, or takes one out; nobody reads it yet."""
        if not self.files:
            return
        name = self.rng.choice(sorted(self.files))
        file, path = self.files[name], self.notes / name
        text = path.read_text()
        if file.disk and self.rng.random() < 0.4:
            word = self.rng.choice(file.disk)
            text = "".join(line for line in text.splitlines(keepends=True) if not re.search(rf"\b{word}\b", line))
            file.disk.remove(word)
        else:
            self.words += 1
            text += f"- word{self.words} by hand\n"
            file.disk.append(f"word{self.words}")
        path.write_text(text)  # a hold ends when this is read; until then what comes next goes elsewhere

    def forget(self) -> None:
        living = [name for name in sorted(self.files) if self.files[name].stored or self.is_document(name)]
        if not living:
            return
        name = self.rng.choice(living)
        version = self.assistant.forget(self.notes / name)
        file = self.files[name]
        self.store(file, [], version.number)
        file.is_held = True

    def is_document(self, name: str) -> bool:
        return any(document.path == str(self.notes / name) for document in self.assistant.documents())

    def undo(self) -> None:
        candidates = [(file.last, name) for name, file in sorted(self.files.items()) if file.last in file.before]
        if not candidates:
            return
        last, name = self.rng.choice(candidates)
        file = self.files[name]
        try:
            done = self.assistant.undo(last)
        except NothingToUndo:  # a version of several files, of which this was touched again
            return
        for other_name, other in self.files.items():
            if other.last == last:
                self.store(other, other.before[last], done.number)
                other.is_held = other_name in self.held()  # not where it says again what lies on the disk
        assert file.last == done.number

    def sync(self) -> None:
        if not self.assistant.followed():
            return
        held = {name for name in self.files if self.is_left(name)}
        self.assistant.sync(may_retire=True)
        number = self.assistant.versions(1)[0].number
        for name, file in self.files.items():
            if name in held:
                continue
            file.is_held = False
            if sorted(file.stored) != sorted(file.disk):
                self.store(file, [*file.disk], number)

    def held(self) -> dict[str, bytes | None]:
        """File → the digest of what is left as it is."""
        root = self.assistant.knowledge_base.folders.notes()
        assert root is not None
        return {path: held.digest for path, held in self.assistant.knowledge_base.folders.holds(root).items()}

    def is_left(self, name: str) -> bool:
        """A hold ends once the file has changed."""
        digest = blake2b((self.notes / name).read_bytes(), digest_size=16).digest()
        return self.files[name].is_held and self.held()[name] == digest

    def add(self) -> None:
        if not self.files:
            return
        name = self.rng.choice(sorted(self.files))
        self.assistant.add(self.notes / name)
        file = self.files[name]
        file.is_held = False
        if sorted(file.stored) != sorted(file.disk):
            self.store(file, [*file.disk], self.assistant.versions(1)[0].number)

    def reopen(self) -> None:
        self.assistant.close()
        self.assistant = self.opened()

    def next_day(self) -> None:
        self.at += timedelta(days=1)


@pytest.mark.parametrize("seed", range(6))
def test_after_any_history_what_is_in_force_is_what_must_be(tmp_path: Path, seed: int) -> None:
    past = Past(tmp_path, seed)
    done = []
    for _ in range(30):
        done.append(past.step())
        base = past.assistant.knowledge_base
        assert [finding for finding in verify.check(base) if not finding.is_well] == [], done
        stored = {d.path: base.document_at(d.path) for d in past.assistant.documents()}
        words = {Path(p).name: sorted(WORD.findall(r.text)) for p, r in stored.items() if r is not None}
        assert {name: found for name, found in words.items() if found} == {
            name: sorted(file.stored) for name, file in past.files.items() if file.stored
        }, done
        on_disk = {p.name: sorted(WORD.findall(p.read_text())) for p in past.notes.glob("*.md")}
        assert on_disk == {name: sorted(file.disk) for name, file in past.files.items()}, done
        wishes = [w for name, file in past.files.items() if name.startswith("pref") for w in file.stored]
        assert sorted(WORD.findall(" ".join(one.text for one in past.assistant.preferences()))) == sorted(wishes), done
    notes = {w: name for name, file in past.files.items() if not name.startswith("pref") for w in file.stored}
    for word in range(1, past.words + 1):
        hits = {
            Path(h.path).name for h in past.assistant.search(f"word{word}", 20) if f"word{word}" in WORD.findall(h.text)
        }
        assert hits == ({notes[f"word{word}"]} if f"word{word}" in notes else set()), done
    past.assistant.close()
