"""Documents named in a question with "@": the question asks them alone.

Rule: an "@" that begins a word and names a stored document, a folder or a glob narrows the question; one that looks
like a path and names none is an error, so that nobody believes it was narrowed. "@ana" and "ana@example.com" are words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import PurePath

from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.errors import NoSuchPath
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import short_path

_NAMED = re.compile(r"""(?<!\S)@(?:"([^"\n]+)"|'([^'\n]+)'|(\S+))""")
_TRAILING = ".,;:!?)。，？"
_FEW = 3
_LIKE_A_PATH = re.compile(r"[/*]|\w\.\w{1,8}$")


def narrowed(assistant: Assistant, question: str, scope: Narrowing) -> tuple[str, Narrowing]:
    """The question without the names at its ends, and those inside without "@"; and the scope that they make.

    Raises NoSuchPath for what looks like a path and is not stored.
    """
    globs: list[str] = []

    def named(found: re.Match[str]) -> str:
        whole = found[1] or found[2] or found[3]
        name = whole if found[3] is None else whole.rstrip(_TRAILING)
        after = whole[len(name) :]
        glob = _glob(assistant, name, scope)
        if glob is None:
            if not _LIKE_A_PATH.search(name):
                return found[0]  # no path: somebody's handle
            raise NoSuchPath(f"no document is stored at @{name}{_near(assistant, name)}")
        globs.append(glob)
        is_at_end = not question[: found.start()].strip() or not question[found.end() :].strip()
        return after if is_at_end else PurePath(name).name + after

    text = _NAMED.sub(named, question)
    if not globs:
        return question, scope
    text = re.sub(r"\s+([.,;:!?])", r"\1", text).strip()
    return text.lstrip(_TRAILING).strip(), {**scope, "within": tuple(globs)}


def named_in(assistant: Assistant, scope: Narrowing) -> str:
    """What a scope holds: a few paths, or how many documents."""
    found: dict[str, None] = {}
    for glob in scope.get("within", ()):
        found |= dict.fromkeys(short_path(one.path) for one in assistant.list(glob, as_of=scope.get("as_of")))
    return ", ".join(found) if len(found) <= _FEW else count_of(len(found), "document")


def _glob(assistant: Assistant, name: str, scope: Narrowing) -> str | None:
    """What `within` takes for a name: itself, or the same anywhere below; None if that is no document's."""
    as_of = scope.get("as_of")
    for glob in (name, f"*/{name}"):
        if assistant.list(glob, as_of=as_of):
            return glob
    return None


def _near(assistant: Assistant, name: str) -> str:
    paths = [document.path for document in assistant.documents()]
    near = difflib.get_close_matches(PurePath(name).name, {PurePath(path).name: None for path in paths}, n=1)
    if not near:
        return "; see: /status, or Tab after @"
    best = next(path for path in paths if PurePath(path).name == near[0])
    return f"; did you mean @{shortest(best, paths)}?"


def shortest(path: str, paths: Sequence[str]) -> str:
    """The fewest last parts of a path that name it alone among others; in quotes if there is a space in it."""
    parts = PurePath(path).parts
    name = short_path(path)
    for count in range(1, len(parts)):
        tail = "/".join(parts[-count:])
        if sum(other == path or other.endswith("/" + tail) for other in paths) == 1:
            name = tail
            break
    return f'"{name}"' if re.search(r"\s", name) else name
