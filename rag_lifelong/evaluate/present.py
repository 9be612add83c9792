"""Does the past bend the present? Living passages asked for by their own words, here and without a past.

Rule: the same queries in both; a passage counts as found where its exact text is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag_lifelong.evaluate.metrics import Share, difference, mean, recalled, reciprocal
from rag_lifelong.evaluate.queries import query_of
from rag_lifelong.evaluate.report import Dilution, Ranks
from rag_lifelong.sentences import is_prose, split_sentences
from rag_lifelong.store import passages, revisions
from rag_lifelong.types import Hit

if TYPE_CHECKING:
    from sqlite3 import Connection

DEPTH = 5  # of the recall
LOOKED_AT = 10  # hits, for the reciprocal rank


@dataclass(frozen=True, slots=True)
class Probe:
    """A living passage's text, and a query of words of one of its sentences."""

    text: str
    query: str


def probes(
    connection: Connection, version: int, passages_with: Callable[[str], int], *, rng: random.Random
) -> Iterator[Probe | None]:
    """Living passages in an order drawn by `rng`, each with its query; None where no sentence tells enough."""
    ids = sorted(passages.alive_ids(connection))
    for passage_id in rng.sample(ids, len(ids)):
        text = _text_of(connection, passage_id, version)
        yield None if text is None else _probe(text, passages_with, rng)


def _text_of(connection: Connection, passage_id: int, version: int) -> str | None:
    owner = passages.documents_of(connection, [passage_id])[passage_id]
    revision_id = revisions.at(connection, owner, version)
    if revision_id is None:
        return None
    revision = revisions.read(connection, revision_id)
    placed = next((p for p in revision.placements if p.passage_id == passage_id), None)
    return None if placed is None else revision.text[placed.start : placed.end]


def _probe(text: str, passages_with: Callable[[str], int], rng: random.Random) -> Probe | None:
    sentences = [sentence.text for sentence in split_sentences(text) if is_prose(sentence.text)]
    for sentence in rng.sample(sentences, len(sentences)):
        query = query_of(sentence, passages_with)
        if query is not None:
            return Probe(text, query)
    return None


def rank(probe: Probe, hits: Sequence[Hit] | None) -> int | None:
    """The place of the first hit with the probe's text, from 1; None if none has it, or the search failed."""
    return next((place for place, hit in enumerate(hits or (), start=1) if hit.text == probe.text), None)


def dilution(here: Sequence[int | None], fresh: Sequence[int | None], *, passed_over: int, seed: int) -> Dilution:
    """Aligned ranks of the same probes here and in a knowledge base without a past; the same `seed` resamples alike."""
    recalls = [[recalled(place, DEPTH) for place in places] for places in (here, fresh)]
    inverse = [[reciprocal(place) for place in places] for places in (here, fresh)]
    of_here, of_fresh = (
        Ranks(Share(round(sum(found)), len(found)), mean(values, rng=random.Random(seed)))
        for found, values in zip(recalls, inverse, strict=True)
    )
    return Dilution(
        here=of_here,
        fresh=of_fresh,
        recall_difference=difference(recalls[0], recalls[1], rng=random.Random(seed)),
        mrr_difference=difference(inverse[0], inverse[1], rng=random.Random(seed)),
        depth=DEPTH,
        looked_at=LOOKED_AT,
        passed_over=passed_over,
    )
