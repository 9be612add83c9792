"""What the size of chunks does to finding: answers in long documents, within so many tokens of passages read.

    python -m benchmarks.chunk_sizes --data FOLDER [--sizes 160 200 260 300] [--questions N]

FOLDER holds `squad_dev.json`. Each article, its paragraphs one after another, is one document, cut to the size asked for and
found through the code that answers users. An answer counts as found within B tokens if the passages from the first to the
one that holds its exact span have no more than B together: so large chunks cannot win by their size alone. A size
above 200 also lets the model read as much. Intervals: paired bootstrap over questions, 95 %, beside the default size.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.retrieval import EPOCH, interval
from ingest import Document
from ingest.chunk import CHUNKER_VERSION, LARGEST
from ingest.parsers import parse
from rag_lifelong.config import DEFAULTS
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Place, Put
from rag_lifelong.reading import cut

BUDGETS = (500, 1_000, 1_500)  # tokens
READ = 20  # passages


@dataclass(frozen=True)
class Question:
    text: str
    document: int
    start: int
    end: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 200, 260, 300])
    parser.add_argument("--questions", type=int, default=1_500)
    arguments = parser.parse_args()
    documents, questions = articles(arguments.data / "squad_dev.json")
    chosen = Random(5).sample(questions, min(arguments.questions, len(questions)))
    sizes = [DEFAULTS.chunk_tokens, *(size for size in arguments.sizes if size != DEFAULTS.chunk_tokens)]
    default: np.ndarray | None = None
    for size in sizes:
        found = outcomes(documents, chosen, size)  # (questions, budgets + 1)
        shares = "  ".join(f"{share:.1%}" for share in found.mean(axis=0))
        print(f"{size:>4} tokens   within {BUDGETS} tokens, and first: {shares}", flush=True)
        if default is None:
            default = found
            continue
        for name, column in zip((*map(str, BUDGETS), "first"), (found - default).T, strict=True):
            low, high = interval(column)
            print(f"       {name:>5}: {column.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


def articles(path: Path) -> tuple[list[Document], list[Question]]:
    by_title: dict[str, list[dict[str, object]]] = defaultdict(list)
    for paragraph in json.loads(path.read_text(encoding="utf-8")):
        by_title[paragraph["title"]].append(paragraph)
    documents, questions = [], []
    for title, paragraphs in by_title.items():
        text = f"# {title}\n\n"
        for paragraph in paragraphs:
            context = str(paragraph["context"])
            for asked in paragraph["questions"]:  # type: ignore[attr-defined]
                at = context.find(asked["answer"])
                if at >= 0:
                    start = len(text) + at
                    questions.append(Question(asked["question"], len(documents), start, start + len(asked["answer"])))
            text += f"{context}\n\n"
        documents.append(parse(text.encode(), name=f"{title}.md"))
    return documents, questions


def outcomes(documents: list[Document], questions: list[Question], size: int) -> np.ndarray:
    embedder = open_embedder(cache_dir=None)
    embedder.max_tokens = max(embedder.max_tokens, round(size * LARGEST) + 2)  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase(Path(folder), embedder=embedder) as base:
        root = base.folders.ensure_root("/articles", is_whole=True)
        puts = []
        for number, document in enumerate(documents):
            chunks = cut(document, embedder, chunk_tokens=size)
            place = Place(root.id, f"{number}.md", len(document.text), 0)
            puts.append(Put(place, str(number).encode(), EPOCH, document, chunks, CHUNKER_VERSION, by_name=False))
        base.commit(puts, cause="benchmark")
        while base.embed_next(256):
            pass
        return np.array([_outcome(base, question) for question in questions], dtype=float)


def _outcome(base: KnowledgeBase, question: Question) -> list[bool]:
    read = 0
    for rank, hit in enumerate(base.search(question.text, READ)):
        read += base.embedder.count_tokens(hit.text)
        if hit.path == f"/articles/{question.document}.md" and hit.start <= question.start and question.end <= hit.end:
            return [*(read <= budget for budget in BUDGETS), rank == 0]
    return [False] * (len(BUDGETS) + 1)


if __name__ == "__main__":
    main()
