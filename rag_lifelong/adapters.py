"""The adapters of a knowledge base: begun, judged, used, and never used again once a source of theirs has changed.

Rule: an adapter is active only while every passage it was made from lives, as it was, in a document that holds. What
a commit changes suspends in that commit's transaction; what time makes stale is noticed when it is asked for. Only a
person makes a suspended one active again. What lets a source go for good deletes the adapter with it (`pruning`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from rag_lifelong.errors import AdapterUnusable, LifelongError, NoSuchAdapter, SourcesChanged
from rag_lifelong.manifests import Fault, Manifests
from rag_lifelong.staleness import Rule
from rag_lifelong.store import adapters, documents, revisions, versions
from rag_lifelong.store import settings as facts
from rag_lifelong.store.adapters import PAIRS, WEIGHTS, Change
from rag_lifelong.store.chats import Source as Said
from rag_lifelong.store.database import Database
from rag_lifelong.types import Adapter, AdapterEvent, AdapterState, Source

if TYPE_CHECKING:
    from sqlite3 import Connection

WAIT_S = 2.0  # for a writer, where noticing can wait for the next time
_FIRST_WITH_ADAPTERS = 7  # the store's format
_DISABLED = "disabled"  # why one is suspended that the user has taken out
_PART_MOST = 999_000_000  # bytes: SQLite takes rows of 1,000,000,000


class Adapters:
    """The adapters of a knowledge base. Safe to use from several threads, and beside other processes."""

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime],
        rules: Callable[[], Sequence[Rule]],
        scrub: Callable[[], bool],
    ) -> None:
        """rules: about the age of documents, those in force. scrub: takes what was deleted out of the files."""
        self._database = database
        self._now = now
        self._rules = rules
        self._scrub = scrub

    # -- making one

    def begin(
        self, *, namespace: str, model: str, base_digest: str, settings: str, sources: Sequence[Source]
    ) -> Adapter:
        """A new candidate. settings: JSON, how it is made.

        Raises SourcesChanged if a source does not live, as its revision has it, in a document that holds now.
        """
        if not sources or len({source.passage_id for source in sources}) != len(sources):
            raise ValueError("an adapter needs sources, each once")
        json.loads(settings)  # ValueError now, not when it is read
        with self._database.transaction() as connection:
            manifests = self._manifests(connection)
            exact: list[tuple[Source, bytes]] = []
            for source in sources:
                digest = manifests.exact(source)
                if digest is None:
                    raise SourcesChanged(f"{manifests.place(source)} has changed; select its passages again")
                exact.append((source, digest))
            adapter_id = adapters.begin(
                connection,
                namespace=namespace,
                model=model,
                base_digest=base_digest,
                settings=settings,
                sources=exact,
                change=self._change(connection, AdapterState.CANDIDATE, "begun"),
            )
            found = manifests.check(adapter_id)
            if isinstance(found, Fault):
                raise SourcesChanged(f"{found.reason}; select passages again")
            return _read(connection, adapter_id)

    def keep(self, adapter_id: int, name: str, data: bytes, *, of: Collection[int] = ()) -> None:
        """Keeps a part of a candidate, in place of the one by that name.

        of: the documents, no sources of it, that the part holds texts of. Raises NoSuchAdapter, SourcesChanged if the
        adapter was suspended meanwhile, or such a document forgotten everywhere, AdapterUnusable for any other state.
        """
        _refuse_too_large(adapter_id, name, data)
        with self._database.transaction() as connection:
            _refuse_all_but_candidates(_read(connection, adapter_id))
            if not all(documents.is_known(connection, document_id) for document_id in of):
                raise SourcesChanged("a document that this is beside was forgotten meanwhile; begin again")
            adapters.keep(connection, adapter_id, name, data)

    def part(self, adapter_id: int, name: str) -> bytes | None:
        """A part's bytes; None if it has none by that name, or is gone."""
        with self._database.snapshot() as connection:
            return adapters.part(connection, adapter_id, name)

    def judge(
        self,
        adapter_id: int,
        *,
        report: str,
        weights: bytes,
        passed: bool,
        reason: str,
        settings: str | None = None,
    ) -> Adapter:
        """A candidate becomes active, in place of the former one of its namespace and model, or is rejected.

        report: JSON, the figures of its gates. reason: for people. settings: None leaves those it was begun with. The
        weights of a rejected one are not kept; of its other parts, only "pairs" is. Raises NoSuchAdapter,
        AdapterUnusable if it is no candidate, SourcesChanged if a source has changed since it was begun; then it is
        suspended, unjudged.
        """
        _refuse_too_large(adapter_id, WEIGHTS, weights)
        json.loads(report)  # ValueError now, not when it is read
        json.loads(settings or "{}")
        with self._database.transaction() as connection:
            _refuse_all_but_candidates(_read(connection, adapter_id))
            found = self._manifests(connection).check(adapter_id)
            if isinstance(found, Fault):
                self._suspend(connection, adapter_id, found)
            else:
                adapters.judge(connection, adapter_id, report=report, settings=settings, passed=passed)
                adapters.drop_all_but(connection, adapter_id, [PAIRS])
                if passed:
                    adapters.keep(connection, adapter_id, WEIGHTS, weights)
                    for former in adapters.others_of(connection, adapter_id):
                        self._turn(connection, former, AdapterState.RETIRED, f"adapter {adapter_id} took its place")
                state = AdapterState.ACTIVE if passed else AdapterState.REJECTED
                self._turn(connection, adapter_id, state, reason)
            judged = _read(connection, adapter_id)
        if isinstance(found, Fault):
            _refuse_all_but_candidates(judged)
        return judged

    def give_up(self, adapter_id: int, reason: str) -> Adapter:
        """A candidate is rejected unjudged, its pairs kept; what it is of is not distilled again by itself.

        Raises NoSuchAdapter, AdapterUnusable if it is no candidate, SourcesChanged if it was suspended.
        """
        with self._database.transaction() as connection:
            _refuse_all_but_candidates(_read(connection, adapter_id))
            adapters.drop_all_but(connection, adapter_id, [PAIRS])
            self._turn(connection, adapter_id, AdapterState.REJECTED, reason)
            return _read(connection, adapter_id)

    def unfinished(self, namespace: str, model: str, base_digest: str) -> Adapter | None:
        """The newest candidate to go on with."""
        self._notice()
        with self._database.snapshot() as connection:
            found = adapters.candidates(connection, namespace=namespace, model=model, base_digest=base_digest)
            return _read(connection, found[0]) if found else None

    # -- what there is

    def all(self) -> tuple[Adapter, ...]:
        """Every adapter, the newest last."""
        self._notice()
        with self._database.snapshot() as connection:
            return tuple(_read(connection, adapter_id) for adapter_id in adapters.all_ids(connection))

    def read(self, adapter_id: int) -> Adapter:
        """The adapter. Raises NoSuchAdapter."""
        self._notice()
        with self._database.snapshot() as connection:
            return _read(connection, adapter_id)

    def events(self, adapter_id: int) -> tuple[AdapterEvent, ...]:
        """What became of it, oldest first. Raises NoSuchAdapter."""
        with self._database.snapshot() as connection:
            _read(connection, adapter_id)
            return tuple(adapters.events(connection, adapter_id))

    def made_from(self, document_ids: Sequence[int]) -> tuple[int, ...]:
        """The adapters, in any state, with a source in one of these documents."""
        with self._database.snapshot() as connection:
            return tuple(adapters.of_documents(connection, document_ids))

    # -- using it

    def route(self, passage_ids: Sequence[int], base_digest: str) -> Adapter | None:
        """The newest active adapter of a base that was made from all these passages and whose sources all stand now."""
        if not passage_ids:
            return None
        with self._database.snapshot() as connection:
            found = adapters.active_with(connection, passage_ids, base_digest)
            if not found:
                return None
            manifests = self._manifests(connection)
            for adapter_id in found:
                if not isinstance(manifests.check(adapter_id), Fault):
                    return _read(connection, adapter_id)
        return None

    def active_ids(self) -> frozenset[int]:
        """The active ones, as last noticed: `route` looks at their sources."""
        with self._database.snapshot() as connection:
            return frozenset(adapters.active(connection))

    def said_by(self, adapter: Adapter) -> tuple[Said, ...]:
        """The texts that an answer may hold which was worded with an adapter: all that it was made from."""
        with self._database.snapshot() as connection:
            return tuple(_spans(connection, adapter.sources))

    def enable(self, adapter_id: int) -> Adapter:
        """A suspended adapter is active again. Raises NoSuchAdapter, AdapterUnusable with why it may not be."""
        with self._database.transaction() as connection:
            adapter = _read(connection, adapter_id)
            if adapter.state is AdapterState.ACTIVE:
                return adapter
            if adapter.state is not AdapterState.SUSPENDED:
                raise AdapterUnusable(f"{adapter.name} is {stands(adapter)}")
            if not adapter.passed or not adapter.size_bytes:
                raise AdapterUnusable(f"{adapter.name} never passed its gates; distil again: lifelong distill")
            found = self._manifests(connection).check(adapter_id)
            if isinstance(found, Fault):
                raise AdapterUnusable(f"{adapter.name} stays off: {found.reason}; distil again: lifelong distill")
            self._turn(connection, adapter_id, AdapterState.ACTIVE, "enabled")
            return _read(connection, adapter_id)

    def disable(self, adapter_id: int) -> Adapter:
        """An active adapter is not used until it is enabled. Raises NoSuchAdapter, AdapterUnusable."""
        with self._database.transaction() as connection:
            adapter = _read(connection, adapter_id)
            if adapter.state is AdapterState.SUSPENDED:
                return adapter
            if adapter.state is not AdapterState.ACTIVE:
                raise AdapterUnusable(f"{adapter.name} is not in use: it is {stands(adapter)}")
            self._turn(connection, adapter_id, AdapterState.SUSPENDED, _DISABLED)
            return _read(connection, adapter_id)

    def delete(self, adapter_id: int) -> bool:
        """The adapter was never there; True if nothing of it can be read out of the files any more.

        False if a reader stands in the way: then it is finished at a later opening. Raises NoSuchAdapter.
        """
        with self._database.transaction() as connection:
            _read(connection, adapter_id)
            adapters.delete(connection, [adapter_id])
            facts.write(connection, facts.TO_SCRUB, "1")
        for copy in self._database.folder.glob("lifelong.sqlite3.format-*"):
            if int(copy.name.rpartition("-")[2]) >= _FIRST_WITH_ADAPTERS:
                copy.unlink()  # the store as an older program wrote it
        return self._scrub()

    # -- noticing

    def settle(self) -> tuple[int, ...]:
        """Suspends the candidates and the active whose sources stand no more, also by time; gives their ids.

        Within a snapshot of the caller's, where nothing can be written, it does nothing. Raises KnowledgeBaseBusy.
        """
        if self._database.connection().in_transaction:
            return ()
        with self._database.snapshot() as connection:
            manifests = self._manifests(connection) if (ids := adapters.in_use(connection)) else None
            if manifests is None or not any(isinstance(manifests.check(i), Fault) for i in ids):
                return ()
        with self._database.transaction(wait_s=WAIT_S) as connection:
            return self.settle_in(connection)

    def settle_in(self, connection: Connection) -> tuple[int, ...]:
        """As `settle`, within a transaction of the caller's."""
        ids = adapters.in_use(connection)
        if not ids:
            return ()
        manifests = self._manifests(connection)
        suspended: list[int] = []
        for adapter_id in ids:
            found = manifests.check(adapter_id)
            if isinstance(found, Fault):
                self._suspend(connection, adapter_id, found)
                suspended.append(adapter_id)
                continue
            for document_id, passage_id, revision_id in found.seen:
                adapters.note_revision(connection, document_id, passage_id, revision_id)
        return tuple(suspended)

    def mend(self, connection: Connection) -> None:
        """As `settle_in`, and what damage may have left: rows of no adapter, and active ones that may not be."""
        adapters.delete_orphans(connection)
        self.settle_in(connection)
        manifests = self._manifests(connection)
        damaged = [i for i in adapters.in_use(connection) if manifests.damage(i) is not None]
        for adapter_id in sorted({*damaged, *adapters.unfit(connection)}):
            self._turn(connection, adapter_id, AdapterState.SUSPENDED, "it was found damaged")

    def faults(self, connection: Connection) -> Iterator[str]:
        """What is not as it should be, at a snapshot."""
        yield from adapters.faults(connection)
        manifests = self._manifests(connection)
        for adapter_id in adapters.in_use(connection):
            fault = manifests.damage(adapter_id)
            if fault is not None:
                yield f"adapter {adapter_id}: {fault}"

    # -- inside

    def _notice(self) -> None:
        with suppress(LifelongError):  # another writes, or the disk can only be read: `route` looks for itself
            self.settle()

    def _manifests(self, connection: Connection) -> Manifests:
        return Manifests(connection, self._rules(), today=self._now().astimezone().date())

    def _suspend(self, connection: Connection, adapter_id: int, fault: Fault) -> None:
        self._turn(connection, adapter_id, AdapterState.SUSPENDED, fault.reason, fault.named_id)
        adapters.drop_all_but(connection, adapter_id, [PAIRS, WEIGHTS])  # nothing goes on from here

    def _turn(
        self, connection: Connection, adapter_id: int, state: AdapterState, reason: str, named_id: int | None = None
    ) -> None:
        adapters.turn(connection, adapter_id, self._change(connection, state, reason, named_id))

    def _change(self, connection: Connection, state: AdapterState, reason: str, named_id: int | None = None) -> Change:
        return Change(state, reason, versions.latest_number(connection), self._now(), named_id)


