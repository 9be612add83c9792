"""Folders, followed for as long as they exist: what changes on disk is in the knowledge base soon after.

Rule: an event is a hint, a sweep is the truth. `watcher` is the thread that compares and commits; beside it one reads
what may hang (`aside`) and one embeds (`embedding`). The rest are its parts, each a room of its own.
"""

from rag_lifelong.follow.happenings import Happening, Standing
from rag_lifelong.follow.watcher import SWEEP_S, Watcher

__all__ = ["SWEEP_S", "Happening", "Standing", "Watcher"]
