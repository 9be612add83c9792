"""The whole word index: small segments in memory, and immutable memory-mapped ones on disk that are merged by tier.

Rule: passages come in order of their ids, which the store never reuses. The store commits first, then the index
follows; what is in memory is not written, it is replayed from the store. What is on disk is told by one small file
(index.files.POINTER), swapped in last: a crash at any instant leaves the old index or the new one, and files that are
missing, damaged or of another analyzer are no index. Only the process that holds the writer's lock writes, and it
first takes out what the store has let go of.

Reading needs no lock: whoever asks works on the segments it began with.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_lifelong.index import files
from rag_lifelong.word_index.segment import Block, Counts, Ids, Segment, in_memory, is_kept, merged

logger = logging.getLogger(__name__)

SEAL_AFTER = 8_192  # passages in memory: about 6 MB
SAVE_AFTER = 256  # … that are worth a file when the process ends: reading them again takes about 30 ms
TIER = 4  # segments of about one size are merged into one
_FORMAT = "words 1"

Kept = NDArray[np.bool_]
Survey = Callable[[int], tuple[int, str, Kept | None]]
"""(position of the change log) → (its newest, the store's mark there, by passage id whether the store has it; None:
nothing went since)"""


@dataclass(frozen=True, slots=True)
class State:
    """The segments, oldest first, those on disk before those in memory.

    cleaned_at: a snapshot of the store from before that position of its change log may know passages that are gone.
    """

    segments: tuple[Segment, ...]
    cleaned_at: int

    @property
    def newest(self) -> int:
        """The greatest passage id looked at."""
        return self.segments[-1].newest if self.segments else 0

    def postings(self, term: bytes) -> list[tuple[Ids, Counts]]:
        """(passage ids that hold the term, how often), a pair a segment; ids ascend from one to the next."""
        found = [segment.postings(term) for segment in self.segments]
        return [posting for posting in found if len(posting[0])]


class Stopped(Exception):
    """What was being written is left, since the knowledge base closes."""


class WordIndex:
    """For several threads. state: what is searched; taken once for each question."""

    def __init__(self, fingerprint: str) -> None:
        """fingerprint: of whoever makes terms of texts; files of another are not read."""
        self.fingerprint = fingerprint
        self.position = 0  # of the store's change log: what was let go of until then is in no file
        self.mark = ""  # of the store that it follows (store.versions), at that position
        self.state = State((), 0)
        self.is_stopping = False  # whoever writes stops soon, and leaves the old index
        self._changing = threading.Lock()
        self._generation = 0

    # -- changing

    def add(self, segment: Segment, *, after: int) -> bool:
        """Adds passages; False if the newest was not `after`, since others have added them meanwhile."""
        with self._changing:
            state = self.state
            if state.newest != after:
                return False
            segments = [*state.segments, segment]
            # as digits are carried: each passage is merged a few times in all
            while len(segments) > 1 and not segments[-2].name and segments[-2].passages <= 2 * segments[-1].passages:
                segments[-2:] = [_joined(segments[-2:])]
            self.state = State(tuple(segments), state.cleaned_at)
            return True

    # -- files

    def is_due(self) -> bool:
        """`tend` has something to do."""
        return self._job(self.state, SEAL_AFTER) is not None

    def is_worth_saving(self) -> bool:
        """So much is in memory that the next opening would feel it."""
        return _unwritten(self.state) >= SAVE_AFTER

    def tend(self, folder: Path, survey: Survey, *, seal_after: int | None = None, must_write: bool = False) -> bool:
        """One step of what is due: what is gone taken out, what is in memory sealed, or four segments merged into one.

        survey: tells what the store has let go of; asked once the writer's lock is held. seal_after: how many passages
        are worth sealing. must_write: also if nothing is due, so that no other file stays.
        False if nothing was done: nothing is due, another process is writing, or it cannot be written: it is a cache.
        """
        return self._write(
            folder, survey, lambda: self._stepped(folder, SEAL_AFTER if seal_after is None else seal_after, must_write)
        )

    def extend(self, folder: Path, survey: Survey, blocks: Iterable[Block], *, newest: int, passages: int) -> bool:
        """Writes a segment of all passages from the newest on disk to `newest`; what is in memory of them goes.

        False as of `tend`.
        """

        def write() -> tuple[Segment, ...] | None:
            name = f"{self._generation + 1}-{passages}"
            made = Segment.write(folder, name, self._watched(blocks), newest=newest, passages=passages)
            segments = self.state.segments
            return (*(s for s in segments if s.name), made, *_beyond(segments, newest))

        return self._write(folder, survey, write)

    def _write(self, folder: Path, survey: Survey, write: Callable[[], tuple[Segment, ...] | None]) -> bool:
        try:
            with files.writing(folder) as is_ours:
                return is_ours and self._written(folder, survey, write)
        except OSError as error:
            logger.warning("the word index in %s cannot be written: %s", folder, error)
            return False

    def _written(self, folder: Path, survey: Survey, write: Callable[[], tuple[Segment, ...] | None]) -> bool:
        pointer = files.read_pointer(folder)
        if pointer is not None and self._is_newer(pointer) and self._adopt(folder, pointer):
            return True  # what is due now is another matter
        self._generation = max(self._generation, _generation_of(pointer))
        before = self.state
        position, mark, kept = survey(self.position)
        if kept is not None:
            self._take(before, self._cleaned(folder, before, kept), position)
            self._point(folder, position, mark)
            return True
        after = write()
        if after is None:
            return False
        self._take(before, after, before.cleaned_at)
        self._point(folder, position, mark)
        return True

    def _stepped(self, folder: Path, seal_after: int, must_write: bool) -> tuple[Segment, ...] | None:
        state = self.state
        job = self._job(state, seal_after)
        if job is None:
            return state.segments if must_write else None
        first = state.segments.index(job[0])
        made = self._rewritten(folder, job, None, 0)
        return (*state.segments[:first], *made, *state.segments[first + len(job) :])

    def _cleaned(self, folder: Path, state: State, kept: Kept) -> tuple[Segment, ...]:
        segments: list[Segment] = []
        for number, segment in enumerate(state.segments):
            if is_kept(segment.ids, kept).all():
                segments.append(segment)
            elif segment.name:
                segments.extend(self._rewritten(folder, (segment,), kept, number))
            else:
                segments.append(_joined([segment], kept=kept))
        return tuple(segments)

    def _rewritten(self, folder: Path, job: tuple[Segment, ...], kept: Kept | None, number: int) -> tuple[Segment, ...]:
        passages = sum(segment.passages for segment in job)
        name = f"{self._generation + 1}-{passages}-{number}"
        blocks = self._watched(merged(job, kept=kept))
        return (Segment.write(folder, name, blocks, newest=job[-1].newest, passages=passages),)

    def _watched(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            if self.is_stopping:
                raise Stopped
            yield block

    def _take(self, before: State, after: tuple[Segment, ...], cleaned_at: int) -> None:
        """`after` takes the place of `before`; what was added meanwhile stays."""
        newest = after[-1].newest if after else 0
        with self._changing:
            since = _beyond(self.state.segments, max(newest, before.newest))
            self.state = State((*after, *since), cleaned_at)
            self._generation += 1

    def _point(self, folder: Path, position: int, mark: str) -> None:
        entries = [segment.entry for segment in self.state.segments if segment.name]
        self.position, self.mark = position, mark
        files.write_pointer(
            folder,
            {
                "format": _FORMAT,
                "fingerprint": self.fingerprint,
                "generation": self._generation,
                "position": position,
                "mark": mark,
                "cleaned_at": self.state.cleaned_at,
                "segments": entries,
            },
        )
        files.sweep(folder, frozenset(name for entry in entries for name in Segment.names(entry)))

    def _job(self, state: State, seal_after: int) -> tuple[Segment, ...] | None:
        """Segments to make into one on disk; None: nothing is due."""
        if _unwritten(state) >= max(1, seal_after):
            return tuple(segment for segment in state.segments if not segment.name)
        written = [segment for segment in state.segments if segment.name]
        tiers = [max(0, int(np.log2(max(1, s.passages / SEAL_AFTER)) / 2)) for s in written]
        for first in range(len(tiers) - TIER, -1, -1):
            if len(set(tiers[first : first + TIER])) == 1:
                return tuple(written[first : first + TIER])
        return None

    def _is_newer(self, pointer: dict[str, object]) -> bool:
        is_ours = (pointer.get("format"), pointer.get("fingerprint")) == (_FORMAT, self.fingerprint)
        return is_ours and _generation_of(pointer) > self._generation

    def refresh(self, folder: Path) -> None:
        """Takes over what another process has written; of what is in memory stays what is not in that."""
        pointer = files.read_pointer(folder)
        while pointer is not None and self._is_newer(pointer) and not self._adopt(folder, pointer):
            again = files.read_pointer(folder)
            if again == pointer:
                return
            pointer = again  # another process has merged meanwhile, and deleted what it merged

    def _adopt(self, folder: Path, pointer: dict[str, object]) -> bool:
        try:
            entries, mark = pointer["segments"], str(pointer["mark"])
            position, cleaned_at = (int(str(pointer[name])) for name in ("position", "cleaned_at"))
            if not isinstance(entries, list):
                return False
            theirs = tuple(Segment.open(folder, entry) for entry in entries)
        except (OSError, KeyError, TypeError, ValueError):
            return False
        with self._changing:
            newest = theirs[-1].newest if theirs else 0
            written = max((segment.newest for segment in self.state.segments if segment.name), default=0)
            # what is in memory begins behind what was written here; theirs may end before that, after a `drop`
            since = _beyond(self.state.segments, newest) if newest >= written else []
            self.state = State((*theirs, *since), max(self.state.cleaned_at, cleaned_at))
            self._generation = _generation_of(pointer)
            self.position, self.mark = position, mark
        return True


def _unwritten(state: State) -> int:
    return sum(segment.passages for segment in state.segments if not segment.name)


def _joined(segments: list[Segment], *, kept: Kept | None = None, after: int = 0) -> Segment:
    passages = sum(segment.passages for segment in segments)
    return in_memory(merged(segments, kept=kept, after=after), newest=segments[-1].newest, passages=passages)


def _beyond(segments: tuple[Segment, ...], newest: int) -> tuple[Segment, ...]:
    """What is in memory of passages after `newest`."""
    found: list[Segment] = []
    for segment in segments:
        if not segment.name and segment.newest > newest:
            begins = int(segment.ids.min()) if len(segment.ids) else newest + 1
            found.append(segment if begins > newest else _joined([segment], after=newest))
    return tuple(found)


def _generation_of(pointer: dict[str, object] | None) -> int:
    found = None if pointer is None else pointer.get("generation")
    return found if isinstance(found, int) else 0
