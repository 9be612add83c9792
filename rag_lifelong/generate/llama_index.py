"""A LlamaIndex `LLM` object as a language model."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from rag_lifelong.errors import AnswerCut, ModelUnusable
from rag_lifelong.generate.language_model import DEFAULT_CONTEXT_TOKENS, Message, estimated_tokens

CHARS_PER_TOKEN = 4  # of English in common tokenizers


class LlamaIndexModel:
    """A LlamaIndex `LLM` object, adapted. context_tokens: 0 for what it says itself."""

    def __init__(self, llm: Any, *, context_tokens: int = 0) -> None:
        self._llm = llm
        metadata = llm.metadata
        self.name = f"llama_index:{getattr(metadata, 'model_name', None) or type(llm).__name__}"
        own = int(getattr(metadata, "context_window", 0) or 0)
        self.context_tokens = context_tokens or own or DEFAULT_CONTEXT_TOKENS

    def count_tokens(self, text: str) -> int:
        """An estimate: LlamaIndex's interface has no count."""
        return estimated_tokens(text)

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Generator[str, None, str | None]:
        """What the LLM streams, cut where it is longer than asked; its own limit is its own setting."""
        from llama_index.core.base.llms.types import ChatMessage, MessageRole

        turns = [ChatMessage(role=MessageRole(m.role), content=m.content) for m in messages]
        written = ""
        try:
            responses = self._llm.stream_chat(turns)
            try:
                for response in responses:
                    whole = response.message.content or ""
                    piece = response.delta if response.delta is not None else whole[len(written) :]
                    written += piece
                    if len(written) > max_tokens * CHARS_PER_TOKEN:
                        return f"the limit of {max_tokens} tokens"
                    if piece:
                        yield str(piece)
            finally:
                if hasattr(responses, "close"):
                    responses.close()
        except Exception as error:  # another's code behind another's interface: it may raise anything
            kind = AnswerCut if written else ModelUnusable
            raise kind(f"{self.name} failed while writing: {error or type(error).__name__}") from error
        return None
