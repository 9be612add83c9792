"""Which model words an answer: the frozen one, or the same with an adapter that was made from what the answer rests on.

Rule: an adapter is looked for at a fresh snapshot, right before a model is asked; whatever speaks against it, the
frozen model answers alone. An adapter is loaded once, and let go of when it is active no more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate import Adaptable, LanguageModel
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.store.adapters import WEIGHTS
from rag_lifelong.types import Adapter

logger = logging.getLogger(__name__)


class AdaptedModels:
    """A frozen model with the adapters of a knowledge base beside it. Safe to use from several threads."""

    def __init__(self, knowledge_base: KnowledgeBase) -> None:
        self._knowledge_base = knowledge_base
        self._lock = threading.Lock()
        self._base: LanguageModel | None = None
        self._loaded: dict[int, LanguageModel | None] = {}  # by adapter; None: it cannot stand beside this model

    def beside(self, model: LanguageModel, passage_ids: Sequence[int]) -> tuple[LanguageModel, Adapter | None]:
        """The model to ask for an answer that rests on these passages, and the adapter beside it.

        `model` itself and None where no adapter is for all of them.
        """
        registry = self._knowledge_base.adapters
        with self._lock:
            active = registry.active_ids()
            if model is not self._base:
                self._base, self._loaded = model, {}
            self._loaded = {adapter_id: one for adapter_id, one in self._loaded.items() if adapter_id in active}
            if not active or not isinstance(model, Adaptable):
                return model, None
            adapter = registry.route(passage_ids, model.base_digest())
            if adapter is None:
                return model, None
            if adapter.id not in self._loaded:
                weights = registry.part(adapter.id, WEIGHTS)
                if weights is None:  # deleted since
                    return model, None
                self._loaded[adapter.id] = _adapted(model, adapter, weights)
            found = self._loaded[adapter.id]
            return (model, None) if found is None else (found, adapter)


def _adapted(model: Adaptable, adapter: Adapter, weights: bytes) -> LanguageModel | None:
    try:
        return model.adapted(weights)
    except ModelUnusable as error:
        logger.warning("%s is not used: %s", adapter.name, error)
        return None
