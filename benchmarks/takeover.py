"""What is found while another embedder takes over: at each share of its vectors, beside the old and the new alone.

    python -m benchmarks.takeover --data FOLDER [--to SPEC] [--cache FOLDER]

squad_dev's reporting half. The old embedder is the default; the new one is SPEC, or else the same weights reading no
more than 64 tokens, through sentence-transformers: vectors of another fingerprint, somewhat worse.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks import retrieval
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase

SHARES = (0.0, 0.11, 0.25, 0.5, 0.75, 0.95, 1.0)
QUESTIONS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", help="SPEC of the embedder that takes over")
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    arguments = parser.parse_args()
    old: object = open_embedder(None, cache_dir=None)
    if arguments.cache is not None:
        old = retrieval.CachedEmbedder(old, arguments.cache)
    test_set = retrieval.load(arguments.data, "squad_dev")
    asked = [question for question in test_set.questions if not retrieval.in_tuning_half(question.text)][:QUESTIONS]
    with tempfile.TemporaryDirectory() as folder, _second(arguments.to) as spec:
        new = open_embedder(spec, cache_dir=None)
        base = KnowledgeBase(Path(folder) / "kb", embedder=old)  # type: ignore[arg-type]
        root = base.folders.ensure_root(folder, is_whole=True)
        base.commit(
            [retrieval.put(root.id, i, *passage) for i, passage in enumerate(test_set.passages)], cause="benchmark"
        )
        while base.embed_next(1_024):
            pass
        old.embed([question.text for question in asked])  # type: ignore[attr-defined]
        base.close()
        total = len(test_set.passages)
        base = KnowledgeBase(Path(folder) / "kb", embedder=new, opener=lambda _: old)  # type: ignore[arg-type,return-value]
        print(f"{total} passages, {len(asked)} questions; recall@5 / nDCG@10 with 95 % intervals")
        print(f"{'share':8}{'vectors':>40}{'default':>40}")
        for share in SHARES:
            while (found := base.takeover()) is not None and found.done < share * total:
                base.embed_next(max(1, min(256, round(share * total) - found.done)))
            if share == 1.0:
                while base.embed_next(256):
                    pass
            print(f"{share:<8.0%}" + "".join(f"{cell:>40}" for cell in _cells(base, asked)), flush=True)
        base.close()


def _cells(base: KnowledgeBase, asked: list[retrieval.Question]) -> Iterator[str]:
    ways: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for question in asked:
        by_vector, _, _ = base.candidates(question.text)
        dense = [i - 1 for i in sorted(by_vector, key=lambda i: (-by_vector[i], i))]
        default = [hit.passage_id - 1 for hit in base.search(question.text, 10)]
        for values, ranked in zip(ways, (dense, default), strict=True):
            values.append((retrieval.recall(ranked, question.gold, 5), retrieval.ndcg(ranked, question.gold, 10)))
    for values in ways:
        array = np.asarray(values) * 100  # (n, 2)
        shown = []
        for column in range(2):
            low, high = retrieval.interval(array[:, column])
            shown.append(f"{array[:, column].mean():.1f} [{low:.1f}, {high:.1f}]")
        yield " / ".join(shown)


@contextmanager
def _second(spec: str | None) -> Iterator[str]:
    """The embedder that takes over: `spec`, or a copy of the default that reads 64 tokens."""
    if spec is not None:
        yield spec
        return
    from rag_lifelong.embed.weights import find_minilm

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "minilm-64"
        shutil.copytree(find_minilm(), place)
        (place / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
        yield str(place)


if __name__ == "__main__":
    main()
