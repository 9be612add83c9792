"""python -m benchmarks.terminal [FILE]: drives the session, and writes the page, by default docs/terminal.md."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.terminal import page
from benchmarks.terminal.script import SCENES
from benchmarks.terminal.user import driven

PAGE = Path(__file__).resolve().parents[2] / "docs" / "terminal.md"


def main() -> int:
    """Writes the page."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    blocks = driven(SCENES)
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    target.write_text(page.written(page.kept(blocks, before)), encoding="utf-8")
    print(f"{target}: {len(blocks)} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
