"""A question → hits, at one version: what the parts of retrieval need is brought together here.

Rule: reads only, in one snapshot of the store for each search. What makes the next ones fast is read in the background
from the second search of a process on, since one that asks once has no use for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from sqlite3 import Connection
from sqlite3 import Error as SqliteError

from rag_lifelong import retrieve
from rag_lifelong.alive import Alive, Ids
from rag_lifelong.errors import LifelongError, StaleIndex
from rag_lifelong.live_titles import LiveTitles
from rag_lifelong.live_words import LiveWords
from rag_lifelong.meaning import Query
from rag_lifelong.places import joined, matches
from rag_lifelong.rerank import Reranker
from rag_lifelong.retrieve import Rerank, Scored, Words
from rag_lifelong.scope import Scope
from rag_lifelong.staleness import Rule
from rag_lifelong.standings import Standings
from rag_lifelong.store import documents, files, revisions, versions
from rag_lifelong.store.database import Database
from rag_lifelong.stored_texts import StoredTexts
from rag_lifelong.types import Hit, Standing
from rag_lifelong.vector_sets import VectorSets

Dates = tuple[date | None, date | None]

_SEARCHES_ALONE = 2  # from so many on, what makes the next ones fast is read


class Retriever:
    """For several threads."""

    def __init__(self, database: Database, sets: VectorSets, live_words: LiveWords, texts: StoredTexts) -> None:
        self._database = database
        self._sets = sets
        self._live_words = live_words
        self._live_titles = LiveTitles()
        self._texts = texts
        self._searches = 0
        self._reading: threading.Thread | None = None
        self._hidden: tuple[object, frozenset[int]] = (None, frozenset())

    def close(self) -> None:
        """Waits for what is being read in the background."""
        if self._reading is not None:
            self._reading.join()

    def search(
        self,
        question: str,
        k: int,
        *,
        version: int,
        today: Callable[[Connection], date],
        rules: tuple[Rule, ...],
        reranker: Reranker | None,
        within: Sequence[str],
        dated: Dates | None,
    ) -> tuple[Hit, ...]:
        """The best `k` passages alive at `version`, best first; fewer if fewer match.

        today: the day that ages are counted on. within, dated: as of `documents_matching`.
        """
        asked = self._asked(question)
        with self._database.snapshot() as connection:
            standings = Standings(connection, rules, version=version, today=today(connection))
            chosen = documents_matching(connection, version, within, dated)
            hidden = self._hidden_by(standings, connection, version, rules)
            if hidden:
                chosen = frozenset(documents.alive_at(connection, version) if chosen is None else chosen) - hidden
            is_present = version == versions.latest_number(connection)
            scope = Scope(version=version, is_present=is_present, document_ids=chosen)
            found = retrieve.search(
                connection,
                question=question,
                meaning=self._sets.meaning(connection, question, asked, scope),
                k=k,
                scope=scope,
                alive=lambda: self._alive_at(connection, version),
                words_at=self._words_at(connection, version),
                weights=standings.weights,
                text_of=lambda passage_id: self._texts.text_of(connection, passage_id),
                string_of=lambda passage_id: self._texts.string_of(connection, passage_id),
                may_be_title=self._live_titles.at(connection),
                rerank=self._reranking(connection, question, reranker),
            )
            standing = standings.of({scored.document_id for scored in found})
            return tuple(self._hit(connection, s, version, standing[s.document_id]) for s in found)

    def candidates(self, question: str, *, version: int) -> tuple[dict[int, float], dict[int, float], float]:
        """(passage id → cosine, passage id → BM25, weight of the cosine): what `search` fuses first, about now."""
        asked = self._asked(question)
        with self._database.snapshot() as connection:
            scope = Scope(version=version, is_present=True, document_ids=None)
            meaning = self._sets.meaning(connection, question, asked, scope)
            by_vector, by_words = retrieve.candidates(
                connection,
                question=question,
                meaning=meaning,
                scope=scope,
                alive=lambda: self._alive_at(connection, version),
                words_at=self._words_at(connection, version),
            )
            known = retrieve.known_by_words(
                question, by_vector, by_words, lambda passage_id: self._texts.string_of(connection, passage_id)
            )
            return by_vector, by_words, retrieve.dense_weight(meaning.weight, known)

    # -- inside

    def _asked(self, question: str) -> dict[int, Query]:
        self._live_words.load()  # before a snapshot is taken, lest its files be ahead of that
        return self._sets.asked(question)

    def _alive_at(self, connection: Connection, version: int) -> Alive:
        return self._sets.at(connection)[0].population.at(connection, version)

    def _words_at(self, connection: Connection, version: int) -> Words:
        """BM25 of a version without the store, once its living are at hand: for now, from the second search on."""

        def search(
            wanted: Sequence[str], k: int, among: Ids | None, common_share: float
        ) -> list[tuple[int, float]] | None:
            is_now = version == versions.latest_number(connection)
            if is_now and not self._sets.at(connection)[0].population.is_read():
                self._read_ahead()
                return None
            alive = self._alive_at(connection, version)
            is_large = len(alive) >= retrieve.COMMON_FROM and len(wanted) > 1
            share = common_share if is_large else 1.0
            return self._live_words.search(connection, wanted, k, alive=alive, among=among, common_share=share)

        return search

    def _read_ahead(self) -> None:
        self._searches += 1
        if self._searches == _SEARCHES_ALONE:
            self._reading = threading.Thread(target=self._read_living, daemon=True)
            self._reading.start()

    def _read_living(self) -> None:
        with suppress(LifelongError, SqliteError), self._database.snapshot() as connection:
            self._alive_at(connection, versions.latest_number(connection))
            self._live_titles.read(connection)
        self._database.release()

    def _hidden_by(
        self, standings: Standings, connection: Connection, version: int, rules: tuple[Rule, ...]
    ) -> frozenset[int]:
        """What rules hide; worked out once a day and version, since it looks at every document."""
        key = (version, versions.log_position(connection), standings.today, rules)
        if self._hidden[0] != key:
            self._hidden = key, standings.hidden()
        return self._hidden[1]

    def _reranking(self, connection: Connection, question: str, reranker: Reranker | None) -> Rerank | None:
        if reranker is None:
            return None
        return lambda passage_ids: reranker.scores(
            question, [self._texts.string_of(connection, i) for i in passage_ids]
        )

    def _hit(self, connection: Connection, scored: Scored, number: int, standing: Standing) -> Hit:
        revision_id = revisions.at(connection, scored.document_id, number)
        location = documents.location_of(connection, scored.document_id, number)
        revision = None if revision_id is None else self._texts.revision(connection, revision_id)
        placed = () if revision is None else revision.placements
        placement = next((p for p in placed if p.passage_id == scored.passage_id), None)
        if revision is None or location is None or placement is None:
            raise StaleIndex(
                f"an index names passage {scored.passage_id}, which does not live at version {number}; "
                "run: lifelong rebuild"
            )
        root = next(root for root in files.roots(connection) if root.id == location.root_id)
        end = max(placement.end, scored.end or 0)
        return Hit(
            passage_id=scored.passage_id,
            document_id=scored.document_id,
            revision_id=revision.id,
            path=joined(root.path, location.path),
            title=revision.title,
            label=placement.label,
            line=revision.text.count("\n", 0, placement.start) + 1 if revision.is_source else None,
            page=placement.page,
            text=revision.text[placement.start : end],
            start=placement.start,
            end=end,
            score=scored.scores.fused,
            scores=scored.scores,
            version=number,
            document_date=revision.dated or revision.file_changed_at.astimezone().date(),
            standing=standing,
        )


def documents_matching(
    connection: Connection, number: int, within: Sequence[str], dated: Dates | None
) -> frozenset[int] | None:
    """Ids of the documents alive at a version that a search with such arguments looks in; None: in all.

    within: globs of paths (absolute, or below a root); a folder means all below it.
    dated: first and last date, inclusive, of the documents' own dates; None is open.
    """
    if not within and dated is None:
        return None
    paths = {root.id: root.path for root in files.roots(connection)}
    first, last = dated if dated is not None else (None, None)
    found = set()
    for summary in documents.summaries(connection, number):
        day = summary.dated or summary.file_changed_at.astimezone().date()
        if (first is not None and day < first) or (last is not None and day > last):
            continue
        if within and not any(matches(p, paths[summary.root_id], summary.path) for p in within):
            continue
        found.add(summary.document_id)
    return frozenset(found)
