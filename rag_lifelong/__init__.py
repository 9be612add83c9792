"""A retrieval-based lifelong learning assistant: drop files into a folder, ask, and get cited answers.

Importing this loads no heavy library; `open_assistant` and the classes come when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag_lifelong.errors import LifelongError

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant, open_assistant, restore
    from rag_lifelong.types import Answer, Citation, Hit, Verdict, Version

__version__ = "0.1.0"
__all__ = ["Answer", "Assistant", "Citation", "Hit", "LifelongError", "Verdict", "Version", "open_assistant", "restore"]


def __getattr__(name: str) -> object:
    if name in ("Assistant", "open_assistant", "restore"):
        from rag_lifelong import assistant

        return getattr(assistant, name)
    if name in ("Answer", "Citation", "Hit", "Verdict", "Version"):
        from rag_lifelong import types

        return getattr(types, name)
    raise AttributeError(f"module 'rag_lifelong' has no attribute {name!r}")
