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

from rag_lifelong import links
from rag_lifelong.alive import Alive, Ids
from rag_lifelong.index import VectorIndex
from rag_lifelong.questions import identifiers
from rag_lifelong.staleness import Weights, weighed
from rag_lifelong.store import passages, revisions, vectors, words
from rag_lifelong.terms import query_terms, stem, terms
from rag_lifelong.types import Scores, Vector

CANDIDATES = 100  # from words and from vectors each; more moved no figure of the retrieval benchmark
_UNMASKED = 120  # sought first among all vectors, dead ones too: if enough of them live, no mask is needed
DENSE_WEIGHT = 0.6  # of a convex mix of min-max scores; benchmarks.retrieval
DOCUMENT_SHARE = 0.75  # of k: passages of one document beyond it wait until others had their turn
NAMED_BONUS = 1.0  # a document named in the question goes before all others; fused scores are at most 1
FIELD_BONUS = 1.0  # … and of it the header entry, if nothing but that is asked for
NAMED_PASSAGES = 400  # of documents named: a long one has about 200
_FEW_NAMED = 8  # documents whose headers are looked into
_PAST_FACTOR = 10  # … and as many times that died over the years
HOP_SEEDS = 3  # of the best passages, in whose text names are sought
HOP_GAIN = 0.6  # of a seed's score, to the passage it leads to; benchmarks.retrieval, tuning half
HOP_DECAY = 0.8  # … and less for each seed that is better
_BELOW = 1 - 1e-6
_HOP_SPREAD = 50  # passages: what more than so many have in their title or headings does not tell one from another
COMMON_SHARE = 0.2  # a term in more than this share of the passages …
COMMON_FROM = 5_000  # … of a knowledge base this large is dropped if others are left: it costs most, tells least


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage found, and how. end: a header entry that was asked for begins in it and goes on to there, or None."""

    passage_id: int
    document_id: int
    scores: Scores
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which passages may be found: those alive at `version`; of `document_ids` only, unless None.

    is_present: `version` is the newest.
    """

    version: int
    is_present: bool
    document_ids: frozenset[int] | None


Link = tuple[int, tuple[int, ...]]
"""(rank of the seed that leads there, passage ids)."""

MayBeTitle = Callable[[links.Name], bool]

Words = Callable[[Sequence[str], int, Ids | None, float], list[tuple[int, float]] | None]
"""(terms, k, among, common share) → (passage id, BM25), best first, of the scope's version; None: ask the store."""


def search(
    connection: sqlite3.Connection,
    index: VectorIndex,
    *,
    question: str,
    vector: Vector | None,
    unknown_share: float,
    k: int,
    scope: Scope,
    alive: Callable[[], Alive],
    words_at: Words,
    weights: Callable[[Collection[int]], Weights],
    text_of: Callable[[int], str],
    may_be_title: MayBeTitle | None,
    embedder_id: int,
) -> list[Scored]:
    """Up to `k` passages, best first, ties by passage id.

    vector: the question's, shape (dim,), or None to search by words alone. unknown_share: the share of the
    question's tokens the embedder does not know; words count for more, the more it is.
    alive: gives the passages alive at the scope's version; called only where a mask is needed. words_at: BM25 without
    the store, where it is at hand.
    weights: gives how documents, by id, stand to each other; what the question names is not weighed.
    text_of: a passage's text, given its id. may_be_title: False for a name that is no document's; None: ask the store.
    """
    by_vector, by_words = candidates(
        connection,
        index,
        question=question,
        vector=vector,
        scope=scope,
        alive=alive,
        words_at=words_at,
        embedder_id=embedder_id,
    )
    named = _named(connection, question, scope, alive)
    if named:
        by_words |= dict(_words_among(connection, query_terms(question), named, scope, alive, words_at))
        if vector is not None:
            found = vectors.by_passage(connection, embedder_id, [i for i in named if i not in by_vector])
            by_vector |= {passage_id: float(found[passage_id] @ vector) for passage_id in found}
    weight = dense_weight(unknown_share)
    scored = fuse(by_vector, by_words, dense_weight=weight)
    if not named:
        seeds = sorted(scored, key=lambda passage_id: (-scored[passage_id].fused, passage_id))[:HOP_SEEDS]
        linked = _linked(connection, seeds, question, scope, alive, text_of, may_be_title)
        scored |= _with_links(connection, scored, seeds, linked, by_vector, vector, weight, embedder_id)
    owners = passages.documents_of(connection, list(scored))
    fused = {i: scores.fused for i, scores in scored.items() if i not in named}
    for passage_id, score in weighed(fused, owners, weights({owners[i] for i in fused})).items():
        if score != fused[passage_id]:
            scored[passage_id] = replace(scored[passage_id], fused=score)
    entries = _header_entries(connection, question, {owners[i] for i in named.intersection(scored)}, scope.version)
    for passage_id in named.intersection(scored):
        plain = scored[passage_id]
        bonus = NAMED_BONUS + (FIELD_BONUS if passage_id in entries else 0.0)
        scored[passage_id] = Scores(plain.fused + bonus, plain.dense, plain.words)
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
    return _in_scope(connection, found, scope, alive)


