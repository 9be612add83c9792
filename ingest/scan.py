"""A folder on disk → the files that may be read, and how they differ from what is known.

Rule: what stands on disk is the truth. Nothing is read here but names, sizes and times; links are not followed unless
asked for.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

from ingest.errors import MissingFile

IGNORE_FILE = ".lifelongignore"

DEFAULT_IGNORE = (
    # version control, package and build folders
    ".git/ .hg/ .svn/ .jj/ node_modules/ __pycache__/ .venv/ venv/ .tox/ .mypy_cache/ .ruff_cache/ "
    ".pytest_cache/ .idea/ .vscode/ .cache/ .Trash*/ .Spotlight-V100/ "
    # editors' swap and backup files, unfinished downloads, office locks, system files
    "*.swp *.swo *.swx *~ .#* \\#*\\# 4913 *.tmp *.part *.crdownload ~$* .~lock.* .DS_Store Thumbs.db desktop.ini "
    ".lifelongignore .gitignore .gitattributes"
).split()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a root is read. uses_gitignore: its own .gitignore counts too. follows_links: links in it are read."""

    uses_gitignore: bool
    follows_links: bool


PLAIN = Rules(uses_gitignore=False, follows_links=False)


@dataclass(frozen=True, slots=True)
class Found:
    """A file seen: path below the root ("/" between parts), size, time of last change."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder below the root, or a link, that could not be read: what is there or in it is neither here nor gone."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How a folder differs from what is known; paths below the root, sorted. unreadable: folders in it."""

    new: tuple[Found, ...]
    changed: tuple[Found, ...]
    vanished: tuple[str, ...]
    unchanged: int
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """The line that makes a path ignored."""

    source: str  # "default", or the ignore file
    line: int
    pattern: str


class Ignore:
    """What is not read: the defaults, and the patterns of `.lifelongignore` at the root (.gitignore syntax).

    Later lines go before earlier ones: `.lifelongignore` before the root's own `.gitignore`, if that counts.
    """

    def __init__(self, root: Path, rules: Rules = PLAIN) -> None:
        self._rules: list[tuple[Rule, pathspec.GitIgnoreSpec]] = []
        for pattern in DEFAULT_IGNORE:
            self._add("default", 0, pattern)
        for name in (".gitignore", IGNORE_FILE) if rules.uses_gitignore else (IGNORE_FILE,):
            self._read(root / name)
        self._all = pathspec.GitIgnoreSpec.from_lines([rule.pattern for rule, _ in self._rules])

    def _read(self, source: Path) -> None:
        try:
            lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.startswith("#"):
                self._add(str(source), number, line)

    def _add(self, source: str, line: int, pattern: str) -> None:
        self._rules.append((Rule(source, line, pattern), pathspec.GitIgnoreSpec.from_lines([pattern])))

    def holds(self, path: str, *, is_folder: bool = False) -> bool:
        """`path` (below the root) is ignored."""
        return bool(self._all.match_file(path + "/" if is_folder else path))

    def rule_for(self, path: str) -> Rule | None:
        """The line that makes `path`, or a folder above it, ignored; None if it is read."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth])
            is_folder = depth < len(parts)
            if self.holds(part, is_folder=is_folder):
                shown = part + "/" if is_folder else part
                return next((rule for rule, spec in reversed(self._rules) if spec.match_file(shown)), None)
        return None


def scan(
    root: Path, *, below: str = "", skip: Sequence[Path] = (), rules: Rules = PLAIN
) -> Iterator[Found | Unreadable]:
    """The files below `root` (only those below its subfolder `below`) that are not ignored, in order of path.

    skip: folders left out, such as other roots and the knowledge base itself.
    Raises MissingFile if the folder is not there or cannot be listed.
    """
    yield from _scanned(root, below, _Walk(Ignore(root, rules), {os.path.realpath(path) for path in skip}, rules, {}))


def linked(root: Path, *, skip: Sequence[Path] = ()) -> dict[str, Path]:
    """The links below `root` that are read where links are followed → the real file or folder each leads to.

    Those in a folder that is itself behind a link too. Raises MissingFile as `scan`.
    """
    rules = Rules(uses_gitignore=False, follows_links=True)
    links: dict[str, str] = {}
    walk = _Walk(Ignore(root, rules), {os.path.realpath(path) for path in skip}, rules, links)
    for _ in _scanned(root, "", walk):
        pass
    return {path: Path(real) for path, real in links.items()}


def _scanned(root: Path, below: str, walk: _Walk) -> Iterator[Found | Unreadable]:
    start = root / below if below else root
    try:
        os.scandir(start).close()
    except OSError as error:
        raise MissingFile(f"cannot read folder {start}: {error.strerror or error}") from error
    above = tuple(os.path.realpath(place) for place in [root, *_between(root, below)])
    if above[-1] in above[:-1]:
        return  # a link to a folder that it lies in
    yield from walk.below(start, below, above)


def _between(root: Path, below: str) -> Iterator[Path]:
    """The folders from `root`, without it, down to its subfolder `below`."""
    place = root
    for part in below.split("/") if below else ():
        place = place / part
        yield place


@dataclass(frozen=True, slots=True)
class _Walk:
    ignore: Ignore
    left_out: set[str]
    rules: Rules
    links: dict[str, str]  # those met: path below the root → real path

    def below(self, folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[Found | Unreadable]:
        """above: the real paths of this folder and those it was reached through; a link to one of them is a loop."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Unreadable(prefix, error.strerror or str(error))
            return
        links = self.rules.follows_links
        for entry in entries:
            name = shown_name(entry.name)
            path = f"{prefix}/{name}" if prefix else name
            try:
                if entry.is_dir(follow_symlinks=links):
                    real = os.path.realpath(entry.path)
                    if not self.ignore.holds(path, is_folder=True) and real not in self.left_out and real not in above:
                        if entry.is_symlink():
                            self.links[path] = real
                        yield from self.below(Path(entry.path), path, (*above, real))
                elif entry.is_file(follow_symlinks=links) and not self.ignore.holds(path):
                    if entry.is_symlink():
                        self.links[path] = os.path.realpath(entry.path)
                    found = entry.stat(follow_symlinks=links)
                    yield Found(path, found.st_size, mtime_ns_of(found))
            except FileNotFoundError:
                continue  # gone since the folder was listed
            except OSError as error:
                if error.errno == errno.ELOOP:
                    continue  # a link to itself
                reason = error.strerror or str(error)
                if not entry.is_symlink():
                    yield Unreadable(prefix, reason)  # a folder whose names can be listed, and nothing else
                    return
                yield Unreadable(path, reason)


