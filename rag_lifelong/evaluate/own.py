"""A user's own knowledge base, measured on its own history and on itself: no labels, no language model.

Rule: reads one snapshot of the store and writes nothing into it; what it builds to compare with is temporary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NothingToEvaluate, StaleIndex
from rag_lifelong.evaluate import past, present
from rag_lifelong.evaluate.equality import documents_differing, index_differences, ranking_differs, standing
from rag_lifelong.evaluate.fresh import Fresh, built_fresh
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.evaluate.present import Probe
from rag_lifelong.evaluate.report import Difference, Equality, Evaluation
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.places import joined
from rag_lifelong.types import Hit

if TYPE_CHECKING:
    from sqlite3 import Connection

SAMPLES = 200  # changes, and passages
DRAWS = 5  # for each wanted: what has no line, or too few words, to ask for is passed over

Tell = Callable[[int, int], None]
"""Called with (pieces of work done, pieces in all)."""

_T = TypeVar("_T")


def evaluate(assistant: Assistant, *, samples: int = SAMPLES, seed: int = 0, tell: Tell | None = None) -> Evaluation:
    """Measures the knowledge base as it is now; about a minute for 25,000 passages.

    samples: so many changes and so many passages are drawn, at most; the same `seed` draws the same ones.
    Raises NothingToEvaluate if no passage lives, ValueError if samples is below 1.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    base = assistant.knowledge_base
    with base.reading() as connection:
        version = base.version_number(None)
        count = len(standing(connection, version))
        if not count or not base.passages():
            raise NothingToEvaluate("the knowledge base holds no document to ask for; begin with: lifelong add FOLDER")
        turns = past.turns(connection)
        rng = random.Random(seed)
        drawn = rng.sample(turns, min(len(turns), DRAWS * samples))
        changes, without_line = _usable(past.changes(connection, drawn, base.passages_with, rng=rng), samples)
        found = islice(present.probes(connection, version, base.passages_with, rng=rng), DRAWS * samples)
        probes, without_words = _usable(found, samples)
        queries = len(probes) + sum(change.former is not None for change in changes)
        step = _Steps(len(changes) + count + 2 * queries, tell)
        retention = past.retention(
            base, connection, changes, version=version, in_history=len(turns), passed_over=without_line, step=step
        )
        chunk_tokens = assistant.config.chunk_tokens
        with built_fresh(base, connection, version=version, chunk_tokens=chunk_tokens, step=step) as fresh:
            asked = [p.query for p in probes] + [c.former.query for c in changes if c.former is not None]
            here = [_hits(base, query, step) for query in asked]
            there = [_hits(fresh.knowledge_base, query, step) for query in asked]
            equality = _equality(base, connection, fresh, asked, here, there, version=version)
        return Evaluation(
            version=version,
            documents=count,
            passages=base.passages(),
            retention=retention if turns else None,
            dilution=present.dilution(
                _ranks(probes, here), _ranks(probes, there), passed_over=without_words, seed=seed
            ),
            equality=equality,
        )


class _Steps:
    """Counts pieces of work, and tells."""

    def __init__(self, total: int, tell: Tell | None) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def __call__(self) -> None:
        self._done += 1
        if self._tell is not None:
            self._tell(self._done, self._total)


def _usable(found: Iterable[_T | None], most: int) -> tuple[list[_T], int]:
    """(the first `most` that are there, how many were not)."""
    kept: list[_T] = []
    passed_over = 0
    for one in found:
        if one is None:
            passed_over += 1
        else:
            kept.append(one)
            if len(kept) == most:
                break
    return kept, passed_over


def _hits(base: KnowledgeBase, query: str, step: Callable[[], None]) -> tuple[Hit, ...] | None:
    """None if an index names a passage that lives no more."""
    step()
    try:
        return base.search(query, present.LOOKED_AT)
    except StaleIndex:
        return None


def _ranks(probes: Sequence[Probe], rankings: Sequence[Sequence[Hit] | None]) -> list[int | None]:
    return [present.rank(probe, hits) for probe, hits in zip(probes, rankings, strict=False)]


def _equality(
    base: KnowledgeBase,
    connection: Connection,
    fresh: Fresh,
    queries: Sequence[str],
    here: Sequence[tuple[Hit, ...] | None],
    there: Sequence[tuple[Hit, ...] | None],
    *,
    version: int,
) -> Equality:
    made = fresh.knowledge_base
    with made.reading() as other:
        total, differences = documents_differing(
            connection, other, version=version, fresh_version=made.version_number(None)
        )
    unlike_documents = len(differences)
    differences.extend(index_differences(base, connection))
    bases = (base, made)
    verdicts = [ranking_differs(q, a, b, bases=bases) for q, a, b in zip(queries, here, there, strict=True)]
    differences.extend(
        Difference("ranking", query, verdict)
        for query, verdict in zip(queries, verdicts, strict=True)
        if verdict is not None and verdict != "tied"
    )
    return Equality(
        documents=Share(total - unlike_documents, total),
        rankings=Share(sum(verdict in (None, "tied") for verdict in verdicts), len(verdicts)),
        tied=sum(verdict == "tied" for verdict in verdicts),
        differences=tuple(differences),
        older=tuple(sorted(joined(root, path) for root, path in fresh.older)),
        waiting=fresh.waiting,
    )
