"""What can go wrong with a file.

    IngestError
    ├── UnsupportedFile    no parser takes this kind of file
    ├── UnreadableFile     a parser takes it, and this one cannot be read
    │   ├── EncryptedFile  it needs a password
    │   ├── ScannedFile    it holds pictures of text, and no text
    │   └── TooLarge       over a limit
    └── MissingFile        it is not there, or may not be read

The message is shown to people as it stands: lower case, the reason first, then what to do
("encrypted: save a copy without a password").
"""

from __future__ import annotations


class IngestError(Exception):
    """A file did not become a document. str(error) says why and what to do."""


class UnsupportedFile(IngestError):
    """No parser takes this kind of file."""


class UnreadableFile(IngestError):
    """A parser takes this kind of file, but not this one."""


class EncryptedFile(UnreadableFile):
    """The file needs a password."""


class ScannedFile(UnreadableFile):
    """The file holds pictures of text only."""


class TooLarge(UnreadableFile):
    """The file, or what it unpacks to, is over a limit."""


class MissingFile(IngestError):
    """The file is not there, or may not be read."""
