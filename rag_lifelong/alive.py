"""The passages alive at a version, as arrays: what masks and BM25 of the whole knowledge base are made of.

Rule: read from the store once, then brought along with its change log; never written. Versions share their columns, so
that one more costs what changed, and a copy of one byte for each passage.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.store import passages, vectors, versions

Ids = NDArray[np.int64]
Lives = NDArray[np.bool_]

_MOST_TOUCHED = 20_000  # passages that may change at once before all are read again: 3 µs each
_ROOM = 16  # one more row for so many is kept free at the end of the columns …
_SPARE_ROWS = 1_024  # … and so many more
_FEW_ROWS = 10_000  # of fewer, any number may be dead


class Alive:
    """The passages alive at a version; four aligned arrays, shape (n,), by passage id, made when first asked for.

    vector_ids: -1 where there is none yet. lengths: in search terms.
    """

    def __init__(
        self,
        passage_ids: Ids,
        document_ids: Ids,
        vector_ids: Ids,
        lengths: Ids,
        *,
        lives: Lives | None = None,
        newest_vector: int | None = None,
    ) -> None:
        """lives: which of them live, shape (n,); None: all. newest_vector: what came after it is as if not there."""
        self._columns = (passage_ids, document_ids, vector_ids, lengths)
        self._lives = lives
        self._newest_vector = newest_vector
        self._count = len(passage_ids) if lives is None else int(np.count_nonzero(lives))

    def __len__(self) -> int:
        return self._count

    @cached_property
    def passage_ids(self) -> Ids:
        return self._living(0)

    @cached_property
    def document_ids(self) -> Ids:
        return self._living(1)

    @cached_property
    def vector_ids(self) -> Ids:
        found = self._living(2)
        return found if self._newest_vector is None else np.where(found <= self._newest_vector, found, -1)

    @cached_property
    def lengths(self) -> Ids:
        return self._living(3)

    def _living(self, column: int) -> Ids:
        whole = self._columns[column]
        return whole if self._lives is None else whole[self._lives]


class _Rows:
    """Passages that live, or did at a version shortly before, by passage id.

    Rows are added behind the others, and vector ids filled in; else nothing that is there is written again: who has
    read the first `count` rows goes on seeing them as they were.
    """

    def __init__(self, columns: Sequence[Ids]) -> None:
        """columns: as of `vectors.alive_at`."""
        self.count = len(columns[0])
        self._table = np.empty((4, self.count + self.count // _ROOM + _SPARE_ROWS), dtype=np.int64)
        for row, column in zip(self._table, columns, strict=True):
            row[: self.count] = column

    def columns(self, count: int) -> tuple[Ids, Ids, Ids, Ids]:
        """The first `count` rows."""
        first, second, third, fourth = self._table[:, :count]
        return first, second, third, fourth

    def positions(self, passage_ids: Ids) -> Ids:
        """Where these passages are, aligned; -1: not here."""
        held = self._table[0, : self.count]
        at = np.searchsorted(held, passage_ids)
        inside = at < self.count
        inside[inside] = held[at[inside]] == passage_ids[inside]
        return np.where(inside, at, -1)

    def appended(self, columns: Sequence[Ids]) -> bool:
        """Adds these rows, by passage id, at the end; False if they do not belong there, or there is no room."""
        more = len(columns[0])
        is_after = not self.count or not more or int(columns[0][0]) > int(self._table[0, self.count - 1])
        if not is_after or self.count + more > self._table.shape[1]:
            return False
        for row, column in zip(self._table, columns, strict=True):
            row[self.count : self.count + more] = column
        self.count += more
        return True

    def note_vectors(self, vector_ids: Ids, passage_ids: Ids) -> None:
        """These passages have these vectors now."""
        at = self.positions(passage_ids)
        self._table[2, at[at >= 0]] = vector_ids[at >= 0]


@dataclass(frozen=True, slots=True)
class _At:
    version: int
    position: int  # of the change log
    rows: _Rows
    lives: Lives  # of the first rows, shape (n,)
    alive: Alive


class Population:
    """The newest version's passages, and those of one earlier version asked for last. For several threads."""

    def __init__(self, embedder_id: int) -> None:
        self._embedder_id = embedder_id
        self._lock = threading.Lock()
        self._now: _At | None = None
        self._then: _At | None = None

    def at(self, connection: Connection, version: int) -> Alive:
        """Those alive at `version`, as the snapshot has them."""
        position = versions.log_position(connection)
        with self._lock:
            for kept in (self._now, self._then):
                if kept is not None and (kept.version, kept.position) == (version, position):
                    return kept.alive
            is_newest = version == versions.latest_number(connection)
            if is_newest and (self._now is None or self._now.position <= position):
                self._now = self._brought_to(connection, self._now, version, position)
                return self._now.alive
            # an older snapshot does not know what has changed since
            near = self._now if self._now is not None and self._now.position <= position else None
            self._then = self._brought_to(connection, near, version, position)
            return self._then.alive

    def is_read(self) -> bool:
        """The newest version's passages, or those of one shortly before it, are at hand."""
        return self._now is not None

    def forget(self) -> None:
        """Reads all again when it is next asked."""
        with self._lock:
            self._now = self._then = None

    def _brought_to(self, connection: Connection, known: _At | None, version: int, position: int) -> _At:
        """Those alive at `version`, earlier or later than what is known, with the snapshot's vectors."""
        entries = [] if known is None else versions.log_after(connection, known.position)
        if known is None or any(entry.kind == "pruned" for entry in entries):
            return self._read(connection, version, position)
        first, last = sorted((known.version, version))
        touched = passages.touched_between(connection, first, last)
        if len(touched) > _MOST_TOUCHED:
            return self._read(connection, version, position)
        living = vectors.alive_among(connection, self._embedder_id, version, touched.tolist())
        rows, lives = _with_lives(known.rows, known.lives, touched, living)
        for run in entries:
            if run.kind == "vectors":
                rows.note_vectors(*vectors.passages_of_run(connection, self._embedder_id, run.first_id, run.last_id))
        if rows.count > _FEW_ROWS and 2 * np.count_nonzero(lives) < rows.count:
            rows, lives = _without_dead(rows, lives)
        return _at(connection, version, position, rows, lives)

    def _read(self, connection: Connection, version: int, position: int) -> _At:
        rows = _Rows(vectors.alive_at(connection, self._embedder_id, version))
        return _at(connection, version, position, rows, np.ones(rows.count, dtype=np.bool_))


