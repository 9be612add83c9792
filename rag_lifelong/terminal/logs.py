"""What is logged, on standard error: warnings of our own, with --verbose all of it and other libraries' warnings too.

Rule: a message may hold a file's name or a document's text, so it passes through `safe` as everything else does.
"""

from __future__ import annotations

import logging
from typing import TextIO

from rag_lifelong.generate.keys import hidden
from rag_lifelong.terminal.style import safe


class SafeFormatter(logging.Formatter):
    """Messages that cannot drive a terminal, and hold no key."""

    def format(self, record: logging.LogRecord) -> str:
        """One entry, perhaps with a traceback."""
        return safe(hidden(super().format(record)))


def log_to(stream: TextIO, *, is_verbose: bool) -> None:
    """Sends the log to `stream`, unless somebody has already sent it elsewhere."""
    handler = logging.StreamHandler(stream)
    shown = "%(levelname)s %(name)s: %(message)s" if is_verbose else "lifelong: %(message)s"
    handler.setFormatter(SafeFormatter(shown))
    logging.basicConfig(handlers=[handler], level=logging.INFO if is_verbose else logging.WARNING)
    logging.captureWarnings(True)  # Python's own warnings are for those who write programs
    for name in ("py.warnings", "transformers", "torch", "sentence_transformers", "llama_index"):
        logging.getLogger(name).setLevel(logging.NOTSET if is_verbose else logging.ERROR)
