"""The rules about the age of documents, as the settings files say now; also what another process, or an editor, wrote.

Rule: looked at by each use and read where a file differs, so that what runs for long goes by no rule of yesterday. A
file that cannot be read, perhaps half written, ends nothing: the rules last read hold, which is logged once.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from rag_lifelong.config import FILE_NAME, rules_of, user_file
from rag_lifelong.errors import BadSetting
from rag_lifelong.staleness import Rule

logger = logging.getLogger(__name__)

Stamp = tuple[int, ...] | None


class LiveRules:
    """The rules of a knowledge base and of its user. Safe to use from several threads."""

    def __init__(self, knowledge_base: Path, rules: tuple[Rule, ...]) -> None:
        """rules: those that hold if the files cannot be read; they are read by the first use."""
        self._knowledge_base = knowledge_base
        self._files = (user_file(), knowledge_base / FILE_NAME)
        self._rules = rules
        self._stamps: tuple[Stamp, ...] = ()
        self._trouble = ""
        self._lock = threading.Lock()

    def now(self) -> tuple[Rule, ...]:
        """Those in force, in the order that they apply; two looks at the disk (0.01 ms) where nothing has changed."""
        with self._lock:
            stamps = tuple(map(_stamp, self._files))  # before it is read: what is written meanwhile is read next time
            if stamps != self._stamps:
                self._read(stamps)
            return self._rules

    def _read(self, stamps: tuple[Stamp, ...]) -> None:
        try:
            self._rules = tuple(rule for rule, _ in rules_of(self._knowledge_base))
        except BadSetting as error:  # tried again by the next use
            if str(error) != self._trouble:
                logger.warning("the rules about age hold as they were last read: %s", error)
            self._trouble = str(error)
        else:
            self._stamps = stamps
            self._trouble = ""


def _stamp(path: Path) -> Stamp:
    """What differs once a file was written or replaced; None where there is none, or none to be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
