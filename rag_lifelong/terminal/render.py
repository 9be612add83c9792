"""Answers, hits and states → lines of text.

Rule: what a document or a file name holds is data: control characters, escape sequences and direction overrides
never reach the terminal.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePath
from urllib.parse import quote as percent

from rag_lifelong.assistant import PathStatus, Status
from rag_lifelong.sync import ReadIn
from rag_lifelong.types import Answer, Citation, Failure, Finding, Hit, StoredDocument, Version

# C0 and C1 controls, and Unicode's direction overrides ("Trojan Source", CVE-2021-42574)
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_SNIPPET_CHARS = 160
_FAILURES_SHOWN = 5
NO_MODEL_NOTE = "Quoting from your files, no language model is set. To add one: -m transformers:PATH"


class Style:
    """What the terminal can show. is_rich: colours and links; editor_uri: template of a link."""

    def __init__(self, *, is_rich: bool, editor_uri: str) -> None:
        self.is_rich = is_rich
        self._editor_uri = editor_uri

    def dim(self, text: str) -> str:
        """Less prominent."""
        return f"\x1b[2m{text}\x1b[22m" if self.is_rich else text

    def bold(self, text: str) -> str:
        """More prominent."""
        return f"\x1b[1m{text}\x1b[22m" if self.is_rich else text

    def link(self, text: str, path: str, *, line: int | None, page: int | None) -> str:
        """`text`, clickable (OSC 8) where the terminal shows links."""
        if not self.is_rich:
            return text
        fragment = f"#page={page}" if page is not None and path.lower().endswith(".pdf") else ""
        filled = self._editor_uri.replace("{path}", percent(path)).replace("{line}", str(line or 1))
        return f"\x1b]8;;{filled.replace('{page}', str(page or 1))}{fragment}\x1b\\{text}\x1b]8;;\x1b\\"


def safe(text: str) -> str:
    """`text` without anything that could drive a terminal."""
    return _UNSAFE.sub("\ufffd", text)


def short_path(path: str) -> str:
    """The home folder as ~; safe to print."""
    home = os.path.expanduser("~")
    shown = "~" + path[len(home) :] if path.startswith(home.rstrip("/") + "/") else path
    return safe(shown.replace("\n", "\ufffd"))


def place(path: str, line: int | None, page: int | None) -> str:
    """path:line, or path with its page."""
    if line is not None:
        return f"{short_path(path)}:{line}"
    return f"{short_path(path)} p. {page}" if page is not None else short_path(path)


def answer(found: Answer, style: Style, *, with_text: bool = True) -> str:
    """Text, citations, verdict."""
    lines = [safe(found.text)] if with_text else []
    if found.refused:
        if found.nearest:
            lines.append("Nearest:")
            lines.extend(_near(hit, style) for hit in found.nearest)
        lines.append(style.dim(verdict(found)))
        return "\n".join(lines)
    lines.append("")
    lines.extend(citation(c, style) for c in found.citations)
    lines.append(style.dim(verdict(found)))
    return "\n".join(lines)


def citation(found: Citation, style: Style) -> str:
    """[1] path:line · label  "quote"."""
    where = style.link(place(found.path, found.line, found.page), found.path, line=found.line, page=found.page)
    label = f" · {safe(found.label)}" if found.label and not _repeats_page(found.label, found.page) else ""
    return f"[{found.number}] {where}{label}\n    {style.dim(chr(34) + _snippet(found.quote) + chr(34))}"


def verdict(found: Answer) -> str:
    """newest evidence …, version …, how much is searchable, how it was answered."""
    parts = []
    if found.verdict.newest_evidence is not None:
        parts.append(f"newest evidence {found.verdict.newest_evidence.isoformat()}")
    parts.append(f"as of version {found.as_of}" if found.as_of is not None else f"version {found.version}")
    lag = found.verdict.lag
    if lag.passages:
        parts.append(f"{lag.passages:,} {_plural(lag.passages, 'passage waits', 'passages wait')} for vectors")
    if lag.files:
        parts.append(f"{lag.files:,} changed {_plural(lag.files, 'file', 'files')} could not be read")
    if not lag.passages and not lag.files:
        parts.append("everything indexed")
    if not found.refused:
        parts.append("quoted" if found.model == "quote" else safe(found.model))
    return " · ".join(parts)


def hit(found: Hit, number: int, style: Style, *, explain: Sequence[str] | None = None) -> str:
    """One passage found; explain: the question's terms, to show which of them it holds and its scores."""
    where = style.link(place(found.path, found.line, found.page), found.path, line=found.line, page=found.page)
    label = f" · {safe(found.label)}" if found.label and not _repeats_page(found.label, found.page) else ""
    lines = [f"{number:>2}  {style.bold(where)}{label}  {style.dim(f'{found.score:.3f}')}"]
    lines.append(f"    {_snippet(found.text, 2 * _SNIPPET_CHARS)}")
    if explain is not None:
        lines.append("    " + style.dim(explanation(found, explain)))
    return "\n".join(lines)


