"""kill -9 at any instant loses no committed version, and the next open needs no help."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag_lifelong import open_assistant, sync, verify
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.types import Hit

WORKER = """
import sys, random, os
from pathlib import Path
from rag_lifelong import live_index, sync
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.index import vector_index
vector_index.SAVE_AFTER = 5  # write the index often, so that a kill falls into it …
vector_index.SEAL_AFTER = 10  # … and into a seal or a merge
live_index._TEND_AFTER_S = 0.0
kb, notes, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
base = KnowledgeBase(Path(kb), embedder=HashEmbedder(32))
print("open", flush=True)
for step in range(10_000):
    path = notes / f"{rng.randrange(12)}.md"
    if rng.random() < 0.2 and path.exists():
        path.unlink()
    else:
        path.write_text("\\n\\n".join(f"Paragraph {rng.randrange(60)} " + "word " * rng.randrange(10, 60) for _ in range(rng.randrange(1, 9))))
        os.utime(path, ns=(step * 10**9, step * 10**9))
    done = sync.read_in(base, [notes], settings=sync.Settings(10**6, 40, 2.0), progress=sync.Silent(), verb="add", rules=None, may_retire=True)
    for version in done.versions:
        print(version.number, flush=True)
    base.embed_next(rng.choice([0, 3, 1_000]) or 1)
"""


def killed_run(kb: Path, notes: Path, seed: int, after_s: float) -> int:
    """The last version the process said it had committed before it was killed."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(kb), str(notes), str(seed)], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "open\n"
    time.sleep(after_s)
    os.kill(worker.pid, signal.SIGKILL)
    lines = worker.stdout.read().split("\n")
    worker.wait()
    whole = [line for line in lines[:-1] if line.isdecimal()]
    return int(whole[-1]) if whole else 0


