"""What is kept of a bug: the traceback, in a file, for a report."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rag_lifelong import __version__
from rag_lifelong.config import is_knowledge_base, knowledge_base_path
from rag_lifelong.generate.keys import hidden

FILE_NAME = "crash.log"


def write_log(error: BaseException, words: Sequence[str], *, now: datetime) -> Path:
    """Keeps the last bug in the knowledge base's folder, or else in a temporary file; readable by the user only.

    words: the command line.
    """
    text = f"lifelong {__version__} · {now:%Y-%m-%d %H:%M:%S %Z} · {list(words)}\n"
    text = hidden(text + "".join(traceback.format_exception(error)))  # no key gets into a report
    folder = knowledge_base_path(words[words.index("--kb") + 1] if "--kb" in words[:-1] else None)
    if is_knowledge_base(folder):
        try:
            handle = os.open(folder / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
                log.write(text)
            return folder / FILE_NAME
        except OSError:
            pass  # a folder that is read-only, a full disk: the temporary folder may still do
    with tempfile.NamedTemporaryFile(
        "w", prefix="lifelong-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as other:
        other.write(text)
    return Path(other.name)
