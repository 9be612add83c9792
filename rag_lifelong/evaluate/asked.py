"""The user's own regression set: every kept question asked again, and what became of its answer.

Rule: it keeps nothing, and asks the same documents as then. A question asked more than once counts once, as it was
rated last, else as it was asked last. What an answer says is compared, not how it is numbered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import NoSuchVersion
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.evaluate.reasons import Reason, reasons
from rag_lifelong.store.chats import KeptTurn
from rag_lifelong.types import Answer, Narrowed, Rating
from rag_lifelong.when import AsOf

Tell = Callable[[int, int], None]
"""Called with (questions asked, questions in all)."""

_MARKER = re.compile(r"\s*\[\d{1,3}\]")


class Fate(Enum):
    """What became of an answer."""

    SAME = "same"
    MOVED = "moved"  # it says the same, from another place
    CHANGED = "changed"
    REFUSED = "refused"  # it was answered
    ANSWERED = "answered"  # it was refused
    REMOVED = "removed"  # the answer of then was removed with its source


@dataclass(frozen=True, slots=True)
class Replayed:
    """A kept question, asked again. before: the answer kept; where that was removed, it only says so."""

    chat_id: int
    number: int
    question: str
    asked_as: str
    at: datetime
    rating: Rating | None
    before: Answer
    now: Answer
    fate: Fate
    reasons: tuple[Reason, ...]

    @property
    def is_kept(self) -> bool:
        """The user is told what they were told then."""
        return self.fate in (Fate.SAME, Fate.MOVED)


@dataclass(frozen=True, slots=True)
class Replay:
    """All of them, the newest first.

    not_asked: kept questions whose answer was stopped, that stand alone no more, or that ask of a version not here.
    """

    version: int
    model: str
    cases: tuple[Replayed, ...]
    not_asked: int

    def count(self, fate: Fate) -> int:
        """How many had it."""
        return sum(case.fate is fate for case in self.cases)

    def kept(self, is_good: bool | None) -> Share:
        """The share of answers that are as they were, of those rated so; None: of those not rated."""
        chosen = [c for c in self.cases if (None if c.rating is None else c.rating.is_good) is is_good]
        chosen = [case for case in chosen if case.fate is not Fate.REMOVED]
        return Share(sum(case.is_kept for case in chosen), len(chosen))


def replay(
    assistant: Assistant,
    *,
    newest: int | None = None,
    ratings: Iterable[bool] = (),
    as_of: AsOf | None = None,
    tell: Tell | None = None,
) -> Replay:
    """Asks every kept question again.

    newest: only so many, the newest. ratings: only those rated so, none for all. as_of: all of that version or moment;
    None: of the present, or of the one each was asked of. Raises ModelUnusable, NoSuchVersion for `as_of`.
    """
    base = assistant.knowledge_base
    version = base.version_number(as_of)
    at = None if as_of is None else base.moment(as_of)
    chosen, not_asked = _cases(base.chats.newest_first(), frozenset(ratings))
    chosen = chosen[:newest]
    cases: list[Replayed] = []
    for done, kept in enumerate(chosen, start=1):
        scope = kept.scope if at is None else replace(kept.scope, as_of=at)
        try:
            now = _asked(assistant, kept.turn.asked_as, scope)
        except NoSuchVersion:
            not_asked += 1
        else:
            cases.append(_case(assistant, kept, now))
        if tell is not None:
            tell(done, len(chosen))
    return Replay(version, assistant.model_name, tuple(cases), not_asked)


def fate(kept: KeptTurn, now: Answer) -> Fate:
    """What became of a kept answer."""
    before = kept.turn.answer
    if kept.turn.removed_at is not None:
        return Fate.REMOVED
    if before.refused or now.refused:
        return Fate.SAME if before.refused and now.refused else Fate.ANSWERED if before.refused else Fate.REFUSED
    if _said(before) != _said(now):
        return Fate.CHANGED
    return Fate.SAME if list(_places(before)) == list(_places(now)) else Fate.MOVED


def _cases(turns: Iterable[KeptTurn], ratings: frozenset[bool]) -> tuple[list[KeptTurn], int]:
    """(the cases, the newest first, how many turns are none)."""
    chosen: dict[tuple[str, Narrowed], KeptTurn] = {}
    none = 0
    for kept in turns:
        if not kept.is_case:
            none += 1
            continue
        question = (" ".join(kept.turn.asked_as.split()), kept.scope)
        known = chosen.get(question)
        if known is None or (known.turn.rating is None and kept.turn.rating is not None):
            chosen[question] = kept
    found = sorted(chosen.values(), key=lambda kept: kept.turn.at, reverse=True)
    if ratings:
        found = [kept for kept in found if kept.turn.rating is not None and kept.turn.rating.is_good in ratings]
    return found, none


def _asked(assistant: Assistant, question: str, scope: Narrowed) -> Answer:
    pieces = assistant.answering(question, scope, told="")
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            found: Answer = end.value
            return found


def _case(assistant: Assistant, kept: KeptTurn, now: Answer) -> Replayed:
    assert kept.chat_id is not None  # it was read from the store
    turn = kept.turn
    found = fate(kept, now)
    why = () if found is Fate.SAME else reasons(assistant.knowledge_base, kept, now, hits=assistant.last_hits)
    return Replayed(
        chat_id=kept.chat_id,
        number=turn.number,
        question=turn.question,
        asked_as=turn.asked_as,
        at=turn.at,
        rating=turn.rating,
        before=turn.answer,
        now=now,
        fate=found,
        reasons=tuple(why),
    )


def _said(answer: Answer) -> str:
    return " ".join(_MARKER.sub("", answer.text).split())


def _places(answer: Answer) -> Iterator[tuple[str, int, int]]:
    for citation in answer.citations:
        yield citation.path, citation.start, citation.end
