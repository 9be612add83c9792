"""One peer, one size, one phase, in a process of its own: prints what it measured, a line of JSON at a time.

    python -m benchmarks.indexes.worker PEER PHASE SET STORE QUERIES

Phases: build, search (in a process that did not build: memory is what opening and searching cost), churn; of ours
alone, with a whole knowledge base in STORE: fill, up to the size that SET is named after, and end_to_end.
A step that takes too long is cut: p50 and recall are then of fewer queries, and `queries` says of how many.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.indexes.peers import PEERS, Cannot, Ids, Matrix, Peer
from benchmarks.indexes.sets import CHURN_SIZE, ROUNDS, SHARES, SPARE, K

STEP_S = 25.0  # longest time for one step
UPDATED = 10  # vectors in one update


def main() -> None:
    name, phase, folder, store, queries = sys.argv[1:]
    if phase in ("fill", "end_to_end"):
        from benchmarks.indexes import updates

        if phase == "fill":
            tell(fill_s=updates.fill(Path(store), int(Path(folder).name)))
        else:
            for values in updates.measure(Path(store)):
                tell(**values)
        return
    vectors = np.load(Path(folder) / "vectors.npy", mmap_mode="r")
    peer = peer_of(name)(Path(store), vectors.shape[1])
    asked = np.load(queries)
    is_question = np.load(Path(queries).with_name("is_question.npy"))
    if phase == "churn":
        churn(peer, Path(folder), Path(store), vectors, asked)
        return
    tags = np.load(Path(folder) / "tags.npy")
    size = len(vectors) - SPARE
    if phase == "build":
        build(peer, Path(store), np.arange(1, size + 1), tags[:size], vectors[:size])
    else:
        search(peer, Path(folder), tags, vectors, asked, is_question)


def peer_of(name: str) -> type[Peer]:
    if name == "ours":
        from benchmarks.indexes.ours import Ours

        return Ours
    return PEERS[name]


def build(peer: Peer, store: Path, ids: Ids, tags: Ids, vectors: Matrix) -> None:
    began = time.perf_counter()
    peer.build(ids, tags, vectors)
    tell(build_s=time.perf_counter() - began, size_bytes=size_of(store))


def search(peer: Peer, folder: Path, tags: Ids, vectors: Matrix, queries: Matrix, is_question: np.ndarray) -> None:
    size = len(vectors) - SPARE
    truth = np.load(folder / "truth.npz")
    tell(imported=memory())
    began = time.perf_counter()
    peer.open()
    tell(open_ms=(time.perf_counter() - began) * 1_000, opened=memory())
    ask(lambda row: peer.search(queries[row], K), truth["100"][:100])
    tell(searched=memory())
    times, hits = ask(lambda row: peer.search(queries[row], K), truth["100"])
    asked = is_question[: len(hits)]
    tell(**figures(times, hits), recall_passages=hits[~asked].mean(), recall_questions=hits[asked].mean())
    for share in SHARES:
        allowed = np.flatnonzero(tags[:size] < share) + 1

        def where(row: int, share: int = share, allowed: Ids = allowed) -> Ids:
            return peer.search_where(queries[row], K, below=share, among=allowed)

        try:
            tell(**{f"where_{share}": figures(*ask(where, truth[str(share)]))})
        except Cannot as reason:
            tell(cannot_filter=str(reason))
            break
    try:
        update(peer, tags, vectors, size)
    except Cannot as reason:
        tell(cannot_update=str(reason))
    tell(updated=memory())


def update(peer: Peer, tags: Ids, vectors: Matrix, size: int) -> None:
    """Replaces ten vectors, again and again; then looks for those that came, and for those that went."""
    times = []
    gone: list[Ids] = []
    first = size
    while len(times) < 20 and (len(times) < 3 or sum(times) < STEP_S * 1_000):
        gone.append(np.arange(len(times), size, size // UPDATED)[:UPDATED] + 1)
        some = slice(first, first + UPDATED)
        ids = np.arange(first + 1, first + UPDATED + 1)
        block = np.ascontiguousarray(vectors[some])
        began = time.perf_counter()
        peer.replace(gone[-1], ids, tags[some], block)
        times.append((time.perf_counter() - began) * 1_000)
        first += UPDATED
    tell(update_ms=float(np.median(times)), updates=len(times))
    came = np.arange(size + 1, first + 1)
    try:
        found = [first_of(peer.search(np.ascontiguousarray(vectors[i - 1]), 1)) for i in came]
        went = [first_of(peer.search(np.ascontiguousarray(vectors[i - 1]), 1)) for i in np.concatenate(gone)]
    except KeyError as error:  # its own tables of ids do not agree
        tell(update_broke=f"a search after the updates raised KeyError: {error}")
        return
    tell(new_found=float(np.mean(found == came)), gone_found=float(np.mean(went == np.concatenate(gone))))


def churn(peer: Peer, folder: Path, store: Path, vectors: Matrix, queries: Matrix) -> None:
    """Recall by the age of the topics, the time and the memory of each round."""
    gone = np.load(folder / "gone.npy")
    truth = np.load(folder / "truth.npz")
    share = CHURN_SIZE // ROUNDS
    ids = np.arange(1, len(vectors) + 1)
    tags = np.zeros(len(ids), dtype=np.int64)
    peer.build(ids[:CHURN_SIZE], tags[:CHURN_SIZE], vectors[:CHURN_SIZE])
    peer.open()
    for number in range(ROUNDS + 1):
        took = 0.0
        if number:
            some = slice(CHURN_SIZE + (number - 1) * share, CHURN_SIZE + number * share)
            block = np.ascontiguousarray(vectors[some])
            began = time.perf_counter()
            try:
                peer.replace(gone[number - 1], ids[some], tags[some], block)
            except Cannot as reason:
                tell(cannot_update=str(reason))
                return
            took = time.perf_counter() - began
        topic = truth["topic"]
        is_old = topic < len(gone)
        is_new = (topic >= len(gone)) & (topic < len(gone) + number)
        measured: dict[str, object] = {"round_s": took, "memory": memory(), "size_bytes": size_of(store)}
        for which, rows in (("old", np.flatnonzero(is_old)), ("new", np.flatnonzero(is_new))):
            if len(rows):
                try:
                    times, hits = ask(
                        lambda row, rows=rows: peer.search(queries[rows[row]], K), truth["found"][number][rows], s=6
                    )
                except KeyError as error:
                    tell(churn_broke=f"round {number}: KeyError: {error}")
                    return
                measured[which] = figures(times, hits)
        tell(**{f"round_{number}": measured})


def ask(search: Callable[[int], Ids], truth: Ids, *, s: float = STEP_S) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds and recall of each query asked, after two that do not count."""
    for row in range(2):
        search(row)
    times, hits = [], []
    while len(times) < len(truth) and (len(times) < 10 or sum(times) < s * 1_000):
        row = len(times)
        began = time.perf_counter()
        found = search(row)
        times.append((time.perf_counter() - began) * 1_000)
        hits.append(len(np.intersect1d(found, truth[row])) / len(truth[row]))
    return np.array(times), np.array(hits)


def figures(times: np.ndarray, hits: np.ndarray) -> dict[str, float]:
    return {
        "recall": float(hits.mean()),
        "p50_ms": float(np.median(times)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "queries": len(times),
    }


def first_of(ids: Ids) -> int:
    return int(ids[0]) if len(ids) else 0


def memory() -> dict[str, int]:
    """MB resident: anonymous, and of mapped files."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    anonymous = kilobytes["Anonymous"]
    return {"anon": anonymous // 1024, "file": (kilobytes["Rss"] - anonymous) // 1024}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tell(**values: object) -> None:
    print(json.dumps(values, default=float), flush=True)


if __name__ == "__main__":
    main()
