"""SPEC → language model."""

from __future__ import annotations

from typing import cast

from rag_lifelong.errors import BadSetting, ModelUnusable
from rag_lifelong.generate.language_model import LanguageModel
from rag_lifelong.generate.llama_index import LlamaIndexModel
from rag_lifelong.generate.local import TransformersModel


def open_model(spec: object | None) -> LanguageModel | None:
    """The model a SPEC names; None for None and "quote".

    spec: "quote", "transformers:PATH_OR_NAME", a LlamaIndex LLM, or an object that keeps the Protocol.
    Raises ModelUnusable, BadSetting for a malformed SPEC.
    """
    if spec is None or spec == "quote":
        return None
    if isinstance(spec, str):
        kind, _, name = spec.partition(":")
        if kind == "transformers" and name:
            return TransformersModel(name)
        if kind in ("ollama", "openai") and name:
            raise ModelUnusable(
                f"{kind}: models are not built in yet; from Python, hand in a LlamaIndex LLM: open_assistant(kb, llm=…)"
            )
        raise BadSetting(f"cannot read model {spec!r}; use quote or transformers:PATH_OR_NAME")
    if hasattr(spec, "stream_chat") and hasattr(spec, "metadata"):
        return LlamaIndexModel(spec)
    if hasattr(spec, "stream") and hasattr(spec, "count_tokens"):
        return cast(LanguageModel, spec)
    raise TypeError(f"llm must be None, a SPEC or a LlamaIndex LLM, not {type(spec).__name__}")
