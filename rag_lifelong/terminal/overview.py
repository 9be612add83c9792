"""States of the knowledge base → lines of text: what was read in, status, lists, versions, findings.

Rule: as in `render`: strings only, every text from outside made safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from rag_lifelong.assistant import PathStatus, Status
from rag_lifelong.sync import ReadIn
from rag_lifelong.terminal.render import plural
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import Failure, Finding, StoredDocument, Version

FAILURES_SHOWN = 5
_PATH_COLUMN = 48  # longer paths are not padded, nor cut


def read_in(done: ReadIn) -> str:
    """What `add` did: the version line, then the files not read."""
    where = ", ".join(short_path(path) for path in done.paths)
    documents = f"{count_of(done.documents, 'document')} from {where}"
    if done.versions:
        first, last = done.versions[0].number, done.versions[-1].number
        numbers = f"Version {first}" if first == last else f"Versions {first}–{last}"
        changes = _changes(done.added, done.changed, done.moved, done.removed)
        is_all_new = (done.added, done.changed, done.moved, done.removed) == (done.documents, 0, 0, 0)
        head = f"{numbers}: {documents}" + ("." if is_all_new else f" ({changes}).")
    else:
        head = f"Nothing new: {documents}."
    base = done.paths[0] if len(done.paths) == 1 else None
    return "\n".join([head, *failures(done.failures, base=base)])


def failures(found: Sequence[Failure], *, base: str | None = None, limit: int = FAILURES_SHOWN) -> list[str]:
    """The files that could not be read, with reasons; kinds of file nobody parses in one line."""
    unsupported = [failure for failure in found if failure.reason.startswith("no parser for")]
    others = [failure for failure in found if not failure.reason.startswith("no parser for")]
    lines = []
    if others:
        count = len(others)
        lines.append(f"{count:,} {plural(count, 'file was', 'files were')} not read:")
        lines.extend(f"  {line}" for line in failed_files(others[:limit], base=base).split("\n"))
        if count > limit:
            lines.append(f"  … and {count - limit:,} more: lifelong list --failed")
    if unsupported:
        kinds = Counter(PurePath(failure.path).suffix.lower() or "no ending" for failure in unsupported)
        shown = ", ".join(f"{safe_line(kind)} {n:,}" for kind, n in kinds.most_common(6))
        rest = len(kinds) - 6
        more = f" and {count_of(rest, 'kind')} more" if rest > 0 else ""
        are = plural(len(unsupported), "file is", "files are")
        lines.append(f"{len(unsupported):,} {are} of a kind that cannot be read: {shown}{more}")
    return lines


def failed_files(found: Sequence[Failure], *, base: str | None = None) -> str:
    """One line each: path, below `base` if one is given, and reason."""
    names = [below(failure.path, base) for failure in found]
    width = min(max(map(len, names), default=0), _PATH_COLUMN)
    lines = (f"{name:<{width}}  {safe_line(failure.reason)}" for name, failure in zip(names, found, strict=True))
    return "\n".join(lines)


def stopped(*, files: int, total_files: int, is_readable: bool, documents: int, waiting: int) -> str:
    """After ^C: what is kept."""
    if not is_readable and total_files:
        kept = f"{files:,} of {count_of(total_files, 'file')} {plural(files, 'was', 'were')} read"
    else:
        kept = f"All {count_of(documents, 'document')} {plural(documents, 'answers', 'answer')} by words"
    waits = f"{count_of(waiting, 'passage')} {plural(waiting, 'waits', 'wait')} for vectors"
    return f"Stopped. {kept}; {waits if waiting else 'every passage has its vector'}."


def status(found: Status, style: Style, *, now: datetime) -> str:
    """The knowledge base at a glance."""
    parts = f"embedder {safe_line(found.embedder)} · model {safe_line(found.model)} · {size(found.size_bytes)} on disk"
    if found.version is None:
        head = f"{style.bold(short_path(found.path))}   empty; begin with: lifelong add FOLDER"
        return "\n".join([head, *failures(found.failures), style.dim(parts)])
    waiting = f"{found.waiting:,} wait for vectors (lifelong add goes on)" if found.waiting else "all with vectors"
    lines = [
        f"{style.bold(short_path(found.path))}   version {found.version.number}, {ago(found.version.at, now)}   "
        f"{count_of(found.documents, 'document')}, {count_of(found.passages, 'passage')}, {waiting}"
    ]
    for folder in found.folders:
        checked = "never compared" if folder.checked_at is None else f"compared {ago(folder.checked_at, now)}"
        lines.append(f"{short_path(folder.path)}   {count_of(folder.documents, 'document')}, {checked}")
    return "\n".join([*lines, *failures(found.failures), style.dim(parts)])


def path_status(found: PathStatus) -> str:
    """One line about a file, and the nearest names if it is unknown."""
    message = safe_line(found.message)
    told = message if message.startswith(found.state) else f"{found.state}: {message}"
    lines = [f"{short_path(found.path)}   {told}"]
    if found.nearest:
        lines.append("Nearest: " + ", ".join(short_path(path) for path in found.nearest))
    return "\n".join(lines)


def documents(found: Sequence[StoredDocument], style: Style) -> str:
    """One line each: path, date, passages, title."""
    paths = [short_path(document.path) for document in found]
    width = min(max(map(len, paths), default=0), _PATH_COLUMN)
    lines = []
    for path, document in zip(paths, found, strict=True):
        waits = f", {document.without_vectors:,} wait for vectors" if document.without_vectors else ""
        dated = document.dated.isoformat() if document.dated is not None else " " * 10
        title = f"   {style.dim(safe_line(document.title))}" if document.title else ""
        line = f"{path:<{width}}  {dated}  {count_of(document.passages, 'passage')}{waits}{title}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def version(found: Version) -> str:
    """One line of `versions`."""
    changes = _changes(found.added, found.changed, found.moved, found.removed)
    passages = f"{count_of(found.passages_born, 'passage')} new, {found.passages_died:,} retired"
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    return f"{found.number:>5}  {when}  {safe_line(found.cause)}   {changes}; {passages}"


def forgotten(found: Version, paths: Sequence[str]) -> str:
    """What `forget` did, and how to take it back. paths: of the documents taken out."""
    stay = "Its file stays" if found.removed == 1 else "Their files stay"
    head = (
        f"Version {found.number}: {count_of(found.removed, 'document')} forgotten, "
        f"{count_of(found.passages_died, 'passage')} retired. {stay} on disk, and will not be read again."
    )
    back = command("lifelong add", paths) if 0 < len(paths) <= 3 else "lifelong add FILE, for each file"
    return f"{head}\nTake it back: {back}"


def finding(found: Finding, style: Style) -> str:
    """One line of `check`, ending with the command that mends it."""
    mark = "ok " if found.is_well else style.bold("BAD")
    remedy = f"   → {safe_line(found.remedy)}" if found.remedy and not found.is_well else ""
    return f"{mark}  {found.subject:<10} {safe_line(found.message)}{remedy}"


def ago(moment: datetime, now: datetime) -> str:
    """ "just now", "3 minutes ago", "on 2026-02-18"."""
    seconds = int((now.astimezone(UTC) - moment.astimezone(UTC)) / timedelta(seconds=1))
    if seconds < 10:
        return "just now"
    if seconds > 30 * 86_400:
        return f"on {moment.astimezone():%Y-%m-%d}"
    for length, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            return f"{count_of(seconds // length, word)} ago"
    return f"{seconds} seconds ago"


def count_of(count: int, word: str) -> str:
    """ "1 document", "1,200 documents"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def size(size_bytes: int) -> str:
    """Bytes as people read them."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1e3))} KB"
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes < 1_000_000_000 else f"{size_bytes / 1e9:,.1f} GB"


def command(start: str, paths: Sequence[str]) -> str:
    """A command to copy: paths short, quoted for the shell where they need it."""
    return " ".join([start, *(shell_path(path) for path in paths)])


def shell_path(path: str) -> str:
    """A path as a shell takes it, the home folder as ~ where that needs no quotes; safe to print."""
    import shlex

    short = short_path(path)
    rest = short[2:] if short.startswith("~/") else short
    if shlex.quote(rest) == rest:
        return short
    return shlex.quote(safe_line(path))


def below(path: str, base: str | None) -> str:
    """A path below the folder it was found in; else the short path."""
    if base is not None:
        try:
            return safe_line(Path(path).relative_to(base).as_posix() if path != base else Path(path).name)
        except ValueError:
            pass
    return short_path(path)


def _changes(added: int, changed: int, moved: int, removed: int) -> str:
    counted = ((added, "added"), (changed, "changed"), (moved, "moved"), (removed, "gone"))
    return ", ".join(f"{count:,} {word}" for count, word in counted if count)
