"""The conversations kept: one transaction a turn, beside whoever else writes.

Rule: a turn that another process's writing keeps out for longer than `WAIT_S` is not kept now; the caller tries again
with the next one. Nothing here reads a model, or asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from rag_lifelong.errors import NoSuchChat
from rag_lifelong.store import chats, revisions
from rag_lifelong.store.chats import KeptTurn, Source
from rag_lifelong.store.database import Database
from rag_lifelong.types import ChatSummary, Rating, Turn

WAIT_S = 2.0  # a batch of a watcher takes well under a second; an answer is there already, and its reader too


class Chats:
    """The conversations of a knowledge base."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def keep(
        self, chat_id: int | None, turns: Sequence[KeptTurn], *, replaces: int | None
    ) -> tuple[int, tuple[Turn, ...]]:
        """Adds turns at the end of a conversation, all or none; gives its id, and the turns as they are kept.

        chat_id: None begins one, as does the id of one that was deleted meanwhile. replaces: the number of a turn that
        goes for them. Raises KnowledgeBaseBusy, KnowledgeBaseUnusable if the store can only be read, StorageFull.
        """
        with self._database.transaction(wait_s=WAIT_S) as connection:
            if chat_id is None or not chats.is_known(connection, chat_id):
                chat_id = chats.begin(connection, turns[0].turn.question, turns[0].turn.at)
            elif replaces is not None:
                chats.delete_turn(connection, chat_id, replaces)
            at = self._now()
            return chat_id, tuple(chats.append(connection, chat_id, one, at=at) for one in turns)

    def rate(self, chat_id: int, number: int, rating: Rating) -> bool:
        """Keeps what the user said of a turn; False if it is gone. Raises as `keep`."""
        with self._database.transaction(wait_s=WAIT_S) as connection:
            return chats.rate(connection, chat_id, number, rating)

    def summaries(self) -> tuple[ChatSummary, ...]:
        """Every conversation, the one talked in last first."""
        with self._database.snapshot() as connection:
            return tuple(chats.summaries(connection))

    def last_id(self) -> int:
        """The conversation talked in last. Raises NoSuchChat before the first."""
        with self._database.snapshot() as connection:
            found = chats.last_id(connection)
        if found is None:
            raise NoSuchChat("no conversation is kept yet; begin one: lifelong chat")
        return found

    def read(self, chat_id: int) -> tuple[KeptTurn, ...]:
        """The turns of a conversation, in order. Raises NoSuchChat."""
        with self._database.snapshot() as connection:
            if not chats.is_known(connection, chat_id):
                raise NoSuchChat(f"there is no chat {chat_id}; see: lifelong chats")
            return tuple(chats.read(connection, chat_id))

    def newest_first(self) -> tuple[KeptTurn, ...]:
        """Every turn of every conversation, the newest first."""
        with self._database.snapshot() as connection:
            return tuple(chats.newest_first(connection))

    def count(self) -> tuple[int, int]:
        """(conversations, turns)."""
        with self._database.snapshot() as connection:
            return chats.count(connection)

    def stand(self, sources: Sequence[Source], *, version: int) -> bool:
        """Whether all that an answer says stands in the text that its documents have at a version."""
        with self._database.snapshot() as connection:
            texts: dict[int, str] = {}

            def text(revision_id: int) -> str:
                if revision_id not in texts:
                    texts[revision_id] = revisions.read(connection, revision_id).text
                return texts[revision_id]

            for source in sources:
                if not source.is_said or source.revision_id is None:
                    continue
                now = revisions.at(connection, source.document_id, version)
                if now is None:
                    return False
                if now != source.revision_id:
                    try:
                        said = text(source.revision_id)[source.start : source.end]
                    except KeyError:  # let go meanwhile
                        return False
                    if said not in text(now):
                        return False
        return True
