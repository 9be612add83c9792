"""A stretch of the real history that `benchmarks.replay` measures, through the real watcher."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from benchmarks import replay
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "peps.git.tar").exists(), reason="the PEPs' history is not beside the checkout"),
]


def test_a_real_history_is_found_answered_as_of_and_equals_a_fresh_build(tmp_path: Path) -> None:
    with tarfile.open(DATA / "peps.git.tar") as tar:
        tar.extractall(tmp_path, filter="data")
    commits = list(replay.history(DATA, replay.Blobs(tmp_path / "peps.git"), 60))
    embedder = replay.CountingEmbedder(open_embedder("hash", cache_dir=None), tmp_path / "vectors.npz")
    clock = [commits[0].at]
    (tmp_path / "folder").mkdir()
    with KnowledgeBase(tmp_path / "kb", embedder=embedder, now=lambda: clock[0]) as base:
        state = replay.Replay(tmp_path / "folder", base, embedder, clock)
        replay.replay(state, commits, settle_ms=30, say=print)
        missed, shares = replay.headers(state, DATA)
        assert missed == []
        assert shares["new value"][1] > 20 and shares["old value"][1] > 5
        assert shares["stale now"][0] == 0
        edits = [r for r in state.records[1:] if all(c.op == "M" for c in r.commit.changes)]
        assert sum(r.asked for r in edits) <= 1.3 * sum(r.windows for r in edits)
        assert replay.equal_to_fresh(state, tmp_path, samples=2) == []
        assert [v.at for v in reversed(base.versions(1000))] == sorted(v.at for v in base.versions(1000))
