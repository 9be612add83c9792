"""Is a place in a long document found, whatever the size of the passages?

    python -m benchmarks.known_items --data DATA [--documents N] [--save FILE] [--beside FILE] [--cache FOLDER]

N of the PEPs of the last commit in DATA's `peps.git.tar` are parsed, cut and embedded as the knowledge base does it. A question
is a sentence's own words, the common ones and a third of the others left out; or a heading with its document's title. The gold is
the sentence, or the first 400 characters below the heading. The figure is the share of the gold's characters within
the first 500 or 1,000 tokens of passages found, so that larger passages win nothing by their size.

--save keeps the figures of each question; --beside compares with such a file (of another chunker, say) in pairs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np

from benchmarks.replay import Blobs, CountingEmbedder
from benchmarks.retrieval import interval
from ingest import Chunk, Document, MarkKind
from ingest.chunk import CHUNKER_VERSION
from ingest.parsers import parse
from rag_lifelong import reading, retrieve
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Place, Put
from rag_lifelong.store import documents as documents_table
from rag_lifelong.store import revisions

BUDGETS = (500, 1_000)
SENTENCES = 6  # of a document
HEADINGS = 3
HEADING_CHARS = 400
COMMON_SHARE = 0.3  # a word in more than this share of the documents is common
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

_SENTENCE = re.compile(r"(?<!\w)[A-Z][^.!?\n]*(?:\n[^.!?\n]+)*[.!?](?=\s)")
_WORD = re.compile(r"[A-Za-z_]\w+")


@dataclass(frozen=True, slots=True)
class Item:
    """A question and the span that answers it. kind: "sentence" or "heading"."""

    kind: str
    question: str
    document: int
    start: int
    end: int


def read(data: Path, count: int) -> list[Document]:
    """PEPs of the last commit, the same ones for the same count."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(data / "peps.git.tar") as tar:
            tar.extractall(folder, filter="data")
        repository = Path(folder) / "peps.git"
        with (data / "peps_events.jsonl").open(encoding="utf-8") as lines:
            commit = json.loads(lines.readlines()[-1])["commit"]
        blobs = Blobs(repository)
        tree = {path: blob for path, blob in blobs.tree(commit).items() if re.search(r"/pep-\d+\.rst$", path)}
        chosen = sorted(tree, key=lambda path: blake2b(path.encode(), digest_size=8).digest())[:count]
        return [parse(blobs.read(tree[path]), name=path.rsplit("/", 1)[-1]) for path in chosen]


