"""Names of the files in a file, whatever was written there: relative, safe to show, unique.

Rule: a name says where a file is found again and is never opened on disk. The same names give the same result in any
order; which of two that clash keeps its name is told by the names as they were written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_PART_CHARS = 120
MAX_CHARS = 400

_UNNAMED = "unnamed"
_DRIVE = re.compile(r"[A-Za-z]:(?=/|$)")
_MAX_SUFFIX_CHARS = 16


def unique_names(written: Sequence[str]) -> list[str]:
    """A name for each written one, in their order: parts between "/", without "..", "." and empty parts.

    Unique also where case does not count, and none is the folder of another.
    """
    safe = [safe_name(name) for name in written]
    taken: set[str] = set()
    for name in set(safe):
        parts = name.casefold().split("/")
        taken.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    numbers: dict[str, int] = {}
    found = [""] * len(safe)
    for i in sorted(range(len(safe)), key=lambda i: (safe[i], written[i], i)):
        name = safe[i]
        number = numbers.get(name.casefold(), 1)
        while name.casefold() in taken:
            number += 1
            name = _numbered(safe[i], number)
        numbers[safe[i].casefold()] = number
        taken.add(name.casefold())
        found[i] = name
    return found


def safe_name(written: str) -> str:
    """The name without what makes it absolute, climb, run backwards or break a line."""
    parts = []
    slashed = _DRIVE.sub("", written.replace("\\", "/").lstrip("/"), count=1)
    for part in slashed.split("/"):
        shown = " ".join(unicodedata.normalize("NFC", "".join(map(_shown, part[: 8 * MAX_PART_CHARS]))).split())
        if len(part) > 8 * MAX_PART_CHARS:
            shown += _suffix(part)
        if shown.strip(". "):
            parts.append(_shortened(shown))
    if not parts:
        return _UNNAMED
    room = MAX_CHARS - len(parts[-1])  # the file's own name tells most, then the folders above all
    kept = []
    for folder in parts[:-1]:
        room -= len(folder) + 1
        if room < 0:
            break
        kept.append(folder)
    return "/".join([*kept, parts[-1]])


def _shown(character: str) -> str:
    """The character; "_" for a control, a direction override, a line separator, half of a surrogate pair."""
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Cs"):
        return " " if character in "\t\n\r" else "_"
    if category == "Cf" and unicodedata.bidirectional(character) != "BN":  # joiners between letters are BN
        return "_"
    return "" if character == "\ufeff" else character


def _suffix(part: str) -> str:
    dot = part.rfind(".")
    return part[dot:] if dot > 0 and len(part) - dot <= _MAX_SUFFIX_CHARS and part[dot + 1 :].isalnum() else ""


def _shortened(part: str) -> str:
    if len(part) <= MAX_PART_CHARS:
        return part
    suffix = _suffix(part)
    return part[: MAX_PART_CHARS - len(suffix) - 1].rstrip() + "…" + suffix


def _numbered(name: str, number: int) -> str:
    folder, slash, last = name.rpartition("/")
    suffix = _suffix(last)
    return f"{folder}{slash}{last[: len(last) - len(suffix)]} ({number}){suffix}"
