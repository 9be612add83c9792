"""Frozen language models behind one Protocol: a local transformers model, or a LlamaIndex LLM."""

from __future__ import annotations

from rag_lifelong.generate.language_model import LanguageModel, Message
from rag_lifelong.generate.llama_index import LlamaIndexModel
from rag_lifelong.generate.local import TransformersModel
from rag_lifelong.generate.specs import open_model

__all__ = ["LanguageModel", "LlamaIndexModel", "Message", "TransformersModel", "open_model"]