def make_items(documents: Sequence[Document]) -> list[Item]:
    """The questions; the same for the same documents."""
    rng = random.Random(0)
    in_documents: dict[str, int] = {}
    for document in documents:
        for word in {w.lower() for w in _WORD.findall(document.text)}:
            in_documents[word] = in_documents.get(word, 0) + 1
    most = COMMON_SHARE * len(documents)
    items = []
    for number, document in enumerate(documents):
        sentences = []
        for found in _SENTENCE.finditer(document.text):
            telling = list(
                dict.fromkeys(w for w in _WORD.findall(found.group()) if in_documents.get(w.lower(), 0) <= most)
            )
            if len(telling) >= 6 and len(found.group()) <= 400:
                sentences.append((found, telling))
        for found, telling in rng.sample(sentences, min(SENTENCES, len(sentences))):
            kept = sorted(rng.sample(range(len(telling)), len(telling) * 2 // 3))
            items.append(Item("sentence", " ".join(telling[i] for i in kept), number, *found.span()))
        headings = [
            m for m in document.marks if m.kind is MarkKind.HEADING and m.label not in ("Copyright", "References")
        ]
        for mark in rng.sample(headings, min(HEADINGS, len(headings))):
            end = min(mark.start + HEADING_CHARS, len(document.text))
            items.append(Item("heading", f"{document.title}: {mark.label}", number, mark.start, end))
    return items


def found_share(item: Item, ranked: Sequence[tuple[int, Chunk]], budget: int, count: Callable[[str], int]) -> float:
    """The share of the gold's characters within the first `budget` tokens of the passages."""
    left, seen = budget, 0
    for document, chunk in ranked:
        size = count(chunk.text)
        end = chunk.end if size <= left else chunk.start + len(chunk.text) * left // size
        if document == item.document:
            seen += max(0, min(end, item.end) - max(chunk.start, item.start))
        left -= size
        if left <= 0:
            break
    return seen / (item.end - item.start)


def figures(
    documents: Sequence[Document], items: Sequence[Item], embedder: Embedder, *, tokens: int
) -> dict[str, list[float]]:
    """ "way kind budget" → the share of each item of that kind."""
    values: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase(Path(folder) / "kb", embedder=embedder) as base:
        root = base.folders.ensure_root(folder, is_whole=True)
        puts = []
        for number, document in enumerate(documents):
            chunks = reading.cut(document, embedder, chunk_tokens=tokens)
            digest = blake2b(document.text.encode(), digest_size=16).digest()
            place = Place(root.id, f"{number}.rst", len(document.text), 0)
            puts.append(Put(place, digest, EPOCH, document, chunks, CHUNKER_VERSION, by_name=False))
        base.commit(puts, cause="benchmark")
        while base.embed_next(256):
            pass
        passages = _passages(base, puts)
        for item in items:
            by_vector, by_words, weight = base.candidates(item.question)
            fused = retrieve.fuse(by_vector, by_words, dense_weight=weight)
            ways: dict[str, Mapping[int, float]] = {
                "vectors": by_vector,
                "words": by_words,
                "fused": {i: scores.fused for i, scores in fused.items()},
            }
            for way, scores in ways.items():
                ranked = [passages[i] for i in sorted(scores, key=lambda i: (-scores[i], i))]
                for budget in BUDGETS:
                    share = found_share(item, ranked, budget, embedder.count_tokens)
                    values.setdefault(f"{way:8} {item.kind:9} {budget:5}", []).append(share)
        print(f"{len(documents)} documents, {len(passages)} passages, {len(items)} questions")
    return values


def _passages(base: KnowledgeBase, puts: Sequence[Put]) -> dict[int, tuple[int, Chunk]]:
    """passage id → (number of its document, its chunk)."""
    found = {}
    with base.reading() as connection:
        number = base.version_number(None)
        for location in documents_table.locations(connection, number):
            revision_id = revisions.at(connection, location.document_id, number)
            assert revision_id is not None
            document = int(location.path.removesuffix(".rst"))
            placements = revisions.read(connection, revision_id).placements
            for placement, chunk in zip(placements, puts[document].chunks, strict=True):
                found[placement.passage_id] = (document, chunk)
    return found


def report(values: Mapping[str, Sequence[float]], beside: Mapping[str, Sequence[float]] | None) -> None:
    """The means, and the paired differences."""
    for name, shares in sorted(values.items()):
        line = f"{name}: {np.mean(shares):6.1%} of {len(shares)}"
        if beside is not None:
            difference = np.asarray(shares) - np.asarray(beside[name])
            low, high = interval(difference)
            line += f"  beside {np.mean(beside[name]):6.1%}: {difference.mean() * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}]"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--tokens", type=int, default=DEFAULTS.chunk_tokens, help="the full chunk aimed at")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    arguments = parser.parse_args()
    embedder = open_embedder(None, cache_dir=None)
    cached = None if arguments.cache is None else CountingEmbedder(embedder, arguments.cache)
    documents = read(arguments.data, arguments.documents)
    values = figures(documents, make_items(documents), cached or embedder, tokens=arguments.tokens)
    if cached is not None:
        cached.save()
    if arguments.save is not None:
        arguments.save.write_text(json.dumps(values), encoding="utf-8")
    report(values, None if arguments.beside is None else json.loads(arguments.beside.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
