"""BM25 over the passages alive at any version, in a few milliseconds, also for words met for the first time.

Rule: a cache of the truth (`word_index`), brought along with the store. It holds the words of every passage the store
has; who is alive at the version asked for comes in as their lengths, and a term's frequency is counted among them.
Where it is not at hand, or behind by more than a few passages, the store's own word index answers, and a thread of its
own brings it along.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Error as SqliteError

import numpy as np
from numpy.typing import NDArray

from rag_lifelong import passage_words
from rag_lifelong.alive import Alive, Ids
from rag_lifelong.errors import LifelongError
from rag_lifelong.index import files
from rag_lifelong.store import passages, versions, words
from rag_lifelong.terms import ANALYZER_VERSION
from rag_lifelong.word_index import Counts, State, Stopped, WordIndex, of_rows
from rag_lifelong.word_index import Ids as Held

logger = logging.getLogger(__name__)

AT_ONCE = 256  # new passages whose texts are read while a search waits: about 0.1 ms each
_RUN = 1_024  # … and by the thread, between two looks at what else is wanted
SCAN_SHARE = 0.25  # of all passages new: then all words are read out of the store's word index, term by term
_PATIENCE_S = 10.0  # to wait for another process that writes, before traces are left to another time
_PAUSE_S = 30.0  # after it could not be written

_Norms = NDArray[np.float64]
_Weighed = tuple[Held, Counts, _Norms]
"""(ids, counts, what their lengths make of BM25's k1), aligned; of those alive only."""


class LiveWords:
    """For several threads. snapshot: opens one of the store."""

    def __init__(self, folder: Path, snapshot: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._folder = folder
        self._snapshot = snapshot
        self._lock = threading.Lock()  # held to load it and to bring it along; searching needs none
        self._working = threading.Lock()  # held by the one that fills and writes
        self._index: WordIndex | None = None
        self._is_checked = False  # what was opened is of this store
        self._thread: threading.Thread | None = None
        self._waits_until = 0.0
        self._norms: list[tuple[Alive, _Norms]] = []

    def load(self) -> None:
        """Opens what is on disk. Before a snapshot is taken, lest another process's files are ahead of it."""
        with self._lock:
            self._loaded()

    def search(
        self,
        connection: Connection,
        wanted: Sequence[str],
        k: int,
        *,
        alive: Alive,
        among: Ids | None,
        common_share: float,
    ) -> list[tuple[int, float]] | None:
        """As `words.search`, of the passages alive at any version, with their statistics; among: only these.

        common_share: a term in a larger share of them is left out if others are left. None: the store must answer.
        """
        total = len(alive.passage_ids)
        if not wanted or not total:
            return []
        state = self._state_at(connection)
        if state is None:
            return None
        norms = self._norms_of(alive)
        found = [_alive(state, term, norms) for term in wanted]
        counts = [sum(len(ids) for ids, _, _ in posting) for posting in found]
        telling = [i for i, count in enumerate(counts) if 0 < count <= common_share * total]
        if not telling:
            telling = list(range(len(wanted)))
        scores = np.zeros(len(norms))
        for i in telling:
            weight = words.idf(total, counts[i])
            for ids, how_often, own in found[i]:
                scores[ids] += words.saturated(how_often, own) * weight
        if among is not None:
            inside = scores[among]
            scores = np.zeros(len(norms))
            scores[among] = inside
        hits = np.flatnonzero(scores)
        if len(hits) > k:
            least = np.partition(scores[hits], len(hits) - k)[len(hits) - k]
            hits = hits[scores[hits] >= least]
        best = hits[np.lexsort((hits, -scores[hits]))][:k]
        return list(zip(best.tolist(), scores[best].tolist(), strict=True))

    def settle(self) -> None:
        """Brings it along, and waits until that is done."""
        with self._snapshot() as connection, self._lock:
            index = self._checked(connection)
        with self._working:
            self._work(index)

    def clean(self, *, waits: bool) -> bool:
        """What the store has let go of is in no file; False if another process stands in the way.

        waits: for a while, until that is done.
        """
        if not self._folder.is_dir():
            return True
        with self._snapshot() as connection, self._lock:
            index = self._checked(connection)
            wanted = versions.log_position(connection)
        until = time.monotonic() + (_PATIENCE_S if waits else 0.0)
        with self._working:
            while True:
                index.tend(self._folder, self._survey, must_write=True)
                if index.position >= wanted:
                    return True
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)

    def drop(self) -> None:
        """Forgets it, in memory and on disk; the file that writers lock stays."""
        self._stop()
        with self._working, self._lock:
            self._index = None
            files.delete_all(self._folder)

    def close(self) -> None:
        """Writes it if much was added since the last time, and lets go of it."""
        self._stop()
        with self._working, self._lock:
            if self._index is not None and self._index.is_worth_saving():
                self._index.tend(self._folder, self._survey, seal_after=1)
            self._index = None
            self._norms = []

    def faults(self, connection: Connection) -> Iterator[str]:
        """How it differs from the store's word index, of the living at a snapshot; nothing where it is not at hand."""
        state = self._state_at(connection)
        if state is None:
            return
        alive = np.zeros(state.newest + 1, dtype=np.bool_)
        alive[[i for i in passages.alive_ids(connection) if i <= state.newest]] = True
        differing = []
        for term, documents, count in words.term_counts(connection):
            held = [(ids, how_often) for ids, how_often in state.postings(term.encode())]
            inside = [how_often[alive[ids]].astype(np.int64) for ids, how_often in held]
            if (sum(map(len, inside)), sum(int(own.sum()) for own in inside)) != (documents, count):
                differing.append(term)
        if differing:
            yield f"the word index differs from the store in {len(differing)} terms, as {differing[0]!r}"

    # -- inside

    def _loaded(self) -> WordIndex:
        if self._index is None:
            self._index = _new()
            self._index.refresh(self._folder)
            self._is_checked = False
        return self._index

    def _state_at(self, connection: Connection) -> State | None:
        """With all passages of the snapshot; it may hold others. None: not at hand."""
        with self._lock:
            index = self._checked(connection)
            position, last = versions.log_position(connection), passages.last_id(connection)
            state = index.state
            if position < state.cleaned_at:
                return None
            if last - state.newest > AT_ONCE:
                self._start(index)
                return None
            if last > state.newest:
                index.add(
                    of_rows(passage_words.of_texts(connection, state.newest + 1, last), newest=last), after=state.newest
                )
                state = index.state
            if index.is_due():
                self._start(index)
            return state if last <= state.newest and position >= state.cleaned_at else None

    def _checked(self, connection: Connection) -> WordIndex:
        """What is on disk if it is of this store: not put back by hand, nor of another knowledge base. Lock held."""
        index = self._loaded()
        if not self._is_checked and not versions.is_of(connection, index.mark):
            index = self._made_anew()
        self._is_checked = True
        return index

    def _made_anew(self) -> WordIndex:
        with suppress(OSError):
            (self._folder / files.POINTER).unlink(missing_ok=True)
        self._index = _new()
        return self._index

    def _norms_of(self, alive: Alive) -> _Norms:
        """By passage id, what its length makes of BM25's k1; infinite for the dead."""
        for known, norms in self._norms:
            if known is alive:
                return norms
        norms = np.full(int(alive.passage_ids[-1]) + 1, np.inf)
        norms[alive.passage_ids] = words.norms(alive.lengths)
        self._norms = [(alive, norms), *self._norms[:1]]  # of now, and as of the version asked for last
        return norms

    def _start(self, index: WordIndex) -> None:
        if (self._thread is None or not self._thread.is_alive()) and time.monotonic() >= self._waits_until:
            self._thread = threading.Thread(target=self._work_alone, args=(index,), name="words", daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        """Waits for the block that is being handled."""
        with self._lock:
            if self._index is not None:
                self._index.is_stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._lock:
            self._thread = None
            if self._index is not None:
                self._index.is_stopping = False

    def _work_alone(self, index: WordIndex) -> None:
        try:
            with self._working:
                self._work(index)
        except (LifelongError, SqliteError) as error:
            logger.warning("the word index in %s is not brought along: %s", self._folder, error)

    def _work(self, index: WordIndex) -> None:
        try:
            while index is self._index and not index.is_stopping and self._step(index):
                pass
        except Stopped:
            return

    def _step(self, index: WordIndex) -> bool:
        """A part of what is missing, or of what is to be written; False if there is no more to do."""
        with self._snapshot() as connection:
            last = passages.last_id(connection)
            behind = last - index.state.newest
            if behind > AT_ONCE:
                index.refresh(self._folder)
            first = index.state.newest + 1
            behind = last - first + 1
            if behind > AT_ONCE and behind > SCAN_SHARE * last:
                pass
            elif behind > 0:
                until = min(last, first + _RUN - 1)
                index.add(of_rows(passage_words.of_texts(connection, first, until), newest=until), after=first - 1)
                return True
            elif index.is_due():
                return index.tend(self._folder, self._survey)
            else:
                return False
        written = [segment.newest for segment in index.state.segments if segment.name]
        after = written[-1] if written else 0
        blocks = passage_words.of_tables(self._snapshot, after, last)
        if not index.extend(self._folder, self._survey, blocks, newest=last, passages=last - after):
            self._waits_until = time.monotonic() + _PAUSE_S
            return False
        return True

    def _survey(self, position: int) -> tuple[int, str, NDArray[np.bool_] | None]:
        with self._snapshot() as connection:
            newest = versions.log_position(connection)
            mark = versions.mark(connection)
            if not any(entry.kind == "pruned" for entry in versions.log_after(connection, position)):
                return newest, mark, None
            kept = np.zeros(passages.last_id(connection) + 1, dtype=np.bool_)
            kept[list(passages.all_ids(connection))] = True
            return newest, mark, kept


def _new() -> WordIndex:
    return WordIndex(f"analyzer {ANALYZER_VERSION}")


def _alive(state: State, term: str, norms: _Norms) -> list[_Weighed]:
    """The term's postings in passages alive, a part a segment."""
    found = []
    for ids, counts in state.postings(term.encode()):
        if int(ids[-1]) >= len(norms):  # newer than any that lives
            end = int(np.searchsorted(ids, len(norms)))
            ids, counts = ids[:end], counts[:end]
        own = norms[ids]
        inside = np.isfinite(own)
        found.append((ids, counts, own) if inside.all() else (ids[inside], counts[inside], own[inside]))
    return found
