"""Frozen language models behind one Protocol: on this machine, behind a server, or a LlamaIndex LLM."""

from __future__ import annotations

from rag_lifelong.generate.language_model import (
    DEFAULT_MODEL_SETTINGS,
    CountsPrompts,
    LanguageModel,
    Message,
    ModelSettings,
    prompt_tokens,
)
from rag_lifelong.generate.llama_index import LlamaIndexModel
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.generate.specs import open_model

__all__ = [
    "DEFAULT_MODEL_SETTINGS",
    "CountsPrompts",
    "LanguageModel",
    "LlamaIndexModel",
    "Message",
    "ModelSettings",
    "TransformersModel",
    "open_model",
    "prompt_tokens",
]
