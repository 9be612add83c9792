"""What `lifelong watch` shows: a line an event, and on a terminal one line that is redrawn, of how things stand.

Rule: many events of one kind in one version are one line. `--json` is one object an event, unabridged.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TextIO

from rag_lifelong.follow import Watcher
from rag_lifelong.follow.happenings import Happening, Standing
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.periodic import Periodic
from rag_lifelong.terminal.progress import clock
from rag_lifelong.terminal.style import json_safe, safe_line, short_path
from rag_lifelong.terminal.wrapping import columns_of, cut

MANY = 6  # events of one kind in one version, from which on they are counted
_REDRAW_S = 0.25
_HINT = "^C stops, nothing is lost"


class Watching:
    """Collects what happens, and writes it from one thread."""

    def __init__(
        self, stream: TextIO, *, is_json: bool, is_quiet: bool, columns: Callable[[], int] | None = None
    ) -> None:
        """columns: of the terminal, now; None asks it."""
        self._stream = stream
        self._columns = columns or (lambda: shutil.get_terminal_size().columns)
        self._drawn = 0  # columns of the line that is redrawn
        self._is_json = is_json
        self._is_quiet = is_quiet
        self._is_live = stream.isatty() and not is_json and not is_quiet
        self._lock = threading.Lock()
        self._happenings: list[Happening] = []
        self._beside = ""  # what is done meanwhile

    def tell(self, happening: Happening) -> None:
        """Called by the watcher's threads."""
        with self._lock:
            self._happenings.append(happening)

    def follow(self, watcher: Watcher, is_stopped: threading.Event, periodic: Periodic | None = None) -> None:
        """Writes until `is_stopped`, a KeyboardInterrupt, or all folders were unfollowed."""
        try:
            while watcher.folders() and not is_stopped.wait(_REDRAW_S):
                if periodic is not None and watcher.standing().is_ready:
                    periodic.look()
                    self._beside = "distilling" if periodic.is_running else ""
                self._write(watcher)
        finally:
            if periodic is not None:
                periodic.close()
            self._write(watcher)
            if self._is_live:
                self._stream.write(self._erased())
                self._stream.flush()

    def _write(self, watcher: Watcher) -> None:
        with self._lock:
            happenings, self._happenings = self._happenings, []
        if self._is_quiet:
            happenings = [h for h in happenings if h.kind in ("blocked", "polling", "trouble", "recovered", "failed")]
        if self._is_json:
            lines = [json_safe(json.dumps(as_json.happening(h), ensure_ascii=False)) for h in happenings]
        else:
            lines = list(_lines(happenings))
        if not lines and not self._is_live:
            return
        head = self._erased() if self._is_live else ""
        live = ""
        if self._is_live:
            live = standing_line(watcher.standing(), watcher.folders(), self._columns() - 1, beside=self._beside)
        self._drawn = columns_of(live)
        self._stream.write(head + "".join(f"{line}\n" for line in lines) + live)
        self._stream.flush()

    def _erased(self) -> str:
        """Clears the line drawn last; a terminal that has become narrower since has broken it into several rows."""
        rows = -(-self._drawn // max(1, self._columns()))
        self._drawn = 0
        return "\r" + "\x1b[A" * (rows - 1) + "\x1b[J"


def standing_line(found: Standing, folders: Sequence[str], columns: int, *, beside: str = "") -> str:
    """Following ~/notes · 409 documents · 3 files to read · embedding 1,200, 61/s, 0:20 left; cut to columns.

    beside: what else is done, "" for nothing.
    """
    where = ", ".join(short_path(folder) for folder in folders[:2]) + (" …" if len(folders) > 2 else "")
    parts = [f"Following {where}", count_of(found.documents, "document")]
    if found.queued:
        parts.append(f"{count_of(found.queued, 'file')} to read")
    if found.waiting:
        rate = found.embedded_per_s
        left = f", {rate:,.0f}/s, {clock(found.waiting / rate)} left" if rate > 0 else ""
        parts.append(f"embedding {found.waiting:,}{left}")
    if found.trouble:
        parts.append(f"in trouble: {safe_line(found.trouble)}")
    elif not found.queued and not found.waiting:
        parts.append("up to date" if found.is_ready else "comparing")
    line = " · ".join([*parts, beside] if beside else parts)
    return f"{line}   {_HINT}" if columns_of(line) + 3 + len(_HINT) <= columns else cut(line, columns)


def _lines(happenings: Sequence[Happening]) -> list[str]:
    lines = []
    for (kind, version), group in groupby(happenings, key=lambda h: (h.kind, h.version)):
        same = list(group)
        if kind in ("ready", "embedded"):
            continue
        if len(same) >= MANY and (version is not None or kind == "failed"):
            lines.append(_counted(same))
        else:
            lines.extend(_line(h) for h in same)
    return lines


def _line(found: Happening) -> str:
    place = short_path(found.path) if found.path else ""
    if found.path_before:
        place = f"{short_path(found.path_before)} → {place}"
    head = f"{found.at.astimezone():%H:%M:%S}  {found.kind:<8} {place}".rstrip()
    if found.version is None or found.kind == "failed":
        return f"{head}   {safe_line(found.message)}"
    counts = [
        f"{count_of(found.born, 'passage')} new" if found.born else "",
        f"{found.died:,} retired" if found.died else "",
        f"{found.kept:,} kept" if found.kept else "",
    ]
    parts = [", ".join(part for part in counts if part), f"{found.seconds:.1f} s", f"version {found.version}"]
    return "   ".join([head, *(part for part in parts if part)])


def _counted(same: Sequence[Happening]) -> str:
    first = same[0]
    head = (
        f"{first.at.astimezone():%H:%M:%S}  {first.kind:<8} {count_of(len(same), 'file')}, {short_path(first.path)} …"
    )
    counts = [
        f"{count_of(sum(h.born for h in same), 'passage')} new" if any(h.born for h in same) else "",
        f"{sum(h.died for h in same):,} retired" if any(h.died for h in same) else "",
    ]
    shown = ", ".join(part for part in counts if part)
    if first.kind == "failed":
        reasons = {h.message for h in same}
        shown = (
            safe_line(first.message) if len(reasons) == 1 else f"for {len(reasons):,} reasons: lifelong list --failed"
        )
    ending = f"{max(h.seconds for h in same):.1f} s"
    version = "" if first.version is None else f"version {first.version}"
    return "   ".join(part for part in (head, shown, ending, version) if part)


def watch(watcher: Watcher, shown: Watching, *, periodic: Periodic | None = None) -> None:
    """Shows what the watcher does until ^C (KeyboardInterrupt). periodic: what is looked at meanwhile.

    Returns on SIGTERM, which a service manager sends, and when all folders were unfollowed.
    """
    import signal

    is_stopped = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: is_stopped.set())
    try:
        shown.follow(watcher, is_stopped, periodic)
    finally:
        signal.signal(signal.SIGTERM, before)
