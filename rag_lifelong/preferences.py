"""Preferences: how the user wants answers to be, as items of a Markdown list that any editor can change.

    - 2026-11-23: answer in German
    - 2026-11-24, in `peps/*`: always give the PEP number

Rule: pure. They come from one file of the notes folder and from nowhere else. They speak to a language model and are
no evidence: the file is kept as a document like any other, with no passages that could be found or quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from rag_lifelong.errors import NoteUnusable
from rag_lifelong.places import matches, relative_to

PREFERENCE_CHARS = 400  # some sentences; all of them go into every prompt
HEAD = "# Preferences\n\n"

_NAME = re.compile(r"preferences(?:-\d{1,6})?\.md\Z")
_ITEM = re.compile(r"^(?:[-*+]|\d{1,9}[.)])[ \t]+(\S[^\n]*(?:\n[ \t]+\S[^\n]*)*)(?:\n|\Z)", re.MULTILINE)
_DATED = re.compile(r"(?:(\d{4}-\d\d-\d\d)(?:, )?)?(?:in (`[^`]+`(?:, `[^`]+`)*))?: (.+)", re.DOTALL)
_OUT = re.compile(r"^[ \t]*<!--.*?(?:-->|\Z)|^(?P<fence>```+|~~~+).*?(?:^(?P=fence)|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Preference:
    """A wish of the user's. number: 1, 2, … in the order they stand. within: globs of the paths it is for; none: all.

    since: as it is dated. path: of the file it stands in, absolute; start, end: in that file's text.
    """

    number: int
    text: str
    within: tuple[str, ...]
    since: date | None
    path: str
    start: int
    end: int


def is_preferences(path: str, folders: Collection[str]) -> bool:
    """Whether a file's items are preferences: its name says so, and it stands in a notes folder. path: absolute."""
    return _NAME.match(os.path.basename(path)) is not None and os.path.dirname(path) in folders


def is_name(name: str) -> bool:
    """A file of that name in the notes folder holds preferences."""
    return _NAME.match(name) is not None


def name_of(number: int) -> str:
    """The file; number: 1, or more where the files before it are not to be written to."""
    return f"preferences{'' if number == 1 else f'-{number}'}.md"


def read(pages: Sequence[tuple[str, str]]) -> tuple[Preference, ...]:
    """The preferences in files given as (absolute path, text), in that order."""
    found: list[Preference] = []
    for path, text in pages:
        for start, end, item in _items(text):
            since, within, wish = _parts(item)
            if wish:
                found.append(Preference(len(found) + 1, wish, within, since, path, start, end))
    return tuple(found)


def written(text: str, *, within: Sequence[str], since: date) -> str:
    """The item for a preference. text: one line, as `one_line` gives it. Raises NoteUnusable for a glob it cannot hold.

    A date always comes first, so that nothing in the text can be taken for one, or for a glob.
    """
    for glob in within:
        if not glob.strip() or not glob.isprintable() or "`" in glob:
            raise NoteUnusable(f"cannot keep {glob!r} as the place of a preference; give a glob or a folder")
    place = f", in {', '.join(f'`{glob}`' for glob in within)}" if within else ""
    return f"- {since.isoformat()}{place}: {text}\n"


def one_line(text: str) -> str:
    """A cleaned text as one line. Raises NoteUnusable if it is too long to go into every prompt."""
    line = " ".join(text.split())
    if len(line) > PREFERENCE_CHARS:
        raise NoteUnusable(
            f"a preference of {len(line):,} characters; the limit is {PREFERENCE_CHARS}, since each goes into every "
            "prompt: say it shorter, or keep it as a note, without --always"
        )
    return line


def concerning(found: Sequence[Preference], paths: Sequence[str], roots: Sequence[str]) -> tuple[Preference, ...]:
    """Those for all paths, and those whose scope holds one of these. paths, roots: absolute."""
    places = [(root, relative) for path in paths for root in roots if (relative := relative_to(path, root)) is not None]
    return tuple(
        one for one in found if not one.within or any(matches(glob, *place) for glob in one.within for place in places)
    )


def worded(preference: Preference) -> str:
    """As a language model reads it: "(since 2026-11-24, for passages of peps/*) always give the PEP number"."""
    since = "" if preference.since is None else f"since {preference.since.isoformat()}"
    place = f"for passages of {', '.join(preference.within)}" if preference.within else ""
    head = ", ".join(part for part in (since, place) if part)
    return f"({head}) {preference.text}" if head else preference.text


def _items(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, content) of each item at the left margin; none in comments and code."""
    bare = _OUT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _ITEM.finditer(bare):
        yield found.start(), found.end(), found[1]


def _parts(item: str) -> tuple[date | None, tuple[str, ...], str]:
    """(date, globs, wish) of an item; one written by hand may have neither date nor globs."""
    wish = " ".join(item.split())
    found = _DATED.match(item)
    if found is None or (found[1] is None and found[2] is None):
        return None, (), wish
    try:
        since = None if found[1] is None else date.fromisoformat(found[1])
    except ValueError:  # 2026-02-30
        return None, (), wish
    globs = () if found[2] is None else tuple(re.findall("`([^`]+)`", found[2]))
    return since, globs, " ".join(found[3].split())
