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
from ingest.types import Chunk, Document, Field, Mark, MarkKind

__all__ = [
    "Chunk",
    "Document",
    "EncryptedFile",
    "Field",
    "IngestError",
    "Mark",
    "MarkKind",
    "MissingFile",
    "ScannedFile",
    "TooLarge",
    "UnreadableFile",
    "UnsupportedFile",
]
