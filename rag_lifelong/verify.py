"""Is everything well? Each invariant of the store and the index, with the command that mends it.

Rule: reads only, in one snapshot, and compares what is stored twice or follows from something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from sqlite3 import Connection

from rag_lifelong.adapters import is_disabled
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import string_digest
from rag_lifelong.store import chats, documents, embedders, passages, revisions, vectors, versions, words
from rag_lifelong.types import AdapterState, Finding

_SHOWN = 3  # examples in a message


def check(knowledge_base: KnowledgeBase) -> tuple[Finding, ...]:
    """One finding a subject, in order of depth; reads the whole store (about 1 s for 10,000 passages)."""
    damage = knowledge_base.damage()
    findings = [
        Finding(
            "store",
            not damage,
            "; ".join(damage) or "the database file is whole",
            "" if not damage else "keep a copy, then: lifelong rebuild",
        )
    ]
    if damage:
        return tuple(findings)
    with knowledge_base.reading() as connection:
        findings.append(_finding("documents", _documents(connection), "every document has its text and place"))
        findings.append(_finding("passages", _passages(connection), "every passage stands where it says"))
        held = chain(_words(connection), knowledge_base.word_faults(connection))
        findings.append(_finding("words", held, "the word index holds what lives"))
        findings.append(_finding("vectors", _vectors(connection), "every passage has its vector or waits for it"))
        findings.append(
            _finding("adapters", knowledge_base.adapters.faults(connection), _adapters_well(knowledge_base))
        )
        findings.append(_finding("chats", chats.faults(connection), "every turn has its question and its sources"))
    findings.append(_finding("index", knowledge_base.index_faults(), "the index equals the store"))
    return tuple(findings)


def _finding(subject: str, faults: Iterator[str], well: str) -> Finding:
    found = list(faults)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    message = "; ".join(found[:_SHOWN]) + more if found else well
    return Finding(subject, not found, message, "lifelong rebuild" if found else "")


def _adapters_well(knowledge_base: KnowledgeBase) -> str:
    """A suspended adapter is no fault: it does what it should. One that the user has disabled is still to be had."""
    off = [one for one in knowledge_base.adapters.all() if one.state is AdapterState.SUSPENDED]
    well = "every active adapter's sources live as they were"
    for told, is_taken_out in (
        ("suspended, to be made anew by lifelong distill", False),
        ("disabled, to be used again by lifelong adapters enable ID", True),
    ):
        found = [str(one.id) for one in off if is_disabled(one) is is_taken_out]
        if found:
            well += f"; {told}: {', '.join(found)}"
    return well


def _documents(connection: Connection) -> Iterator[str]:
    now = versions.latest_number(connection)
    placed = Counter(location.document_id for location in documents.locations(connection, now))
    texts = revisions.living(connection)
    for document_id in sorted(placed.keys() | texts.keys()):
        if placed[document_id] != 1 or document_id not in texts:
            yield f"document {document_id} stands in {placed[document_id]} places, text: {document_id in texts}"
    known = documents.owners_of_files(connection)
    for document_id in sorted(set(placed) ^ known):
        yield f"document {document_id} and the list of files disagree"


def _passages(connection: Connection) -> Iterator[str]:
    for document_id, revision_id in sorted(revisions.living(connection).items()):
        revision = revisions.read(connection, revision_id)
        digests = passages.digests_of(connection, [p.passage_id for p in revision.placements])
        if passages.alive_in(connection, document_id) != set(digests):
            yield f"document {document_id}: the passages alive are not those of its text"
        for p in revision.placements:
            text = revision.text[p.start : p.end]
            digest = string_digest(p.context, text, chunker_version=revision.chunker_version)
            if digests.get(p.passage_id) != digest:
                yield f"passage {p.passage_id} is not the text at {p.start}:{p.end} of document {document_id}"
        ends = [p.end for p in revision.placements]
        if any(a > p.start for a, p in zip(ends, revision.placements[1:], strict=False)):
            yield f"document {document_id}: passages overlap"


def _words(connection: Connection) -> Iterator[str]:
    live, past = words.rowids(connection, past=False), words.rowids(connection, past=True)
    alive, everything = passages.alive_ids(connection), passages.all_ids(connection)
    for name, held, expected in (("live", live, alive), ("past", past, everything - alive)):
        if held != expected:
            yield f"{name} words: {len(held - expected)} too many, {len(expected - held)} missing"


def _vectors(connection: Connection) -> Iterator[str]:
    for embedder_id in embedders.ids(connection):
        for digest, has_vector, waits in vectors.coverage(connection, embedder_id):
            if has_vector == waits:
                fault = "both a vector and" if waits else "neither a vector nor"
                yield f"string {digest.hex()[:8]} has {fault} a place in the queue"
