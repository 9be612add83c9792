"""The assistant: a knowledge base, an embedder, a frozen language model or none, and the questions asked of them.

Rule: the public door. `open_assistant` builds the parts and reads the settings once, but for rules about age, which are
read again once they have changed; everything else takes plain arguments. Nothing here prints.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from ingest.scan import Rules
from rag_lifelong import conflicts, memory, restored_notes, retraction, status, sync, verify
from rag_lifelong import rules as rule_file
from rag_lifelong.adapted_models import AdaptedModels
from rag_lifelong.answering import Asked, answer, name_of, stopped
from rag_lifelong.config import FILE_NAME as SETTINGS_NAME
from rag_lifelong.config import Config, knowledge_base_path, load_config, model_settings, rules_of
from rag_lifelong.conflicts import Conflict
from rag_lifelong.conversation import Conversation
from rag_lifelong.coverage import ignored_by, refuse_own
from rag_lifelong.embed import Embedder, open_embedder
from rag_lifelong.errors import BadSetting, LifelongError, NoSuchPath, TargetUnusable
from rag_lifelong.export import Exported, export
from rag_lifelong.follow import SWEEP_S, Happening, Watcher
from rag_lifelong.generate import LanguageModel, open_model
from rag_lifelong.history import Past
from rag_lifelong.knowledge_base import KnowledgeBase, utc_now
from rag_lifelong.live_rules import LiveRules
from rag_lifelong.markers import Markers
from rag_lifelong.memory import Remembered
from rag_lifelong.note_folder import folders_of, settle
from rag_lifelong.places import relative_to
from rag_lifelong.preferences import Preference
from rag_lifelong.pruning import Pruning
from rag_lifelong.reading import Settings
from rag_lifelong.rerank import Reranker, open_reranker
from rag_lifelong.retraction import AdapterDeleted, Deleted, Erased, UndoPlan
from rag_lifelong.retriever import Dates
from rag_lifelong.span_reader import open_span_reader
from rag_lifelong.staleness import Rule
from rag_lifelong.status import Folder, PathStatus, RuleInForce, Status, absolute, none_followed, not_stored
from rag_lifelong.store import backup
from rag_lifelong.store.files import Root
from rag_lifelong.store.rescue import Rescued, is_damaged, set_aside
from rag_lifelong.sync import Progress, ReadIn, Silent
from rag_lifelong.transcript import markdown
from rag_lifelong.types import (
    Adapter,
    AdapterEvent,
    Answer,
    ChatSummary,
    Failure,
    Finding,
    Hit,
    Narrowed,
    Standing,
    StoredDocument,
    Turn,
    Version,
)
from rag_lifelong.when import AsOf

if TYPE_CHECKING:
    from rag_lifelong.llama_index import LifelongChatEngine, LifelongQueryEngine, LifelongRetriever

EVIDENCE = 12  # passages an answer is looked for in
BATCH_S = 2.0  # of reading between two commits, so that ^C and a crash lose little


class Narrowing(TypedDict, total=False):
    """Which part of the knowledge base is asked: keyword arguments of `search`, `ask` and `stream`."""

    as_of: AsOf | None
    within: Sequence[str]
    dated: Dates | None


def open_assistant(
    kb: str | Path | None = None,
    *,
    llm: object | None = None,
    embedder: str | Embedder | None = None,
    reranker: str | Reranker | None = None,
    create: bool = True,
    rescue: bool = False,
    now: Callable[[], datetime] = utc_now,
) -> Assistant:
    """Opens an assistant over the knowledge base in the folder `kb`, making it where needed.

    kb: a folder; None for LIFELONG_KB, else the user's data folder.
    llm: None for the setting `model` (quoting unless set), a SPEC such as "ollama:NAME", or a LlamaIndex LLM.
    embedder: a SPEC or an Embedder; None for the setting `embedder`, and without it the one that the knowledge base was
    built with. Another than that takes over: its vectors are made in the background, and until all are there, both
    answer.
    reranker: a folder or name on this machine, or a Reranker; None for the setting `reranker`; "" for none.
    rescue: set a damaged store aside (never deleted) and begin a new one; `rebuild` then reads in again, as they are on
    disk now, the folders and files that the damaged one names. Its versions stay behind in it.
    now: the clock that versions are dated by, and ages counted from; a history can be replayed with its own.
    Raises a LifelongError that says what to do.
    """
    path = knowledge_base_path(kb)
    config = load_config(path)
    rescued = set_aside(path) if rescue and is_damaged(path) else None
    chosen: Embedder | None
    if embedder is None or isinstance(embedder, str):
        spec = embedder or config.embedder
        chosen = open_embedder(spec, cache_dir=path / "cache") if spec else None
    else:
        chosen = embedder
    model = open_model(config.model if llm is None else llm, settings=model_settings(config))
    base = KnowledgeBase(
        path,
        embedder=chosen,
        reranker=open_reranker(config.reranker if reranker is None else reranker),
        reader=open_span_reader(cache_dir=path / "cache"),
        create=create or rescued is not None,
        now=now,
        rules=LiveRules(path, config.rules).now,
    )
    return Assistant(base, model=model, config=config, rescued=rescued)


def restore(
    path: str | Path, kb: str | Path | None = None, *, force: bool = False, tell: backup.Tell | None = None
) -> backup.Restored:
    """Makes the folder `kb` the knowledge base that the backup at `path` holds.

    kb: as in `open_assistant`; missing or empty, unless `force`, which keeps the one there beside it. tell: called
    with bytes done and bytes in all. Raises BackupUnusable, TargetUnusable, KnowledgeBaseBusy, StorageFull; then
    nothing has changed. Its notes are written back as files, unless `notes_folder` was elsewhere.
    """
    done = backup.restore(Path(absolute(path)), knowledge_base_path(kb), force=force, tell=tell)
    kept = restored_notes.write_back(done.folder)
    return done if kept is None else replace(done, kept=(*done.kept, kept))


class Assistant:
    """Answers from a knowledge base; close it, or use it as a context manager."""

    def __init__(
        self, knowledge_base: KnowledgeBase, *, model: LanguageModel | None, config: Config, rescued: Rescued | None
    ) -> None:
        self.knowledge_base = knowledge_base
        self.rescued = rescued
        self.config = config
        self.last_answer: Answer | None = None
        self.last_hits: tuple[Hit, ...] = ()
        self.last_adapter: Adapter | None = None  # beside the model that worded the last answer
        self._markers = Markers()
        self._model = model
        self._adapted = AdaptedModels(knowledge_base)
        self._note_folders = folders_of(knowledge_base, config.notes_folder)
        with suppress(LifelongError):  # busy, or on a disk that can only be read: it can wait
            settle(knowledge_base)
        self._settings = Settings(
            max_file_bytes=config.max_file_mb * 1_000_000,
            limits=config.limits,
            chunk_tokens=config.chunk_tokens,
            batch_s=BATCH_S,
            note_folders=frozenset(self._note_folders),
        )
        self._background: threading.Thread | None = None
        self._stopping = threading.Event()
        self._watchers: list[Watcher] = []

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops watchers and background embedding at a batch border, and closes the knowledge base."""
        self._stopping.set()
        for watcher in self._watchers:
            watcher.stop()
        self._watchers.clear()
        if self._background is not None:
            self._background.join()
            self._background = None
        self.knowledge_base.close()

    # -- what is kept

    def add(
        self,
        *paths: str | Path,
        wait: bool = True,
        progress: Progress | None = None,
        rules: Rules | None = None,
        may_retire: bool = False,
    ) -> ReadIn:
        """Makes the knowledge base equal to these folders and files.

        wait: return when vectors are there too; else they follow in the background.
        rules: how folders are read, from now on; None leaves what was set.
        may_retire: believe it that over a fifth of a folder's documents are gone.
        Raises NoSuchPath, MissingFile, TooManyGone, StorageFull, KnowledgeBaseBusy.
        """
        if not paths:
            raise ValueError("add() needs at least one path")
        return self._read_in([Path(path) for path in paths], "add", wait, progress, rules, may_retire)

    def sync(
        self, *folders: str | Path, wait: bool = True, progress: Progress | None = None, may_retire: bool = False
    ) -> ReadIn:
        """Makes the knowledge base equal to these folders, or to all that are followed or were added.

        A folder that is not there is left as it is. Arguments and errors as `add`; NoSuchPath also if none is followed.
        """
        if not folders and not self.followed():
            raise none_followed(self.knowledge_base)
        chosen = [Path(folder) for folder in folders] or [
            Path(root.path) for root in self.followed() if os.path.isdir(root.path)
        ]
        return self._read_in(chosen, "sync", wait, progress, None, may_retire)

    def followed(self) -> tuple[Root, ...]:
        """The folders that `sync` and `watch` take when none is named."""
        return tuple(root for root in self.knowledge_base.folders.roots() if root.is_whole and root.following != "left")

    def unfollow(self, folder: str | Path) -> None:
        """The folder is no longer compared; its documents stay. Raises NoSuchPath."""
        root = self._folder(folder)
        self.knowledge_base.folders.follow(
            root, "left", uses_gitignore=root.uses_gitignore, follows_links=root.follows_links
        )

    def move_folder(self, old: str | Path, new: str | Path) -> None:
        """The folder known as `old` stands at `new` now; nothing is read again. Raises NoSuchPath."""
        root, place = self._folder(old), absolute(new)
        if any(other.path == place for other in self.knowledge_base.folders.roots()):
            raise NoSuchPath(f"{place} is known as a folder of its own; forget or unfollow it first")
        self.knowledge_base.folders.rename_root(root, place)

    def watch(
        self,
        *folders: str | Path,
        settle_ms: int | None = None,
        sweep_s: float = SWEEP_S,
        rules: Rules | None = None,
        tell: Callable[[Happening], None] | None = None,
    ) -> Watcher:
        """Follows these folders, or all that were added, in the background until `stop()`; it is made equal first.

        settle_ms: a file is read once it has not changed for so long; None for the setting. sweep_s: between two
        comparisons of whole folders. tell: called with what happened, from the watcher's thread.
        Raises NoSuchPath, FolderFollowed.
        """
        chosen = folders or [root.path for root in self.followed()]
        roots = [self._root_to_follow(folder, rules) for folder in chosen]
        if not roots:
            raise none_followed(self.knowledge_base)
        watcher = Watcher(
            self.knowledge_base,
            roots,
            settings=self._settings,
            settle_ms=self.config.settle_ms if settle_ms is None else settle_ms,
            sweep_s=sweep_s,
            tell=tell or _untold,
        )
        watcher.start()
        self._watchers.append(watcher)
        return watcher

    def _root_to_follow(self, folder: str | Path, rules: Rules | None) -> Root:
        place = absolute(folder)
        known = next(
            (root for root in self.knowledge_base.folders.roots() if root.path == place and root.is_whole), None
        )
        if known is None:
            if not os.path.isdir(place):
                raise NoSuchPath(f"no folder at {place}; check the spelling")
            refuse_own(self.knowledge_base, place)
            known = self.knowledge_base.folders.ensure_root(place, is_whole=True)
        chosen = rules or Rules(uses_gitignore=known.uses_gitignore, follows_links=known.follows_links)
        self.knowledge_base.folders.follow(
            known, "followed", uses_gitignore=chosen.uses_gitignore, follows_links=chosen.follows_links
        )
        return next(root for root in self.knowledge_base.folders.roots() if root.id == known.id)

    def _folder(self, folder: str | Path) -> Root:
        place = absolute(folder)
        for root in self.knowledge_base.folders.roots():
            if root.path == place:
                return root
        known = ", ".join(root.path for root in self.knowledge_base.folders.roots() if root.is_whole) or "none"
        raise NoSuchPath(f"{place} is no folder of this knowledge base; there are: {known}")

    def _read_in(
        self,
        paths: Sequence[Path],
        verb: str,
        wait: bool,
        progress: Progress | None,
        rules: Rules | None,
        may_retire: bool,
    ) -> ReadIn:
        told = progress or Silent()
        done = sync.read_in(
            self.knowledge_base,
            paths,
            settings=self._settings,
            progress=told,
            verb=verb,
            rules=rules,
            may_retire=may_retire,
        )
        if wait:
            self.wait(told)
        else:
            self._embed_in_background()
        return done

    def wait(self, progress: Progress | None = None) -> None:
        """Returns when every passage has its vector."""
        sync.embed_all(self.knowledge_base, progress=progress or Silent(), is_stopped=self._stopping.is_set)

    def forget(self, *paths: str | Path) -> Version:
        """Takes documents out of every answer about now; their files stay on disk and are not read again.

        A folder means all documents in it. Raises NoSuchPath if nothing is stored at a path.
        """
        return retraction.forget(self.knowledge_base, paths)

    def forget_everywhere(self, *paths: str | Path) -> Erased:
        """Removes every document that ever stood at these paths from all versions, for good; the files stay on disk.

        They are not read again while they stay as they are. Raises NoSuchPath if nothing ever stood at a path.
        """
        return retraction.forget_everywhere(self.knowledge_base, paths)

    def answers_from(self, *paths: str | Path) -> int:
        """How many answers of conversations `forget_everywhere` would remove with these paths."""
        return retraction.answers_from(self.knowledge_base, paths)

    def adapters_from(self, *paths: str | Path) -> tuple[int, ...]:
        """Which adapters `forget_everywhere` would delete with these paths: their numbers."""
        return retraction.adapters_from(self.knowledge_base, paths)

    def pruning_plan(
        self, *, keep_for: str | None = None, keep_last: int | None = None, within: Sequence[str] = ()
    ) -> Pruning:
        """The former texts that `prune` would let go with such arguments; nothing is done."""
        return retraction.pruning_plan(self.knowledge_base, keep_for=keep_for, keep_last=keep_last, within=within)

    def prune(
        self,
        planned: Pruning | None = None,
        *,
        keep_for: str | None = None,
        keep_last: int | None = None,
        within: Sequence[str] = (),
    ) -> Pruning:
        """Lets go of former texts, for good; what went. The present is not touched.

        planned: exactly what `pruning_plan` has shown; None: what it would show now.
        keep_for: a span such as "1 year": what was replaced or taken out longer ago goes. keep_last: of each document,
        so many former texts stay. What is None is as the document's rule says; where neither says anything, nothing
        goes. within: globs of paths. Raises BadSetting for a span that cannot be read.
        """
        if planned is None:
            planned = self.pruning_plan(keep_for=keep_for, keep_last=keep_last, within=within)
        return self.knowledge_base.prune(planned)

    def undo_plan(self, version: int | None = None) -> UndoPlan:
        """What `undo` would do; nothing is done. Raises NothingToUndo, NoSuchVersion."""
        return retraction.undo_plan(self.knowledge_base, version)

    def undo(self, version: int | None = None) -> Version:
        """Takes back a version, by default the newest that a command made and that still holds.

        One more version; the disk is not touched, and its files are not read again until they change. What a later
        version has changed again stays. Raises NothingToUndo, NoSuchVersion.
        """
        return retraction.undo(self.knowledge_base, version)

    # -- what the user tells it

    def remember(self, text: str, *, always: bool = False, within: Sequence[str] = ()) -> Remembered:
        """Writes the user's own words, as they stand, into the notes folder, and reads them in: they can be asked for.

        always: a preference, how answers are to be; within: globs of the passages it is for, none for all answers.
        Raises NoteUnusable for what cannot be kept, TargetUnusable, StorageFull, KnowledgeBaseBusy.
        """
        if within and not always:
            raise ValueError("a note is for all questions; within is for preferences: always=True")
        base, folders, settings = self.knowledge_base, self._note_folders, self._settings
        if always:
            return memory.prefer(base, text, within=within, folders=folders, settings=settings, at=base.now())
        done = memory.remember(base, text, folders=folders, settings=settings, at=base.now())
        with suppress(LifelongError):  # it is kept, and found by words; vectors follow
            base.embed_next(max(1, done.version.passages_born))  # the newest come first
        return done

    def preferences(self) -> tuple[Preference, ...]:
        """Those in force, numbered in the order they stand."""
        return memory.in_force(self.knowledge_base, self._note_folders)

    def drop_preference(self, number: int) -> Remembered:
        """A preference goes out of its file, and out of force. Raises NoteUnusable, and as `remember`."""
        return memory.drop(self.knowledge_base, number, folders=self._note_folders, settings=self._settings)

    # -- what still holds

    def rules(self) -> tuple[RuleInForce, ...]:
        """The rules about the age of documents, in the order that they apply, and what they concern now."""
        return status.rules(self.knowledge_base, rules_of(self.knowledge_base.path))

    def set_rule(self, rule: Rule, *, unset: Collection[str] = ()) -> None:
        """What `rule` says goes into the knowledge base's `lifelong.toml`, and holds from now on.

        unset: the names of what the rule for the same `match` is no longer to say.
        Raises BadSetting, also where all that it says would have no effect.
        """
        path = self.knowledge_base.path / SETTINGS_NAME
        own: list[Rule] = []
        others: list[Rule] = []
        for known, origin in rules_of(self.knowledge_base.path):
            (own if origin == str(path) else others).append(known)
        rule_file.check_effect(rule, unset=unset, own=own, others=others)
        rule_file.write(path, rule, unset=unset)
        self._read_rules()

    def drop_rule(self, match: str) -> None:
        """The rule for `match` goes out of the knowledge base's `lifelong.toml`. Raises BadSetting."""
        path = self.knowledge_base.path / SETTINGS_NAME
        if not rule_file.drop(path, match):
            raise BadSetting(f"there is no rule for {match!r} in {path}; see: lifelong rules")
        self._read_rules()

    def _read_rules(self) -> None:
        path = self.knowledge_base.path
        self.knowledge_base.rules = LiveRules(path, tuple(rule for rule, _ in rules_of(path))).now

    def standings(self, *, as_of: AsOf | None = None) -> dict[int, Standing]:
        """document id → whether it still holds, of all documents alive at a version."""
        return self.knowledge_base.standings(as_of=as_of)

    def conflicts(
        self, *, settled: bool = False, tell: Callable[[int, int], None] | None = None
    ) -> tuple[Conflict, ...]:
        """Documents that another one is likely to supersede, best first; settled: those decided, the newest first.

        tell: called with documents compared and documents in all.
        """
        if settled:
            return conflicts.decided(self.knowledge_base)
        return conflicts.suggested(self.knowledge_base, tell=tell)

    def decide(
        self, *, confirm: Sequence[str] = (), reject: Sequence[str] = ()
    ) -> tuple[Version, tuple[Conflict, ...]]:
        """Confirms and rejects conflicts by their codes; the version made, and the conflicts as they are now.

        What supersedes a document is found right before it, and answers say so. `undo` takes it back.
        Raises NoSuchConflict.
        """
        return conflicts.decide(self.knowledge_base, confirm=confirm, reject=reject)

    def supersede(self, old: str | Path, new: str | Path) -> tuple[Version, tuple[Conflict, ...]]:
        """The document at `new` supersedes the one at `old`. Raises NoSuchPath, NoSuchConflict."""
        return conflicts.supersede(self.knowledge_base, old, new)

    # -- repairing

    def rebuild(self, progress: Progress | None = None) -> None:
        """Makes the word index and the vector index again from what is stored, and missing vectors.

        If a damaged store was set aside, what it names is read in again.
        """
        if self.rescued is not None:
            there = [place for place in (*self.rescued.folders, *self.rescued.files) if os.path.exists(place)]
            if there:
                self.add(*there, progress=progress)
        self.knowledge_base.rebuild()
        self.wait(progress)

    # -- copies

    def backup(self, path: str | Path, *, force: bool = False, tell: backup.Tell | None = None) -> backup.Contents:
        """Writes the whole knowledge base to one new file, checked, while others go on writing; for `restore`.

        force: overwrite the file. tell: called with bytes done and bytes in all.
        Raises TargetUnusable, KnowledgeBaseUnusable if the store is damaged, StorageFull.
        """
        base = self.knowledge_base
        with base.reading() as connection:
            return backup.write(
                connection,
                Path(absolute(path)),
                settings=base.path / SETTINGS_NAME,
                now=base.now(),
                force=force,
                tell=tell,
            )

    def export(self, folder: str | Path, *, tell: Callable[[int, int], None] | None = None) -> Exported:
        """Writes texts, versions and history into a new or empty folder, as files that need no program of ours.

        tell: called with texts done and texts in all. Raises TargetUnusable, StorageFull.
        """
        place = absolute(folder)
        root = self.folder_that_reads(os.path.join(place, "documents", "one.md"))
        if root is not None:
            raise TargetUnusable(f"{place} is in {root.path}, whose files are read in; name a folder elsewhere")
        return export(self.knowledge_base, Path(place), tell=tell)

    def folder_that_reads(self, path: str | Path) -> Root | None:
        """The folder that would take a file at `path` for one of its own documents."""
        place = absolute(path)
        for root in self.followed():
            relative = relative_to(place, root.path)
            if relative is not None and ignored_by(root, relative) is None:
                return root
        return None

    # -- questions

    def search(
        self,
        query: str,
        k: int | None = None,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> tuple[Hit, ...]:
        """The best `k` passages (by default the setting `k`), best first."""
        hits = self.knowledge_base.search(
            query, self.config.k if k is None else k, as_of=as_of, within=within, dated=dated
        )
        self.last_hits = hits
        return hits

    def ask(
        self,
        question: str,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
        k: int | None = None,
    ) -> Answer:
        """The answer the sources give, with citations; or one that says they do not.

        k: how many passages are looked at, by default 12.
        """
        for _ in self.stream(question, as_of=as_of, within=within, dated=dated, k=k):
            pass
        assert self.last_answer is not None  # stream() sets it when it ends
        return self.last_answer

    def stream(
        self,
        question: str,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
        k: int | None = None,
    ) -> Iterator[str]:
        """The answer's text piece by piece; when it has ended, `last_answer` is the whole."""
        at = None if as_of is None else self.knowledge_base.moment(as_of)
        yield from self.answering(question, Narrowed(at, tuple(within), dated, k), told="")

    def answering(self, question: str, narrowed: Narrowed, *, told: str) -> Generator[str, None, Answer]:
        """As `stream`, and gives the whole. told: what was said before in a conversation, for a model."""
        self.last_answer = None
        self.last_adapter = None
        number = self.knowledge_base.version_number(narrowed.as_of)
        hits = self.search(
            question, narrowed.k or EVIDENCE, as_of=narrowed.as_of, within=narrowed.within, dated=narrowed.dated
        )
        asked = Asked(question, hits, version=number, as_of=None if narrowed.as_of is None else number, told=told)
        preferences = () if self._model is None else self.preferences()
        self._markers = Markers()
        self.last_answer = yield from answer(
            self.knowledge_base,
            asked,
            model=self._model,
            preferences=preferences,
            markers=self._markers,
            beside=self._beside,
        )
        return self.last_answer

    def stopped(self, question: str, narrowed: Narrowed, said: str) -> Answer:
        """The answer that `answering` has not come to the end of, as far as the model had `said` it."""
        assert self._model is not None  # a quotation is said in one piece
        number = self.knowledge_base.version_number(narrowed.as_of)
        asked = Asked(question, self.last_hits, number, as_of=None if narrowed.as_of is None else number)
        adapter = None if self.last_adapter is None else self.last_adapter.name
        return stopped(self.knowledge_base, asked, said, model=self._model, markers=self._markers, adapter=adapter)

    def _beside(self, model: LanguageModel, passage_ids: Sequence[int]) -> tuple[LanguageModel, Adapter | None]:
        found, self.last_adapter = self._adapted.beside(model, passage_ids)
        return found, self.last_adapter

    # -- conversations

    def chat(self, resume: int | Literal["last"] | None = None, *, keep: bool = True) -> Conversation:
        """A new conversation, or one that was kept, to go on with.

        resume: its id, or "last". keep: False leaves nothing of what is said from now on, as does the setting
        `keep_chats = false`. Raises NoSuchChat.
        """
        chat_id = self.knowledge_base.chats.last_id() if resume == "last" else resume
        return Conversation(self, chat_id=chat_id, keeps=keep and self.config.keep_chats)

    def chats(self) -> tuple[ChatSummary, ...]:
        """The conversations kept, the one talked in last first."""
        return self.knowledge_base.chats.summaries()

    def read_chat(self, chat_id: int) -> tuple[Turn, ...]:
        """What was said in a conversation, oldest first. Raises NoSuchChat."""
        return tuple(kept.turn for kept in self.knowledge_base.chats.read(chat_id))

    def delete_chat(self, *chat_ids: int) -> Deleted:
        """Removes conversations for good, also from the store's free space, and from what was typed in chats.

        Raises NoSuchChat; then none is removed.
        """
        return retraction.delete_chats(self.knowledge_base, chat_ids)

    def export_chat(self, chat_id: int) -> str:
        """A conversation as Markdown, its citations as footnotes. Raises NoSuchChat."""
        return markdown(self.read_chat(chat_id))

    # -- adapters

    def adapters(self) -> tuple[Adapter, ...]:
        """Every adapter, in whatever state, the newest last."""
        return self.knowledge_base.adapters.all()

    def adapter(self, adapter_id: int) -> tuple[Adapter, tuple[AdapterEvent, ...]]:
        """An adapter, with its report, and what became of it, oldest first. Raises NoSuchAdapter."""
        registry = self.knowledge_base.adapters
        return registry.read(adapter_id), registry.events(adapter_id)

    def enable_adapter(self, adapter_id: int) -> Adapter:
        """A suspended adapter is used again, if it passed its gates and all its sources stand as they did.

        Raises NoSuchAdapter, AdapterUnusable with why it stays off.
        """
        return self.knowledge_base.adapters.enable(adapter_id)

    def disable_adapter(self, adapter_id: int) -> Adapter:
        """An active adapter is not used until it is enabled. Raises NoSuchAdapter, AdapterUnusable."""
        return self.knowledge_base.adapters.disable(adapter_id)

    def delete_adapter(self, adapter_id: int) -> AdapterDeleted:
        """Removes an adapter for good, also from the store's free space. Raises NoSuchAdapter."""
        return retraction.delete_adapter(self.knowledge_base, adapter_id)

    # -- for LlamaIndex

    def as_retriever(
        self,
        *,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> LifelongRetriever:
        """What `search` finds, as a LlamaIndex retriever. Arguments as `search`."""
        from rag_lifelong.llama_index import LifelongRetriever

        return LifelongRetriever(self, k=k, as_of=as_of, within=within, dated=dated)

    def as_query_engine(
        self,
        *,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
        streaming: bool = False,
    ) -> LifelongQueryEngine:
        """What `ask` answers, as a LlamaIndex query engine. Arguments as `ask`."""
        from rag_lifelong.llama_index import LifelongQueryEngine

        return LifelongQueryEngine(self, k=k, as_of=as_of, within=within, dated=dated, streaming=streaming)

    def as_chat_engine(
        self,
        *,
        resume: int | Literal["last"] | None = None,
        keep: bool = True,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> LifelongChatEngine:
        """A conversation, as a LlamaIndex chat engine. resume, keep: as `chat`; the others as `ask`."""
        from rag_lifelong.llama_index import LifelongChatEngine

        return LifelongChatEngine(self, resume=resume, keep=keep, k=k, as_of=as_of, within=within, dated=dated)

    # -- what is there

    def documents(self, *, as_of: AsOf | None = None) -> tuple[StoredDocument, ...]:
        """The documents alive at a version."""
        return self.knowledge_base.documents(as_of=as_of)

    def list(
        self,
        pattern: str | None = None,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> tuple[StoredDocument, ...]:
        """The documents alive at a version that a search with such arguments looks in; whose path matches `pattern`."""
        found = self.documents(as_of=as_of)
        for globs, dates in ((within, dated), (() if pattern is None else (pattern,), None)):
            inside = self.knowledge_base.matching(globs, as_of=as_of, dated=dates)
            if inside is not None:
                found = tuple(document for document in found if document.document_id in inside)
        return found

    def failures(self) -> tuple[Failure, ...]:
        """The files that could not be read, with their reasons."""
        return sync.failures(self.knowledge_base)

    def show(self, path: str | Path, *, as_of: AsOf | None = None) -> str:
        """The text stored for a path at a version, also when the file is gone from the disk.

        Without `as_of`, a document that was taken out or whose file is gone is shown as it last was.
        Raises NoSuchPath.
        """
        place = absolute(path)
        found = self.knowledge_base.document_at(place, as_of=as_of)
        if found is None and as_of is None:
            found = self.knowledge_base.last_document_at(place)
        if found is None:
            raise not_stored(self.knowledge_base, place, "is")
        return found.text

    def history(self, path: str | Path) -> tuple[Past, ...]:
        """Every state of the document at a path, oldest first, wherever it stood then. Raises NoSuchPath."""
        found = self.knowledge_base.history(absolute(path))
        if not found:
            raise not_stored(self.knowledge_base, absolute(path), "was ever")
        return found

    def changed_between(self, first: AsOf, last: AsOf) -> tuple[tuple[Past | None, Past | None], ...]:
        """(then, later) of each document that differs between two versions; None where it did not live.

        Raises NoSuchVersion.
        """
        base = self.knowledge_base
        older, newer = sorted((base.version_number(first), base.version_number(last)))
        return base.changed_between(older, newer)

    def versions(self, limit: int = 20) -> tuple[Version, ...]:
        """The newest versions, newest first."""
        return self.knowledge_base.versions(limit)

    def check(self) -> tuple[Finding, ...]:
        """Whether all is well, subject by subject, with the command that mends what is not."""
        return verify.check(self.knowledge_base)

    def status(self) -> Status:
        """What is in the knowledge base, what failed, what waits."""
        return status.status(self.knowledge_base, model_name=self.model_name)

    def folders(self) -> tuple[Folder, ...]:
        """The folders known, who follows them, and how they stand."""
        return status.folders(self.knowledge_base)

    def status_of(self, path: str | Path) -> PathStatus:
        """Why a file is, or is not, found."""
        return status.path_status(self.knowledge_base, path)

    @property
    def language_model(self) -> LanguageModel | None:
        """Who words the answers; None: they are quoted."""
        return self._model

    @property
    def model_name(self) -> str:
        """Which language model answers; "quote" for none."""
        return name_of(self._model)

    def use_model(self, spec: object | None) -> None:
        """Answers with another language model from now on. Raises ModelUnusable, BadSetting."""
        self._model = open_model(spec, settings=model_settings(self.config))

    # -- inside

    def _embed_in_background(self) -> None:
        if self._background is not None and self._background.is_alive():
            return
        self._background = threading.Thread(
            target=sync.embed_all,
            kwargs={
                "knowledge_base": self.knowledge_base,
                "progress": Silent(),
                "is_stopped": self._stopping.is_set,
            },
            name="embedding",
            daemon=True,
        )
        self._background.start()


def _untold(happening: Happening) -> None:
    """Nobody is told."""