def explanation(found: Hit, asked: Sequence[str]) -> str:
    """Scores by meaning and words, and which of the question's terms the passage or its title holds."""
    from rag_lifelong.terms import terms

    held = set(terms(f"{found.title} {found.label} {found.text}"))
    scores = found.scores
    dense = "no vector yet" if scores.dense is None else f"cosine {scores.dense:.3f}"
    words = "not by words" if scores.words is None else f"BM25 {scores.words:.2f}"
    present = ", ".join(safe(term) for term in asked if term in held) or "none"
    return f"fused {scores.fused:.3f} · {dense} · {words} · terms: {present}"


def read_in(done: ReadIn, style: Style) -> str:
    """What `add` did: the version line, then the files not read."""
    where = ", ".join(short_path(path) for path in done.paths)
    documents = f"{done.documents:,} {_plural(done.documents, 'document', 'documents')} from {where}"
    if done.versions:
        first, last = done.versions[0].number, done.versions[-1].number
        numbers = f"Version {first}" if first == last else f"Versions {first}–{last}"
        changes = [
            f"{count:,} {word}"
            for count, word in (
                (done.added, "added"),
                (done.changed, "changed"),
                (done.moved, "moved"),
                (done.removed, "gone"),
            )
            if count and count != done.documents
        ]
        head = f"{numbers}: {documents}" + (f" ({', '.join(changes)})" if changes else "") + "."
    else:
        head = f"Nothing new: {documents}."
    return "\n".join([head, *failures(done.failures, base=done.paths[0] if len(done.paths) == 1 else None)])


def failures(found: Sequence[Failure], *, base: str | None = None, limit: int = _FAILURES_SHOWN) -> list[str]:
    """The files that could not be read, with reasons; kinds of file nobody parses in one line."""
    unsupported = [failure for failure in found if failure.reason.startswith("no parser for")]
    others = [failure for failure in found if not failure.reason.startswith("no parser for")]
    lines = []
    if others:
        count = len(others)
        lines.append(f"{count:,} {_plural(count, 'file was', 'files were')} not read:")
        width = max(len(_below(failure.path, base)) for failure in others[:limit])
        for failure in others[:limit]:
            lines.append(f"  {_below(failure.path, base):<{min(width, 48)}}  {safe(failure.reason)}")
        if count > limit:
            lines.append(f"  … and {count - limit:,} more: lifelong list --failed")
    if unsupported:
        kinds = Counter(PurePath(failure.path).suffix.lower() or "no ending" for failure in unsupported)
        shown = ", ".join(f"{safe(kind)} {n}" for kind, n in kinds.most_common(6))
        lines.append(f"{len(unsupported):,} of kinds nobody here can read: {shown}")
    return lines


