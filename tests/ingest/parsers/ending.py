"""How a file may end: as a document that keeps to its contract (that of the fuzzer), or as a reason of one line."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.fuzz.oracle import of_document
from ingest import Document, IngestError
from ingest.limits import DEFAULT


def ending(read: Callable[[bytes], Document], data: bytes) -> Document | None:
    """The document, sound; None for a reason. Any other error is the parser's fault, and passes."""
    reason = ""
    try:
        found = read(data)
    except IngestError as error:
        reason = str(error)
        found = None
    if found is None:
        assert reason and "\n" not in reason
        return None
    assert list(of_document(found.parser, found, DEFAULT)) == []
    return found