def shown_name(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 become U+FFFD, so that the name can be stored and shown.

    A path with such a name cannot be opened by it; who tries says so.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def mtime_ns_of(found: os.stat_result) -> int:
    """The time of last change in ns, within 64 bits: some file systems know years after 2262 and before 1677."""
    return max(-(2**63), min(found.st_mtime_ns, 2**63 - 1))


def look(root: Path, path: str, *, rules: Rules = PLAIN) -> Found | None:
    """One file below `root` as it is now; None if there is no regular file."""
    place = root / path
    try:
        found = os.stat(_unshown(root, path) if "\ufffd" in path else place, follow_symlinks=rules.follows_links)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not _is_named_so(place):
        return None
    return Found(path, found.st_size, mtime_ns_of(found))


def _unshown(root: Path, path: str) -> Path:
    """Where a path stands whose names are as shown: the first entry shown so. Raises OSError."""
    place = root
    for part in path.split("/"):
        names = [part] if "\ufffd" not in part else sorted(n for n in os.listdir(place) if shown_name(n) == part)
        place = place / (names[0] if names else part)
    return place


def is_folder(root: Path, path: str, *, rules: Rules = PLAIN) -> bool:
    """A folder stands at a path below `root`; a link to one does if links are followed."""
    try:
        return stat.S_ISDIR(os.stat(root / path, follow_symlinks=rules.follows_links).st_mode)
    except (OSError, ValueError):
        return False


def _is_named_so(path: Path) -> bool:
    """Where "A.md" opens "a.md", only the name as listed counts, so that a change of case is a move."""
    if sys.platform not in ("darwin", "win32"):
        return True
    try:
        return path.name in os.listdir(path.parent)
    except OSError:
        return False


def compare(known: Mapping[str, tuple[int, int]], found: Sequence[Found | Unreadable], *, below: str) -> Difference:
    """known: path → (size in bytes, mtime in ns) of files known. Only paths below `below` can have vanished.

    What lies in a folder that could not be listed has not vanished.
    """
    here = {entry.path: entry for entry in found if isinstance(entry, Found)}
    hidden = tuple(f"{entry.path}/" for entry in found if isinstance(entry, Unreadable))
    new = [entry for path, entry in here.items() if path not in known]
    changed = [
        entry for path, entry in here.items() if path in known and known[path] != (entry.size_bytes, entry.mtime_ns)
    ]
    scope = f"{below}/" if below else ""
    vanished = [
        path
        for path in known
        if path not in here and path.startswith(scope) and not (hidden and f"{path}/".startswith(hidden))
    ]
    return Difference(
        new=tuple(sorted(new, key=lambda entry: entry.path)),
        changed=tuple(sorted(changed, key=lambda entry: entry.path)),
        vanished=tuple(sorted(vanished)),
        unchanged=len(here) - len(new) - len(changed),
        unreadable=tuple(entry for entry in found if isinstance(entry, Unreadable)),
    )