def _spans(connection: Connection, sources: Sequence[Source]) -> Iterator[Said]:
    """Where the passages stand; one whose text is let go of, nowhere in it."""
    placed: dict[int, dict[int, tuple[int, int]]] = {}
    for source in sources:
        if source.revision_id not in placed:
            try:
                placements = revisions.read(connection, source.revision_id).placements
            except KeyError:
                placements = ()
            placed[source.revision_id] = {p.passage_id: (p.start, p.end) for p in placements}
        start, end = placed[source.revision_id].get(source.passage_id, (0, 0))
        yield Said(source.document_id, source.revision_id, start, end, is_said=True)


def _read(connection: Connection, adapter_id: int) -> Adapter:
    found = adapters.read(connection, adapter_id)
    if found is None:
        raise NoSuchAdapter(f"there is no adapter {adapter_id}; see: lifelong adapters")
    return found


def _refuse_too_large(adapter_id: int, name: str, data: bytes) -> None:
    if len(data) > _PART_MOST:
        raise AdapterUnusable(
            f"the {name} of adapter {adapter_id} would take {len(data):,} bytes, and the store takes "
            f"{_PART_MOST:,} in one piece; from Python, give Recipe a smaller rank, or fewer layers"
        )


def is_disabled(adapter: Adapter) -> bool:
    """The user has taken it out."""
    return adapter.state is AdapterState.SUSPENDED and adapter.reason == _DISABLED


def stands(adapter: Adapter) -> str:
    """Its state and why, the state once: "retired: adapter 3 took its place", "rejected by drift"."""
    state = adapter.state.value
    return adapter.reason if adapter.reason.startswith(state) else f"{state}: {adapter.reason}"


def _refuse_all_but_candidates(adapter: Adapter) -> None:
    if adapter.state is AdapterState.SUSPENDED:
        raise SourcesChanged(f"{adapter.name} is suspended: {adapter.reason}; distil again: lifelong distill")
    if adapter.state is not AdapterState.CANDIDATE:
        raise AdapterUnusable(f"{adapter.name} is no candidate: it is {stands(adapter)}")
