"""A question → passages: words and vectors, fused, spread over documents.

Rule: the store's state at one version in, passage ids with scores out; nothing here writes. Weights are measured
(`python -m benchmarks.retrieval`), not guessed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rag_lifelong import second_hop
from rag_lifelong.alive import Alive, Ids
from rag_lifelong.meaning import CANDIDATES, Meaning
from rag_lifelong.questions import identifiers, marked_terms
from rag_lifelong.scope import Scope, allowed, in_scope
from rag_lifelong.second_hop import MayBeTitle
from rag_lifelong.staleness import Weights, weighed
from rag_lifelong.store import passages, revisions, words
from rag_lifelong.terms import query_terms, stem, terms
from rag_lifelong.types import Scores

WORDS_KNOW = 0.7  # of the dense weight is lost where words have found what the embedder has not; benchmarks.retrieval
_UNSEEN_FROM = 20  # … which is so if it sees so many nearer than what words found
_COVERED = 0.7, 0.9  # … and from the lower to the higher share of the question that this holds
_AHEAD = 0.1, 0.4  # … and share of its score that it is before the tenth by words
_MARKED_COUNTS = 2.0  # … where names, numbers and identifiers count so many times
DOCUMENT_SHARE = 0.75  # of k: passages of one document beyond it wait until others had their turn
NAMED_BONUS = 1.0  # a document named in the question goes before all others; fused scores are at most 1
FIELD_BONUS = 1.0  # … and of it the header entry, if nothing but that is asked for
NAMED_PASSAGES = 400  # of documents named: a long one has about 200
_FEW_NAMED = 8  # documents whose headers are looked into
_PAST_FACTOR = 10  # … and as many times that died over the years
RERANKED = 20  # of the best, by a cross-encoder, if there is one
COMMON_SHARE = 0.2  # a term in more than this share of the passages …
COMMON_FROM = 5_000  # … of a knowledge base this large is dropped if others are left: it costs most, tells least


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage found, and how. end: a header entry that was asked for begins in it and goes on to there, or None."""

    passage_id: int
    document_id: int
    scores: Scores
    end: int | None = None


Words = Callable[[Sequence[str], int, Ids | None, float], list[tuple[int, float]] | None]
"""(terms, k, among, common share) → (passage id, BM25), best first, of the scope's version; None: ask the store."""


Rerank = Callable[[Sequence[int]], Sequence[float]]
"""passage ids → how well each answers the question, in their order; bigger is better."""


def search(
    connection: sqlite3.Connection,
    *,
    question: str,
    meaning: Meaning,
    k: int,
    scope: Scope,
    alive: Callable[[], Alive],
    words_at: Words,
    weights: Callable[[Collection[int]], Weights],
    text_of: Callable[[int], str],
    string_of: Callable[[int], str],
    may_be_title: MayBeTitle | None,
    rerank: Rerank | None,
) -> list[Scored]:
    """Up to `k` passages, best first, ties by passage id.

    meaning: of the question, in the same scope.
    alive: gives the passages alive at the scope's version; called only where a mask is needed. words_at: BM25 without
    the store, where it is at hand.
    weights: gives how documents, by id, stand to each other; what the question names is not weighed.
    text_of: a passage's text, given its id. string_of: its title and headings, then its text.
    may_be_title: None: ask the store. rerank: looks at the best RERANKED again; None: they stay as they are.
    """
    by_vector, by_words = candidates(
        connection, question=question, meaning=meaning, scope=scope, alive=alive, words_at=words_at
    )
    named = _named(connection, question, scope, alive)
    if named:
        by_words |= dict(_words_among(connection, query_terms(question), named, scope, alive, words_at))
        by_vector |= meaning.cosines([i for i in named if i not in by_vector])
    weight = dense_weight(meaning.weight, known_by_words(question, by_vector, by_words, string_of))
    scored = fuse(by_vector, by_words, dense_weight=weight)
    if not named:
        scored |= second_hop.titled(connection, scored, question, scope)
        seeds = sorted(scored, key=lambda passage_id: (-scored[passage_id].fused, passage_id))[: second_hop.SEEDS]
        linked = second_hop.linked(connection, seeds, question, scope, alive, text_of, may_be_title)
        scored |= second_hop.raised(scored, seeds, linked, by_vector, meaning, weight)
    if rerank is not None:
        scored |= reranked(scored, rerank)
    owners = passages.documents_of(connection, list(scored))
    fused = {i: scores.fused for i, scores in scored.items() if i not in named}
    for passage_id, score in weighed(fused, owners, weights({owners[i] for i in fused})).items():
        if score != fused[passage_id]:
            scored[passage_id] = replace(scored[passage_id], fused=score)
    entries = _header_entries(connection, question, {owners[i] for i in named.intersection(scored)}, scope.version)
    for passage_id in named.intersection(scored):
        plain = scored[passage_id]
        bonus = NAMED_BONUS + (FIELD_BONUS if passage_id in entries else 0.0)
        scored[passage_id] = replace(plain, fused=plain.fused + bonus)
    ranked = sorted(scored, key=lambda passage_id: (-scored[passage_id].fused, passage_id))
    return spread([Scored(i, owners[i], scored[i], entries.get(i)) for i in ranked], k)


