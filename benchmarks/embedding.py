"""How fast the default embedder is, beside sentence-transformers on the same weights, in the same run.

    python -m benchmarks.embedding [--folder FOLDER] [--chunks 80] [--rounds 3]

The ways take turns, and the best round of each is shown, since cores are shared. Ratios are to
sentence-transformers' default; cosines are to its vectors; query ms is one short question, alone. "ours" is what a
knowledge base gets that waits for many vectors: in bfloat16 where the CPU has it; a few texts are embedded by numpy. The other ways there are, and what each of them finds: benchmarks.embedding_ways.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np

from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.embed.weights import find_minilm
from rag_lifelong.types import Vectors

CHUNK_TOKENS = (200, 150, 240, 180, 230)
"""Where successive pieces are cut: 200 on average, and as uneven as a chunker's are."""
QUESTION = "What did we decide about retries in the new importer?"
SUFFIXES = {".md", ".txt", ".rst", ".py"}


@dataclass(slots=True)
class Way:
    """One way to embed, and what was measured of it; seconds."""

    name: str
    embed: Callable[[list[str]], Vectors]
    ask: Callable[[str], object]
    load_s: float
    bulk_s: list[float] = field(default_factory=list)
    query_s: list[float] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--chunks", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)

    embedder = open_embedder(cache_dir=None)
    chunks = cut(options.folder, embedder, count=options.chunks)
    tokens = sum(min(embedder.count_tokens(chunk) + 2, embedder.max_tokens) for chunk in chunks)
    print(f"{len(chunks)} chunks of {tokens / len(chunks):.0f} tokens, {embedder.fingerprint}")

    ways = open_ways(embedder)
    vectors: dict[str, Vectors] = {}
    for _ in range(options.rounds):
        for way in ways:
            start = time.perf_counter()
            vectors[way.name] = way.embed(chunks)
            way.bulk_s.append(time.perf_counter() - start)
            for _ in range(10):
                start = time.perf_counter()
                way.ask(QUESTION)
                way.query_s.append(time.perf_counter() - start)
    show(ways, vectors, chunk_count=len(chunks))
    show_counting(embedder, chunks)
    return 0


def cut(folder: Path, embedder: Embedder, *, count: int) -> list[str]:
    """`count` pieces of about 200 tokens from the folder's files, from the start again if they run out."""
    words = [word for path in files(folder) for word in path.read_text("utf-8", "ignore").split()]
    if not words:
        raise SystemExit(f"no {', '.join(sorted(SUFFIXES))} file with words in {folder}")
    pieces: list[str] = []
    piece: list[str] = []
    tokens = 0
    for word in cycle(words):
        piece.append(word)
        tokens += max(1, embedder.count_tokens(word))
        if tokens >= CHUNK_TOKENS[len(pieces) % len(CHUNK_TOKENS)]:
            pieces.append(" ".join(piece))
            piece, tokens = [], 0
            if len(pieces) == count:
                break
    return pieces


def files(folder: Path) -> Iterator[Path]:
    """The folder's text files in order, prose before code, nothing hidden."""
    for path in sorted(folder.rglob("*"), key=lambda path: (path.suffix == ".py", path)):
        inner = path.relative_to(folder)
        if path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in inner.parts):
            yield path


def open_ways(embedder: Embedder) -> list[Way]:
    """The default embedder, on one core and on all, and sentence-transformers, each loaded."""
    start = time.perf_counter()
    fresh = open_embedder(cache_dir=None)
    fresh.embed_query(QUESTION)
    ours_load_s = time.perf_counter() - start
    start = time.perf_counter()
    reference = open_embedder(str(find_minilm()), cache_dir=None)
    reference.embed_query(QUESTION)
    theirs_load_s = time.perf_counter() - start
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_minilm()), device="cpu", local_files_only=True)

    def encode(texts: list[str], batch_size: int) -> Vectors:
        found = model.encode(
            texts,
            batch_size=batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(found, dtype=np.float32)

    def ask(text: str) -> Vectors:
        return encode([text], 1)

    return [
        Way("sentence-transformers, default", lambda texts: encode(texts, 32), ask, theirs_load_s),
        Way("sentence-transformers, batches of 8", lambda texts: encode(texts, 8), ask, theirs_load_s),
        Way(
            "ours, one text a call",
            lambda texts: np.array([fresh.embed_query(t) for t in texts]),
            fresh.embed_query,
            ours_load_s,
        ),
        Way("ours", fresh.embed, fresh.embed_query, ours_load_s),
    ]


def show(ways: list[Way], vectors: dict[str, Vectors], *, chunk_count: int) -> None:
    reference = ways[0]
    print(f"{'way':38} chunks/s  ratio  cosine min / mean    query ms p50  load s")
    for way in ways:
        rate = chunk_count / min(way.bulk_s)
        ratio = min(reference.bulk_s) / min(way.bulk_s)
        cosine = np.sum(vectors[way.name].astype(float) * vectors[reference.name].astype(float), axis=1)
        print(
            f"{way.name:38} {rate:8.1f} {ratio:6.2f}  {cosine.min():.7f} / {cosine.mean():.7f} "
            f"{np.median(way.query_s) * 1000:12.1f} {way.load_s:7.2f}"
        )
    code = (
        "import time; start = time.perf_counter()\n"
        "from rag_lifelong.embed import open_embedder\n"
        "open_embedder({spec}, cache_dir=None).embed_query('why?'); print(time.perf_counter() - start)"
    )
    for name, spec in (("ours", "None"), ("sentence-transformers", repr(str(find_minilm())))):
        done = subprocess.run(
            [sys.executable, "-c", code.format(spec=spec)], capture_output=True, text=True, check=True
        )
        print(f"first question of a new process, {name}: {float(done.stdout):.2f} s with imports")


def show_counting(embedder: Embedder, chunks: list[str]) -> None:
    """Counting tokens, words seen for the first time and words seen before."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(find_minilm() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    fresh = open_embedder(cache_dir=None)
    fresh.count_tokens("load")
    megabytes = sum(len(chunk.encode()) for chunk in chunks) / 1e6
    counts: dict[str, tuple[int, float]] = {}
    for name, count in (
        ("first time", fresh.count_tokens),
        ("again", fresh.count_tokens),
        ("tokenizers", lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)),
    ):
        start = time.perf_counter()
        total = sum(count(chunk) for chunk in chunks)
        counts[name] = (total, megabytes / (time.perf_counter() - start))
    assert len({total for total, _ in counts.values()}) == 1, counts
    print("counting tokens, MB/s: " + ", ".join(f"{name} {rate:.1f}" for name, (_, rate) in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
