"""A real history of edits, replayed commit by commit into a folder that is being watched.

    python -m benchmarks.replay --data DATA --work FOLDER [--embedder SPEC] [--settle-ms N] [--commits N] [--since COMMIT] [--no-llama-index]

DATA holds `peps.git.tar` (the Python Enhancement Proposals since July 2022), `peps_events.jsonl` (which files each commit
changed) and `pep_headers.jsonl` (which header field of which PEP changed from what to what). Each commit is written into
the folder as git would, with the commit's own time as now; then the watcher has to find it. Half-way the watcher is
stopped and started again, and for one stretch it hears no events and only sweeps. FOLDER keeps the vectors for another run.

Reported: answers as of the versions before and after each change of a header; strings embedded for each, beside the
900-character windows of the new texts that a line diff touches, and beside LlamaIndex's pipeline with upserts; the
move of the whole tree; how long from saved to found; the size of the store; and whether it equals a knowledge base
built in one go from each of ten commits.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from rag_lifelong import sync
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import DEFAULT, Embedder, open_embedder
from rag_lifelong.follow import Watcher
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.reading import Settings
from rag_lifelong.store import documents, revisions
from rag_lifelong.types import Vector, Vectors

SUFFIXES = (".rst", ".txt")
WINDOW_CHARS = 900
SETTINGS = Settings(max_file_bytes=100_000_000, chunk_tokens=DEFAULTS.chunk_tokens, batch_s=2.0)
RANKED = ("walrus operator", "type hints for generics", "who decides", "packaging metadata version", "match statement")
SAMPLES = 10
GIVE_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a commit. op: "A", "M", "R" (then `old` is its former path) or "D"; data: its bytes, None for "D"."""

    op: str
    path: str
    old: str | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit with the files of interest that it changed."""

    id: str
    at: datetime
    changes: tuple[Change, ...]


class CountingEmbedder:
    """An embedder that keeps its vectors by text, and counts the strings it is asked for."""

    def __init__(self, inner: Embedder, kept: Path) -> None:
        self.name, self.fingerprint, self.dim = inner.name, inner.fingerprint, inner.dim
        self.max_tokens = inner.max_tokens
        self.asked = 0
        self._inner = inner
        self._kept = kept
        self._vectors: dict[bytes, Vector] = {}
        if kept.exists():
            with np.load(kept, allow_pickle=False) as saved:
                self._vectors = {key.tobytes(): row for key, row in zip(saved["keys"], saved["vectors"], strict=True)}

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def unknown_share(self, text: str) -> float:
        return self._inner.unknown_share(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += len(texts)
        keys = [blake2b(text.encode(), digest_size=16).digest() for text in texts]
        new = [i for i, key in enumerate(keys) if key not in self._vectors]
        if new:
            for i, vector in zip(new, self._inner.embed([texts[i] for i in new]), strict=True):
                self._vectors[keys[i]] = vector
        return np.stack([self._vectors[key] for key in keys])

    def embed_query(self, text: str) -> Vector:
        return self._inner.embed_query(text)

    def save(self) -> None:
        keys = np.array([np.frombuffer(key, dtype=np.uint8) for key in self._vectors], dtype=np.uint8)
        np.savez(self._kept, keys=keys, vectors=np.stack(list(self._vectors.values())))


@dataclass(slots=True)
class Record:
    """What one commit did to the knowledge base. Times in seconds since the last byte was written."""

    commit: Commit
    before: int
    after: int
    found_s: float
    meant_s: float
    asked: int
    windows: int


@dataclass(slots=True)
class Replay:
    """The state of a replay."""

    folder: Path
    base: KnowledgeBase
    embedder: CountingEmbedder
    clock: list[datetime]
    records: list[Record] = field(default_factory=list)


# -- the history


class Blobs:
    """The contents of a git repository's objects."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._process = subprocess.Popen(
            ["git", f"--git-dir={repository}", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read(self, name: str) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(name.encode() + b"\n")
        self._process.stdin.flush()
        size = int(self._process.stdout.readline().split()[2])
        data = self._process.stdout.read(size)
        self._process.stdout.read(1)
        return data

    def tree(self, commit: str) -> dict[str, str]:
        """path → blob of the files of interest in a commit."""
        command = ["git", f"--git-dir={self._repository}", "ls-tree", "-r", commit]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        entries = (line.split("\t") for line in lines)
        return {path: head.split()[2] for head, path in entries if path.endswith(SUFFIXES)}


def unpacked(data: Path, work: Path) -> Path:
    """The repository, unpacked into `work` unless it is there."""
    repository = work / "peps.git"
    if not repository.exists():
        with tarfile.open(data / "peps.git.tar") as tar:
            tar.extractall(work, filter="data")
    return repository


def history(data: Path, blobs: Blobs, limit: int | None, *, since: str | None = None) -> Iterator[Commit]:
    """The commits in order; the first holds the whole tree of then. since: the id of the first to change it."""
    with (data / "peps_events.jsonl").open(encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    if since is not None:
        events = events[next(i for i, event in enumerate(events) if event["commit"].startswith(since)) - 1 :]
    events = events[:limit]
    first = events[0]
    tree = blobs.tree(first["commit"])
    start = tuple(Change("A", path, None, blobs.read(blob)) for path, blob in sorted(tree.items()))
    yield Commit(first["commit"], _at(first["date"]), start)
    for event in events[1:]:
        changes = tuple(
            Change(
                c["op"][0], c["path"], c.get("from") or c.get("old"), blobs.read(c["blob"]) if c.get("blob") else None
            )
            for c in event["changes"]
            if c["path"].endswith(SUFFIXES) or (c.get("from") or c.get("old") or "").endswith(SUFFIXES)
        )
        if changes:
            yield Commit(event["commit"], _at(event["date"]), changes)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def write(folder: Path, commit: Commit) -> None:
    """What a checkout of the commit does: former files go, new ones are written."""
    for change in commit.changes:
        leaving = change.old if change.op == "R" else change.path if change.op == "D" else None
        if leaving is not None:
            (folder / leaving).unlink(missing_ok=True)
    for change in commit.changes:
        if change.data is not None:
            place = folder / change.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(change.data)


# -- replaying


def replay(state: Replay, commits: Sequence[Commit], *, settle_ms: int, say: Callable[[str], None]) -> None:
    """Writes each commit, and waits until the watcher has it."""
    texts: dict[str, bytes] = {}
    restart_at, deaf_from, deaf_to = len(commits) // 2, len(commits) * 6 // 10, len(commits) * 65 // 100
    watcher = _watcher(state, settle_ms)
    for i, commit in enumerate(commits):
        if i == restart_at:
            watcher.stop()
            watcher = _watcher(state, settle_ms)
            watcher.wait(GIVE_UP_S, for_vectors=True)
        is_deaf = deaf_from <= i < deaf_to
        watcher.ignore_events(is_deaf)
        state.clock[0] = max(state.clock[0], commit.at)
        before, asked = state.base.version_number(None), state.embedder.asked
        windows = sum(
            touched_windows(texts[c.path], c.data)
            for c in commit.changes
            if c.op == "M" and c.data is not None and c.path in texts
        )
        began_writing = time.monotonic()
        write(state.folder, commit)
        began = time.monotonic()
        if is_deaf:
            watcher.sweep()
        found_s = _until(lambda c=commit: _is_committed(state, c)) - began
        meant_s = _until(lambda: state.base.lag().passages == 0) - began
        for change in commit.changes:
            texts.pop(change.old or "", None)
            if change.data is not None:
                texts[change.path] = change.data
        state.records.append(
            Record(
                commit, before, state.base.version_number(None), found_s, meant_s, state.embedder.asked - asked, windows
            )
        )
        if len(commit.changes) > 100:
            say(
                f"{len(commit.changes)} files written in {began - began_writing:.2f} s, found {found_s:.2f} s later, {state.embedder.asked - asked} strings embedded"
            )
        if i % 100 == 0:
            say(f"{i:,} of {len(commits):,} commits, {state.embedder.asked:,} strings embedded")
    watcher.stop()


def _watcher(state: Replay, settle_ms: int) -> Watcher:
    root = state.base.folders.ensure_root(str(state.folder), is_whole=True)
    watcher = Watcher(state.base, [root], settings=SETTINGS, settle_ms=settle_ms, sweep_s=300.0, tell=_noted)
    watcher.start()
    return watcher


def _noted(happening: Happening) -> None:
    if happening.kind in ("trouble", "blocked", "failed", "polling"):
        sys.stderr.write(f"{happening.kind}: {happening.path} {happening.message}\n")


def _is_committed(state: Replay, commit: Commit) -> bool:
    root = state.base.folders.roots()[0]
    wanted: dict[str, bytes | None] = {}
    for change in commit.changes:
        if change.op == "R" and change.old is not None:
            wanted.setdefault(change.old, None)
        wanted[change.path] = None if change.data is None else blake2b(change.data, digest_size=16).digest()
    known = state.base.folders.file_states_of(root, list(wanted))
    return all(
        (known[path].digest if path in known else None) == digest
        for path, digest in wanted.items()
        if path.endswith(SUFFIXES)
    )


def _until(is_true: Callable[[], bool]) -> float:
    """Polls; gives the time at which it became true."""
    started = time.monotonic()
    while True:
        asked = time.monotonic()
        if is_true():
            return time.monotonic()
        if time.monotonic() - started > GIVE_UP_S * 30:
            raise SystemExit("gave up waiting for the watcher")
        time.sleep(max(0.002, 4 * (time.monotonic() - asked)))  # asking shares the interpreter with the watcher


def touched_windows(old: bytes, new: bytes) -> int:
    """How many windows of 900 characters of the new text hold a line that differs."""
    before, after = (data.decode(errors="replace").splitlines(keepends=True) for data in (old, new))
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    inner = difflib.SequenceMatcher(
        None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=False
    )
    starts = [0]
    for line in after:
        starts.append(starts[-1] + len(line))
    touched: set[int] = set()
    for tag, _, _, first, last in inner.get_opcodes():
        if tag in ("replace", "insert"):
            touched.update(range(starts[head + first] // WINDOW_CHARS, (starts[head + last] - 1) // WINDOW_CHARS + 1))
    return len(touched)


# -- judging


def headers(state: Replay, data: Path) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """For each change of a header field: is the exact line of then the top hit, as of just before and after?"""
    by_commit = {record.commit.id: record for record in state.records}
    counts = {"old value": [0, 0], "new value": [0, 0], "stale now": [0, 0]}
    missed = []
    current: dict[tuple[int, str], str] = {}
    asked = []
    with (data / "pep_headers.jsonl").open(encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            if entry["field"] == "*":
                current.update({(entry["pep"], name): value for name, value in (entry["new"] or {}).items()})
                continue
            record = by_commit.get(entry["commit"])
            if record is None or record is state.records[0]:
                continue
            current[entry["pep"], entry["field"]] = entry["new"]
            asked.append((entry, record))
    for entry, record in asked:
        question = f"PEP {entry['pep']} {entry['field']}"
        for name, value, version in (
            ("old value", entry["old"], record.before),
            ("new value", entry["new"], record.after),
        ):
            if value is None:
                continue
            counts[name][1] += 1
            if _is_top(state, question, entry, value, version):
                counts[name][0] += 1
            else:
                missed.append(f"{name}: {question!r} as of {version}, wanted {entry['field']}: {value}")
        now = current[entry["pep"], entry["field"]]
        if entry["old"] is not None and (now or "").split() != entry["old"].split():
            counts["stale now"][1] += 1
            counts["stale now"][0] += _is_top(state, question, entry, entry["old"], None)
    return missed, {name: (good, total) for name, (good, total) in counts.items()}


def _is_top(state: Replay, question: str, entry: dict[str, str], value: str, version: int | None) -> bool:
    hits = state.base.search(question, 1, as_of=version)
    line = " ".join(f"{entry['field']}: {value}".split())
    number = f"pep-{int(entry['pep']):04}."
    return bool(hits) and Path(hits[0].path).name.startswith(number) and _holds(hits[0].text, line)


def _holds(text: str, line: str) -> bool:
    """The header entry, whole, its folded lines joined."""
    unfolded: list[str] = []
    for raw in text.splitlines():
        if raw[:1].isspace() and unfolded:
            unfolded[-1] += " " + raw.strip()
        else:
            unfolded.append(raw)
    return line in (" ".join(one.split()) for one in unfolded)


def equal_to_fresh(state: Replay, work: Path, *, samples: int) -> list[str]:
    """How the knowledge base as of some commits differs from one built in one go from the files of then."""
    faults = []
    files: dict[str, bytes] = {}
    chosen = {len(state.records) * (i + 1) // samples - 1 for i in range(samples)}
    for i, record in enumerate(state.records):
        for change in record.commit.changes:
            files.pop(change.old or "", None)
            files.pop(change.path, None)
            if change.data is not None and change.path.endswith(SUFFIXES):
                files[change.path] = change.data
        if i in chosen:
            faults.extend(f"commit {i}: {fault}" for fault in _differences(state, files, record.after, work))
    return faults


def _differences(state: Replay, files: dict[str, bytes], version: int, work: Path) -> Iterator[str]:
    place, store = work / "fresh-files", work / "fresh-kb"
    for old in (place, store):
        shutil.rmtree(old, ignore_errors=True)
    for path, data in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    with KnowledgeBase(store, embedder=state.embedder) as fresh:
        sync.read_in(fresh, [place], settings=SETTINGS, progress=sync.Silent(), verb="add", rules=None, may_retire=True)
        sync.embed_all(fresh, progress=sync.Silent(), is_stopped=lambda: False)
        ours, theirs = _contents(state.base, state.folder, version), _contents(fresh, place, fresh.version_number(None))
        if ours.keys() != theirs.keys():
            yield f"other documents: {sorted(ours.keys() ^ theirs.keys())[:3]}"
        for path in sorted(ours.keys() & theirs.keys()):
            if ours[path] != theirs[path]:
                yield f"{path}: other text, spans or labels"
        for question in RANKED:
            a = [
                (os.path.relpath(h.path, state.folder), h.start, h.end)
                for h in state.base.search(question, 5, as_of=version)
            ]
            b = [(os.path.relpath(h.path, place), h.start, h.end) for h in fresh.search(question, 5)]
            if a != b:
                yield f"{question!r} ranks {a} here and {b} in the fresh one"


def _contents(base: KnowledgeBase, folder: Path, version: int) -> dict[str, object]:
    found: dict[str, object] = {}
    with base.reading() as connection:
        for location in documents.locations(connection, version):
            revision_id = revisions.at(connection, location.document_id, version)
            assert revision_id is not None
            revision = revisions.read(connection, revision_id)
            spans = [(p.start, p.end, p.label, p.context) for p in revision.placements]
            found[location.path] = (revision.digest, revision.text, spans)
    return found


def llama_index(commits: Sequence[Commit]) -> tuple[int, int]:
    """(strings embedded for commits that only modify, for all others) by its ingestion pipeline with upserts."""
    from llama_index.core import Document
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.storage.docstore import SimpleDocumentStore
    from llama_index.core.vector_stores import SimpleVectorStore

    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=DEFAULTS.chunk_tokens, chunk_overlap=0),
            MockEmbedding(embed_dim=1),
        ],
        docstore=SimpleDocumentStore(),
        vector_store=SimpleVectorStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )
    modified = other = 0
    for commit in commits:
        texts = [
            Document(text=c.data.decode(errors="replace"), id_=c.path)
            for c in commit.changes
            if c.data is not None and c.path.endswith(SUFFIXES)
        ]
        count = len(pipeline.run(documents=texts)) if texts else 0
        if all(c.op == "M" for c in commit.changes):
            modified += count
        else:
            other += count
    return modified, other


def report(state: Replay, args: argparse.Namespace, commits: Sequence[Commit]) -> None:
    """Prints all figures."""
    records = state.records[1:]
    edits = [r for r in records if all(c.op == "M" for c in r.commit.changes)]
    others = [r for r in records if r not in edits]
    moves = [r for r in records if sum(c.op == "R" for c in r.commit.changes) > 100]
    asked, windows = sum(r.asked for r in edits), sum(r.windows for r in edits)
    print(
        f"commits {len(state.records):,}, versions {state.base.version_number(None):,}, documents {len(state.base.documents()):,}"
    )
    print(
        f"modifications: {asked:,} strings embedded, {windows:,} windows of {WINDOW_CHARS} characters touched: {asked / max(windows, 1):.2f} x"
    )
    print(
        f"additions, moves and mixed: {sum(r.asked for r in others):,} strings; the first tree: {state.records[0].asked:,}"
    )
    for record in moves:
        moved = sum(c.op == "R" for c in record.commit.changes)
        print(
            f"the move of {moved} files: {record.asked} strings embedded, found {record.found_s:.2f} s after the last byte"
        )
    heard = [r for r in records if len(r.commit.changes) <= 10] or records
    for name, values in (("words", [r.found_s for r in heard]), ("meaning", [r.meant_s for r in heard])):
        middle, late = np.percentile(values, [50, 95]) * 1000
        print(
            f"saved to found by {name}: p50 {middle:.0f} ms, p95 {late:.0f} ms (settle {args.settle_ms} ms, {len(values):,} commits)"
        )
    sizes = store_sizes(state.base)
    print(
        f"store: {sizes[0] / 1e6:.1f} MB without vectors, live text {sizes[1] / 1e6:.1f} MB: {sizes[0] / sizes[1]:.2f} x"
    )
    missed, shares = headers(state, args.data)
    for name, (good, total) in shares.items():
        print(f"{name}: {good:,} of {total:,} = {good / max(total, 1):.2%}")
    for line in missed[: args.show]:
        print("  missed", line)
    faults = equal_to_fresh(state, args.work, samples=SAMPLES)
    print(
        f"as of {SAMPLES} commits beside knowledge bases built in one go: "
        + (f"{len(faults)} differences" if faults else "equal")
    )
    for line in faults[: args.show]:
        print("  ", line)
    if not args.no_llama_index:
        modified, other = llama_index(commits[1:])
        print(
            f"LlamaIndex pipeline with upserts: {modified:,} for the same modifications ({modified / max(asked, 1):.1f} x ours), {other:,} for the rest"
        )


def store_sizes(base: KnowledgeBase) -> tuple[int, int]:
    """(bytes of the store without its vectors, bytes of the living documents' text)."""
    with base.reading() as connection:
        pages, page = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        rows = connection.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE name IN ('vectors', 'sqlite_autoindex_vectors_1')"
        )
        in_vectors = rows.fetchone()[0] or 0
        live = revisions.living(connection).values()
        text = sum(len(revisions.read(connection, revision_id).text.encode()) for revision_id in live)
    return (pages - free) * page - in_vectors, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--embedder", default=DEFAULT)
    parser.add_argument("--settle-ms", type=int, default=DEFAULTS.settle_ms)
    parser.add_argument("--commits", type=int, help="only so many")
    parser.add_argument("--since", help="begin with the tree before this commit")
    parser.add_argument("--show", type=int, default=5, help="how many misses and differences to print")
    parser.add_argument("--no-llama-index", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    repository = unpacked(args.data, args.work)
    for old in ("folder", "kb"):
        shutil.rmtree(args.work / old, ignore_errors=True)
    (args.work / "folder").mkdir()
    commits = list(history(args.data, Blobs(repository), args.commits, since=args.since))
    embedder = CountingEmbedder(
        open_embedder(args.embedder, cache_dir=args.work), args.work / f"vectors-{args.embedder}.npz"
    )
    clock = [commits[0].at]
    with KnowledgeBase(args.work / "kb", embedder=embedder, now=lambda: clock[0]) as base:
        state = Replay(args.work / "folder", base, embedder, clock)
        replay(state, commits, settle_ms=args.settle_ms, say=lambda line: print(line, file=sys.stderr, flush=True))
        embedder.save()
        report(state, args, commits)


if __name__ == "__main__":
    main()