def _named(connection: sqlite3.Connection, question: str, scope: Scope, alive: Callable[[], Alive]) -> frozenset[int]:
    """Passages in scope of the documents that the question names by a word and a number in their title: "PEP 572"."""
    found: set[int] = set()
    for identifier in identifiers(question):
        phrase = [stem(identifier.word), identifier.number]
        found.update(words.in_context(connection, phrase, NAMED_PASSAGES, past=False))
        if not scope.is_present:
            found.update(words.in_context(connection, phrase, _PAST_FACTOR * NAMED_PASSAGES, past=True))
    return in_scope(connection, found, scope, alive)


def _header_entries(
    connection: sqlite3.Connection, question: str, document_ids: Collection[int], version: int
) -> dict[int, int]:
    """passage id → end of the header entry in it that is asked of these documents: "PEP 572 Status", and no more.

    An entry may be longer than the passage it begins in.
    """
    asked = set(query_terms(question))
    for identifier in identifiers(question):
        asked -= {stem(identifier.word), identifier.number}
    if not asked or len(document_ids) > _FEW_NAMED:
        return {}
    found: dict[int, int] = {}
    revision_ids = [revisions.at(connection, document_id, version) for document_id in sorted(document_ids)]
    named = [revisions.read(connection, i) for i in revision_ids if i is not None]
    meant = {f"{stem(identifier.word)} {identifier.number}" for identifier in identifiers(question)}
    titled = [r for r in named if any(f"{' '.join(terms(r.title))} ".startswith(f"{name} ") for name in meant)]
    for revision in titled or named:  # a heading, or the rest of a title, may name another document
        for field in revision.fields:
            if field.start is None or field.end is None or not asked <= set(terms(field.name)):
                continue
            for p in revision.placements:
                if p.start <= field.start < p.end:
                    found[p.passage_id] = max(field.end, found.get(p.passage_id, 0))
    return found


def _words_among(
    connection: sqlite3.Connection,
    wanted: Sequence[str],
    among: frozenset[int],
    scope: Scope,
    alive: Callable[[], Alive],
    words_at: Words,
) -> list[tuple[int, float]]:
    """(passage id, BM25) of those of `among`, with the statistics of all that live at the scope's version."""
    ids = np.fromiter(sorted(among), dtype=np.int64, count=len(among))
    found = words_at(wanted, len(among), ids, 1.0)
    if found is not None:
        return found
    if scope.is_present:
        return words.search(connection, wanted, len(among), among=among)
    then = alive()
    return words.search_as_of(connection, wanted, len(among), alive=then.passage_ids, lengths=then.lengths, among=ids)


def candidates(
    connection: sqlite3.Connection,
    *,
    question: str,
    meaning: Meaning,
    scope: Scope,
    alive: Callable[[], Alive],
    words_at: Words,
) -> tuple[dict[int, float], dict[int, float]]:
    """(passage id → cosine, passage id → BM25): the best CANDIDATES of each way, best first.

    What words found has its exact cosine too, where it has a vector; those come last.
    """
    by_words = _by_words(connection, question, scope, alive, words_at)
    by_vector = meaning.best()
    return by_vector | meaning.cosines([i for i in by_words if i not in by_vector]), by_words


def dense_weight(full: float, known_by_words: float) -> float:
    """The weight of the cosine in the mix. full: where words know nothing that the embedder does not (`Meaning`)."""
    return full * (1.0 - WORDS_KNOW * known_by_words)


