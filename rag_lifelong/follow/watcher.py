"""Folders followed for as long as it is asked for: hints, and a sweep now and then, become versions.

Rule: events are hints. Whatever they say, the disk is compared with what is known, and a path is read once it has come
to rest. A folder has one follower, known by a lock that the system releases when its process ends. A folder that is
away, or has lost much without anybody having told, is waited for, never emptied.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ingest import IngestError, MissingFile
from ingest.scan import IGNORE_FILE, Difference, Found, Unreadable, is_folder, look, scan
from ingest.watch import Settling
from rag_lifelong.coverage import rules_of
from rag_lifelong.errors import FolderFollowed, LifelongError
from rag_lifelong.follow.aside import Aside, Done, Key
from rag_lifelong.follow.belonging import Belonging
from rag_lifelong.follow.embedding import Embedding
from rag_lifelong.follow.happenings import Happening, Standing, Teller
from rag_lifelong.follow.leases import Leases, follower_of
from rag_lifelong.follow.listening import Listening, place_of
from rag_lifelong.follow.origins import origins_of
from rag_lifelong.follow.queueing import Queueing
from rag_lifelong.follow.renewal import CAUSE, Renewal
from rag_lifelong.follow.retrying import RETRY_S, due_again, is_given_up
from rag_lifelong.follow.trouble import Trouble
from rag_lifelong.knowledge_base import Committed, KnowledgeBase
from rag_lifelong.places import above, joined
from rag_lifelong.reading import FEW_GONE, Part, Reader, Settings
from rag_lifelong.store.files import Root

SWEEP_S = 300.0  # between two comparisons of whole folders: what no event told is found then
ABSENT_S = 2.0  # between two looks whether a folder that was away is back
SLOW_AT_ONCE = 2  # of the files read aside: one that takes minutes, a scanned book, leaves a way for the others
BATCH_S = 0.5  # of reading between two commits: others write in between


class Watcher:
    """Follows folders in threads of its own until `stop()`."""

    def __init__(
        self,
        knowledge_base: KnowledgeBase,
        roots: Sequence[Root],
        *,
        settings: Settings,
        settle_ms: int,
        sweep_s: float,
        tell: Callable[[Happening], None],
    ) -> None:
        self._base = knowledge_base
        self._roots = {root.id: root for root in roots}
        self._ids = {root.path: root.id for root in roots}
        self._settings = replace(settings, batch_s=BATCH_S)
        self._slow = Aside(knowledge_base, self._settings, name="reading aside", at_once=SLOW_AT_ONCE, wake=self._woken)
        self._again = Aside(knowledge_base, self._settings, name="reading again", at_once=1, wake=self._woken)
        self._renewal = Renewal(knowledge_base)
        self._to_look_over = set(self._roots)  # for documents of an older parser
        self._settling: Settling[Key, Found] = Settling(settle_ms=settle_ms)
        teller = Teller(tell, now=knowledge_base.now)
        self._say = teller.say
        self._trouble = Trouble(lambda kind, message: self._say(kind, message=message))
        self._embedding = Embedding(knowledge_base, teller)
        self._stopping = threading.Event()
        self._condition = threading.Condition()
        self._hints: list[tuple[str, str, bool]] = []
        self._is_busy = True
        self._swept: set[Key] = set()  # hinted at by a sweep alone
        self._first_hint: dict[Key, float] = {}
        self._unreadable: set[Key] = set()
        self._unwanted: set[Key] = set()  # still there, and by the rules no longer read
        self._sweep_at: dict[int, float] = {root.id: 0.0 for root in roots}
        self._absent: set[int] = set()
        self._link_due: set[int] = set()  # roots where a folder or link may have come or gone
        self._refused: set[int] = set()  # roots of which something was not believed in this read
        self._belonging = Belonging(knowledge_base)
        self._queueing = Queueing(knowledge_base.folders)
        self._let_go_at = 0.0
        self._retry_at = 0.0
        self._leases = Leases(knowledge_base)
        self._listening = Listening(self._leases, teller, heard=self._heard, sweep_s=sweep_s)
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._is_ready = False
        self._is_deaf = False
        self.turns = 0  # rounds begun

    # -- from outside

    def start(self) -> None:
        """Takes the folders' leases and begins. Raises FolderFollowed."""
        self._leases.take(self._roots.values())
        self._thread.start()
        for other in (self._slow, self._again, self._embedding):
            other.start()

    def stop(self) -> None:
        """Ends at the next batch border; what was committed stays, what was not is found at the next start."""
        self._stopping.set()
        with self._condition:
            self._condition.notify_all()
        self._thread.join()
        for other in (self._slow, self._again, self._embedding):
            other.stop()
        self._leases.give_back()

    def standing(self) -> Standing:
        """How far it is, now."""
        return Standing(
            documents=sum(self._base.folders.count_documents(root, "") for root in list(self._roots.values())),
            queued=len(self._settling) + len(self._slow.waiting()),
            waiting=self._base.lag().passages,
            embedded_per_s=self._embedding.per_s,
            is_ready=self._is_ready,
            trouble=self._trouble.message,
        )

    def folders(self) -> tuple[str, ...]:
        """The folders followed; none once all were unfollowed, of which it has told before."""
        return tuple(root.path for root in list(self._roots.values()))

    def wait(self, timeout_s: float, *, for_vectors: bool) -> bool:
        """Returns when nothing that was heard of is left to do (True), or after `timeout_s` (False)."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not self._stopping.is_set():
            with self._condition:
                is_quiet = not self._hints and not self._is_busy
            if is_quiet and not (for_vectors and self._base.lag().passages):
                return True
            time.sleep(0.005)
        return False

    def sweep(self) -> None:
        """Compares the whole folders soon."""
        with self._condition:
            self._is_busy = True
            self._sweep_at = dict.fromkeys(self._sweep_at, 0.0)
            self._condition.notify_all()

    def ignore_events(self, is_deaf: bool) -> None:
        """Hears nothing while True, as on a drive that gives no events; for tests and benchmarks."""
        self._is_deaf = is_deaf

    # -- the thread that watches

    def _run(self) -> None:
        try:
            with Reader(self._base, self._settings) as reader:
                while not self._stopping.is_set():
                    try:
                        self._turn(reader)
                    except (LifelongError, IngestError, OSError) as error:  # OSError: a disk that fails
                        self._troubled(error)
        except Exception as error:  # a fault of ours: whoever looks must not believe that somebody watches
            self._say("trouble", message=f"watching has ended: {error!r}")
            raise
        finally:
            self._listening.close()

    def _turn(self, reader: Reader) -> None:
        """One round: sweep what is due, take the hints, read what rests, and sleep until something is to do."""
        self.turns += 1
        self._let_go()
        self._look_for_absent()
        now = time.monotonic()
        for root_id, due in list(self._sweep_at.items()):
            if now >= due and root_id not in self._absent:
                self._sweep(self._roots[root_id], reader)
                self._sweep_at[root_id] = time.monotonic() + self._listening.every_s(self._roots[root_id])
        if now >= self._retry_at:
            again = due_again(self._base.folders, self._roots.keys(), now=self._base.now())
            self._settling.hint(again, now)
            self._retry_at = now + RETRY_S
        self._take_hints()
        self._listen_behind_links()
        resting = self._settling.at_rest(self._look, time.monotonic())
        if resting:
            self._read(resting, reader)
        self._commit_slow()
        self._commit_renewed()
        self._queueing.note(self._roots, self._first_hint)
        is_still = not len(self._settling) and self._next_sweep() > time.monotonic()
        if is_still:
            self._look_over(reader)
        with self._condition:
            if self._hints or self._stopping.is_set():
                return
            self._is_busy = not is_still or bool(self._slow.waiting())
        if not self._is_busy:
            self._untroubled()
        with self._condition:
            if self._hints or self._stopping.is_set():
                return
            if is_still and not self._is_ready:
                self._is_ready = True
                self._say("ready")
            self._condition.wait(self._idle_s())

    def _troubled(self, error: Exception) -> None:
        """Waits before the next try; other processes learn of it where the store can still be written."""
        wait_s = self._trouble.met(error)
        self._sweep_at = dict.fromkeys(self._sweep_at, 0.0)  # what was in hand is found again
        with suppress(LifelongError):
            for root in list(self._roots.values()):
                self._base.folders.block(self._refreshed(root), self._trouble.message)
        self._stopping.wait(wait_s)

    def _untroubled(self) -> None:
        """Work was done again: a turn in which nothing was to be written tells nothing of that."""
        message = self._trouble.message
        if not self._trouble.is_over():
            return
        for root in list(self._roots.values()):
            if self._refreshed(root).blocked == message:
                self._base.folders.block(self._roots[root.id], None)
                self._refreshed(root)

    def _idle_s(self) -> float:
        now = time.monotonic()
        due = [self._retry_at, self._next_sweep(), now + ABSENT_S]
        again_at = self._again.due_at() if self._again.waiting() else self._renewal.due_at
        perhaps = (self._settling.next_at(now), self._slow.due_at(), again_at)
        due.extend(at for at in perhaps if at is not None)
        return max(0.005, min(due) - now)

    def _woken(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _next_sweep(self) -> float:
        due = [at for root_id, at in self._sweep_at.items() if root_id not in self._absent]
        return min(due, default=time.monotonic() + ABSENT_S)

    def _heard(self, root: str, path: str, is_touch: bool) -> None:
        if self._is_deaf:
            return
        with self._condition:
            self._hints.append((root, path, is_touch))
            self._is_busy = True
            self._condition.notify_all()

    def _unhear(self, root: Root) -> None:
        with self._condition:
            self._hints = [hint for hint in self._hints if hint[0] != root.path]

    def _take_hints(self) -> None:
        with self._condition:
            hints, self._hints = list(dict.fromkeys(self._hints)), []
        try:
            while hints:
                self._take_hint(*hints[0])
                del hints[0]
        finally:
            with self._condition:
                self._hints[:0] = hints  # an error came in between

    def _take_hint(self, place: str, path: str, is_touch: bool) -> None:
        root = self._roots.get(self._ids.get(place, 0))
        if root is None or root.id in self._absent:
            return  # it was heard late, of the folder that has gone: once one is back, nobody has told what is missing
        if path in ("", IGNORE_FILE, ".gitignore"):
            if not is_touch or path:
                self._sweep_at[root.id] = 0.0
        elif not is_touch or (root.id, path) in self._unreadable:
            self._hint(root, path, is_swept=False)
            place = joined(root.path, path)
            if root.follows_links and (os.path.islink(place) or os.path.isdir(place)):
                self._link_due.add(root.id)

    def _listen_behind_links(self) -> None:
        while self._link_due:
            root = self._roots[self._link_due.pop()]
            for link in self._listening.listen_behind_links(root, skip=self._belonging.skipped(root)):
                self._hint(root, link, is_swept=False)  # what came between the first look and now

    def _hint(self, root: Root, path: str, *, is_swept: bool) -> None:
        """A path is worth a look; a folder: all that is in it, and all that was."""
        if not self._belonging.is_own(root, path):
            return
        paths = [path]
        if is_folder(Path(root.path), path, rules=rules_of(root)):
            if not self._belonging.is_own_folder(root, path):
                return
            self._unreadable.discard((root.id, path))
            paths = list(self._base.folders.paths_below(root, path))
            try:
                for entry in scan(
                    Path(root.path), below=path, skip=self._belonging.skipped(root), rules=rules_of(root)
                ):
                    if isinstance(entry, Unreadable):
                        self._unreadable.add((root.id, entry.path))
                    else:
                        paths.append(entry.path)
            except MissingFile:
                if is_folder(Path(root.path), path, rules=rules_of(root)):
                    self._unreadable.add((root.id, path))
                else:
                    paths.append(path)  # gone again
        now = time.monotonic()
        keys = [(root.id, one) for one in paths]
        self._settling.hint(keys, now)
        for key in keys:
            self._first_hint.setdefault(key, now)
            if is_swept:
                self._swept.add(key)
            else:
                self._swept.discard(key)
                self._unwanted.discard(key)

    def _look(self, key: Key) -> Found | None:
        root = self._roots[key[0]]
        return look(Path(root.path), key[1], rules=rules_of(root))

    def _sweep(self, root: Root, reader: Reader) -> None:
        """Compares a whole folder; what differs is looked at until it rests, as if it had been told."""
        self._belonging.read_anew(root)
        self._listening.listen_behind_links(root, skip=self._belonging.skipped(root))
        try:
            difference = reader.difference(Part(root, "", None, frozenset()), renews=False)
        except MissingFile:
            self._lost(root)
            return
        self._unreadable.update((root.id, entry.path) for entry in difference.unreadable)
        paths = [f.path for f in (*difference.new, *difference.changed)] + list(difference.vanished)
        paths = [p for p in paths if not is_given_up(self._base.folders, root, p, self._look((root.id, p)))]
        self._unwanted = {key for key in self._unwanted if key[0] != root.id}
        self._unwanted.update(
            (root.id, path) for path in difference.vanished if self._look((root.id, path)) is not None
        )
        now = time.monotonic()
        for key in ((root.id, path) for path in paths):
            if key not in self._first_hint:
                self._first_hint[key] = now
                self._swept.add(key)
        self._settling.hint(((root.id, path) for path in paths), now)
        if not paths:
            self._equal(root)

    def _read(self, resting: dict[Key, Found | None], reader: Reader) -> None:
        """Compares what rests with what is known, and commits the difference."""
        self._wait_for_origins(resting)
        differences = []
        for root_id, root in self._roots.items():
            mine = {path: found for (owner, path), found in resting.items() if owner == root_id}
            if not mine:
                continue
            if not os.path.isdir(root.path):
                self._lost(root)
                continue
            part = Part(root, "", None, frozenset())
            differences.append((part, self._difference(root, mine)))
        self._refused.clear()
        cause = "watch " + ", ".join(part.root.path for part, _ in differences)
        for batch in reader.bring(
            differences,
            cause=cause,
            source="watch",
            counted=_uncounted,
            may_retire=self._may_retire,
            later=self._slow.ask,
        ):
            self._report(batch.committed)
            if batch.unsettled:
                self._settling.hint(batch.unsettled, time.monotonic())
            self._embedding.wake()
        left = {key[0] for key in self._settling.waiting()}
        for part, _ in differences:
            root = self._refreshed(part.root)
            if root.blocked is None and root.id not in left:
                self._equal(root)
            elif root.blocked is not None and root.id not in self._refused:  # it moves: perhaps all is back
                self._sweep_at[root.id] = min(self._sweep_at[root.id], time.monotonic() + ABSENT_S)
        self._done_with(resting.keys() - self._slow.waiting())
        self._untroubled()

    def _done_with(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._first_hint.pop(key, None)
            self._swept.discard(key)

    # -- what is read aside

    def _commit_slow(self) -> None:
        """Commits what was read aside; a file that has changed meanwhile is looked at again."""
        done = [one for one in self._slow.taken() if one.key[0] in self._roots]
        if done:
            places = sorted({self._roots[one.key[0]].path for one in done})
            changed = [one.key for one in done if one.operations is None and one.key[0] not in self._absent]
            self._swept.update(key for key in changed if key not in self._first_hint)  # its folder was away meanwhile
            self._settling.hint(changed, time.monotonic())
            try:
                self._commit(done, cause="watch " + ", ".join(places))
            except LifelongError:
                self._settling.hint((one.key for one in done), time.monotonic())
                raise
            self._done_with({one.key for one in done} - self._slow.waiting() - set(self._settling.waiting()))
            self._untroubled()

    def _commit_renewed(self) -> None:
        """Commits what was read again, and hands out the next few."""
        self._commit([one for one in self._again.taken() if one.key[0] in self._roots], cause=CAUSE)
        if self._renewal.due_at is None or time.monotonic() < self._renewal.due_at or self._again.waiting():
            return
        for root in self._roots.values():
            for found in self._renewal.portion(root, self._look):
                self._again.ask(root, found)
            if self._again.waiting():
                break

    def _look_over(self, reader: Reader) -> None:
        """What an older parser made, or could not read, is found once all that is new was read."""
        for root_id in self._to_look_over - self._absent:
            self._renewal.look_over(self._roots[root_id], reader.outdated(self._roots[root_id]))
        self._to_look_over &= self._absent

    def _commit(self, done: Sequence[Done], *, cause: str) -> None:
        operations = [operation for one in done for operation in one.operations or ()]
        if operations:
            self._report(self._base.commit(operations, cause=cause, source="watch"))
            self._embedding.wake()

    def _wait_for_origins(self, resting: dict[Key, Found | None]) -> None:
        """Puts back the new files that look like a document whose file has just gone: the two rest together, as a move.

        Its departure is told half a second late where the system tells only that half: a file moved into a folder that
        is not listened to yet, or from one root to another.
        """
        here = [root for root in self._roots.values() if root.id not in self._absent and os.path.isdir(root.path)]
        found = origins_of(self._base.folders, self._roots, resting, here=here, look=self._look)
        now = time.monotonic()
        for origin, alike in found.items():
            back = [key for key in alike if key in resting]
            self._settling.hint([origin, *back], now)
            self._first_hint.setdefault(origin, now)
            for key in back:
                del resting[key]

    def _difference(self, root: Root, resting: dict[str, Found | None]) -> Difference:
        unwanted = {path for path in resting if (root.id, path) in self._unwanted}
        present = [found for found in resting.values() if found is not None and found.path not in unwanted]
        known = self._base.folders.file_states_of(root, [found.path for found in present])
        held = self._base.folders.holds(root)
        vanished = set(self._base.folders.file_states_of(root, sorted(unwanted)))
        for path, found in resting.items():
            if found is None and _is_barred(joined(root.path, path)):
                continue
            if found is None and is_folder(Path(root.path), path, rules=rules_of(root)):
                vanished.update(self._base.folders.file_states_of(root, [path]))  # a file has become a folder
                self._hint(root, path, is_swept=False)
            elif found is None:
                vanished.update(self._base.folders.paths_below(root, path))
        return Difference(
            new=tuple(found for found in present if found.path not in known),
            changed=tuple(found for found in present if found.path in known),
            vanished=tuple(sorted(vanished - held.keys())),
            unchanged=0,
            unreadable=(),
        )

    def _may_retire(self, root: Root, going: Sequence[str], standing: int) -> bool:
        """Told by events, and not all of it: somebody deletes. Found by a sweep, or the folder empty: who knows."""
        is_told = not any((root.id, path) in self._swept for path in going)
        if is_told and (len(going) < standing or len(going) <= FEW_GONE):
            return True
        self._refused.add(root.id)
        self._block(
            root,
            f"{len(going):,} of {standing:,} documents are gone from {root.path}; they are kept, in case the drive is "
            f"away. If they are gone for good: lifelong sync --yes {root.path}",
        )
        return False

    # -- folders that are left, or away

    def _let_go(self) -> None:
        """Folders that were unfollowed meanwhile, perhaps by another process."""
        if time.monotonic() < self._let_go_at:
            return
        self._let_go_at = time.monotonic() + ABSENT_S
        for root in self._base.folders.roots():
            if root.following != "left" or root.id not in self._roots:
                continue
            self._drop_hints(root)
            self._listening.leave(root)
            self._leases.give_back(root)
            self._renewal.drop(root.id)
            self._ids = {path: root_id for path, root_id in self._ids.items() if root_id != root.id}
            self._belonging.read_anew(root)
            self._queueing.drop(root.id)
            self._say("left", path=root.path, message=f"{root.path} was unfollowed: it is no longer compared")
            del self._roots[root.id], self._sweep_at[root.id]
            for ids in (self._absent, self._to_look_over, self._link_due):
                ids.discard(root.id)
        self._take_on_notes()

    def _take_on_notes(self) -> None:
        """The knowledge base's own notes are followed from the first one on, unless another process does."""
        root = self._base.folders.notes()
        if root is None or root.id in self._roots or root.following == "left" or not os.path.isdir(root.path):
            return
        if follower_of(self._base, root) is not None:
            return
        with suppress(FolderFollowed):  # in this instant
            self._leases.take([root])
            self._to_look_over.add(root.id)
            self._ids = {**self._ids, root.path: root.id}
            self._sweep_at[root.id] = 0.0
            self._roots = {**self._roots, root.id: root}

    def _look_for_absent(self) -> None:
        for root_id, root in self._roots.items():
            is_there = place_of(root.path) is not None
            if not is_there and root_id not in self._absent:
                self._lost(root)
            elif is_there and (root_id in self._absent or not self._listening.hears(root)):
                self._unhear(root)
                self._absent.discard(root_id)
                self._to_look_over.add(root_id)
                self._ids[root.path] = root_id
                self._listening.listen(root)
                self._sweep_at[root_id] = 0.0

    def _lost(self, root: Root) -> None:
        self._block(root, f"{root.path} is not there; its documents are kept until it is back")
        self._absent.add(root.id)
        self._drop_hints(root)  # what is gone once it is back was told by nobody

    def _drop_hints(self, root: Root) -> None:
        for key in [key for key in {*self._settling.waiting(), *self._first_hint} if key[0] == root.id]:
            self._settling.drop(key)
            self._done_with([key])

    def _block(self, root: Root, reason: str) -> None:
        known = self._refreshed(root)  # another process may have made it equal
        if known.blocked != reason:
            self._base.folders.block(known, reason)
            self._refreshed(root)
            self._say("blocked", path=root.path, message=reason)

    def _equal(self, root: Root) -> None:
        self._base.folders.compared(root)
        self._refreshed(root)

    def _refreshed(self, root: Root) -> Root:
        """The root as stored now, which is the one held from here on."""
        self._roots[root.id] = next(known for known in self._base.folders.roots() if known.id == root.id)
        return self._roots[root.id]

    # -- inside

    def _report(self, committed: Committed) -> None:
        version = committed.version
        now = time.monotonic()
        for outcome in committed.outcomes:
            root = self._roots[outcome.root_id]
            places = (outcome.path, *above(outcome.path))  # a file in another is heard of by that one
            hints = (self._first_hint.get((outcome.root_id, place)) for place in places)
            hinted = next((hint for hint in hints if hint is not None), now)
            before = outcome.path_before
            self._say(
                outcome.kind,
                path=joined(root.path, outcome.path),
                path_before="" if before is None else joined(root.path, before),
                born=outcome.born,
                died=outcome.died,
                kept=outcome.kept,
                seconds=now - hinted,
                version=None if version is None else version.number,
                message=outcome.reason,
            )


def _is_barred(place: str) -> bool:
    """Whether anything is there cannot be told, for lack of permission."""
    try:
        os.lstat(place)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return False


def _uncounted(done: int, total: int, passages: int) -> None:
    """Nobody counts."""
