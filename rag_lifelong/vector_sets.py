"""The sets of vectors of a knowledge base: one for its embedder, two while another embedder takes over.

Rule: a set is searched with the vectors of its own embedder only. Which sets there are is what the store says, so that
every process follows: the one in use answers until that to come is complete; then that is in use, and the former is
dropped. An embedder is changed by being named; where none is named, what the knowledge base was built with holds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from sqlite3 import Connection

import numpy as np

from rag_lifelong.alive import Alive, Population
from rag_lifelong.calibration import calibration_of
from rag_lifelong.embed import Embedder
from rag_lifelong.errors import EmbedderMismatch, EmbedderUnusable, LifelongError
from rag_lifelong.index import VectorIndex
from rag_lifelong.live_index import LiveIndex
from rag_lifelong.meaning import Meaning, Query, Searched
from rag_lifelong.scope import Scope
from rag_lifelong.store import embedders, vectors
from rag_lifelong.store.database import Database
from rag_lifelong.store.embedders import Kept
from rag_lifelong.types import Takeover, Vectors

logger = logging.getLogger(__name__)

Opener = Callable[[str | None], Embedder]
"""A SPEC, or None for the default → the embedder. Raises EmbedderUnusable, BadSetting."""

_ASKED_FROM = 0.1  # of the vectors in use: with fewer, an embedder to come is not worth loading for a question
_DROPPED = 10_000  # vectors of a former embedder, in one transaction
_PATIENCE_S = 10.0  # to wait for another process that writes, before traces are left to another time


@dataclass(frozen=True, slots=True)
class VectorSet:
    """An embedder, the index of its vectors, and the living with their vectors."""

    embedder_id: int
    embedder: Embedder
    live_index: LiveIndex
    population: Population
    dim: int

    def embed(self, strings: Sequence[str]) -> Vectors:
        """Shape (n, dim), in the order of the strings. Raises EmbedderUnusable if its embedder gives anything else."""
        made = self.embedder.embed(strings)
        if made.shape != (len(strings), self.dim) or not np.isfinite(made).all():
            what = "no numbers" if made.shape == (len(strings), self.dim) else f"vectors of shape {made.shape}"
            raise EmbedderUnusable(
                f"{self.embedder.name!r} gives {what} for {len(strings)} texts, not vectors of {self.dim} numbers; "
                "fetch the model again, or name another embedder in lifelong.toml"
            )
        return made

    def query(self, question: str) -> Query:
        """The question as its embedder has it. Raises EmbedderUnusable."""
        return Query(self.embedder.embed_query(question), self.embedder.unknown_share(question))

    def alive_at_hand(self, connection: Connection, version: int) -> Alive | None:
        """The passages alive at a version, unless they would all have to be read."""
        return self.population.at(connection, version) if self.population.is_read() else None

    def index_at(self, connection: Connection, *, is_whole: bool = False) -> VectorIndex:
        """The index, with the vectors of a snapshot: all if it is to be whole, however long that takes."""
        with self.live_index.lock:
            return self.live_index.at(connection, is_whole=is_whole)


class VectorSets:
    """The sets kept in `folder` (one folder each), as the store has them. For several threads.

    is_exact: nothing is searched by codes alone (`VectorIndex.search`).
    """

    def __init__(self, database: Database, folder: Path, *, wanted: Embedder | None, opener: Opener) -> None:
        """wanted: the embedder asked for; None: that which the knowledge base was built with, or the default.

        Raises EmbedderUnusable, EmbedderMismatch where what it was built with is not to be had and no other is wanted.
        """
        self._database = database
        self._folder = folder
        self._opener = opener
        self._lock = threading.RLock()
        self._opened: dict[str, Embedder] = {} if wanted is None else {wanted.fingerprint: wanted}
        self._ids: tuple[int, ...] = ()
        self._sets: dict[int, VectorSet] = {}
        self._is_exact = False
        self.has_begun = False  # a takeover began by this opening
        self._agree(wanted)
        with database.snapshot() as connection:
            self.at(connection)
            self._sweep(connection)

    @property
    def is_exact(self) -> bool:
        """Nothing is searched by codes alone."""
        return self._is_exact

    @is_exact.setter
    def is_exact(self, value: bool) -> None:
        with self._lock:
            self._is_exact = value
            for one in self._sets.values():
                one.live_index.is_exact = value

    def at(self, connection: Connection) -> tuple[VectorSet, ...]:
        """The set in use, then the one to come, at a snapshot; without one whose embedder cannot be opened here.

        Raises EmbedderUnusable, EmbedderMismatch if that leaves none.
        """
        with self._lock:
            ids = embedders.ids(connection)
            if ids != self._ids:
                self._follow(connection, ids)
                self._ids = ids
            return tuple(self._sets.values())

    def now(self) -> tuple[VectorSet, ...]:
        """As `at`, in the newest state."""
        with self._database.snapshot() as connection:
            return self.at(connection)

    def load(self) -> tuple[VectorSet, ...]:
        """As `now`, with the indexes opened: before a snapshot is taken, lest their files be ahead of it."""
        found = self.now()
        for one in found:
            one.live_index.load()
        return found

    def missing(self, connection: Connection) -> int:
        """How many vectors of the set in use are stored and not in its index yet, since that is being made again."""
        return self.at(connection)[0].live_index.missing(connection)

    def held(self, *, is_whole: bool = False) -> list[tuple[VectorSet, int]]:
        """Each set, its index brought along as of `VectorSet.index_at`, and how many vectors that holds."""
        self.load()
        with self._database.snapshot() as connection:
            return [(one, len(one.index_at(connection, is_whole=is_whole))) for one in self.at(connection)]

    def asked(self, question: str) -> dict[int, Query]:
        """The question as each embedder has it, by its id; of those with enough vectors to tell anything.

        Of two, one that fails is left out: the other answers. Raises EmbedderUnusable where there is no other.
        """
        if not question.strip():
            return {}
        found: dict[int, Query] = {}
        sets = self.held()
        most = sets[0][1]
        for number, (one, count) in enumerate(sets):
            if count and (number == 0 or count > _ASKED_FROM * most):
                try:
                    found[one.embedder_id] = one.query(question)
                except EmbedderUnusable as error:
                    if len(sets) == 1:
                        raise
                    logger.warning("%s", error)
        return found

    def meaning(self, connection: Connection, question: str, asked: Mapping[int, Query], scope: Scope) -> Meaning:
        """What is found by meaning, in every set that the question was embedded for."""
        sets = self.at(connection)
        if asked and not asked.keys() & {one.embedder_id for one in sets}:
            asked = {sets[0].embedder_id: sets[0].query(question)}  # another has taken over since it was asked
        searched = [
            Searched(
                embedder_id=one.embedder_id,
                index=one.index_at(connection),
                query=asked[one.embedder_id],
                alive=lambda one=one: one.population.at(connection, scope.version),  # type: ignore[misc]
                alive_at_hand=lambda one=one: one.alive_at_hand(connection, scope.version),  # type: ignore[misc]
                calibration=calibration_of(one.embedder.fingerprint),
            )
            for one in sets
            if one.embedder_id in asked
        ]
        return Meaning(connection, searched, scope)

    def embed_next(self, limit: int, string_of: Callable[[Connection, int], str]) -> int:
        """Computes and keeps up to `limit` vectors that are waited for; how many. 0: nothing waits for any set.

        string_of: what is embedded for a passage, given its id.
        """
        for one in self.now():
            with self._database.snapshot() as connection:
                waiting = vectors.waiting(connection, one.embedder_id, limit)
                strings = [string_of(connection, passage_id) for _, passage_id in waiting]
            if not waiting:
                continue
            made = one.embed(strings)  # (n, dim)
            with self._database.transaction() as connection:
                vectors.write(connection, one.embedder_id, {digest: made[i] for i, (digest, _) in enumerate(waiting)})
            return len(waiting)
        self.finish()
        return 0

    def takeover(self, connection: Connection) -> Takeover | None:
        """How far the one to come is, at a snapshot; None if none is."""
        kept, coming = embedders.in_use(connection), embedders.to_come(connection)
        if kept is None or coming is None:
            return None
        done, waiting = vectors.count(connection, coming.id), vectors.count_waiting(connection, coming.id)
        return Takeover(before=kept.name, after=coming.name, done=done, waiting=waiting)

    def finish(self) -> bool:
        """The one to come is in use if it is complete; vectors of former embedders go. True if anything was done."""
        with self._database.snapshot() as connection:
            is_due = embedders.is_complete(connection)
            if not is_due and not embedders.others(connection):
                return False
        if is_due:
            with self._database.transaction() as connection:
                coming = embedders.to_come(connection)
                if coming is not None and embedders.is_complete(connection):  # nothing was committed meanwhile
                    embedders.use(connection, coming.id)
        while True:
            with self._database.transaction() as connection:
                if not embedders.drop_others(connection, _DROPPED) and not embedders.others(connection):
                    break
        with self._database.snapshot() as connection:
            self.at(connection)
            self._sweep(connection)
        return True

    def clean(self, *, waits: bool) -> bool:
        """What the store has let go of is in no file; False if another process stands in the way.

        waits: for a while, until that is done.
        """
        with self._database.snapshot() as connection:
            found = self.at(connection)
            for path in self._folder.glob("*"):  # of an embedder that cannot be opened here: it can be made again
                if path.name.isdigit() and int(path.name) not in {one.embedder_id for one in found}:
                    rmtree(path, ignore_errors=True)
        until = time.monotonic() + (_PATIENCE_S if waits else 0.0)
        for one in found:
            while not self._is_saved(one):
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
        return True

    def close(self) -> None:
        """Writes the indexes if much was added since the last time, and closes them."""
        with self._lock:
            for one in self._sets.values():
                one.live_index.close()

    # -- inside

    def _is_saved(self, one: VectorSet) -> bool:
        with self._database.snapshot() as connection:
            return one.live_index.save(connection)

    def _agree(self, wanted: Embedder | None) -> None:
        """The store says what is wanted, if anything is."""
        with self._database.snapshot() as connection:
            kept, coming = embedders.in_use(connection), embedders.to_come(connection)
        if kept is None:
            self._begin(wanted or self._default())
        elif wanted is not None and wanted.fingerprint != (coming or kept).fingerprint:
            self._begin(wanted)

    def _begin(self, wanted: Embedder) -> None:
        name, fingerprint, dim = wanted.name, wanted.fingerprint, wanted.dim  # may take a while: outside the lock
        with self._database.transaction() as connection:
            kept = embedders.in_use(connection)
            made = embedders.register(connection, name=name, fingerprint=fingerprint, dim=dim)
            if kept is None or kept.id == made:
                embedders.use(connection, made)
                return
            embedders.begin(connection, made)
            if embedders.is_complete(connection) or not vectors.count(connection, kept.id):
                embedders.use(connection, made)
            else:
                self.has_begun = True

    def _default(self) -> Embedder:
        found = self._opener(None)
        self._opened[found.fingerprint] = found
        return found

    def _follow(self, connection: Connection, ids: tuple[int, ...]) -> None:
        """Opens and lets go of sets, so that they are those of the snapshot."""
        found: dict[int, VectorSet] = {}
        failures: list[LifelongError] = []
        for kept in (embedders.in_use(connection), embedders.to_come(connection)):
            if kept is None:
                continue
            try:
                found[kept.id] = self._sets.get(kept.id) or self._set(kept)
            except (EmbedderUnusable, EmbedderMismatch) as error:
                failures.append(error)
        if not found:
            raise next(iter(failures), EmbedderUnusable("the knowledge base names no embedder"))
        for failure in failures:
            logger.warning("%s", failure)
        for gone in self._sets.keys() - found.keys():
            self._sets[gone].live_index.let_go()
        self._sets = found

    def _set(self, kept: Kept) -> VectorSet:
        embedder = self._opened.get(kept.fingerprint)
        if embedder is None:
            try:
                embedder = self._opener(kept.name)
            except EmbedderUnusable as error:
                raise EmbedderUnusable(
                    f"{kept.name!r}, by which vectors are made here, cannot be opened: {error}; or name another "
                    "embedder in lifelong.toml, which takes over"
                ) from error
            if embedder.fingerprint != kept.fingerprint:
                raise EmbedderMismatch(
                    f"{kept.name!r} is not the model any more that the vectors were made by; put that back, or set "
                    f"embedder = {kept.name!r} in lifelong.toml, and the one there is now takes over"
                )
            self._opened[kept.fingerprint] = embedder
        # its dim as stored: to ask a model for it is to load its weights
        index = LiveIndex(
            self._folder / str(kept.id),
            source=vectors.OfEmbedder(kept.id, kept.dim),
            dim=kept.dim,
            fingerprint=kept.fingerprint,
            snapshot=self._database.snapshot,
        )
        index.is_exact = self._is_exact
        return VectorSet(kept.id, embedder, index, Population(kept.id), kept.dim)

    def _sweep(self, connection: Connection) -> None:
        """Deletes the indexes of embedders that are gone, and files of an older layout: all can be made again."""
        kept = {str(i) for i in embedders.ids(connection)}
        for path in self._folder.glob("*"):
            if path.is_file():
                path.unlink(missing_ok=True)
            elif path.name.isdigit() and path.name not in kept:
                rmtree(path, ignore_errors=True)
