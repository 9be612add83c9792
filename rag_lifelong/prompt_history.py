"""What was typed in chats, kept for the prompt's history (^R), one file for a knowledge base.

The format is the line editor's: a blank line, "# " and the time, then each line of the entry after a "+".
Rule: what is taken out is in the file no more; all else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from rag_lifelong.whole_files import replace_whole

HISTORY_FILE = "chat-history"
_NAMED = re.compile(r"(?:^|\s)@(?:\"[^\"]*\"|'[^']*'|\S+)")  # documents named in a question are no part of it


def forget_typed(folder: Path, questions: Collection[str]) -> None:
    """These questions were never typed. folder: the knowledge base's. Raises OSError."""
    path = folder / HISTORY_FILE
    if not path.exists():
        return
    wanted = {" ".join(question.split()) for question in questions}
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    kept = "".join(whole for whole, entry in _entries(text) if not {_flat(entry), _asked(entry)} & wanted)
    if kept != text:
        replace_whole(path, kept.encode("utf-8", "surrogateescape"))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """(an entry as it stands in the file, what was typed)."""
    whole: list[str] = []
    typed: list[str] = []
    for line in text.splitlines(keepends=True):
        if typed and not line.startswith("+"):
            yield "".join(whole), "".join(typed)
            whole, typed = [], []
        whole.append(line)
        if line.startswith("+"):
            typed.append(line[1:])
    yield "".join(whole), "".join(typed)


def _flat(entry: str) -> str:
    return " ".join(entry.split())


def _asked(entry: str) -> str:
    return _flat(_NAMED.sub(" ", entry))