def _at(connection: Connection, version: int, position: int, rows: _Rows, lives: Lives) -> _At:
    newest = vectors.last_id(connection)
    alive = Alive(*rows.columns(len(lives)), lives=lives, newest_vector=newest)
    return _At(version, position, rows, lives, alive)


def _with_lives(rows: _Rows, before: Lives, touched: Ids, living: Sequence[Ids]) -> tuple[_Rows, Lives]:
    """Of the passages touched, those in `living` live, and no others; the columns are the same ones if they can be."""
    lives = np.zeros(rows.count, dtype=np.bool_)
    lives[: len(before)] = before
    at = rows.positions(touched)
    lives[at[at >= 0]] = False
    at = rows.positions(living[0])
    lives[at[at >= 0]] = True
    new = [column[at < 0] for column in living]
    if not len(new[0]):
        return rows, lives
    if rows.appended(new):
        return rows, np.concatenate([lives, np.ones(len(new[0]), dtype=np.bool_)])
    # a passage that died long ago lives again, or the columns are full
    columns = [np.concatenate([a, b]) for a, b in zip(rows.columns(rows.count), new, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    lives = np.concatenate([lives, np.ones(len(new[0]), dtype=np.bool_)])[order]
    return _Rows([column[order] for column in columns]), lives


def _without_dead(rows: _Rows, lives: Lives) -> tuple[_Rows, Lives]:
    kept = _Rows([column[lives] for column in rows.columns(len(lives))])
    return kept, np.ones(kept.count, dtype=np.bool_)