def _in_scope(
    connection: sqlite3.Connection, found: Collection[int], scope: Scope, alive: Callable[[], Alive]
) -> frozenset[int]:
    """Those of these passages that may be found."""
    if found and not scope.is_present:
        return frozenset(found).intersection(_allowed(alive(), scope).passage_ids.tolist())
    if found and scope.document_ids is not None:
        owners = passages.documents_of(connection, sorted(found))
        return frozenset(passage_id for passage_id in found if owners[passage_id] in scope.document_ids)
    return frozenset(found)


def _linked(
    connection: sqlite3.Connection,
    seeds: Sequence[int],
    question: str,
    scope: Scope,
    alive: Callable[[], Alive],
    text_of: Callable[[int], str],
    may_be_title: MayBeTitle | None,
) -> dict[int, Link]:
    """document id → (rank of the seed, its passages): the documents whose titles the best passages mention.

    The second of two hops: a question about the director of a film is answered where the director is written about,
    and the film's passage names them. What the question itself mentions was found already.
    """
    asked = set(terms(question))
    reached: dict[int, list[tuple[int, links.Name]]] = {}  # passage → (rank of the seed, by which name), in order
    sought: set[links.Name] = set()
    for rank, seed in enumerate(seeds):
        for name in links.names(text_of(seed)):
            if name in sought or asked.issuperset(name):
                continue
            sought.add(name)
            if may_be_title is not None and not may_be_title(name):
                continue
            found = words.in_context(connection, name, _HOP_SPREAD + 1, past=False)
            if not scope.is_present:
                found += words.in_context(connection, name, _HOP_SPREAD + 1, past=True)
            if len(found) > _HOP_SPREAD:
                continue
            for passage_id in found:
                reached.setdefault(passage_id, []).append((rank, name))
    allowed = _in_scope(connection, reached.keys(), scope, alive)
    owners = passages.documents_of(connection, sorted(allowed))
    titles = revisions.titles(connection, sorted(set(owners.values())), scope.version)
    own = set(passages.documents_of(connection, seeds).values())
    linked: dict[int, Link] = {}
    for passage_id in sorted(allowed):
        owner = owners[passage_id]
        called = links.titles(titles.get(owner, ""))
        ranks = [rank for rank, name in reached[passage_id] if name in called]
        if owner in own or not ranks:
            continue
        rank = ranks[0]
        first, together = linked.get(owner, (rank, ()))
        linked[owner] = min(first, rank), (*together, passage_id)
    return linked


