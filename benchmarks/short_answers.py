"""Short answers, as users get them without a language model, beside the trivial baseline.

    python -m benchmarks.short_answers --data FOLDER [--peps-kb KB] [--cache FOLDER] [--most 1500] [--failures]

FOLDER holds `squad_dev.json`; KB is a knowledge base with the PEPs, for questions written by hand on every third of
them (`span_reader/peps.jsonl`). Of SQuAD: of the articles that the reader was not taught and no threshold was set on, and of the
questions that no weight of the retrieval was chosen on. All 2,067 paragraphs are searched. Exact match and F1 as by the
official script of SQuAD; a refusal counts 0. The baseline: of the best passage the sentence that shares most with the
question, by words as rare as they are. `sentences`: quoting without the reader, as it was before there was one.
Intervals: bootstrap over questions, 95 %, in pairs.
"""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.answering import PRESENT, Case, asked_for, gather, gather_peps, opened
from benchmarks.retrieval import interval
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.questions import take_apart
from rag_lifelong.quote import Reader, quote
from rag_lifelong.quote.support import Matching, families
from rag_lifelong.sentences import split_sentences

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MARKER = re.compile(r"\s*\[\d+\]")
WAYS = ("best sentence of the best passage", "sentences", "default")
MEASURES = ("exact match", "F1", "answered", "cited span holds the answer", "… of those answered")


def main() -> None:
    arguments = asked_for(
        __doc__,
        1_500,
        lambda parser: parser.add_argument("--failures", action="store_true", help="print what was answered wrong"),
    )
    cached, reader = opened(arguments.cache)
    squad = gather(arguments.data, "report", cached, most=arguments.most, titled=False)
    measure("SQuAD", squad, reader, failures=arguments.failures)
    if arguments.peps_kb is not None:
        with KnowledgeBase(arguments.peps_kb, embedder=None, create=False) as base:
            found = ((base, case) for case in gather_peps(base, most=arguments.most))
            measure("PEPs", found, reader, failures=arguments.failures)


def measure(name: str, cases: Iterable[tuple[KnowledgeBase, Case]], reader: Reader, *, failures: bool) -> None:
    """Prints the tables of one set."""
    rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    kinds: list[str] = []
    differing = 0
    for base, case in cases:
        if case.setting != PRESENT:
            continue
        kinds.append(take_apart(case.question).kind.value)
        rows[WAYS[0]].append(judged(trivial(base, case), case))
        for way, by in ((WAYS[1], None), (WAYS[2], reader)):
            said, cited, text = answered(base, case, by)
            rows[way].append(judged((said, cited), case))
            differing += by is not None and text.startswith("Your sources differ")
            if by is not None and failures and not rows[way][-1][1]:
                print(f"{case.question}\n   wanted {case.answer!r}, said {said!r}")
    print(f"{name}: {len(kinds)} questions")
    report(rows, kinds)
    print(f"several documents shown as differing: {differing} of {len(kinds)}, where one answer is right", flush=True)


def trivial(base: KnowledgeBase, case: Case) -> tuple[str, str]:
    """The baseline's sentence, as answer and as citation."""
    if not case.evidence:
        return "", ""
    matching = Matching(take_apart(case.question).content, base)
    sentences = split_sentences(case.evidence[0].hit.text)
    best = max(sentences, key=lambda s: matching.coverage(families(s.text)))
    return best.text, best.text


def answered(base: KnowledgeBase, case: Case, reader: Reader | None) -> tuple[str, str, str]:
    """(the shortest answer given, all that is cited, the whole text); empty if refused."""
    found = quote(case.question, case.evidence, statistics=base, cosines_tell=True, reader=reader)
    if found is None:
        return "", "", ""
    cited = " ".join(span.text for span in found.spans)
    return (found.short or _MARKER.sub("", found.text.split("\n")[0])), cited, found.text


def judged(said: tuple[str, str], case: Case) -> tuple[float, float, float, float]:
    """Exact match, F1, whether it was answered, whether what is cited holds the answer."""
    short, cited = said
    holds = bool(cited) and normal(case.answer) in normal(cited)
    return exact(short, case.answer), overlap(short, case.answer), float(bool(short)), float(holds)


def report(rows: dict[str, list[tuple[float, float, float, float]]], kinds: Sequence[str]) -> None:
    """Prints the tables."""
    found = {way: np.asarray(row) for way, row in rows.items()}
    print("| |" + " | ".join(MEASURES) + " |")
    for way, row in found.items():
        of_answered = row[row[:, 2] > 0, 3].mean() if row[:, 2].any() else 0.0
        print(f"| {way} | " + " | ".join(f"{100 * v:.1f}" for v in (*row.mean(axis=0), of_answered)) + " |")
    for way in WAYS[:2]:
        for column in (0, 1, 3):
            difference = found[WAYS[2]][:, column] - found[way][:, column]
            low, high = interval(difference)
            name = MEASURES[column]
            print(f"default less {way}, {name}: {100 * difference.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]")
    for kind in sorted(set(kinds)):
        row = found[WAYS[2]][[i for i, k in enumerate(kinds) if k == kind]]
        print(f"  {kind}: {len(row)} questions, exact {100 * row[:, 0].mean():.1f}, F1 {100 * row[:, 1].mean():.1f}")


def normal(text: str) -> str:
    """As the official script of SQuAD does: lower case, no punctuation, no articles, single spaces."""
    kept = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return " ".join(_ARTICLES.sub(" ", kept).split())


def exact(said: str, gold: str) -> float:
    """1 if both are equal but for what `normal` drops."""
    return float(normal(said) == normal(gold))


def overlap(said: str, gold: str) -> float:
    """F1 of the words."""
    ours, theirs = normal(said).split(), normal(gold).split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    if not common:
        return float(ours == theirs)
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


if __name__ == "__main__":
    main()
