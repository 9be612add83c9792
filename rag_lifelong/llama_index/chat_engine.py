"""A conversation with the assistant as a LlamaIndex chat engine.

Rule: the history is the conversation's; what `assistant.chat()` says and keeps, this says and keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse

from rag_lifelong.conversation import Conversation
from rag_lifelong.llama_index.pieces import awaited
from rag_lifelong.llama_index.sources import metadata_of, sources_of
from rag_lifelong.retriever import Dates
from rag_lifelong.types import Answer, Lag, Turn, Verdict
from rag_lifelong.when import AsOf

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant

_NOTHING_KNOWN = Verdict(
    newest_evidence=None,
    stale=False,
    superseded=False,
    lag=Lag(files=0, passages=0, checked_at=None),
    supported_share=0.0,
    pruned=0,
    unwatched=False,
    uncalibrated=None,
)


@dataclass
class LifelongStreamingChatResponse(StreamingAgentChatResponse):
    """With the metadata that LlamaIndex's own lacks; it and the source nodes are there once the text has ended."""

    metadata: dict[str, Any] | None = None


class LifelongChatEngine(BaseChatEngine):
    """One conversation, one question at a time; the assistant stays open meanwhile.

    Its language model, if any, is the one that the assistant has when the engine is made.
    """

    def __init__(
        self,
        assistant: Assistant,
        *,
        resume: int | Literal["last"] | None = None,
        keep: bool = True,
        k: int | None = None,
        as_of: AsOf | None = None,
        within: Sequence[str] = (),
        dated: Dates | None = None,
    ) -> None:
        """resume, keep: as `Assistant.chat`. Other arguments as `Assistant.ask`, and for every question."""
        self._asking = copy(assistant)  # with a last answer and last hits of its own, since others may be asking too
        self._keep = keep
        self._k, self._as_of, self._within, self._dated = k, as_of, tuple(within), dated
        self._conversation = self._asking.chat(resume, keep=keep)

    @property
    def conversation(self) -> Conversation:
        """What is talked in."""
        return self._conversation

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The questions as typed and the answers' texts, oldest first."""
        return [
            ChatMessage(role=role, content=text)
            for turn in self._conversation.turns
            for role, text in ((MessageRole.USER, turn.question), (MessageRole.ASSISTANT, turn.answer.text))
        ]

    def reset(self) -> None:
        """Begins a new conversation; one that was kept stays kept."""
        self._conversation = self._asking.chat(keep=self._keep)

    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The answer to a message that may lean on those before it; `metadata["refused"]` tells a refusal.

        chat_history: what was said before, elsewhere, instead of this engine's own; such a conversation is not kept.
        """
        self._take(chat_history)
        for _ in self._stream(message):
            pass
        found = self._found()
        return AgentChatResponse(
            response=found.text,
            source_nodes=sources_of(self._asking.knowledge_base, found, self._asking.last_hits),
            metadata=metadata_of(found),
        )

    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """As `chat`."""
        return await asyncio.to_thread(self.chat, message, chat_history)

    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> LifelongStreamingChatResponse:
        """As `chat`, in pieces: `response_gen`. What is not read to its end is not a part of the conversation."""
        self._take(chat_history)
        response = LifelongStreamingChatResponse(is_writing_to_memory=False)
        response.chat_stream = self._responses(message, response)
        return response

    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> LifelongStreamingChatResponse:
        """As `stream_chat`: `async_response_gen()`."""
        await asyncio.to_thread(self._take, chat_history)
        response = LifelongStreamingChatResponse(is_writing_to_memory=False)
        response.achat_stream = self._aresponses(message, response)
        return response

    # -- inside

    def _take(self, history: list[ChatMessage] | None) -> None:
        if history is not None:
            now = self._asking.knowledge_base.now()
            self._conversation = Conversation(self._asking, chat_id=None, keeps=False, before=_turns(history, now))

    def _stream(self, message: str) -> Generator[str, None, None]:
        yield from self._conversation.stream(
            message, as_of=self._as_of, within=self._within, dated=self._dated, k=self._k
        )

    def _found(self) -> Answer:
        found = self._conversation.last_answer
        assert found is not None  # stream() sets it when it ends
        return found

    def _finish(self, response: LifelongStreamingChatResponse) -> None:
        found = self._found()
        response.source_nodes.extend(sources_of(self._asking.knowledge_base, found, self._asking.last_hits))
        response.metadata = metadata_of(found)

    def _responses(self, message: str, response: LifelongStreamingChatResponse) -> Generator[ChatResponse, None, None]:
        written = ""
        for piece in self._stream(message):
            written += piece
            yield _response(written, piece)
        self._finish(response)

    async def _aresponses(
        self, message: str, response: LifelongStreamingChatResponse
    ) -> AsyncGenerator[ChatResponse, None]:
        written = ""
        async for piece in awaited(self._stream(message)):
            written += piece
            yield _response(written, piece)
        await asyncio.to_thread(self._finish, response)


def _response(written: str, piece: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=written), delta=piece)


def _turns(history: Sequence[ChatMessage], now: Any) -> list[Turn]:
    """The questions of a history and what was answered to each; what neither asked nor answered is left out."""
    asked: list[tuple[str, list[str]]] = []
    for message in history:
        if message.role == MessageRole.USER:
            asked.append((message.content or "", []))
        elif message.role == MessageRole.ASSISTANT and asked:
            asked[-1][1].append(message.content or "")
    return [
        Turn(
            number=number,
            question=question,
            asked_as=question,
            answer=Answer(
                question=question,
                text="\n".join(answers),
                refused=False,
                citations=(),
                nearest=(),
                verdict=_NOTHING_KNOWN,
                version=0,
                as_of=None,
                model="elsewhere",
                adapter=None,
            ),
            at=now,
        )
        for number, (question, answers) in enumerate(asked, start=1)
    ]
