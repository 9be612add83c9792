"""What `benchmarks.retrieval` reports by: measures worked out by hand, the verdict, the PEP questions."""

from __future__ import annotations

from math import log2
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pep_search, retrieval

HEADER = """PEP: {number}
Title: {title}
Author: Ada Byron <ada@example.org>, Charles {name}
Created: 01-Jan-{year}

Abstract
========

{text}
"""


def test_measures_by_hand() -> None:
    ranked, gold = [7, 1, 8, 2], frozenset({1, 2, 3})
    assert retrieval.recall(ranked, gold, 2) == pytest.approx(1 / 3)
    assert retrieval.recall(ranked, gold, 10) == pytest.approx(2 / 3)
    best = 1 + 1 / log2(3) + 1 / log2(4)
    assert retrieval.ndcg(ranked, gold, 10) == pytest.approx((1 / log2(3) + 1 / log2(5)) / best)
    assert retrieval.reciprocal_rank(ranked, gold, 10) == 0.5
    assert retrieval.reciprocal_rank(ranked, frozenset({9}), 10) == 0.0


def test_a_document_counts_once_at_its_best_passage() -> None:
    found = retrieval.Candidates({10: 0.9, 11: 0.8, 20: 0.7}, {}, 0.6, [], {10: 1, 11: 1, 20: 2}, 0.0)
    assert retrieval.by_vector(found) == [1, 2]


def test_below_and_above_are_told_by_paired_intervals() -> None:
    rng = np.random.default_rng(0)
    peer = {"a": rng.random((200, 6)), "b": rng.random((200, 6))}
    better = {"a": peer["a"] + 0.1, "b": peer["b"] - 0.02}
    below, pooled = retrieval.beside({"default": better, "words": peer}, "words")
    assert below == ["b recall@5", "b nDCG@10"]
    for mean, low, high in pooled:
        assert (mean, low, high) == pytest.approx((0.04, 0.04, 0.04))
    noise = {name: values + rng.normal(0, 0.3, values.shape) for name, values in peer.items()}
    below, pooled = retrieval.beside({"default": noise, "words": peer}, "words")
    assert below == []
    assert all(low < 0 < high for _, low, high in pooled)


def test_the_questions_by_hand_are_well_formed() -> None:
    text = Path(pep_search.__file__).with_name("pep_natural.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == 100
    assert all(question.endswith("?") and numbers.replace(" ", "").isdecimal() for numbers, question in lines)
    assert len({question for _, question in lines}) == 100


def test_made_questions_hold_no_word_but_those_of_their_pep(tmp_path: Path) -> None:
    for number in range(1, 12):
        text = f"Zeta{number} eta{number} theta{number} iota{number} kappa{number} lambda{number} are here. Next."
        title = f"Alpha{number} beta{number} gamma{number}"
        header = HEADER.format(number=number, title=title, name=f"Babbage{number}", year=1990 + number, text=text)
        (tmp_path / f"pep-{number:04}.rst").write_text(header, encoding="utf-8")
    peps = pep_search.read(tmp_path)
    made = list(pep_search.made(peps))
    assert {question.split()[0] for question, _ in made} >= {"What", "Which"}
    for question, gold in made:
        assert len(gold) == 1
        number = peps[next(iter(gold))].number
        own = [word.strip("?.") for word in question.split() if any(char.isdigit() for char in word)]
        assert own
        assert all(word.endswith(str(number)) or word == str(1990 + number) for word in own)
    assert made == list(pep_search.made(peps))
