"""States of the knowledge base → lines of text: what was read in, status, lists, versions, findings.

Rule: as in `render`: strings only, every text from outside made safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from rag_lifelong.distill.schedule import Due
from rag_lifelong.export import Exported
from rag_lifelong.history import Past
from rag_lifelong.operations import Restore
from rag_lifelong.pruning import Pruning
from rag_lifelong.retraction import AdapterDeleted, Deleted, Erased, UndoPlan
from rag_lifelong.status import Folder, PathStatus, Status
from rag_lifelong.store.backup import Contents, Restored
from rag_lifelong.store.supersessions import CONFIRMED
from rag_lifelong.sync import ReadIn
from rag_lifelong.terminal.render import plural, standing
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import AdapterState, Failure, Finding, Standing, StoredDocument, Takeover, Version

FAILURES_SHOWN = 5
UNDO_SHOWN = 20
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


def status(found: Status, style: Style, *, now: datetime, due: Due | None = None) -> str:
    """The knowledge base at a glance. due: of distilling, where a setting asks for it."""
    own = safe_line(found.embedder) + ("" if found.is_calibrated else " (not calibrated: more is refused)")
    chats = f"{count_of(found.chats, 'chat')}, {count_of(found.turns, 'question')} · " if found.chats else ""
    parts = f"{chats}embedder {own} · model {safe_line(found.model)} · {size(found.size_bytes)} on disk"
    if found.version is None:
        head = f"{style.bold(short_path(found.path))}   empty; begin with: lifelong add FOLDER"
        return "\n".join([head, *failures(found.failures), style.dim(parts)])
    waiting = f"{found.waiting:,} wait for vectors (lifelong add goes on)" if found.waiting else "all with vectors"
    lines = [
        f"{style.bold(short_path(found.path))}   version {found.version.number}, {ago(found.version.at, now)}   "
        f"{count_of(found.documents, 'document')}, {count_of(found.passages, 'passage')}, {waiting}"
    ]
    if found.unread:
        lines.append(f"The vector index is being made again: {count_of(found.unread, 'vector')} left, words answer")
    if found.takeover is not None:
        lines.append(takeover(found.takeover))
    lines.extend(folder(one, now=now) for one in found.folders)
    if any(one.following == "followed" and one.pid is None for one in found.folders):
        lines.append("Nobody watches the folders followed. To go on: lifelong watch")
    if found.adapters:
        lines.append(adapters(found.adapters))
    if due is not None:
        lines.append(distilling(due))
    return "\n".join([*lines, *failures(found.failures), style.dim(parts)])


def adapters(found: Mapping[AdapterState, int]) -> str:
    """ "3 adapters: 1 active, 2 retired (lifelong adapters)"."""
    told = ", ".join(f"{found[state]:,} {state.value}" for state in AdapterState if found.get(state))
    return f"{count_of(sum(found.values()), 'adapter')}: {told} (lifelong adapters)"


def distilling(found: Due) -> str:
    """When something is distilled next."""
    if found.is_due:
        return f"To be distilled now: {safe_line(found.why)} (lifelong watch does it, or lifelong distill)"
    if found.next_at is not None:
        return f"To be distilled from {found.next_at.astimezone():%Y-%m-%d %H:%M} on: {safe_line(found.why)}"
    return f"Nothing is to be distilled: {safe_line(found.why)}"


def takeover(found: Takeover) -> str:
    """How far another embedder has come."""
    total = found.done + found.waiting
    return (
        f"{safe_line(found.after)} takes over from {safe_line(found.before)}: {found.done:,} of "
        f"{count_of(total, 'vector')} made, until then both answer (lifelong sync goes on)"
    )


def folder(found: Folder, *, now: datetime) -> str:
    """One line: who follows it, when it was compared, what waits; a second one if it is not believed."""
    parts = [count_of(found.documents, "document")]
    if found.pid is not None:
        parts.append(f"followed by pid {found.pid}" + ("" if found.way == "events" else f" ({safe_line(found.way)})"))
    elif found.following == "followed":
        parts.append("watched by nobody now")
    elif found.following == "left":
        parts.append("not followed")
    parts.append("never compared" if found.checked_at is None else f"compared {ago(found.checked_at, now)}")
    if found.queued:
        parts.append(f"{count_of(found.queued, 'file')} {plural(found.queued, 'waits', 'wait')} to be read")
    if found.held:
        parts.append(f"{count_of(found.held, 'path')} held by forget or undo")
    line = f"{short_path(found.path)}   {', '.join(parts)}"
    return line if found.blocked is None else f"{line}\n  {safe_line(found.blocked)}"


def history(found: Sequence[Past], style: Style) -> str:
    """Each state of a document: version, time, path where that changed, and what changed in its text."""
    lines: list[str] = []
    before: Past | None = None
    for past in found:
        what = _turn(before, past)
        head = f"version {past.version.number}, {past.version.at.astimezone():%Y-%m-%d %H:%M}   {what}"
        lines.append(f"{style.bold(head)}   {style.dim(safe_line(past.version.cause))}")
        if before is not None and before.text is not None and past.text is not None and before.text != past.text:
            lines.extend(_changed_lines(before.text, past.text, style))
        before = past
    return "\n".join(lines)


def differing(found: Sequence[tuple[Past | None, Past | None]]) -> str:
    """One line for each document that differs."""
    return "\n".join(_differing(before, after) for before, after in found)


def differences(found: Sequence[tuple[Past | None, Past | None]], style: Style) -> str:
    """What differs, document by document, line by line."""
    lines: list[str] = []
    for before, after in found:
        lines.append(style.bold(_differing(before, after)))
        old, new = (past.text if past is not None and past.text is not None else "" for past in (before, after))
        if before is not None and after is not None and old != new:
            lines.extend(_changed_lines(old, new, style))
    return "\n".join(lines)


def undo_plan(plan: UndoPlan) -> str:
    """What an undo does, one line a document."""
    head = (
        f"Version {plan.version.number}, {plan.version.at.astimezone():%Y-%m-%d %H:%M}: {safe_line(plan.version.cause)}"
    )
    lines = []
    for line in plan.lines[:UNDO_SHOWN]:
        place = short_path(line.path or line.path_then)
        is_pair = line.what in ("move back", "undecided", "superseded", "rejected")
        arrow = f" → {short_path(line.path_then)}" if is_pair else ""
        lines.append(
            f"  {line.what:<11}  {place}{arrow}" + (f"   left alone: {line.obstacle}" if line.obstacle else "")
        )
    more = len(plan.lines) - UNDO_SHOWN
    if more > 0:
        lines.append(f"  … and {more:,} more")
    return "\n".join([head, *lines])


def undone(plan: UndoPlan, done: Version) -> str:
    """What an undo did, and how to take it back."""
    documents = sum(isinstance(restore, Restore) for restore in plan.restores)
    decisions = len(plan.restores) - documents
    counts = [count_of(n, word) for n, word in ((documents, "document"), (decisions, "decision")) if n]
    disk = " The disk is not touched; what lies there is left until it changes." if documents else ""
    return (
        f"Version {done.number}: {' and '.join(counts)} as before version {plan.version.number}.{disk}\n"
        f"Take it back: lifelong undo {done.number}"
    )


def pruning(found: Pruning, *, is_dry: bool) -> str:
    """What pruning lets go, or would."""
    if not found.lives:
        return "Nothing to let go: no former text is that old."
    verb = "Would let go" if is_dry else "Let go"
    answers = f" {count_of(found.answers, 'answer')} of chats with them." if found.answers else ""
    answers += f" {count_of(found.adapters, 'adapter')} made from them." if found.adapters else ""
    return (
        f"{verb}: {count_of(found.revisions, 'former text')} of {count_of(found.documents, 'document')} "
        f"({size(found.text_bytes)}), with {count_of(found.passages, 'passage')} and "
        f"{count_of(found.vectors, 'vector')} that nothing else uses.{answers} The present is not touched."
    )


def erased(found: Erased) -> str:
    """What was removed for good."""
    lines = [f"{count_of(found.documents, 'document')} removed from every version, for good. The files stay on disk."]
    if found.answers:
        lines.append(f"{count_of(found.answers, 'answer')} of chats that rested on it went too; the questions stay.")
    if found.adapters:
        lines.append(f"{made_from_it(found.adapters).capitalize()} went too.")
    lines.extend(unfinished(found))
    return "\n".join(lines)


def made_from_it(adapter_ids: Sequence[int]) -> str:
    """ "adapters 3, 5, made from it" """
    return f"{plural(len(adapter_ids), 'adapter', 'adapters')} {', '.join(map(str, adapter_ids))}, made from it,"


def unfinished(found: Erased | Deleted | AdapterDeleted) -> Iterator[str]:
    """What may still be read of what was removed for good, and what ends that."""
    if not found.is_complete:
        yield "Pending: a reader keeps old pages in the store; the rest is done when it is opened next."
    for path in found.left:
        yield f"A copy of a damaged store may still hold it; delete it yourself: {short_path(path)}"


def _turn(before: Past | None, past: Past) -> str:
    if past.path is None:
        return "gone"
    decided = _decided(before, past)
    if before is None or before.path is None:
        return ", ".join([f"{'first seen' if before is None else 'back'} at {short_path(past.path)}", *decided])
    if past.text is None:
        return ", ".join(["its text was pruned", *decided])
    if before.path != past.path:
        return ", ".join([f"moved to {short_path(past.path)}", *decided])
    return ", ".join([*(["changed"] if before.text != past.text else []), *decided])


def _differing(before: Past | None, after: Past | None) -> str:
    if after is None or after.path is None:
        return f"gone     {short_path(before.path or '') if before is not None else ''}"
    decided = "".join(f"   {what}" for what in _decided(before, after))
    if before is None or before.path is None:
        return f"added    {short_path(after.path)}{decided}"
    if before.path != after.path:
        return f"moved    {short_path(before.path)} → {short_path(after.path)}{decided}"
    verb = "changed" if before.text != after.text else "decided"
    return f"{verb}  {short_path(after.path)}{decided}"


def _decided(before: Past | None, after: Past) -> list[str]:
    """What was decided in between about the document, or taken back."""
    then = () if before is None else before.decisions
    told = []
    for one in after.decisions:
        if one not in then:
            said = (
                ("superseded by", "supersedes")
                if one.decision == CONFIRMED
                else ("not superseded by", "does not supersede")
            )
            told.append(f"{said[0]} {short_path(one.new)}" if one.is_old else f"{said[1]} {short_path(one.old)}")
    still = {(one.old, one.new) for one in after.decisions}
    for one in then:
        if (one.old, one.new) not in still:
            told.append(f"nothing decided any more about {short_path(one.new if one.is_old else one.old)}")
    return told


def _changed_lines(old: str, new: str, style: Style) -> Iterator[str]:
    """Lines gone (-) and new (+), with the number of each in its own text, as a unified diff without file names."""
    import difflib

    rows = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
    for row in list(rows)[2:]:
        shown = safe_line(row)
        yield f"    {style.dim(shown) if row[:1] in ' @' else shown}"


def path_status(found: PathStatus) -> str:
    """One line about a file, and the nearest names if it is unknown."""
    message = safe_line(found.message)
    told = message if message.startswith(found.state) else f"{found.state}: {message}"
    lines = [f"{short_path(found.path)}   {told}"]
    if found.nearest:
        lines.append("Nearest: " + ", ".join(short_path(path) for path in found.nearest))
    return "\n".join(lines)


def documents(found: Sequence[StoredDocument], standings: Mapping[int, Standing], style: Style) -> str:
    """One line each: path, date, passages, why it holds no longer, title. standings: by document id."""
    paths = [short_path(document.path) for document in found]
    width = min(max(map(len, paths), default=0), _PATH_COLUMN)
    lines = []
    for path, document in zip(paths, found, strict=True):
        waits = f", {document.without_vectors:,} wait for vectors" if document.without_vectors else ""
        dated = document.dated.isoformat() if document.dated is not None else " " * 10
        why = standing(standings[document.document_id])
        why = f"   {why}" if why else ""
        title = f"   {style.dim(safe_line(document.title))}" if document.title else ""
        line = f"{path:<{width}}  {dated}  {count_of(document.passages, 'passage')}{waits}{why}{title}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def version(found: Version) -> str:
    """One line of `versions`."""
    changes = _changes(found.added, found.changed, found.moved, found.removed) or "no text changed"
    passages = f"{count_of(found.passages_born, 'passage')} new, {found.passages_died:,} retired"
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    line = f"{found.number:>5}  {when}  {safe_line(found.cause)}"
    is_decision = not (found.added or found.changed or found.moved or found.removed or found.passages_born)
    return line if is_decision and not found.passages_died else f"{line}   {changes}; {passages}"


def forgotten(found: Version, paths: Sequence[str]) -> str:
    """What `forget` did, and how to take it back. paths: of the documents taken out.

    A file in another of them comes back with that.
    """
    known = set(paths)
    outer = [path for path in paths if not any(str(above) in known for above in Path(path).parents)]
    stay = "Its file stays" if found.removed == 1 else "Their files stay"
    head = (
        f"Version {found.number}: {count_of(found.removed, 'document')} forgotten, "
        f"{count_of(found.passages_died, 'passage')} retired. {stay} on disk, and will not be read again."
    )
    back = command("lifelong add", outer) if 0 < len(outer) <= 3 else "lifelong add FILE, for each file"
    return f"{head}\nTake it back: {back}"


def finding(found: Finding, style: Style) -> str:
    """One line of `check`, ending with the command that mends it."""
    mark = "ok " if found.is_well else style.bold("BAD")
    remedy = f"   → {safe_line(found.remedy)}" if found.remedy and not found.is_well else ""
    return f"{mark}  {found.subject:<10} {safe_line(found.message)}{remedy}"


def backed_up(found: Contents, file: str) -> str:
    """What `backup` wrote."""
    return (
        f"{shell_path(file)}: {size(found.size_bytes)}, version {found.version}, "
        f"{count_of(found.documents, 'document')}, checked.\nTo have it back: {command('lifelong restore', [file])}"
    )


def restored(done: Restored) -> str:
    """What stands there now, and where what stood there before is."""
    found = done.contents
    lines = [
        f"{short_path(str(done.folder))}: version {found.version}, {count_of(found.documents, 'document')}, as backed "
        f"up on {found.created_at.astimezone():%Y-%m-%d %H:%M}."
    ]
    if done.kept:
        lines.append("What was there is kept: " + ", ".join(short_path(str(path)) for path in done.kept))
    return "\n".join(lines)


def exported(done: Exported) -> str:
    """What `export` wrote."""
    chats = f", and {count_of(done.chats, 'chat')}" if done.chats else ""
    return (
        f"{short_path(str(done.folder))}: {count_of(done.documents, 'document')} of version {done.version}, and "
        f"{count_of(done.texts, 'text')} of their history{chats}. README.txt there says what is what."
    )


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
