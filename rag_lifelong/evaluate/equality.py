"""Is a knowledge base with a past what one built in one go is?

Rule: compares what each holds and what each finds, never how it came there: ids and versions are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from typing import TYPE_CHECKING

from rag_lifelong.evaluate.report import Difference
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.meaning import CANDIDATES
from rag_lifelong.places import joined
from rag_lifelong.store import documents, files, passages, revisions, words
from rag_lifelong.store.revisions import Revision
from rag_lifelong.types import Hit

if TYPE_CHECKING:
    from sqlite3 import Connection

_TOLERANCE = 1e-6  # of scores: cosines are single precision


def standing(connection: Connection, version: int) -> dict[str, int]:
    """Absolute path → revision id of the documents alive at a version."""
    roots = {root.id: root.path for root in files.roots(connection)}
    found = {}
    for location in documents.locations(connection, version):
        revision_id = revisions.at(connection, location.document_id, version)
        if revision_id is not None:
            found[joined(roots[location.root_id], location.path)] = revision_id
    return found


def documents_differing(
    here: Connection, fresh: Connection, *, version: int, fresh_version: int
) -> tuple[int, list[Difference]]:
    """(documents in either, a difference for each that is not the same in both)."""
    ours, theirs = standing(here, version), standing(fresh, fresh_version)
    found = []
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in ours or path not in theirs:
            found.append(Difference("document", path, "is here only" if path in ours else "is in the fresh one only"))
            continue
        a, b = revisions.read(here, ours[path]), revisions.read(fresh, theirs[path])
        message = "; ".join([*_unlike(a, b), *_unlike_lives(here, a)])
        if message:
            found.append(Difference("document", path, message))
    return len(ours.keys() | theirs.keys()), found


def _unlike(a: Revision, b: Revision) -> Iterator[str]:
    if a.text != b.text:
        yield "another text"
    spans, cut = ([(p.start, p.end, p.context) for p in revision.placements] for revision in (a, b))
    if spans != cut:
        only_here = len(set(spans) - set(cut))
        yield f"{only_here:,} of {len(spans):,} passages are cut otherwise than they would be now"
    elif [(p.label, p.page) for p in a.placements] != [(p.label, p.page) for p in b.placements]:
        yield "other labels"


def _unlike_lives(connection: Connection, revision: Revision) -> Iterator[str]:
    """The passages alive are those placed."""
    alive = passages.alive_in(connection, revision.document_id)
    placed = {p.passage_id for p in revision.placements}
    if alive != placed:
        yield f"{len(alive - placed):,} passages live without a place, {len(placed - alive):,} have a place only"


def index_differences(base: KnowledgeBase, connection: Connection) -> Iterator[Difference]:
    """How the word index and the vector index are not those of what lives and of the vectors stored."""
    held, alive = words.rowids(connection, past=False), passages.alive_ids(connection)
    if held != alive:
        message = f"hold {len(held - alive):,} dead passages, and lack {len(alive - held):,} living ones"
        yield Difference("index", "words", message)
    for fault in base.index_faults():
        yield Difference("index", "vectors", fault)


def ranking_differs(
    query: str, here: Sequence[Hit] | None, fresh: Sequence[Hit] | None, *, bases: tuple[KnowledgeBase, KnowledgeBase]
) -> str | None:
    """None if both rankings are equal, "tied" if only equal scores are ordered otherwise; else what is unlike.

    A ranking is None where the search came upon a passage that lives no more.
    """
    if here is None or fresh is None:
        return "finds a passage that lives no more"
    if _places(here) == _places(fresh) and _are_close([h.score for h in here], [h.score for h in fresh]):
        return None
    if all(_are_close(a, b) for a, b in zip(_scores(bases[0], query), _scores(bases[1], query), strict=True)):
        return "tied"
    first = next((i for i, (a, b) in enumerate(zip(here, fresh, strict=False)) if _place(a) != _place(b)), None)
    return "ranks alike with other scores" if first is None else f"ranks otherwise from place {first + 1} on"


def _places(hits: Sequence[Hit]) -> list[tuple[str, int, int]]:
    return [_place(hit) for hit in hits]


def _place(hit: Hit) -> tuple[str, int, int]:
    return hit.path, hit.start, hit.end


def _scores(base: KnowledgeBase, query: str) -> tuple[list[float], list[float]]:
    """(cosines, BM25) of the candidates, best first: equal in both where only the order of ties is another."""
    by_vector, by_words, _ = base.candidates(query)
    best = list(by_vector.values())[:CANDIDATES]  # behind them, what words alone found
    return best, sorted(by_words.values(), reverse=True)


def _are_close(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(isclose(x, y, abs_tol=_TOLERANCE) for x, y in zip(a, b, strict=True))
