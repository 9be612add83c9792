"""Questions of SQuAD with what the search finds for them, in three settings: what `short_answers` and `refusing` measure.

present: every paragraph is there. answer missing: the paragraph that answers is left out, its neighbours stay. topic
missing: half of all articles are left out, and what is asked is of those. Of the retrieval's own tuning half no question is used for a report.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath

from benchmarks.retrieval import CachedEmbedder, TestSet, document, filled, in_tuning_half
from benchmarks.span_reader.examples import Asked, read_peps, read_squad
from rag_lifelong.answering import evidence_of
from rag_lifelong.assistant import EVIDENCE
from rag_lifelong.embed import open_embedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.quote import Evidence
from rag_lifelong.span_reader import SpanReader, open_span_reader

PRESENT, ANSWER_MISSING, TOPIC_MISSING = SETTINGS = ("present", "answer missing", "topic missing")


@dataclass(frozen=True, slots=True)
class Case:
    """A question in a setting. gold: the text of the paragraph that answers it."""

    setting: str
    question: str
    answer: str
    gold: str
    evidence: tuple[Evidence, ...]


def gather(
    data: Path, part: str, embedder: object, *, most: int, titled: bool, seed: int = 7
) -> Iterator[tuple[KnowledgeBase, Case]]:
    """Cases of up to `most` questions of a part of the articles, and the knowledge base each was asked of.

    titled: paragraphs bear their article's title, as files would. Each question gives two cases, the answer present and the answer missing; those on articles left out one more.
    """
    everything = read_squad(data / "squad_dev.json", "all")
    own = read_squad(data / "squad_dev.json", part)
    asked = [q for q in own.questions if part != "report" or not in_tuning_half(q.text)]
    asked = random.Random(seed).sample(asked, min(most, len(asked)))
    with filled(_set(everything.paragraphs, titled), embedder) as base:
        embedder.embed([q.text for q in asked])  # type: ignore[attr-defined]
        for question in asked:
            title, gold = own.paragraphs[question.gold]
            found = base.search(question.text, EVIDENCE + 1)
            evidence = tuple(evidence_of(base, hit) for hit in found)
            yield base, _case(PRESENT, question, gold, evidence[:EVIDENCE])
            rest = [e for e in evidence if e.hit.text != gold]
            yield base, _case(ANSWER_MISSING, question, gold, rest[:EVIDENCE])
    kept = [(title, text) for title, text in everything.paragraphs if not is_left_out(title)]
    with filled(_set(kept, titled), embedder) as base:
        for question in asked:
            title, gold = own.paragraphs[question.gold]
            if is_left_out(title):
                found = base.search(question.text, EVIDENCE)
                yield base, _case(TOPIC_MISSING, question, gold, [evidence_of(base, hit) for hit in found])


def asked_for(doc: str | None, most: int, more: Callable[[argparse.ArgumentParser], object]) -> argparse.Namespace:
    """The command line of what measures answers. more: adds what is its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peps-kb", type=Path, help="a knowledge base with the PEPs")
    parser.add_argument("--cache", type=Path, help="keeps vectors between runs")
    parser.add_argument("--most", type=int, default=most, help="questions at most, drawn by a fixed seed")
    more(parser)
    return parser.parse_args()


def opened(cache: Path | None) -> tuple[object, SpanReader]:
    """The default embedder, its vectors kept in `cache`, and the reader that comes with the package."""
    embedder = open_embedder(None, cache_dir=None)
    reader = open_span_reader(cache_dir=None)
    assert reader is not None, "the default embedder's weights are a requirement"
    return embedder if cache is None else CachedEmbedder(embedder, cache), reader


def gather_peps(base: KnowledgeBase, *, most: int, seed: int = 7) -> Iterator[Case]:
    """Cases of the questions written by hand on PEPs that are for reports; `base` holds the PEPs.

    The answer missing: no passage that shares a line with the one it was written on. The topic missing: nothing of a
    half of the PEPs, for questions on these; what is left out is dropped from a longer search.
    """
    own = read_peps("report")
    asked = [question for question in own.questions if question.answer]
    for question in random.Random(seed).sample(asked, min(most, len(asked))):
        title, gold = own.paragraphs[question.gold]
        lines = {line.strip() for line in gold.split("\n") if len(line.strip()) > 20}
        found = [evidence_of(base, hit) for hit in base.search(question.text, 5 * EVIDENCE)]
        rest = [e for e in found if not any(line in e.hit.text for line in lines)]
        others = [e for e in found if not is_left_out(PurePath(e.hit.path).stem)]
        yield _case(PRESENT, question, gold, found[:EVIDENCE])
        yield _case(ANSWER_MISSING, question, gold, rest[:EVIDENCE])
        if is_left_out(f"pep-{title.removeprefix('PEP ').zfill(4)}"):
            yield _case(TOPIC_MISSING, question, gold, others[:EVIDENCE])


def is_left_out(title: str) -> bool:
    """A fixed half of the articles."""
    return blake2b(b"left out " + title.encode(), digest_size=1).digest()[0] < 128


def _case(setting: str, question: Asked, gold: str, evidence: Sequence[Evidence]) -> Case:
    return Case(setting, question.text, question.answer, gold, tuple(evidence))


def _set(paragraphs: Sequence[tuple[str, str]], titled: bool) -> TestSet:
    return TestSet("squad_dev", [document(title if titled else "", text) for title, text in paragraphs], [])