def _with_links(
    connection: sqlite3.Connection,
    scored: Mapping[int, Scores],
    seeds: Sequence[int],
    linked: Mapping[int, Link],
    by_vector: Mapping[int, float],
    vector: Vector | None,
    weight: float,
    embedder_id: int,
) -> dict[int, Scores]:
    """The best passage of each document linked to, raised, but not above the seed that led to it.

    One that was no candidate gets a cosine on the candidates' scale.
    """
    missing = [i for _, together in linked.values() for i in together if i not in scored]
    if vector is None or not missing:
        cosines = {}
    else:
        found = vectors.by_passage(connection, embedder_id, missing)
        cosines = {passage_id: float(found[passage_id] @ vector) for passage_id in found}
    low, high = min(by_vector.values(), default=0.0), max(by_vector.values(), default=0.0)

    def plain(passage_id: int) -> Scores:
        cosine = cosines.get(passage_id)
        part = 0.0 if cosine is None or high <= low else max(0.0, (cosine - low) / (high - low))
        return scored.get(passage_id) or Scores(weight * part, cosine, None)

    raised: dict[int, Scores] = {}
    for rank, together in linked.values():
        best = max(together, key=lambda passage_id: plain(passage_id).fused)
        scores, most = plain(best), scored[seeds[rank]].fused
        gained = scores.fused + HOP_GAIN * HOP_DECAY**rank * most
        raised[best] = replace(scores, fused=max(scores.fused, min(gained, most * _BELOW)))
    return raised


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
    index: VectorIndex,
    *,
    question: str,
    vector: Vector | None,
    scope: Scope,
    alive: Callable[[], Alive],
    words_at: Words,
    embedder_id: int,
) -> tuple[dict[int, float], dict[int, float]]:
    """(passage id → cosine, passage id → BM25): the best CANDIDATES of each way, best first.

    What words found has its exact cosine too, where it has a vector; those come last.
    """
    by_words = _by_words(connection, question, scope, alive, words_at)
    if vector is None:
        return {}, by_words
    by_vector = _by_vector(connection, index, vector, scope, alive)
    missing = [passage_id for passage_id in by_words if passage_id not in by_vector]
    found = vectors.by_passage(connection, embedder_id, missing)
    return by_vector | {passage_id: float(found[passage_id] @ vector) for passage_id in found}, by_words


def dense_weight(unknown_share: float) -> float:
    """The weight of the cosine in the mix, for a question of which the embedder does not know that share."""
    return DENSE_WEIGHT * (1.0 - unknown_share)


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
    among = None if scope.document_ids is None else _allowed(alive(), scope).passage_ids
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


def _by_vector(
    connection: sqlite3.Connection,
    index: VectorIndex,
    vector: Vector,
    scope: Scope,
    alive: Callable[[], Alive],
) -> dict[int, float]:
    if scope.is_present and scope.document_ids is None:
        # Unmasked first: nearly all vectors live. In order of score, so enough living ones are the best living ones.
        found = _passages(connection, index, vector, _UNMASKED, scope, None)
        if len(found) >= CANDIDATES or len(index) <= _UNMASKED:
            return dict(list(found.items())[:CANDIDATES])
    allowed = _allowed(alive(), scope)
    # sorted, not unique: repeats do no harm to a mask, and np.unique takes 20 ms for 100,000
    among = np.sort(allowed.vector_ids[allowed.vector_ids >= 0], kind="stable")
    found = _passages(connection, index, vector, CANDIDATES, scope, among)
    if scope.document_ids is not None:
        inside = set(allowed.passage_ids.tolist())
        found = {passage_id: cosine for passage_id, cosine in found.items() if passage_id in inside}
    return dict(list(found.items())[:CANDIDATES])


def _passages(
    connection: sqlite3.Connection,
    index: VectorIndex,
    vector: Vector,
    k: int,
    scope: Scope,
    among: Ids | None,
) -> dict[int, float]:
    """passage id → cosine of the living passages behind the best `k` vectors, best first."""
    found = index.search(vector, k, among=among)
    cosines = dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
    living = vectors.passages_with(connection, found.ids.tolist(), scope.version)
    return {passage_id: cosines[vector_id] for vector_id, passage_id in living}


def _allowed(alive: Alive, scope: Scope) -> Alive:
    if scope.document_ids is None:
        return alive
    inside = np.isin(alive.document_ids, np.fromiter(scope.document_ids, dtype=np.int64))
    return Alive(alive.passage_ids[inside], alive.document_ids[inside], alive.vector_ids[inside], alive.lengths[inside])
