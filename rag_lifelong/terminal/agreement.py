"""Asking before what cannot be undone."""

from __future__ import annotations

import sys
from argparse import Namespace

from rag_lifelong.errors import NotConfirmed
from rag_lifelong.terminal.style import safe


def ask_first(options: Namespace, what: str) -> None:
    """Raises NotConfirmed unless --yes, or a yes on a terminal."""
    if options.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotConfirmed(f"{what.removesuffix('.')}. Nothing was done; to do it: --yes")
    sys.stderr.write(f"{safe(what).removesuffix('.')}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmed("nothing was done")
