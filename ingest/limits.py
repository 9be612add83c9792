"""How far reading one file may go. Each is a setting of the user's; over one, the file is recorded with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout_s, memory_bytes (of address space; None: none): of the process that reads it. The others: of the file.

    max_pages: pages, slides or sheets. max_depth: elements within one another. max_nesting: files within files.
    max_members: files in one file. max_unpacked_bytes: of all that it unpacks to. max_chars: of a document's text.
    ocr_seconds: that recognising text in pictures may take besides; timeout_s holds for each of them. ocr_languages:
    that pictures are read in, as tesseract names them ("eng+deu"); "" for what is installed, "none" for not at all.
    """

    timeout_s: float
    memory_bytes: int | None
    max_pages: int
    max_depth: int
    max_nesting: int
    max_members: int
    max_unpacked_bytes: int
    max_chars: int
    ocr_seconds: float
    ocr_languages: str


DEFAULT = Limits(
    timeout_s=60.0,
    memory_bytes=4_000_000_000,  # 150 MB of Word XML, docx.py's own limit, take about 1.5 GB
    max_pages=20_000,
    max_depth=200,  # the deepest of 360 real documents has 45
    max_nesting=5,
    max_members=10_000,
    max_unpacked_bytes=500_000_000,  # an ordinary thesis with pictures has 50 MB
    max_chars=50_000_000,  # a hundred thick books; more is a bomb, a dump or a database print
    ocr_seconds=1800.0,  # 600 pages at 3 s
    ocr_languages="",
)