def known_by_words(
    question: str, by_vector: Mapping[int, float], by_words: Mapping[int, float], string_of: Callable[[int], str]
) -> float:
    """How surely words have found what was asked and the embedder has not, 0 to 1: people, dates, rare words.

    So it is if the best passage by words holds nearly all of the question and is well ahead of others, and is far down
    by its cosine. string_of: a passage's title, headings and text.
    """
    if not by_words:
        return 0.0
    best = max(by_words, key=lambda passage_id: (by_words[passage_id], -passage_id))
    cosine = by_vector.get(best)
    if cosine is None or sum(other > cosine for other in by_vector.values()) < _UNSEEN_FROM:
        return 0.0
    tenth = sorted(by_words.values(), reverse=True)[9] if len(by_words) > 9 else 0.0
    ahead = _ramp((by_words[best] - tenth) / by_words[best], *_AHEAD)
    if not ahead:
        return 0.0
    held, marked = set(terms(string_of(best))), marked_terms(question)
    counts = {term: _MARKED_COUNTS if term in marked else 1.0 for term in query_terms(question)}
    covered = sum(count for term, count in counts.items() if term in held) / sum(counts.values())
    return ahead * _ramp(covered, *_COVERED)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def fuse(by_vector: Mapping[int, float], by_words: Mapping[int, float], *, dense_weight: float) -> dict[int, Scores]:
    """passage id → scores; fused = w · cosine + (1 − w) · BM25, each scaled to [0, 1] among the candidates.

    A passage without a vector yet is ranked by its words alone, so that waiting costs it nothing.
    """
    cosines = np.fromiter(by_vector.values(), dtype=np.float64, count=len(by_vector))
    low, high = (float(cosines.min()), float(cosines.max())) if len(cosines) else (0.0, 0.0)
    top = max(by_words.values(), default=0.0)
    fused: dict[int, Scores] = {}
    for passage_id in {**by_vector, **by_words}:
        cosine, bm25 = by_vector.get(passage_id), by_words.get(passage_id)
        word_part = bm25 / top if bm25 is not None and top > 0 else 0.0
        if cosine is None:
            score = word_part
        else:
            dense_part = (cosine - low) / (high - low) if high > low else 1.0
            score = dense_weight * dense_part + (1.0 - dense_weight) * word_part
        fused[passage_id] = Scores(fused=score, dense=cosine, words=bm25)
    return fused


def reranked(scored: Mapping[int, Scores], rerank: Rerank) -> dict[int, Scores]:
    """The best RERANKED in the order that `rerank` gives them; each takes the fused score of its new place.

    So what documents are worth is still weighed on one scale, and what was not looked at stays below.
    """
    best = sorted(scored, key=lambda passage_id: (-scored[passage_id].fused, passage_id))[:RERANKED]
    if not best:
        return {}
    given = dict(zip(best, rerank(best), strict=True))
    order = sorted(best, key=lambda passage_id: (-given[passage_id], -scored[passage_id].fused, passage_id))
    return {i: replace(scored[i], fused=scored[place].fused) for i, place in zip(order, best, strict=True)}


def spread(ranked: Sequence[Scored], k: int) -> list[Scored]:
    """The first `k`, no document with more than DOCUMENT_SHARE of them while others have any."""
    most = max(1, round(k * DOCUMENT_SHARE))
    taken: list[Scored] = []
    waiting: list[Scored] = []
    count: Counter[int] = Counter()
    for scored in ranked:
        if len(taken) == k:
            break
        if count[scored.document_id] < most:
            count[scored.document_id] += 1
            taken.append(scored)
        else:
            waiting.append(scored)
    taken.extend(waiting[: k - len(taken)])
    return sorted(taken, key=lambda scored: (-scored.scores.fused, scored.passage_id))


def _by_words(
    connection: sqlite3.Connection, question: str, scope: Scope, alive: Callable[[], Alive], words_at: Words
) -> dict[int, float]:
    wanted = query_terms(question)
    among = None if scope.document_ids is None else allowed(alive(), scope).passage_ids
    found = words_at(wanted, CANDIDATES, among, COMMON_SHARE)
    if found is not None:
        return dict(found)
    if not scope.is_present:
        then = alive()
        is_large = len(then.passage_ids) >= COMMON_FROM and len(wanted) > 1
        return dict(
            words.search_as_of(
                connection,
                wanted,
                CANDIDATES,
                alive=then.passage_ids,
                lengths=then.lengths,
                among=among,
                common_share=COMMON_SHARE if is_large else 1.0,
            )
        )
    wanted = _telling_terms(connection, wanted)
    if among is None:
        return dict(words.search(connection, wanted, CANDIDATES))
    return dict(words.search(connection, wanted, CANDIDATES, among=frozenset(among.tolist())))


def _telling_terms(connection: sqlite3.Connection, wanted: Sequence[str]) -> list[str]:
    """`wanted` without the terms that stand nearly everywhere, unless no other is left."""
    total = words.count_live(connection) if len(wanted) > 1 else 0
    if total < COMMON_FROM:
        return list(wanted)
    rare = [term for term in wanted if 0 < words.passages_with(connection, term) <= COMMON_SHARE * total]
    return rare or list(wanted)
