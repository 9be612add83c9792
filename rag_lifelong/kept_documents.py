"""A revision in the store → the document and the chunks it was made from, and whether they would be made so today."""

from __future__ import annotations

from collections.abc import Sequence

from ingest import Chunk, Document, Field, Mark, MarkKind
from ingest.chunk import CHUNKER_VERSION
from ingest.parsers import parser_version
from rag_lifelong.store.revisions import Revision


def made_by_older(parser: str, version: int, chunker_version: int) -> bool:
    """Another parser or chunker than those of now made it."""
    return (version, chunker_version) != (parser_version(parser), CHUNKER_VERSION)


def document_of(revision: Revision) -> Document:
    """The document a revision was made from."""
    return Document(
        text=revision.text,
        title=revision.title,
        dated=revision.dated,
        fields=tuple(Field(f.name, f.value, f.start, f.end) for f in revision.fields),
        marks=tuple(Mark(m.start, MarkKind(m.kind), m.label, m.level) for m in revision.marks),
        is_source=revision.is_source,
        parser=revision.parser,
        parser_version=revision.parser_version,
    )


def copied(revision: Revision) -> tuple[Document, Sequence[Chunk]]:
    """Of the same text, for another file with the same bytes."""
    document = document_of(revision)
    chunks = [
        Chunk(p.start, p.end, revision.text[p.start : p.end], p.context, p.label, p.page) for p in revision.placements
    ]
    return document, chunks
