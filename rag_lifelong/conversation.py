"""A conversation: questions that may lean on those before them, answered from the sources, and kept.

Rule: an answer comes first, keeping it second: a store that is busy or can only be read loses the chat, never the
answer. What a former answer says is told on only while its sources still say it.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from rag_lifelong import __version__
from rag_lifelong.answering import ANSWER_TOKENS
from rag_lifelong.compaction import remembered
from rag_lifelong.errors import KnowledgeBaseBusy, KnowledgeBaseUnusable, NoSuchChat, NothingAsked, StorageFull
from rag_lifelong.followup import stand_alone
from rag_lifelong.generate import LanguageModel
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.retriever import Dates
from rag_lifelong.store.chats import KeptTurn, Source
from rag_lifelong.types import Adapter, Answer, Hit, Narrowed, Rating, Turn
from rag_lifelong.when import AsOf

logger = logging.getLogger(__name__)

TOLD_SHARE = 4  # a model's prompt holds at most one part in so many of what was said before
NO_LONGER = "(What this answer rested on no longer stands in the sources.)"


class Answering(Protocol):
    """Who answers a question that stands alone: the assistant."""

    last_answer: Answer | None
    last_hits: tuple[Hit, ...]
    last_adapter: Adapter | None

    @property
    def knowledge_base(self) -> KnowledgeBase:
        """What is asked."""

    @property
    def language_model(self) -> LanguageModel | None:
        """Who words the answers, None: they are quoted."""

    def answering(self, question: str, narrowed: Narrowed, *, told: str) -> Generator[str, None, Answer]:
        """The text piece by piece; gives the whole. told: what was said before, for a model."""

    def stopped(self, question: str, narrowed: Narrowed, said: str) -> Answer:
        """An answer that a model has not said to its end."""


class Conversation:
    """What was asked and answered, one after the other; a context manager, which tries once more to keep it."""

    def __init__(self, assistant: Answering, *, chat_id: int | None, keeps: bool, before: Sequence[Turn] = ()) -> None:
        """chat_id: of a conversation kept, to go on with. keeps: False leaves nothing. Raises NoSuchChat.

        before: without `chat_id`, what was said elsewhere, to go on from; it is not kept.
        """
        self._assistant = assistant
        self._chats = assistant.knowledge_base.chats
        self._turns = [_from_elsewhere(turn) for turn in before] if chat_id is None else list(self._chats.read(chat_id))
        self._saved = len(self._turns)  # the first so many of them are kept
        self._replaces: int | None = None  # number of the turn kept that the next one takes the place of
        self._keeps = keeps
        self._summaries: dict[str, str] = {}  # of older turns, by what they say; gone with the conversation
        self._is_told = False  # that it is not kept
        self.id = chat_id if keeps else None
        self.last_answer: Answer | None = None
        self.asked_as: str | None = None
        """The question now being answered, as the sources are asked; None if that is as it was typed."""

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Tries once more to keep what could not be kept."""
        self._keep()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was said so far, oldest first."""
        return tuple(kept.turn for kept in self._turns)

    def ask(
        self,
        question: str,
        *,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
        k: int | None = None,
    ) -> Answer:
        """The answer, with citations, to a question that may lean on those before it. Arguments as `Assistant.ask`."""
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
        """The answer's text piece by piece; when it has ended, `last_answer` is the whole, and it is kept."""
        at = None if as_of is None else self._assistant.knowledge_base.moment(as_of)
        narrowed = Narrowed(as_of=at, within=tuple(within), dated=dated, k=k)
        return self._stream(question, narrowed, before=len(self._turns))

    def retry(self) -> Iterator[str]:
        """Asks the last question again, of the same documents; the new turn takes the place of the last one.

        Raises NothingAsked.
        """
        last = self._last()
        return self._stream(last.turn.question, last.scope, before=len(self._turns) - 1)

    def rate(self, is_good: bool, note: str = "") -> None:
        """What the user says of the last answer. Raises NothingAsked."""
        last = self._last()
        rating = Rating(is_good, note, self._now())
        self._turns[-1] = replace(last, turn=replace(last.turn, rating=rating))
        if self._keeps and self.id is not None and self._saved == len(self._turns):
            try:
                self._chats.rate(self.id, last.turn.number, rating)
            except (KnowledgeBaseBusy, KnowledgeBaseUnusable, StorageFull) as error:
                logger.warning("what you said of the answer is not kept: %s", error)
        else:
            self._keep()

    # -- inside

    def _now(self) -> datetime:
        """As exactly as it is kept."""
        now = self._assistant.knowledge_base.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _last(self) -> KeptTurn:
        if not self._turns:
            raise NothingAsked("nothing has been asked in this conversation yet")
        return self._turns[-1]

    def _stream(self, question: str, narrowed: Narrowed, *, before: int) -> Iterator[str]:
        """before: how many turns there are before this one; those after it go once it is answered."""
        self.last_answer = None
        base, model = self._assistant.knowledge_base, self._assistant.language_model
        version = base.version_number(narrowed.as_of)
        self._let_go()
        turns = [self._as_it_stands(kept, version) for kept in self._turns[:before]]
        asked_as = stand_alone(question, turns, model=model) if turns else question
        self.asked_as = None if asked_as == question else asked_as
        told = ""
        if model is not None and turns:
            budget = max(0, model.context_tokens - ANSWER_TOKENS) // TOLD_SHARE
            told = remembered(turns, model=model, budget_tokens=budget, summaries=self._summaries)
        said: list[str] = []

        def take_in(found: Answer, *, is_whole: bool) -> None:
            found = replace(found, question=question, asked_as=self.asked_as)
            self.last_answer = self._assistant.last_answer = found
            hits = self._assistant.last_hits
            turn = Turn(number=before + 1, question=question, asked_as=asked_as, answer=found, at=self._now())
            if before < len(self._turns):
                if self._saved == len(self._turns):
                    self._replaces, self._saved = self._turns[-1].turn.number, before
                del self._turns[before:]
            self._turns.append(
                KeptTurn(
                    turn=turn,
                    chat_id=self.id,
                    scope=narrowed,
                    hits=hits,
                    sources=sources_of(
                        base, found, hits, is_worded=model is not None, adapter=self._assistant.last_adapter
                    ),
                    embedder=base.embedder.fingerprint,
                    program=__version__,
                    was_told=bool(told),
                    is_case=is_whole,
                    carried=self._said_before(before) if told or asked_as != question else (),
                )
            )
            self._keep()

        try:
            found = yield from _heard(self._assistant.answering(asked_as, narrowed, told=told), said)
        except (GeneratorExit, KeyboardInterrupt):  # its reader has closed it, or pressed ^C
            is_retry = before < len(self._turns)  # then the whole answer that is there is better
            if model is not None and "".join(said).strip() and not is_retry:
                take_in(self._assistant.stopped(asked_as, narrowed, "".join(said)), is_whole=False)
            raise
        take_in(found, is_whole=True)

    def _let_go(self) -> None:
        """What has been removed from the kept turns meanwhile, with a source, goes from those held here too."""
        if not self._keeps or self.id is None or self._saved == 0:
            return
        try:
            there = {kept.turn.at: kept for kept in self._chats.read(self.id)}
        except NoSuchChat:  # deleted meanwhile
            return
        for i, kept in enumerate(self._turns[: self._saved]):
            now = there.get(kept.turn.at, kept)
            if now.turn.removed_at != kept.turn.removed_at or now.turn.asked_as != kept.turn.asked_as:
                self._turns[i] = now

    def _said_before(self, before: int) -> tuple[Source, ...]:
        """What the answers of the first turns hold."""
        return tuple(source for kept in self._turns[:before] for source in kept.sources if source.is_said)

    def _as_it_stands(self, kept: KeptTurn, version: int) -> Turn:
        """A turn before, without its answer if the sources no longer say that."""
        if kept.turn.removed_at is None and self._chats.stand(kept.sources, version=version):
            return kept.turn
        answer = replace(kept.turn.answer, text=NO_LONGER, citations=(), nearest=())
        return replace(kept.turn, answer=answer)

    def _keep(self) -> None:
        """Keeps what is not kept yet, if that can be done; else says so once."""
        if not self._keeps or self._saved == len(self._turns):
            return
        waiting = self._turns[self._saved :]
        try:
            self.id, turns = self._chats.keep(self.id, waiting, replaces=self._replaces)
        except (KnowledgeBaseBusy, KnowledgeBaseUnusable, StorageFull) as error:
            if not self._is_told:
                logger.warning("this chat is not kept: %s", error)
            self._is_told = True
            return
        self._turns[self._saved :] = [
            replace(kept, turn=turn, chat_id=self.id) for kept, turn in zip(waiting, turns, strict=True)
        ]
        self._saved, self._replaces, self._is_told = len(self._turns), None, False


