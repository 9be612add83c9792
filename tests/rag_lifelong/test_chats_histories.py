"""Chats in random histories: turns beside edits, forgetting, pruning, reopening; killed processes; several at once.

Every fact bears a code that stands nowhere else. So whatever is let go can be looked for in the bytes of the files.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.assistant import Assistant
from rag_lifelong.generate import Message
from rag_lifelong.store import documents, revisions
from rag_lifelong.store.chats import KeptTurn

TOPICS = "amber birch cedar delta ember fjord grove heron".split()


class Repeating:
    """A language model that repeats its whole prompt, as the worst case of what an answer may hold."""

    name = "repeating"
    context_tokens = 3_000

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        yield f"[1] {messages[-1].content}"


class History:
    """A folder with facts, a knowledge base, and a chat that is talked in."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.kb = folder / "kb"
        self.codes: list[str] = []
        self.assistant = self.opened()
        self.talk = self.assistant.chat()
        for topic in TOPICS[:4]:
            self.write(topic)
        self.assistant.add(self.notes)

    def opened(self) -> Assistant:
        return open_assistant(self.kb, embedder="hash")

    def write(self, topic: str) -> None:
        """A file with three facts; of one that is there, two stay."""
        path = self.notes / f"{topic}.md"
        lines = path.read_text().split("\n\n") if path.exists() else [""] * 3
        for i in range(3) if not lines[0] else [self.rng.randrange(3)]:
            if i < len(lines):
                code = f"CODE{len(self.codes):04}Q"
                self.codes.append(code)
                lines[i] = f"The {topic} {('price', 'owner', 'place')[i]} is {code} in our books."
        path.write_text("\n\n".join(lines))

    def question(self) -> str:
        return f"What is the {self.rng.choice(TOPICS[:5])} {self.rng.choice(['price', 'owner', 'place'])} in our books?"

    def step(self) -> str:
        name = self.rng.choice(
            ["ask"] * 6
            + ["follow up", "retry", "rate", "new", "model", "write", "write", "write", "forget", "prune", "reopen"]
            + ["everywhere", "delete"]
        )
        topics = [path.stem for path in sorted(self.notes.iterdir())]
        if name == "ask":
            self.talk.ask(self.question(), as_of=self.rng.choice([None, None, None, 1]))
        elif name == "follow up":
            self.talk.ask("And what is its place?")
        elif name == "retry" and self.talk.turns:
            list(self.talk.retry())
        elif name == "rate" and self.talk.turns:
            self.talk.rate(self.rng.random() < 0.5, "as I say")
        elif name == "new":
            self.talk = self.assistant.chat()
        elif name == "model":
            self.assistant.use_model(self.rng.choice(["quote", Repeating()]))
        elif name == "write":
            self.write(self.rng.choice(TOPICS[:5]))
            self.assistant.add(self.notes, may_retire=True)
        elif name == "forget" and topics:
            path = self.notes / f"{self.rng.choice(topics)}.md"
            if any(document.path == str(path) for document in self.assistant.documents()):
                self.assistant.forget(path)
        elif name == "prune":
            planned = self.assistant.pruning_plan(keep_last=self.rng.choice([None, 1, 2]), keep_for="0 days")
            removed = self.removed()
            self.assistant.prune(planned)
            assert len(self.removed() - removed) == planned.answers
        elif name == "everywhere" and topics:
            path = self.notes / f"{self.rng.choice(topics)}.md"
            path.unlink()
            self.assistant.add(self.notes, may_retire=True)
            if self.assistant.knowledge_base.documents_ever_at(str(path)):
                planned_answers, removed = self.assistant.answers_from(path), self.removed()
                gone = self.assistant.forget_everywhere(path)
                assert gone.answers == len(self.removed() - removed) == planned_answers
        elif name == "delete" and self.talk.id is not None:
            self.assistant.delete_chat(self.talk.id)
            self.talk = self.assistant.chat()
        elif name == "reopen":
            self.assistant.close()
            self.assistant = self.opened()
            chats = self.assistant.chats()
            self.talk = self.assistant.chat(self.rng.choice(chats).id if chats else None)
        return name

    def kept(self) -> list[KeptTurn]:
        return list(self.assistant.knowledge_base.chats.newest_first())

    def removed(self) -> set[tuple[int | None, int]]:
        return {(kept.chat_id, kept.turn.number) for kept in self.kept() if kept.turn.removed_at is not None}

    def texts(self) -> list[str]:
        """Every text stored, of now and of then."""
        with self.assistant.knowledge_base.reading() as connection:
            return [
                revisions.read(connection, revision_id).text
                for document_id in documents.all_ids(connection)
                for revision_id in revisions.of_document(connection, document_id)
            ]

    def verify(self, name: str) -> None:
        stored = "\n".join(self.texts())
        gone = [code for code in self.codes if code not in stored]
        with self.assistant.knowledge_base.reading() as connection:
            held = str(connection.execute("SELECT * FROM turns").fetchall())
        assert [code for code in gone if code in held] == [], name
        for kept in self.kept():
            if kept.turn.removed_at is None and kept.turn.answer.model == "quote":
                for citation in kept.turn.answer.citations:  # nothing went that still stands
                    assert citation.quote in stored, name
        if name in ("prune", "everywhere", "delete"):
            data = b"".join(path.read_bytes() for path in self.kb.rglob("*") if path.is_file())
            assert [code for code in gone if code.encode() in data] == [], name
        if name in ("prune", "everywhere", "delete", "reopen", "retry"):
            assert [finding for finding in self.assistant.check() if not finding.is_well] == [], name


