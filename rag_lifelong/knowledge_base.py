"""The knowledge base: one folder with the store, the index and what else can be made again.

Rule: the one writer. Slow work (parsing, embedding) happens before its lock; the store commits first, then the
index follows. Any number of readers, also from other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from sqlite3 import Connection

from rag_lifelong import changes, pruning, undo
from rag_lifelong.adapters import Adapters
from rag_lifelong.calibration import calibration_of
from rag_lifelong.chats import Chats
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.errors import KnowledgeBaseBusy, NoSuchChat, NoSuchVersion
from rag_lifelong.folders import Folders
from rag_lifelong.history import History, Past
from rag_lifelong.live_words import LiveWords
from rag_lifelong.operations import Operation, Outcome
from rag_lifelong.places import joined, matches, relative_to
from rag_lifelong.pruning import Limit, Pruning
from rag_lifelong.quote import Reader
from rag_lifelong.rerank import Reranker
from rag_lifelong.retriever import Dates, Retriever, documents_matching
from rag_lifelong.staleness import Rule, rule_for
from rag_lifelong.standings import Standings
from rag_lifelong.store import chats, documents, files, passages, revisions, settings, vectors, versions, words
from rag_lifelong.store.database import Database
from rag_lifelong.store.files import Root
from rag_lifelong.store.revisions import Revision
from rag_lifelong.stored_texts import StoredTexts
from rag_lifelong.terms import ANALYZER_VERSION
from rag_lifelong.types import Hit, Lag, Standing, StoredDocument, Takeover, Version
from rag_lifelong.undo import Step
from rag_lifelong.vector_sets import Opener, VectorSets
from rag_lifelong.when import AsOf, moment

_FIRST_WITH_CHATS = 5  # the store's format
_VECTORS_TAKEN = 4_096  # in one transaction


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did. version: None if no document changed."""

    version: Version | None
    outcomes: tuple[Outcome, ...]


