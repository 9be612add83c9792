"""The words of passages, as the store has them: out of the texts of a few, or out of the word tables for all.

Rule: both give the same; a passage's words never change. Reading the tables costs a third a passage and lets other
threads run, but always reads all that is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from sqlite3 import Connection

import numpy as np

from rag_lifelong.store import passages, revisions, words
from rag_lifelong.terms import terms
from rag_lifelong.word_index import Block, counted

_BLOCK = 1_000_000  # occurrences handled at once: about 50 MB

Snapshot = Callable[[], AbstractContextManager[Connection]]


def of_tables(snapshot: Snapshot, after: int, last: int) -> Iterator[Block]:
    """The postings of passages with ids in (after, last], out of the tables: 50 µs a passage, whatever its age.

    A snapshot for each block: what a passage holds is the same in all of them.
    """
    term = ""
    while True:
        held: list[str] = []
        lists: list[str] = []
        owners: list[int] = []  # of each list: which of `held`
        sizes: list[int] = []
        size = 0
        with snapshot() as connection:
            for found, ids in words.occurrences(connection, term):
                if not held or held[-1] != found:
                    if size >= _BLOCK:
                        break
                    held.append(found)
                lists.append(ids)
                owners.append(len(held) - 1)
                sizes.append(ids.count(",") + 1)
                size += sizes[-1]
        if not held:
            return
        term = held[-1]
        every = np.fromstring(",".join(lists), dtype=np.int64, sep=",")  # (n,)
        of = np.repeat(np.array(owners, np.int64), sizes)  # (n,), which term
        inside = (every > after) & (every <= last)
        every, of = every[inside], of[inside]
        kept = np.unique(of)
        yield counted([held[i].encode() for i in kept.tolist()], np.searchsorted(kept, of), every)


def of_texts(connection: Connection, first: int, last: int) -> Iterator[tuple[int, list[str]]]:
    """(passage id, its terms with repeats) of ids in [first, last], ascending, out of the documents' texts.

    About 100 µs a passage, and as much for each revision they are in.
    """
    found: dict[int, list[str]] = {}
    births = passages.births(connection, first, last)
    wanted: dict[int, set[int]] = {}  # document id → passages
    revision_ids: dict[int, dict[int, None]] = {}  # document id → its revisions to look in, most likely first
    for passage_id, document_id, born in births:
        wanted.setdefault(document_id, set()).add(passage_id)
        revision_id = None if born is None else revisions.at(connection, document_id, born)
        if revision_id is not None:
            revision_ids.setdefault(document_id, {})[revision_id] = None
    for document_id, missing in wanted.items():
        likely = revision_ids.get(document_id, {})
        for revision_id in _and_others(connection, document_id, likely):
            revision = revisions.read(connection, revision_id)
            for p in revision.placements:
                if p.passage_id in missing:
                    missing.discard(p.passage_id)
                    found[p.passage_id] = terms(p.context) + terms(revision.text[p.start : p.end])
            if not missing:
                break
    return iter(sorted(found.items()))


def _and_others(connection: Connection, document_id: int, likely: Iterable[int]) -> Iterator[int]:
    """`likely`, then all other revisions of the document: a passage may have lived in none of its versions."""
    known = list(likely)
    yield from known
    yield from (i for i in revisions.of_document(connection, document_id) if i not in known)