def assert_history_holds(folder: Path, *, seed: int, steps: int) -> None:
    history = History(folder, seed)
    for _ in range(steps):
        history.verify(history.step())
    history.assistant.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_let_go_is_in_no_chat(tmp_path: Path, seed: int) -> None:
    assert_history_holds(tmp_path, seed=seed, steps=60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 30))
def test_what_was_let_go_is_in_no_chat_of_long_histories(tmp_path: Path, seed: int) -> None:
    assert_history_holds(tmp_path, seed=seed, steps=200)


TALKING = """
import sys
from rag_lifelong import open_assistant
kb, chat_id, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open_assistant(kb, embedder="hash") as assistant:
    talk = assistant.chat(chat_id)
    print("open", flush=True)
    for number in range(int(sys.argv[4])):
        talk.ask(f"What is the amber price, {name} {number}?")
        talk.rate(number % 2 == 0)
        print(number, flush=True)
"""


def talking(kb: Path, name: str, count: int) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", TALKING, str(kb), "1", name, str(count)], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    return worker


def with_a_chat(tmp_path: Path) -> Path:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "amber.md").write_text("The amber price is nine in our books.\n")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes)
        assistant.chat().ask("What is the amber price?")
    return notes


def assert_no_turn_is_lost(tmp_path: Path, *, kills: int, seed: int) -> None:
    with_a_chat(tmp_path)
    rng = random.Random(seed)
    said = ["What is the amber price?"]
    for run in range(kills):
        worker = talking(tmp_path / "kb", str(run), 10_000)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0.02, 0.5))
        os.kill(worker.pid, signal.SIGKILL)
        done = [line for line in worker.stdout.read().split("\n")[:-1] if line]
        worker.wait()
        with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
            turns = assistant.read_chat(1)
            assert [finding for finding in assistant.check() if not finding.is_well] == []
        expected = [*said, *(f"What is the amber price, {run} {number}?" for number in range(len(done)))]
        assert [turn.question for turn in turns[: len(expected)]] == expected, "a turn said to be kept is lost"
        assert len(turns) <= len(expected) + 1  # the one that was under way, whole
        assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
        assert all(turn.answer.citations or turn.answer.nearest for turn in turns)
        said = [turn.question for turn in turns]


def test_a_killed_process_loses_no_turn_it_has_kept(tmp_path: Path) -> None:
    assert_no_turn_is_lost(tmp_path, kills=3, seed=1)


@pytest.mark.slow
def test_many_killed_processes_lose_no_turn(tmp_path: Path) -> None:
    assert_no_turn_is_lost(tmp_path, kills=50, seed=2)


def test_two_processes_talk_in_one_chat_beside_a_watcher(tmp_path: Path) -> None:
    notes = with_a_chat(tmp_path)
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        watcher = assistant.watch(notes, settle_ms=10, sweep_s=0.3)
        workers = [talking(tmp_path / "kb", name, 12) for name in ("left", "right")]
        step = 0
        while any(worker.poll() is None for worker in workers):
            step += 1
            (notes / f"{TOPICS[step % 8]}.md").write_text(f"The amber price is {step} in our books.\n\nMore.\n")
            time.sleep(0.02)
        for worker in workers:
            out, _ = worker.communicate(timeout=60)
            assert worker.returncode == 0 and out.split()[-1] == "11"
        watcher.stop()
        turns = assistant.read_chat(1)
        assert [turn.number for turn in turns] == list(range(1, 26))
        for name in ("left", "right"):
            mine = [turn for turn in turns if f", {name} " in turn.question]
            assert [turn.question for turn in mine] == [f"What is the amber price, {name} {i}?" for i in range(12)]
            assert [turn.rating is not None and turn.rating.is_good for turn in mine] == [True, False] * 6
        assert [finding for finding in assistant.check() if not finding.is_well] == []
        assert assistant.versions(1)[0].number > 3  # the watcher did write meanwhile
