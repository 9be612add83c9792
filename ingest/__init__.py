"""Files in, chunks out. Knows no model, no database, no index."""

from ingest.errors import (
    EncryptedFile,
    IngestError,
    MissingFile,
    ScannedFile,
    TooLarge,
    UnreadableFile,
    UnsupportedFile,
)
from ingest.limits import Limits
from ingest.types import Chunk, Document, Field, Mark, MarkKind, Member

__all__ = [
    "Chunk",
    "Document",
    "EncryptedFile",
    "Field",
    "IngestError",
    "Limits",
    "Mark",
    "MarkKind",
    "Member",
    "MissingFile",
    "ScannedFile",
    "TooLarge",
    "UnreadableFile",
    "UnsupportedFile",
]
