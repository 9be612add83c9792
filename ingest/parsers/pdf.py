"""PDF by PDFium: the text page by page, each page a mark, so that citations name the page."""

from __future__ import annotations

import re
import threading
from datetime import date

from ingest.decode import clean
from ingest.errors import EncryptedFile, ScannedFile, TooLarge, UnreadableFile
from ingest.header import property_field
from ingest.types import Document, Field, Mark, MarkKind

NAME = "pdf"
VERSION = 1

MAX_CHARS = 50_000_000  # of text: a hundred thick books; more is a bomb or a database print
MAX_PAGES = 20_000

_LOCK = threading.Lock()  # PDFium is not thread-safe
_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_HYPHENATED = re.compile(r"(?<=[a-zà-ÿ])[\u00ad\ufffe\u2010-]\n(?=[a-zà-ÿ])")
_SOFT_HYPHEN = re.compile("[\u00ad\ufffe\ufffc\x02]")
_BAD_TITLE = re.compile(
    r"^(?:untitled|microsoft (?:word|powerpoint|excel)|.*\.(?:docx?|pptx?|xlsx?|dvi|tex|pdf|indd|qxd)$|[/\\]|slide 1$)",
    re.IGNORECASE,
)
_PDF_DATE = re.compile(r"D?:?(\d{4})(\d{2})?(\d{2})?")


def parse(data: bytes, *, name: str) -> Document:
    """The text of all pages, a blank line between two.

    Raises EncryptedFile, ScannedFile if no page holds text, TooLarge, UnreadableFile.
    """
    with _LOCK:
        pages, properties = _read(data)
    marks: list[Mark] = []
    parts: list[str] = []
    at = 0
    for number, page in enumerate(pages, start=1):
        text = _tidied(page)
        if not text:
            continue
        marks.append(Mark(at, MarkKind.PAGE, str(number), 0))
        parts.append(text)
        at += len(text) + 2
    if not parts:
        raise ScannedFile("looks scanned: it holds pictures of text only; run text recognition (OCR) on it first")
    title = " ".join(properties.get("Title", "").split())
    return Document(
        text="\n\n".join(parts),
        title="" if _BAD_TITLE.match(title) else title,
        dated=_date(properties.get("CreationDate", "")),
        fields=_fields(properties),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _read(data: bytes) -> tuple[list[str], dict[str, str]]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower():
            raise EncryptedFile("encrypted: save a copy without a password") from error
        raise UnreadableFile("damaged PDF: open it in a viewer and save or print it anew") from error
    try:
        if len(document) > MAX_PAGES:
            raise TooLarge(f"{len(document)} pages, the limit is {MAX_PAGES}: split the file")
        pages: list[str] = []
        total = 0
        for number in range(len(document)):
            pages.append(_page(document, number))
            total += len(pages[-1])
            if total > MAX_CHARS:
                raise TooLarge(f"over {MAX_CHARS // 1_000_000} million characters of text: split the file")
        try:
            properties = {str(key): str(value) for key, value in document.get_metadata_dict().items()}
        except pypdfium2.PdfiumError:
            properties = {}
        return pages, properties
    finally:
        document.close()


def _page(document: object, number: int) -> str:
    """The text of a page; "" for a page that is damaged, as the others may not be."""
    import pypdfium2

    try:
        page = document[number]  # type: ignore[index]
        text_page = page.get_textpage()
        return str(text_page.get_text_bounded())
    except pypdfium2.PdfiumError:
        return ""


def _tidied(page: str) -> str:
    """Lines trimmed, words hyphenated at a line's end joined, no run of blank lines."""
    text = clean(page)
    text = _HYPHENATED.sub("", text)
    text = _SOFT_HYPHEN.sub("", text)
    lines = [re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _fields(properties: dict[str, str]) -> tuple[Field, ...]:
    found = [
        property_field("title", properties.get("Title")),
        property_field("author", properties.get("Author")),
        property_field("subject", properties.get("Subject")),
        property_field("keywords", properties.get("Keywords")),
    ]
    day = _date(properties.get("CreationDate", ""))
    if day is not None:
        found.append(property_field("created", day.isoformat()))
    return tuple(
        Field(field.name, clean(field.value), None, None)
        for field in found
        if field is not None and not (field.name == "title" and _BAD_TITLE.match(field.value))
    )


def _date(text: str) -> date | None:
    found = _PDF_DATE.match(text)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None
