"""The vectors that wait, computed in a thread of its own for as long as a folder is followed.

Rule: what was committed stays; a batch that failed is tried again.
"""

from __future__ import annotations

import threading
import time

from rag_lifelong.errors import LifelongError
from rag_lifelong.follow.happenings import Teller
from rag_lifelong.follow.trouble import Trouble
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.sync import EMBED_BATCH

_LOOK_S = 5.0  # between two looks for what another process has left waiting


class Embedding:
    """A thread that embeds until `stop()`."""

    def __init__(self, knowledge_base: KnowledgeBase, teller: Teller) -> None:
        self._base = knowledge_base
        self._teller = teller
        self._trouble = Trouble(lambda kind, message: teller.say(kind, message=message))
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embedding", daemon=True)
        self.per_s = 0.0  # strings, lately

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends at the next batch border."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def wake(self) -> None:
        """Something was committed."""
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(_LOOK_S)
            self._wanted.clear()
            try:
                self._embed()
                self._trouble.is_over()
            except (LifelongError, OSError) as error:
                self._stopping.wait(self._trouble.met(error))
                self._wanted.set()

    def _embed(self) -> None:
        began, done = time.monotonic(), 0
        while not self._stopping.is_set():
            count = self._base.embed_next(EMBED_BATCH)
            if count == 0:
                break
            done += count
            self.per_s = done / max(time.monotonic() - began, 1e-3)
        if done:
            self._base.settle_index()
            self._teller.say("embedded", born=done, seconds=time.monotonic() - began)
