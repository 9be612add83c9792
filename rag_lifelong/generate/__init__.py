"""Frozen language models behind one Protocol: on this machine, behind a server, or a LlamaIndex LLM."""

from __future__ import annotations

from rag_lifelong.generate.language_model import (
    DEFAULT_MODEL_SETTINGS,
    Adaptable,
    CountsPrompts,
    LanguageModel,
    Message,
    ModelSettings,
    estimated_tokens,
    prompt_tokens,
)
from rag_lifelong.generate.llama_index import CHARS_PER_TOKEN, LlamaIndexModel
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.generate.specs import open_model

__all__ = [
    "CHARS_PER_TOKEN",
    "DEFAULT_MODEL_SETTINGS",
    "Adaptable",
    "CountsPrompts",
    "LanguageModel",
    "LlamaIndexModel",
    "Message",
    "ModelSettings",
    "TransformersModel",
    "estimated_tokens",
    "open_model",
    "prompt_tokens",
]
