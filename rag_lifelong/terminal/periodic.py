"""Distilling while folders are watched: `lifelong distill --if-due` in a process of its own, now and then.

Rule: at most hourly, one at a time, behind everything that a person waits for, and ended with the watcher. Whether a
setting asks for it is read each time, so that no restart is needed, and no process is started where none does. A
watcher that is killed leaves its child to finish, or to be gone on with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from rag_lifelong.config import load_config
from rag_lifelong.errors import BadSetting
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.service.supervisor import NICE

EVERY_S = 3_600.0
_PATIENCE_S = 10.0  # for a child to reach a checkpoint


class Periodic:
    """Looks whether it is time and asked for, by `look`; `close` ends what is running."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        is_wanted: Callable[[], bool],
        tell: Callable[[Happening], None],
        utc_now: Callable[[], datetime],
        every_s: float = EVERY_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """command: what is started. is_wanted: whether a setting asks for it now; may raise BadSetting.

        tell: called with what became of it, where that is worth a line.
        """
        self._command = tuple(command)
        self._is_wanted = is_wanted
        self._tell = tell
        self._utc_now = utc_now
        self._every_s = every_s
        self._now = now
        self._next = now()
        self._began = 0.0
        self._trouble = ""
        self._running: tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]] | None = None

    def look(self) -> None:
        """Takes in what has ended, and starts it again if it is time and a setting asks for it."""
        if self._running is not None:
            if self._running[0].poll() is not None:
                self._take_in()
        elif self._now() >= self._next:
            self._next = self._now() + self._every_s
            self._began = self._now()
            try:
                is_wanted = self._is_wanted()
            except BadSetting as error:  # perhaps half written: looked at again next time
                self._say("trouble", f"whether to distil cannot be looked up: {error}")
                return
            if is_wanted:
                self._start()

    @property
    def is_running(self) -> bool:
        """Something is distilled, or is looked whether it is due."""
        return self._running is not None

    def close(self) -> None:
        """Asks the child to stop at a checkpoint, and does not wait for long."""
        if self._running is None:
            return
        child = self._running[0]
        with suppress(ProcessLookupError):
            child.terminate()
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self._take_in()

    def _start(self) -> None:
        # a pipe that nobody reads would fill up; both are closed when what they hold is taken in
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        child = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )  # ^C is for the watcher, which ends it
        with suppress(OSError, AttributeError):  # it has ended already; a system without priorities
            os.setpriority(os.PRIO_PROCESS, child.pid, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
        self._running = child, out, err

    def _take_in(self) -> None:
        assert self._running is not None
        child, out, err = self._running
        self._running = None
        with out, err:
            out.seek(0)
            err.seek(0)
            kind, message = _told(child.returncode, out.read(), err.read())
        self._say(kind, message)

    def _say(self, kind: str, message: str) -> None:
        if not message or (kind == "trouble" and message == self._trouble):  # the same every hour is said once
            return
        self._trouble = message if kind == "trouble" else ""
        took = self._now() - self._began
        self._tell(Happening(self._utc_now(), kind, "", "", 0, 0, 0, took, None, message))


def is_asked_for(knowledge_base: Path) -> bool:
    """Whether a setting lets `lifelong watch` distil, as the files say now. Raises BadSetting."""
    config = load_config(knowledge_base)
    return config.distill_every_days > 0 or config.distill_after_passages > 0


def distilling(knowledge_base: Path, model: str | None) -> tuple[str, ...]:
    """The command that distils what is due."""
    named = () if model is None else ("--model", model)
    return (
        sys.executable, "-m", "rag_lifelong", "--kb", str(knowledge_base), *named, "distill", "--if-due", "--yes",
        "--json", "--quiet",
    )  # fmt: skip


def _told(code: int, out: bytes, err: bytes) -> tuple[str, str]:
    """(kind of event, what to say); "" for nothing."""
    if code in (0, 4):
        try:
            found = json.loads(out)
            adapter = found["adapter"]
        except (ValueError, KeyError, TypeError):
            return "trouble", "distilling gave no answer that can be read; see: lifelong distill --dry-run"
        if adapter is None:
            why_not = found.get("why_not")  # None where it was not due
            return ("trouble", f"nothing was distilled: {why_not}") if why_not else ("", "")
        if found["promoted"]:
            passages = len(adapter["sources"])
            return "distilled", f"adapter {adapter['id']} is active, made of {passages:,} passages"
        gates = ", ".join(found["failed_gates"])
        return "distilled", f"adapter {adapter['id']} is rejected by {gates}: lifelong adapters show {adapter['id']}"
    if code in (130, -2, -15, -9):  # the watcher ends it
        return "", ""
    last = err.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("lifelong: ")
    return "trouble", f"distilling failed: {last or f'exit code {code}'}"
