"""A LlamaIndex `LLM` object as a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate.language_model import CHARS_PER_TOKEN, DEFAULT_CONTEXT_TOKENS, Message


class LlamaIndexModel:
    """A LlamaIndex `LLM` object, adapted."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        metadata = llm.metadata
        self.name = f"llama_index:{getattr(metadata, 'model_name', None) or type(llm).__name__}"
        self.context_tokens = int(getattr(metadata, "context_window", 0) or DEFAULT_CONTEXT_TOKENS)

    def count_tokens(self, text: str) -> int:
        """An estimate: LlamaIndex's interface has no count."""
        return len(text) // CHARS_PER_TOKEN + 1

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
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
                    if self.count_tokens(written) > max_tokens + 1:
                        break
                    if piece:
                        yield str(piece)
            finally:
                if hasattr(responses, "close"):
                    responses.close()
        except Exception as error:  # another's code behind another's interface: it may raise anything
            raise ModelUnusable(f"{self.name} failed while writing: {error or type(error).__name__}") from error
