"""A place in a document, opened: the user's editor at the line, else a pager, else nothing.

Rule: runs only what the user has named in $VISUAL or $EDITOR, or `less`; a path is one argument and never an option.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

# Editors that want "path:line"; all others understand "+line path".
_COLON_LINE = {
    "code": ["-g"],
    "code-insiders": ["-g"],
    "codium": ["-g"],
    "cursor": ["-g"],
    "subl": [],
    "zed": [],
    "hx": [],
    "helix": [],
    "micro": [],
}


_EDITORS = ("nano", "vi")  # where none is named; to write in, which the pager is not for


def opening_command(path: str, line: int | None, *, environment: Mapping[str, str]) -> list[str] | None:
    """What opens a file at a line; None where there is neither an editor nor `less`.

    path: absolute. environment: with VISUAL, EDITOR, PATH.
    """
    editor = _words(environment.get("VISUAL") or environment.get("EDITOR") or "")
    if editor:
        options = _COLON_LINE.get(Path(editor[0]).stem)
        if line is None:
            return [*editor, path]
        return [*editor, f"+{line}", path] if options is None else [*editor, *options, f"{path}:{line}"]
    pager = shutil.which("less", path=environment.get("PATH"))
    return None if pager is None else [pager, f"+{line or 1}", path]


def open_file(path: str, line: int | None) -> bool:
    """Opens a file and waits until it is closed again; False where nothing can."""
    command = opening_command(path, line, environment=os.environ)
    return command is not None and _is_run(command, text=None)


def page_text(text: str, line: int) -> bool:
    """Shows stored text in the pager at a line (1-based), for a file that is gone or is no text; False without one."""
    pager = shutil.which("less")
    return pager is not None and _is_run([pager, f"+{line}"], text=text)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []  # an unclosed quote in the variable


def _is_run(command: list[str], *, text: str | None) -> bool:
    """Runs it; False if it cannot be started. Its own exit code says nothing to us."""
    data = None if text is None else text.encode("utf-8", "replace")
    try:
        subprocess.run(command, input=data, check=False)
    except OSError:
        return False
    return True


def edited(text: str) -> str | None:
    """`text` as it is after the user's editor; None without an editor. Raises OSError if it cannot be read back."""
    editor = _words(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not editor:
        found = next((shutil.which(name) for name in _EDITORS if shutil.which(name)), None)
        if found is None:
            return None
        editor = [found]
    with tempfile.TemporaryDirectory(prefix="lifelong-") as folder:  # the user's alone
        path = Path(folder) / "question.md"
        path.write_text(text, encoding="utf-8")
        if not _is_run([*editor, str(path)], text=None):
            return None
        return path.read_text(encoding="utf-8", errors="replace")
