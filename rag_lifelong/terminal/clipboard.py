"""Text to the clipboard, by what there is: tmux's buffer, or the terminal's own (OSC 52).

Rule: says which way it took, since a terminal does not tell whether it has obeyed.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Mapping
from typing import TextIO

OSC_52_MOST = 74_994  # bytes that xterm takes, of which base64 makes 100,000 characters


def copy(text: str, screen: TextIO, *, environment: Mapping[str, str]) -> str:
    """Copies, and gives the way it went, for a sentence that begins with "Copied".

    screen: the terminal. Raises ValueError, with what to do, for a text too long for the terminal.
    """
    data = text.encode("utf-8", "replace")
    tmux = shutil.which("tmux", path=environment.get("PATH")) if environment.get("TMUX") else None
    if tmux is not None and _is_buffered(tmux, data):
        return "to tmux's buffer (prefix ] pastes it)"
    if len(data) > OSC_52_MOST:
        raise ValueError("the answer is too long for a terminal's clipboard; write it to a file: /save FILE")
    screen.write(f"\x1b]52;c;{base64.b64encode(data).decode('ascii')}\x07")
    screen.flush()
    return "through the terminal (OSC 52), where it allows that"


def _is_buffered(tmux: str, data: bytes) -> bool:
    """-w: to the clipboard of the terminal that tmux runs in, too."""
    try:
        done = subprocess.run(
            [tmux, "load-buffer", "-w", "-"],
            input=data,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return False
    return done.returncode == 0
