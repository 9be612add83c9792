"""A user of their own: a home folder with notes, a shell, and `lifelong` on its path."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.terminal.steps import Block, Scene, drive
from benchmarks.terminal.tmux import Tmux

ROOT = Path(__file__).resolve().parents[2]
SAVED = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()  # when the notes were last changed
COLUMNS, ROWS = 100, 90  # so many rows that nothing scrolls away
HOME = "/home/ana"
SHELL = "exec env PS1='$ ' bash --norc --noprofile"  # the shell that tmux runs it by would unset PS1

# The program itself; but what is read in one go is one version, however slow this machine is now.
_PROGRAM = """\
import sys
import rag_lifelong.assistant
from rag_lifelong.cli import main
rag_lifelong.assistant.BATCH_S = 600.0
sys.exit(main())
"""


def driven(scenes: Sequence[Scene]) -> list[Block]:
    """Drives all scenes in a home folder of their own; gives what was to be seen."""
    # as long wherever it runs, since lines break by it; short, for the socket; of letters that no Markdown escapes
    folder = Path("/tmp", f"lifelong-{secrets.token_hex(4)}")
    folder.mkdir(mode=0o700)
    try:
        return _driven(folder, scenes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _driven(folder: Path, scenes: Sequence[Scene]) -> list[Block]:
    home = folder / "ana"
    settle(home)
    with Tmux(folder, environment_of(home), columns=COLUMNS, rows=ROWS) as tmux:
        for window in ("main", "other"):
            tmux.open(window, f"cd {home} && {SHELL}")
            tmux.wait(window, lambda lines: lines == ["$"], what="a prompt")
        return [
            Block(one.title, one.says, tuple(line.replace(str(home), HOME) for line in one.lines))
            for one in drive(tmux, scenes)
        ]


def settle(home: Path) -> None:
    """Makes the home folder: the notes, and the program."""
    shutil.copytree(ROOT / "samples", home / "notes")
    for path in [*(home / "notes").rglob("*"), home / "notes"]:
        os.utime(path, (SAVED, SAVED))
    program = home / "bin" / "lifelong"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{_PROGRAM}", encoding="utf-8")
    program.chmod(0o755)


def environment_of(home: Path) -> dict[str, str]:
    """All that programs see: nothing of the user's who runs this."""
    return {
        "HOME": str(home),
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "PWD": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/bash",
        "EDITOR": "true",
        "HISTFILE": "/dev/null",
        "PAGER": "cat",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "OLLAMA_HOST": "http://127.0.0.1:9",  # where nobody answers, whatever runs on this machine
    }
