"""SPEC → language model.

Rule: the SPEC names who is asked. `openai:` with an address never falls back to the hosted service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from rag_lifelong.errors import BadSetting
from rag_lifelong.generate import keys
from rag_lifelong.generate.language_model import DEFAULT_MODEL_SETTINGS, LanguageModel, ModelSettings
from rag_lifelong.generate.llama_index import LlamaIndexModel
from rag_lifelong.generate.local import TransformersModel

if TYPE_CHECKING:
    from rag_lifelong.generate.connection import Address

HOSTED_URL = f"https://{keys.HOSTED}/v1"
FORMS = ("quote", "transformers:PATH_OR_NAME", "ollama:NAME", "openai:NAME@BASE_URL")


def open_model(spec: object | None, *, settings: ModelSettings = DEFAULT_MODEL_SETTINGS) -> LanguageModel | None:
    """The model a SPEC names; None for None and "quote".

    spec: one of FORMS ("openai:NAME" alone means the hosted service), a LlamaIndex LLM, or an object that keeps the
    Protocol. Raises ModelUnusable, BadSetting for a malformed SPEC.
    """
    if spec is None or spec == "quote":
        return None
    if isinstance(spec, str):
        kind, name = split_spec(spec)
        return _OPENERS[kind](name, settings)
    if hasattr(spec, "stream_chat") and hasattr(spec, "metadata"):
        return LlamaIndexModel(spec, context_tokens=settings.context_tokens)
    if hasattr(spec, "stream") and hasattr(spec, "count_tokens"):
        return cast(LanguageModel, spec)
    raise TypeError(f"llm must be None, a SPEC or a LlamaIndex LLM, not {type(spec).__name__}")


def split_spec(spec: str) -> tuple[str, str]:
    """ "ollama:llama3.1:8b" → ("ollama", "llama3.1:8b"). Raises BadSetting."""
    kind, _, name = spec.partition(":")
    if kind not in _OPENERS or not name:
        raise BadSetting(f"cannot read model {keys.hidden(spec)!r}; write {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    return kind, name


def address_of(spec: str) -> Address | None:
    """Which server a SPEC means; None for a model in this process, or none. Raises BadSetting."""
    if spec == "quote":
        return None
    kind, name = split_spec(spec)
    if kind == "ollama":
        from rag_lifelong.generate import ollama

        return ollama.address()
    return _named(name)[1] if kind == "openai" else None


def _transformers(name: str, settings: ModelSettings) -> LanguageModel:
    return TransformersModel(name, settings)


def _ollama(name: str, settings: ModelSettings) -> LanguageModel:
    from rag_lifelong.generate import ollama  # late, as below: HTTP takes its time to import
    from rag_lifelong.generate.server import ServerModel

    root = ollama.address()
    return ServerModel(f"ollama:{name}", root.beside(f"{root.path}/v1"), name, kind="ollama", settings=settings)


def _openai(name: str, settings: ModelSettings) -> LanguageModel:
    from rag_lifelong.generate.server import ServerModel

    model, address = _named(name)
    shown = f"openai:{model}" if address.url == HOSTED_URL else f"openai:{model}@{address.url}"
    return ServerModel(shown, address, model, kind="openai", settings=settings)


def _named(name: str) -> tuple[str, Address]:
    """ "NAME@BASE_URL" → the model's name, which may hold an "@" itself, and the address."""
    from rag_lifelong.generate.connection import Address

    for scheme in ("http://", "https://"):
        model, found, rest = name.rpartition(f"@{scheme}")
        if found and model:
            return model, Address(scheme + rest)
    if "://" in name or "@" in name[1:]:
        raise BadSetting(
            f"cannot read model {keys.hidden(name)!r}; write openai:NAME@BASE_URL, the address with http:// or https://"
        )
    return name, Address(HOSTED_URL)


_OPENERS: Mapping[str, Callable[[str, ModelSettings], LanguageModel]] = {
    "transformers": _transformers,
    "ollama": _ollama,
    "openai": _openai,
}
