"""Asking before what cannot be undone, and before long work."""

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


def ask_to_begin(options: Namespace, what: str) -> None:
    """Says what is about to be done; on a terminal raises NotConfirmed unless --yes, or a yes."""
    if not options.quiet:
        sys.stderr.write(safe(what) + "\n")
    if options.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    sys.stderr.write("Begin? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmed("nothing was done")