class KnowledgeBase:
    """A knowledge base on disk. Safe to use from several threads; close it when done."""

    def __init__(
        self,
        path: Path,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None = None,
        reader: Reader | None = None,
        create: bool = True,
        opener: Opener | None = None,
        now: Callable[[], datetime] = utc_now,
        rules: Sequence[Rule] | Callable[[], Sequence[Rule]] = (),
    ) -> None:
        """Opens the knowledge base in the folder `path`, making it where needed.

        embedder: the one wanted; another than it was built with takes over in the background (`vector_sets`). None: the
        one it was built with, for a new one the default. opener: opens an embedder by its SPEC. reranker: reads the
        best passages of a search again. reader: finds the words that answer in them.
        now: the clock that versions are dated by. rules: about the age of documents, or what gives those in force when
        they are needed (`live_rules`).
        Raises KnowledgeBaseMissing, KnowledgeBaseUnusable, KnowledgeBaseBusy, StorageFull, EmbedderUnusable,
        EmbedderMismatch.
        """
        self.path = path
        self.reranker = reranker
        self.reader = reader
        self.rules = rules
        self._now = now
        self._database = Database(path, create=create)
        self.folders = Folders(self._database, now=now)
        self.chats = Chats(self._database, now=now)
        self.adapters = Adapters(self._database, now=now, rules=lambda: self.rules, scrub=self._scrub)
        self._texts = StoredTexts()
        try:
            self._agree_on_terms()
            self._sets = VectorSets(
                self._database,
                path / "index",
                wanted=embedder,
                opener=opener or (lambda spec: open_embedder(spec, cache_dir=path / "cache")),
            )
            self._live_words = LiveWords(path / "words", self._database.snapshot)
            self._retriever = Retriever(self._database, self._sets, self._live_words, self._texts)
            self._finish_scrubbing()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Writes the index if much was added since the last time, and closes the files."""
        self._sets.close()
        self._live_words.close()
        self._retriever.close()
        self._database.close()

    # -- writing

    def commit(
        self, operations: Sequence[Operation], *, cause: str, source: str = "command", undoes: int | None = None
    ) -> Committed:
        """One batch, one transaction. source: "command" or "watch". undoes: the version this takes back."""
        with self._database.transaction() as connection:
            done = changes.apply(
                connection,
                operations,
                at=self._now(),
                cause=cause,
                source=source,
                undoes=undoes,
            )
            self.adapters.settle_in(connection)
            made = None if done.version is None else versions.read(connection, done.version)
            return Committed(made, done.outcomes)

    def now(self) -> datetime:
        """The clock that versions are dated by."""
        return self._now()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """About the age of documents, those in force now; they may be set, as when it is opened."""
        return tuple(self._rules())

    @rules.setter
    def rules(self, rules: Sequence[Rule] | Callable[[], Sequence[Rule]]) -> None:
        fixed = () if callable(rules) else tuple(rules)
        self._rules = rules if callable(rules) else lambda: fixed

    def number_at(self, moment: datetime) -> int:
        """The version that was newest at a moment; 0 if none was yet."""
        with self._database.snapshot() as connection:
            return versions.number_at(connection, moment)

    def undo_plan(self, number: int) -> tuple[Step, ...]:
        """What taking back a version would do; nothing is done."""
        with self._database.snapshot() as connection:
            return undo.plan(connection, number)

    def version_to_undo(self) -> Version | None:
        """The newest version that a command made and that still holds."""
        with self._database.snapshot() as connection:
            number = versions.to_undo(connection)
            return None if number is None else versions.read(connection, number)

    def version(self, number: int) -> Version | None:
        """Version `number`, None if there is none."""
        with self._database.snapshot() as connection:
            return versions.read(connection, number)

    def first_time(self, what: str) -> bool:
        """True the first time it is asked of `what`, for this knowledge base."""
        with self._database.transaction() as connection:
            name = f"told: {what}"
            if settings.read(connection, name) is not None:
                return False
            settings.write(connection, name, "1")
            return True

    def embed_next(self, limit: int) -> int:
        """Computes and keeps up to `limit` of the vectors that are waited for; gives how many were done.

        The vectors are computed outside the lock. 0 means that nothing waits. An embedder to come has its turn when
        nothing waits for the one in use, and is in use once nothing waits for it either.
        """
        return self._sets.embed_next(limit, self._texts.string_of)

    def take_vectors(self, source: KnowledgeBase) -> int:
        """Keeps the vectors that another knowledge base has for strings waited for here; gives how many still wait.

        Raises ValueError if its embedder is another.
        """
        if source.embedder.fingerprint != self.embedder.fingerprint:
            raise ValueError(f"its vectors are {source.embedder.name}'s, not {self.embedder.name}'s")
        with self._database.snapshot() as connection:
            wanted = sorted(vectors.waiting_digests(connection, self._sets.now()[0].embedder_id))
        for first in range(0, len(wanted), _VECTORS_TAKEN):
            batch = wanted[first : first + _VECTORS_TAKEN]
            with source.reading() as connection:
                found = vectors.by_digest(connection, source._sets.now()[0].embedder_id, batch)
            with self._database.transaction() as connection:
                vectors.write(connection, self._sets.now()[0].embedder_id, found)
        return self.lag().passages

    @contextmanager
    def searching_exactly(self) -> Iterator[None]:
        """Meanwhile no vector is passed over for the sake of speed."""
        before = self._sets.is_exact
        self._sets.is_exact = True
        try:
            yield
        finally:
            self._sets.is_exact = before

    def settle_index(self) -> int:
        """Brings the indexes along, and writes what was much added to; gives how many vectors that in use holds."""
        count = self._sets.held(is_whole=True)[0][1]
        self._live_words.settle()
        return count

    def finish_index(self) -> None:
        """As `settle_index`, and waits until all that is being sealed and merged is done."""
        self.settle_index()
        for one in self._sets.now():
            one.live_index.finish_tending()

    def pruning_plan(self, limit: Callable[[Rule | None], Limit | None], *, within: Sequence[str]) -> Pruning:
        """The former texts that `prune` would let go; nothing is done.

        limit: what goes of a document, given the rule for the place where it stands, or stood last; None: nothing.
        within: globs of such places.
        """
        with self._database.snapshot() as connection:
            return pruning.plan(connection, self._limits(connection, limit, within))

    def prune(self, planned: Pruning) -> Pruning:
        """Lets go of the former texts planned and of no others; what went, without what is gone already."""
        if not planned.lives:
            return planned
        with self._database.transaction() as connection:
            found = pruning.still_there(connection, planned)
            pruning.carry_out(connection, found, at=self._now())
            words.optimize(connection)
            settings.write(connection, settings.TO_SCRUB, "1")
        self._after_loss()
        return found

    def erase(self, document_ids: Sequence[int]) -> bool:
        """Documents that live no more are removed from every version, for real.

        True if nothing of them can be read out of the files any more; False if a reader stands in the way: then it is
        finished at a later opening. Raises KnowledgeBaseBusy if one of them lives.
        """
        with self._database.transaction() as connection:
            if any(documents.lives_now(connection, document_id) for document_id in document_ids):
                raise KnowledgeBaseBusy("another process has brought one of them back meanwhile; try again")
            pruning.erase(connection, document_ids, at=self._now())
            words.optimize(connection)
            settings.write(connection, settings.TO_SCRUB, "1")
        for copy in self.path.glob("lifelong.sqlite3.format-*"):
            copy.unlink()  # the store as an older program wrote it
        return self._after_loss()

    def answers_from(self, document_ids: Sequence[int]) -> int:
        """How many answers of conversations `erase` would remove with these documents."""
        with self._database.snapshot() as connection:
            return chats.answers_naming(connection, document_ids)

    def delete_chats(self, chat_ids: Sequence[int]) -> bool:
        """Conversations were never there; True if nothing of them can be read out of the files any more, as `erase`.

        Raises NoSuchChat; then none is deleted.
        """
        with self._database.transaction() as connection:
            for chat_id in chat_ids:
                if not chats.delete(connection, chat_id):
                    raise NoSuchChat(f"there is no chat {chat_id}; see: lifelong chats")
            settings.write(connection, settings.TO_SCRUB, "1")
        for copy in self.path.glob("lifelong.sqlite3.format-*"):
            if int(copy.name.rpartition("-")[2]) >= _FIRST_WITH_CHATS:
                copy.unlink()
        return self._after_loss()

    def documents_ever_at(self, path: str) -> tuple[int, ...]:
        """Every document that ever stood at an absolute path, or below it."""
        with self._database.snapshot() as connection:
            found: list[int] = []
            for root in files.roots(connection):
                relative = relative_to(path, root.path)
                if relative is not None:
                    found.extend(documents.ever_at(connection, root.id, "" if relative == "." else relative))
            return tuple(found)

    def pruned_at(self, number: int) -> int:
        """How many documents lived at a version whose text of then was pruned."""
        with self._database.snapshot() as connection:
            return revisions.count_pruned_at(connection, number)

    def _limits(
        self, connection: Connection, limit: Callable[[Rule | None], Limit | None], within: Sequence[str]
    ) -> dict[int, Limit]:
        roots = {root.id: root.path for root in files.roots(connection)}
        rules = self.rules
        found = {}
        for document_id, root_id, path in documents.last_places(connection):
            if within and not any(matches(pattern, roots[root_id], path) for pattern in within):
                continue
            own = limit(rule_for(rules, roots[root_id], path))
            if own is not None:
                found[document_id] = own
        return found

    def _after_loss(self) -> bool:
        """The index without what is gone, and files without traces of it; False if those must wait."""
        self._texts.forget()
        for one in self._sets.now():
            one.population.forget()
        return self._sets.clean(waits=True) and self._live_words.clean(waits=True) and self._scrub()

    def _scrub(self) -> bool:
        """The store's file without traces of what was deleted; False if that must wait."""
        is_clean = self._database.scrub()
        if is_clean:
            with self._database.transaction() as connection:
                settings.delete(connection, settings.TO_SCRUB)
        return is_clean

    # -- reading

    def latest(self) -> Version | None:
        """The newest version, None before the first."""
        with self._database.snapshot() as connection:
            return versions.read(connection, versions.latest_number(connection))

    def versions(self, limit: int) -> tuple[Version, ...]:
        """The newest versions, newest first."""
        with self._database.snapshot() as connection:
            return tuple(versions.newest(connection, limit))

    def moment(self, as_of: AsOf) -> int | datetime:
        """The version's number, or the moment, that is meant now. Raises NoSuchVersion for text that is neither."""
        with self._database.snapshot() as connection:
            return moment(as_of, now=versions.not_before_newest(connection, self._now()))

    def version_number(self, as_of: AsOf | None) -> int:
        """The number of the version meant; the newest for None.

        as_of: a number, a time (aware, or local), or a date, which means its end, local time; also as text, as
        `when.moment` reads it. Raises NoSuchVersion where there was none, and for text that is none of these.
        """
        with self._database.snapshot() as connection:
            newest = versions.latest_number(connection)
            if as_of is None:
                return newest
            wanted = self.moment(as_of)
            if isinstance(wanted, int):
                if not 1 <= wanted <= newest:
                    raise NoSuchVersion(f"there is no version {wanted}; the newest is {newest}")
                return wanted
            number = versions.number_at(connection, wanted)
            if number == 0:
                first = versions.read(connection, 1)
                began = "has no version yet" if first is None else f"begins at {first.at.astimezone():%Y-%m-%d %H:%M}"
                raise NoSuchVersion(
                    f"this knowledge base {began}; it cannot know what stood in your files at "
                    f"{wanted.astimezone():%Y-%m-%d %H:%M}; to ask only documents dated until then: "
                    f"--dated ..{wanted.astimezone():%Y-%m-%d}"
                )
            return number

    def search(
        self,
        question: str,
        k: int,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> tuple[Hit, ...]:
        """The best `k` passages, best first; fewer if fewer match.

        within: globs of paths (absolute, or below a root); a folder means all below it.
        dated: first and last date, inclusive, of the documents' own dates; None is open.
        """
        number = self.version_number(as_of)
        return self._retriever.search(
            question,
            k,
            version=number,
            today=lambda connection: self._day_of(connection, number, as_of),
            rules=self.rules,
            reranker=self.reranker,
            within=within,
            dated=dated,
        )

    def candidates(self, question: str) -> tuple[dict[int, float], dict[int, float], float]:
        """(passage id → cosine, passage id → BM25, weight of the cosine): what `search` fuses first, about now."""
        return self._retriever.candidates(question, version=self.version_number(None))

    def takeover(self) -> Takeover | None:
        """How far another embedder has come; None if none is to."""
        with self._database.snapshot() as connection:
            return self._sets.takeover(connection)

    def standings(self, *, as_of: AsOf | None = None) -> dict[int, Standing]:
        """document id → whether it holds, of all alive at a version."""
        number = self.version_number(as_of)
        with self._database.snapshot() as connection:
            day = self._day_of(connection, number, as_of)
            return Standings(connection, self.rules, version=number, today=day).of()

    def revision_of(self, hit: Hit) -> Revision:
        """The text and header that a hit was cut from."""
        with self._database.snapshot() as connection:
            return self._texts.revision(connection, hit.revision_id)

    def document_at(self, path: str, *, as_of: AsOf | None = None) -> Revision | None:
        """What is stored for an absolute path at a version, also if the file is gone from the disk."""
        number = self.version_number(as_of)
        with self._database.snapshot() as connection:
            for root in files.roots(connection):
                relative = relative_to(path, root.path)
                owner = None if relative is None else documents.owner(connection, root.id, relative, number)
                if owner is not None:
                    revision_id = revisions.at(connection, owner, number)
                    return None if revision_id is None else self._texts.revision(connection, revision_id)
        return None

    def last_document_at(self, path: str) -> Revision | None:
        """What was stored last for an absolute path where no document stands now."""
        with self._database.snapshot() as connection:
            for root in files.roots(connection):
                relative = relative_to(path, root.path)
                last = None if relative is None else documents.last_location(connection, root.id, relative)
                if last is not None:
                    revision_id = revisions.at(connection, last[0], last[1] - 1)
                    return None if revision_id is None else self._texts.revision(connection, revision_id)
        return None

    def history(self, path: str) -> tuple[Past, ...]:
        """Every state of the document that stands, or stood last, at an absolute path; oldest first.

        Empty if none ever stood there.
        """
        with self._database.snapshot() as connection:
            return History(connection, self._texts.revision).of(path)

    def changed_between(self, first: int, last: int) -> tuple[tuple[Past | None, Past | None], ...]:
        """(state at `first`, state at `last`) of each document that differs; None where it did not live."""
        with self._database.snapshot() as connection:
            return History(connection, self._texts.revision).between(first, last)

    def matching(
        self, within: Sequence[str], *, as_of: AsOf | None = None, dated: Dates | None = None
    ) -> frozenset[int] | None:
        """Ids of the documents alive at a version that a search with such arguments looks in; None: in all."""
        number = self.version_number(as_of)
        with self._database.snapshot() as connection:
            return documents_matching(connection, number, within, dated)

    def documents(self, *, as_of: AsOf | None = None) -> tuple[StoredDocument, ...]:
        """The documents alive at a version, by root and path."""
        number = self.version_number(as_of)
        with self._database.snapshot() as connection:
            alive = self._sets.at(connection)[0].population.at(connection, number)
            paths = {root.id: root.path for root in files.roots(connection)}
            total: dict[int, int] = {}
            waiting: dict[int, int] = {}
            for owner, vector_id in zip(alive.document_ids.tolist(), alive.vector_ids.tolist(), strict=True):
                total[owner] = total.get(owner, 0) + 1
                waiting[owner] = waiting.get(owner, 0) + (vector_id < 0)
            return tuple(
                StoredDocument(
                    document_id=found.document_id,
                    path=joined(paths[found.root_id], found.path),
                    title=found.title,
                    dated=found.dated,
                    document_date=found.dated or found.file_changed_at.astimezone().date(),
                    version=found.version,
                    passages=total.get(found.document_id, 0),
                    without_vectors=waiting.get(found.document_id, 0),
                    size_bytes=found.size_bytes,
                )
                for found in documents.summaries(connection, number)
            )

    def copy_of(self, digest: bytes, parser: str | None) -> Revision | None:
        """A living revision of exactly those bytes, to take the text from."""
        with self._database.snapshot() as connection:
            found = revisions.live_with(connection, digest, parser)
            return None if found is None else self._texts.revision(connection, found)

    def outdated(self, root: Root, is_outdated: Callable[[str, int, int], bool]) -> frozenset[str]:
        """Relative paths of the living documents whose (parser, its number, chunker's number) is outdated."""
        with self._database.snapshot() as connection:
            return frozenset(path for path, made_by in revisions.makers(connection, root.id) if is_outdated(*made_by))

    def made_of(self, document_id: int) -> tuple[bytes, tuple[str, int, int]] | None:
        """(digest of the bytes, (parser, its number, chunker's number)) that a document's living text was made of."""
        with self._database.snapshot() as connection:
            return revisions.made_of(connection, document_id)

    def lag(self) -> Lag:
        """What has changed and cannot be found yet."""
        with self._database.snapshot() as connection:
            times = [root.compared_at for root in files.roots(connection) if root.compared_at is not None]
            return Lag(
                files=files.count_unread_changes(connection) + sum(r.queued for r in files.roots(connection)),
                passages=vectors.count_waiting(connection, self._sets.now()[0].embedder_id),
                checked_at=min(times, default=None),
            )

    def unread(self) -> int:
        """How many vectors are stored and cannot be found by, since the index is being made again."""
        with self._database.snapshot() as connection:
            return self._sets.missing(connection)

    def passages(self) -> int:
        """How many passages live now."""
        with self._database.snapshot() as connection:
            return passages.count_alive(connection)

    def passages_with(self, term: str) -> int:
        """How many living passages hold a term of `terms.terms`."""
        with self._database.snapshot() as connection:
            return words.passages_with(connection, term)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot of the store, for `verify`."""
        with self._database.snapshot() as connection:
            yield connection

    def index_faults(self) -> Iterator[str]:
        """How the indexes differ from the vectors stored."""
        for one in self._sets.load():
            # no snapshot from before: a thread that embeds would have brought the index further than that
            with one.live_index.lock, self._database.snapshot() as connection:
                yield from one.live_index.faults(connection)

    def word_faults(self, connection: Connection) -> Iterator[str]:
        """How the words at hand differ from those stored, at a snapshot."""
        return self._live_words.faults(connection)

    # -- repairing

    def rebuild(self) -> None:
        """Makes the word index and the vector index again from the documents and vectors stored."""
        with self._database.transaction() as connection:
            self._rewrite_words(connection)
            self.adapters.mend(connection)
        for one in self._sets.now():
            one.live_index.drop()
        self._live_words.drop()
        with self._database.snapshot() as connection:
            for one in self._sets.at(connection):
                one.live_index.save(connection)
        self._live_words.settle()

    def damage(self) -> tuple[str, ...]:
        """What SQLite's own check finds wrong."""
        return self._database.damage()

    # -- inside

    def _finish_scrubbing(self) -> None:
        with self._database.snapshot() as connection:
            is_due = settings.read(connection, settings.TO_SCRUB) is not None
        if not is_due:
            return
        if self._sets.clean(waits=False) and self._live_words.clean(waits=False) and self._database.scrub():
            with self._database.transaction() as connection:
                settings.delete(connection, settings.TO_SCRUB)

    def _agree_on_terms(self) -> None:
        """The word index was made by this program's analyzer."""
        with self._database.snapshot() as connection:
            analyzer = settings.read(connection, "analyzer_version")
        if analyzer != str(ANALYZER_VERSION):
            with self._database.transaction() as connection:
                if analyzer is not None:
                    self._rewrite_words(connection)
                settings.write(connection, "analyzer_version", str(ANALYZER_VERSION))

    @property
    def embedder(self) -> Embedder:
        """The one in use."""
        return self._sets.now()[0].embedder

    @property
    def has_begun_takeover(self) -> bool:
        """Another embedder was named when it was opened, and takes over from now on."""
        return self._sets.has_begun

    @property
    def is_calibrated(self) -> bool:
        """What the cosines of the embedder in use tell was measured."""
        return calibration_of(self.embedder.fingerprint).is_measured

    def _day_of(self, connection: Connection, number: int, as_of: AsOf | None) -> date:
        """Ages are counted as of a version: on its day; as of a day: on that day, unless it is still to come."""
        at = self._now()
        if as_of is not None:
            wanted = moment(as_of, now=at)
            if isinstance(wanted, int):
                version = versions.read(connection, number)
                wanted = at if version is None else version.at
            at = min(at, wanted)
        return at.astimezone().date()

    def _rewrite_words(self, connection: Connection) -> None:
        words.clear(connection)
        for document_id in documents.all_ids(connection):
            alive = passages.alive_in(connection, document_id)
            rows: dict[int, words.Row] = {}
            for revision_id in revisions.of_document(connection, document_id):
                revision = revisions.read(connection, revision_id)
                for p in revision.placements:
                    if p.passage_id not in rows:
                        rows[p.passage_id] = words.row(
                            p.passage_id, context=p.context, text=revision.text[p.start : p.end]
                        )
            words.insert_live(connection, [row for key, row in sorted(rows.items()) if key in alive])
            words.insert_past(connection, [row for key, row in sorted(rows.items()) if key not in alive])
