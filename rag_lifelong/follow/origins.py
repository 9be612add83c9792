"""New files that look like a document whose file has just gone: halves of a move that are not told together.

Rule: a guess by size and time only, to make the two be read together; what they are, their bytes decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ingest.scan import Found
from rag_lifelong.folders import Folders
from rag_lifelong.follow.aside import Key
from rag_lifelong.store.files import Root


def origins_of(
    folders: Folders,
    roots: Mapping[int, Root],
    resting: Mapping[Key, Found | None],
    *,
    here: Iterable[Root],
    look: Callable[[Key], Found | None],
) -> dict[Key, list[Key]]:
    """Documents whose file is gone, and that do not rest yet → the resting new files that look like them.

    here: the roots whose folder is there. look: how a path looks now. Cost: 9 ms of 100,000 files where one is new.
    """
    signs: dict[tuple[int, int], list[Key]] = {}
    for key, found in resting.items():
        if found is not None and not _is_document(folders, roots[key[0]], key[1]):
            signs.setdefault((found.size_bytes, found.mtime_ns), []).append(key)
    origins: dict[Key, list[Key]] = {}
    for root in here if signs else ():
        held = folders.holds(root)
        for path in folders.documents_looking(root, signs.keys()):
            origin = (root.id, path)
            if origin not in resting and path not in held and look(origin) is None:
                state = folders.file_states_of(root, [path])[path]
                origins[origin] = signs[state.size_bytes, state.mtime_ns]
    return origins


def _is_document(folders: Folders, root: Root, path: str) -> bool:
    state = folders.file_states_of(root, [path]).get(path)
    return state is not None and state.document_id is not None