def status(found: Status, style: Style, *, now: datetime) -> str:
    """The knowledge base at a glance."""
    if found.version is None:
        head = f"{short_path(found.path)}   empty; begin with: lifelong add FOLDER"
        return "\n".join([head, f"embedder {safe(found.embedder)} · model {safe(found.model)}"])
    waiting = "all with vectors" if not found.waiting else f"{found.waiting:,} wait for vectors (lifelong add goes on)"
    lines = [
        f"{style.bold(short_path(found.path))}   version {found.version.number}, {ago(found.version.at, now)}   "
        f"{found.documents:,} documents, {found.passages:,} passages, {waiting}"
    ]
    for folder in found.folders:
        checked = "never compared" if folder.checked_at is None else f"compared {ago(folder.checked_at, now)}"
        lines.append(f"{short_path(folder.path)}   {folder.documents:,} documents, {checked}")
    lines.append(
        f"embedder {safe(found.embedder)} · model {safe(found.model)} · {found.size_bytes / 1e6:,.1f} MB on disk"
    )
    return "\n".join([*lines, *failures(found.failures)])


def path_status(found: PathStatus) -> str:
    """One line about a file, and the nearest names if it is unknown."""
    lines = [f"{short_path(found.path)}   {found.state}: {safe(found.message)}"]
    if found.nearest:
        lines.append("Nearest: " + ", ".join(short_path(path) for path in found.nearest))
    return "\n".join(lines)


def document(found: StoredDocument, style: Style) -> str:
    """One line of `list`."""
    waits = f", {found.without_vectors} wait for vectors" if found.without_vectors else ""
    dated = f"{found.dated.isoformat()}  " if found.dated is not None else ""
    title = f"  {style.dim(safe(found.title))}" if found.title else ""
    passages = _plural(found.passages, "passage", "passages")
    return f"{short_path(found.path)}  {dated}{found.passages} {passages}{waits}{title}"


def version(found: Version, *, now: datetime) -> str:
    """One line of `versions`."""
    changes = [
        f"{count} {word}"
        for count, word in (
            (found.added, "added"),
            (found.changed, "changed"),
            (found.moved, "moved"),
            (found.removed, "gone"),
        )
        if count
    ]
    passages = f"{found.passages_born} passages new, {found.passages_died} retired"
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    return f"{found.number:>5}  {when}  {safe(found.cause)}   {', '.join(changes)}; {passages}"


def finding(found: Finding, style: Style) -> str:
    """One line of `check`, ending with the command that mends it."""
    mark = "ok  " if found.is_well else style.bold("BAD ")
    remedy = f"   → {found.remedy}" if found.remedy and not found.is_well else ""
    return f"{mark} {found.subject:<10} {safe(found.message)}{remedy}"


def ago(moment: datetime, now: datetime) -> str:
    """ "just now", "3 minutes ago", "on 2026-02-18"."""
    passed = now.astimezone(UTC) - moment.astimezone(UTC)
    if passed < timedelta(seconds=10):
        return "just now"
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(passed.total_seconds() // size)
        if count:
            if word == "day" and count > 30:
                return f"on {moment.astimezone():%Y-%m-%d}"
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


def day(value: date | None) -> str | None:
    """A date as in JSON."""
    return None if value is None else value.isoformat()


def _near(found: Hit, style: Style) -> str:
    label = f" · {safe(found.label)}" if found.label and not _repeats_page(found.label, found.page) else ""
    where = style.link(place(found.path, found.line, found.page), found.path, line=found.line, page=found.page)
    return f"  {where}{label}  {style.dim(chr(34) + _snippet(found.text, 80) + chr(34))}"


def _snippet(text: str, limit: int = _SNIPPET_CHARS) -> str:
    flat = safe(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _below(path: str, base: str | None) -> str:
    if base is not None:
        try:
            return safe(Path(path).relative_to(base).as_posix()) if path != base else safe(Path(path).name)
        except ValueError:
            pass
    return short_path(path)


def _repeats_page(label: str, page: int | None) -> bool:
    return page is not None and label == f"p. {page}"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