def assert_whole_after_kills(tmp_path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    kb, notes = tmp_path / "kb", tmp_path / "notes"
    notes.mkdir()
    for i in range(kills):
        said = killed_run(kb, notes, seed * 1_000 + i, rng.uniform(0.01, 0.4))
        with KnowledgeBase(kb, embedder=HashEmbedder(32)) as base:
            assert base.version_number(None) >= said, "a version said to be committed is lost"
            faults = [finding for finding in verify.check(base) if not finding.is_well]
            assert not faults, faults
            sync.read_in(
                base,
                [notes],
                settings=sync.Settings(10**6, 40, 2.0),
                progress=sync.Silent(),
                verb="add",
                rules=None,
                may_retire=True,
            )
            stored = {Path(d.path).name: base.document_at(d.path) for d in base.documents()}
            assert {name: r.text for name, r in stored.items() if r is not None} == {
                path.name: path.read_text() for path in notes.glob("*.md")
            }


def test_a_killed_process_loses_nothing_committed(tmp_path: Path) -> None:
    assert_whole_after_kills(tmp_path, 4, seed=1)


@pytest.mark.slow
def test_many_killed_processes_lose_nothing_committed(tmp_path: Path) -> None:
    assert_whole_after_kills(tmp_path, 60, seed=2)


CHANGING = """
import sys, random
from datetime import UTC, datetime
from pathlib import Path
from rag_lifelong import vector_sets
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.index import vector_index
from rag_lifelong.knowledge_base import KnowledgeBase
from tests.rag_lifelong.test_live_words import put
vector_index.SAVE_AFTER, vector_index.SEAL_AFTER, vector_sets._DROPPED = 5, 10, 3
kb, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
print("open", flush=True)
while True:  # embedders take over from one another
    with KnowledgeBase(kb, embedder=HashEmbedder(rng.choice([16, 24, 32]))) as base:
        root = base.folders.ensure_root(str(kb.parent), is_whole=True)
        base.commit([put(root.id, rng.randrange(30), f"Paragraph {rng.randrange(60)}\\nword")], cause="test")
        for _ in range(12):
            base.embed_next(rng.choice([2, 5, 100]))
        base.settle_index()
"""


def assert_whole_after_kills_in_takeovers(tmp_path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    for i in range(kills):
        worker = subprocess.Popen(
            [sys.executable, "-c", CHANGING, str(tmp_path / "kb"), str(seed * 1_000 + i)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0.05, 0.6))
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        with KnowledgeBase(tmp_path / "kb", embedder=None if i else HashEmbedder(16)) as base:
            faults = [finding for finding in verify.check(base) if not finding.is_well]
            assert not faults, faults
            if i % 2:  # else the next one goes on with what this one has left
                while base.embed_next(50):
                    pass
                assert base.takeover() is None and base.lag().passages == 0
                assert all(finding.is_well for finding in verify.check(base))


def test_takeovers_that_are_killed_leave_every_set_whole(tmp_path: Path) -> None:
    assert_whole_after_kills_in_takeovers(tmp_path, 6, seed=3)


@pytest.mark.slow
def test_many_takeovers_that_are_killed_leave_every_set_whole(tmp_path: Path) -> None:
    assert_whole_after_kills_in_takeovers(tmp_path, 60, seed=4)


READER = """
import sys, time
from pathlib import Path
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
base = KnowledgeBase(Path(sys.argv[1]), embedder=HashEmbedder(32))
until = time.monotonic() + float(sys.argv[2])
searches = 0
seen = set()
while time.monotonic() < until:
    hits = base.search("paragraph 7 word", 5)
    for hit in hits:
        text = base.revision_of(hit).text
        assert text[hit.start:hit.end] == hit.text
    seen.add(base.version_number(None))
    searches += 1
print(searches, len(seen))
"""


@pytest.mark.slow
def test_readers_in_other_processes_see_new_versions_beside_a_writer(tmp_path: Path) -> None:
    kb, notes = tmp_path / "kb", tmp_path / "notes"
    notes.mkdir()
    KnowledgeBase(kb, embedder=HashEmbedder(32)).close()
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(kb), "4"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed_run(kb, notes, 5, 3.0)
    for reader in readers:
        shown, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        searches, versions = map(int, shown.split())
        assert searches > 20
        assert versions > 5


WATCHING = """
import sys
from pathlib import Path
from rag_lifelong import open_assistant
kb, folder = sys.argv[1:]
with open_assistant(kb, embedder="hash") as assistant:
    watcher = assistant.watch(folder, settle_ms=10, sweep_s=0.3)
    print("watching", flush=True)
    sys.stdin.read()
"""


def scored(hits: Sequence[Hit]) -> dict[tuple[str, int, int], float]:
    """Where → score. Equal scores have no order that two stores share: compare these, and let k be more than all."""
    return {(hit.path, hit.start, hit.end): hit.score for hit in hits}


@pytest.mark.slow
def test_a_watcher_killed_a_hundred_times_while_files_change_loses_nothing(tmp_path: Path) -> None:
    rng = random.Random(11)
    folder = tmp_path / "notes"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i}.md").write_text(f"# Note {i}\n\nfirst text of {i}\n")
    for step in range(100):
        child = subprocess.Popen(
            [sys.executable, "-c", WATCHING, str(tmp_path / "kb"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "watching\n"
        until = time.monotonic() + rng.random() * 0.4
        while time.monotonic() < until:
            note = folder / f"{rng.randrange(12)}.md"
            if note.exists() and rng.random() < 0.15:
                os.replace(note, folder / f"{rng.randrange(12)}.md")
            else:
                note.write_text(
                    f"# Note\n\nstep {step}: {rng.random()}\n\n## More\n\n{rng.choice(['red', 'blue'])} words\n"
                )
            time.sleep(rng.random() * 0.03)
        child.send_signal(signal.SIGKILL)
        child.wait()
        if step % 10 == 9:
            with open_assistant(tmp_path / "kb", embedder="hash", create=False) as assistant:
                assert [f for f in assistant.check() if not f.is_well] == []
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.sync(may_retire=True)
        assert [f for f in assistant.check() if not f.is_well] == []
        stored = {os.path.basename(d.path): assistant.show(d.path) for d in assistant.documents()}
        assert stored == {path.name: path.read_text() for path in folder.iterdir()}
        clean = open_assistant(tmp_path / "clean", embedder="hash")
        with clean:
            clean.add(folder)
            for query in ("red words", "step 99", "Note"):
                assert scored(assistant.search(query, 99)) == pytest.approx(scored(clean.search(query, 99)), abs=1e-5)
