"""A terminal that a program types at and looks at: one tmux server of its own.

Rule: its socket lies in a folder of its own, so that nobody's sessions are touched. It waits for what the screen
shows, never for time to pass.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

_EVERY_S = 0.03
PATIENCE_S = 60.0  # for one thing to appear; a machine may be busy
_SETTINGS = """\
set -g history-limit 0
set -g status off
set -g escape-time 0
set -g default-terminal screen-256color
set -g default-command ''
"""


class Tmux:
    """A server with windows; a context manager that ends it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, columns: int, rows: int) -> None:
        """folder: for the socket. environment: all that programs in it see. columns, rows: of each window."""
        self._folder = folder
        self._environment = {**environment, "TMUX_TMPDIR": str(folder)}
        self._size = (columns, rows)

    def __enter__(self) -> Tmux:
        settings = self._folder / "tmux.conf"
        settings.write_text(_SETTINGS, encoding="utf-8")
        columns, rows = self._size
        self._run(
            "-f", str(settings), "new-session", "-d", "-s", "all", "-n", "none", "-x", str(columns), "-y", str(rows)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*self._command(), "kill-server"], env=self._environment, check=False, capture_output=True)

    def open(self, window: str, command: str) -> None:
        """Runs a command in a window of its own."""
        columns, rows = self._size
        self._run("new-window", "-d", "-t", "all:", "-n", window, command)
        self.resize(window, columns, rows)

    def type(self, window: str, text: str) -> None:
        """Types text as it stands."""
        self._run("send-keys", "-t", f"all:{window}", "-l", "--", text)

    def press(self, window: str, key: str) -> None:
        """Presses a key by tmux's name: Enter, Tab, C-c, M-Enter."""
        self._run("send-keys", "-t", f"all:{window}", key)

    def paste(self, window: str, text: str) -> None:
        """Pastes, bracketed if the program has asked for that."""
        self._run("set-buffer", "--", text)
        self._run("paste-buffer", "-p", "-t", f"all:{window}")

    def buffer(self) -> str:
        """What the newest buffer holds."""
        return self._run("show-buffer")

    def resize(self, window: str, columns: int, rows: int) -> None:
        """Another size."""
        self._run("resize-window", "-t", f"all:{window}", "-x", str(columns), "-y", str(rows))

    def screen(self, window: str) -> list[str]:
        """The lines shown, without empty ones at the end. One that the terminal broke is whole; what has scrolled away
        is gone."""
        lines = self._run("capture-pane", "-p", "-J", "-t", f"all:{window}").split("\n")
        while lines and not lines[-1].strip():
            lines.pop()
        return [line.rstrip() for line in lines]

    def wait(self, window: str, shows: Callable[[list[str]], bool], *, what: str) -> list[str]:
        """The screen as soon as it `shows` what is waited for. Raises TimeoutError with what it shows instead."""
        until = time.monotonic() + PATIENCE_S
        while True:
            lines = self.screen(window)
            if shows(lines):
                return lines
            if time.monotonic() > until:
                seen = "\n".join(lines)
                raise TimeoutError(f"{what} did not appear in {PATIENCE_S:.0f} s; the screen shows:\n{seen}")
            time.sleep(_EVERY_S)

    def wait_for(self, window: str, pattern: str) -> list[str]:
        """The screen as soon as a line matches."""
        sought = re.compile(pattern)
        return self.wait(window, lambda lines: any(sought.search(line) for line in lines), what=repr(pattern))

    def _command(self) -> list[str]:
        return ["tmux", "-L", "lifelong"]

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._command(), *words], env=self._environment, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"tmux {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