def _from_elsewhere(turn: Turn) -> KeptTurn:
    """A turn of which only what was said is known."""
    return KeptTurn(turn, None, Narrowed(), (), (), embedder="", program="", was_told=False, is_case=False)


def _heard(stream: Generator[str, None, Answer], said: list[str]) -> Generator[str, None, Answer]:
    """The same pieces and answer; each piece goes into `said` too."""
    with closing(stream):
        while True:
            try:
                piece = next(stream)
            except StopIteration as ended:
                answer: Answer = ended.value
                return answer
            said.append(piece)
            yield piece


def sources_of(
    base: KnowledgeBase, found: Answer, hits: Sequence[Hit], *, is_worded: bool, adapter: Adapter | None
) -> tuple[Source, ...]:
    """The texts that an answer and what it was looked for in hold something of.

    is_worded: a model wrote it, and may have taken from any passage; a quotation holds what it cites. adapter: beside
    that model, which may have taken from all that the adapter was made from.
    """
    by_path = {hit.path: hit for hit in hits}
    sources: dict[Source, None] = {}

    def add(document_id: int, revision_id: int | None, start: int, end: int, *, is_said: bool) -> None:
        sources[Source(document_id, revision_id, start, end, is_said)] = None

    for citation in found.citations:
        hit = by_path.get(citation.path)
        if hit is not None:
            add(hit.document_id, hit.revision_id, citation.start, citation.end, is_said=True)
            continue
        revision = base.document_at(citation.path, as_of=citation.version)
        if revision is not None:
            add(revision.document_id, revision.id, citation.start, citation.end, is_said=True)
    for hit in found.nearest:
        add(hit.document_id, hit.revision_id, hit.start, hit.end, is_said=True)
    for hit in hits:
        add(hit.document_id, hit.revision_id, hit.start, hit.end, is_said=is_worded)
    standings = [citation.standing for citation in found.citations]
    standings += [hit.standing for hit in (*found.nearest, *(hits if is_worded else ()))]
    named = [standing.superseded_by for standing in standings]
    for path in dict.fromkeys(path for path in named if path is not None):
        for document_id in base.documents_ever_at(path):
            add(document_id, None, 0, 0, is_said=True)
    if adapter is not None:
        sources.update(dict.fromkeys(base.adapters.said_by(adapter)))
    return tuple(sources)
