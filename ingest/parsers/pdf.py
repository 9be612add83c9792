"""PDF by PDFium: the text page by page, each page a mark, so that citations name the page.

Rule: lines stay lines. What the layout shows for certain is added: a blank line where the space between two lines is
wider than elsewhere on the page or a line is indented behind a full stop, one line where PDFium breaks before a raised
figure or a table's next cell, one word where it was hyphenated. Two columns stay in the order the file draws them.
Pages that are pictures are read by OCR where its program is installed.
"""

from __future__ import annotations

import ctypes
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Any

from ingest.decode import clean
from ingest.errors import EncryptedFile, ScannedFile, TooLarge, UnreadableFile
from ingest.header import property_field
from ingest.limits import Limits
from ingest.ocr import INSTALL, NotRead, Picture, Recogniser, why_not
from ingest.types import Document, Field, Mark, MarkKind

NAME = "pdf"
VERSION = 3

_LOCK = threading.Lock()  # PDFium is not thread-safe
_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_HYPHEN = "\ufffe"  # what PDFium puts for a hyphen at a line's end, in place of the line break too
_PIECE = re.compile(r"([^\r\n\ufffe]*)(\r\n|[\r\n\ufffe]|\Z)")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\u00ad\ufffc\ufffe\uffff]")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_MAX_WORD_CHARS = 200  # the next pattern takes time with the square of what it is given
_LAST_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*\Z")
_STOP = tuple('.!?:;。！？”"')
# Of 5,820 line gaps in the PDFs of the test data 78 % lie within 0.1 of their page's median; the fewest are at 1.3 of
# it, more again at 1.45 and 2. Heights of two lines in a row differ by a factor of 1.3 least often, of 1.45 often.
_WIDE_GAP = 1.3
_SIZE_CHANGE = 1.3
_MIN_GAPS = 6  # a page with fewer line gaps is judged by the document's median
_BAD_TITLE = re.compile(
    r"\(?(?:untitled|anonymous|unspecified|unknown|none|null|title)\)?\d*|microsoft (?:word|powerpoint|excel).*"
    r"|powerpoint presentation|(?:document|slide|presentation)\s*\d*|[/\\].*|[a-z]:[/\\].*|file:.*"
    r"|\S*\.(?:docx?|odt|rtf|pptx?|xlsx?|dvi|tex|ps|eps|pdf|indd|qxd|html?|txt|tmp)|.*\.(?:docx?|dvi|indd|qxd|pptx?)",
    re.IGNORECASE,
)
_DPI = 300  # of pages drawn to be recognised; 200 lose small print
_LOOK_DPI = 72  # of those drawn to see whether they are blank: no line is thinner than a pixel
_LOOKING_SHARE = 0.1  # of a file's time; the rest of the pages without words is not taken for blank
_MAX_PIXELS = 20_000_000  # of such a page: A4 has 8.7 million
_MAX_SIDE = 20_000
_BYTES_A_PIXEL = 4
_FEW_LETTERS = 60  # a stamp on a scan, such as its number
_WHOLE_PAGE = 0.7  # the share of it that a scan covers at least
_PDF_DATE = re.compile(r"\s*(?:D:)?(\d{4})(?:-?(\d{2}))?(?:-?(\d{2}))?")


@dataclass(frozen=True, slots=True)
class _Line:
    """A printed line; all lengths in points, y upwards. height: 0.0 where the place is not known."""

    text: str
    left: float
    right: float
    baseline: float
    height: float
    is_hyphenated: bool


@dataclass(slots=True)
class _Scans:
    """The pages that are pictures. texts: what was recognised; missed: why it was not, by number."""

    limits: Limits
    texts: dict[int, str] = field(default_factory=dict)
    missed: dict[int, str] = field(default_factory=dict)
    recogniser: Recogniser | None = None
    failed: str = ""  # why there is none
    looking_s: float = 0.0  # for what is on pages that are not read

    def read(self, page: Any, number: int) -> None:
        """Takes the page in, if it shows something."""
        share, pixels = _images(page)
        why = self.why_stopped()
        if why:
            if share or self._is_drawn_on(page):
                self.missed[number] = why
            return
        if pixels * _BYTES_A_PIXEL > self.limits.max_unpacked_bytes:  # drawing unpacks it
            self.missed[number] = f"a picture of {pixels / 1e6:.0f} million pixels"
            return
        picture = _picture(page, _DPI)
        if picture.is_blank():
            return
        try:
            if self.recogniser is None:
                self.recogniser = Recogniser(self.limits)
            self.texts[number] = self.recogniser.read(picture)
        except NotRead as error:
            self.missed[number] = str(error)
            if self.recogniser is None:
                self.failed = str(error)

    def _is_drawn_on(self, page: Any) -> bool:
        """Whether there is more on a page without pictures than paper; not asked where none would be read."""
        if self.recogniser is None:
            return False
        if self.looking_s > _LOOKING_SHARE * self.limits.timeout_s:
            return True
        began = time.monotonic()
        picture = _picture(page, _LOOK_DPI)
        self.looking_s += time.monotonic() - began
        return not picture.is_blank()

    def why_stopped(self) -> str:
        """Why no more pages are read, "" if they are: nothing is drawn for nothing."""
        if self.recogniser is not None:
            return self.recogniser.why_stopped()
        return self.failed or why_not(self.limits)

    def fields(self) -> list[Field]:
        """Who recognised the pages, and which ones are not read, and why."""
        reader = self.recogniser.name if self.recogniser is not None and any(self.texts.values()) else ""
        missed = "; ".join(f"{_numbers(numbers)}: {reason}" for reason, numbers in self.gaps().items())
        found = [property_field("read-by", reader), property_field("not-read", missed)]
        return [entry for entry in found if entry is not None]

    def gaps(self) -> dict[str, list[int]]:
        """The pages that are not read, by the reason."""
        gaps: dict[str, list[int]] = {}
        for number, reason in self.missed.items():
            gaps.setdefault(reason, []).append(number)
        return gaps


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text of all pages, a blank line between two; pages without text have no mark.

    Where recognising took too long, a line says from the first page on that is not read, and a field which ones.
    Raises EncryptedFile, ScannedFile if no page holds text, TooLarge, UnreadableFile.
    """
    scans = _Scans(limits)
    with _LOCK:
        pages, properties = _read(data, limits, scans)
    words = Counter(word.lower() for page in pages for line in page for word in _WORD.findall(line.text))
    usual = median([gap for page in pages for gap in _gaps(page)] or [1.2])
    marks: list[Mark] = []
    parts: list[str] = []
    at = 0
    has_words = any(_letters(page) for page in pages) or any(scans.texts.values())
    notes = {numbers[0]: f"[{_numbers(numbers)} not read: {why}]" for why, numbers in scans.gaps().items()}
    for number, page in enumerate(pages, start=1):
        text = _written(page, words, usual)
        recognised = scans.texts.get(number, "")
        if len(recognised) > 2 * len(text):  # what is printed on a scan is in it too
            text = recognised
        if number in notes and scans.recogniser is not None:
            text = f"{text}\n\n{notes[number]}" if text else notes[number]
        if not text:
            continue
        marks.append(Mark(at, MarkKind.PAGE, str(number), 0))
        parts.append(text)
        at += len(text) + 2
    if not has_words:
        raise ScannedFile(_why_scanned(scans))
    fields = (*_fields(properties), *scans.fields())
    dates = (_date(properties.get(key, "")) for key in ("CreationDate", "ModDate"))
    return Document(
        text="\n\n".join(parts),
        title=next((field.value for field in fields if field.name == "title"), ""),
        dated=next((day for day in dates if day is not None), None),
        fields=fields,
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _why_scanned(scans: _Scans) -> str:
    """For people: why there is no text."""
    why = next(iter(scans.missed.values()), "")
    if why:
        return f"looks scanned: {why}" + ("" if why.endswith(INSTALL) else "; split the file, or add its text")
    return "empty, or looks scanned: no text was found on its pages; add its text"


def _numbers(numbers: Sequence[int]) -> str:
    """ "p. 3, 5-9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return "p. " + ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _letters(page: Sequence[_Line]) -> int:
    return sum(character.isalnum() for line in page for character in line.text)


def _images(page: Any) -> tuple[float, int]:
    """The share of the page that its largest picture covers, and the most pixels one has; zeros if it has none."""
    from pypdfium2 import PdfiumError, raw

    page_width, page_height = page.get_size()
    share, pixels = 0.0, 0
    width, height = ctypes.c_uint(), ctypes.c_uint()
    try:
        for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
            left, bottom, right, top = image.get_bounds()
            share = max(share, float((right - left) * (top - bottom) / max(1.0, page_width * page_height)))
            if raw.FPDFImageObj_GetImagePixelSize(image.raw, width, height):
                pixels = max(pixels, width.value * height.value)
    except PdfiumError:  # what was seen before it
        return share, pixels
    return share, pixels


def _picture(page: Any, dpi: int) -> Picture:
    """The page as it is printed, in grey; a page too large for `dpi` in a lower resolution."""
    width, height = (max(1.0, side) for side in page.get_size())
    scale = min(dpi / 72, (_MAX_PIXELS / (width * height)) ** 0.5, _MAX_SIDE / max(width, height))
    drawn = page.render(scale=scale, grayscale=True)
    rows = memoryview(drawn.buffer).cast("B")
    lines = range(0, drawn.stride * drawn.height, drawn.stride)
    pixels = b"".join(bytes(rows[at : at + drawn.width]) for at in lines)
    return Picture(drawn.width, drawn.height, pixels, round(scale * 72))


def _read(data: bytes, limits: Limits, scans: _Scans) -> tuple[list[list[_Line]], dict[str, str]]:
    """The lines of every page, and the properties. scans: takes in the pages without words."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower():
            raise EncryptedFile("encrypted: save a copy without a password") from error
        raise UnreadableFile("damaged PDF: open it in a viewer and save or print it anew") from error
    try:
        count = len(document)
        if count > limits.max_pages:
            raise TooLarge(f"{count} pages, the limit is {limits.max_pages}: split the file")
        pages: list[list[_Line]] = []
        total = damaged = 0
        for number in range(count):
            try:
                page = document[number]
                text_page = page.get_textpage()
            except pypdfium2.PdfiumError:  # the other pages may be sound
                damaged += 1
                pages.append([])
                continue
            total += text_page.count_chars()
            if total > limits.max_chars:
                raise TooLarge(f"over {limits.max_chars / 1e6:g} million characters of text: split the file")
            pages.append(_lines(page, text_page))
            text_page.close()
            letters = _letters(pages[-1])
            if not letters or (letters < _FEW_LETTERS and _images(page)[0] >= _WHOLE_PAGE):
                scans.read(page, number + 1)
            page.close()
        if damaged == count:
            raise UnreadableFile("damaged PDF: none of its pages can be read")
        try:
            properties = {str(key): str(value) for key, value in document.get_metadata_dict().items()}
        except (pypdfium2.PdfiumError, UnicodeDecodeError):
            properties = {}
        return pages, properties
    finally:
        document.close()


def _lines(page: Any, text_page: Any) -> list[_Line]:
    """The lines that lie on the page; what lies beside it (a spread cut in two) is not seen by a reader."""
    text, is_placed = _characters(text_page)
    left, bottom, right, top = page.get_bbox()
    lines = []
    for piece in _PIECE.finditer(text):
        printed = piece[1].strip()
        place = (0.0, 0.0, 0.0, 0.0)
        if printed and is_placed:
            first = piece.start() + len(piece[1]) - len(piece[1].lstrip())
            place = _place(text_page.raw, first, first + len(printed) - 1)
            if not bottom <= place[2] + place[3] / 2 <= top:
                continue
            if place[0] < left or place[1] > right:
                middles = [sum(_place(text_page.raw, first + i, first + i)[:2]) / 2 for i in range(len(printed))]
                printed = "".join(c for c, x in zip(printed, middles, strict=True) if left <= x <= right)
        tidy = " ".join(_INVISIBLE.sub("", clean(printed)).split())
        if tidy:
            lines.append(_Line(tidy, *place, piece[2] == _HYPHEN))
    return lines


def _characters(text_page: Any) -> tuple[str, bool]:
    """The page's text, and whether its characters are PDFium's, number by number, so that each has a place."""
    from pypdfium2 import raw

    text: str = text_page.get_text_range()
    count = text_page.count_chars()
    if len(text) == count:
        return text, True
    # PDFium's text lacks control characters its count has; from right to left the order differs too
    single = "".join(chr(raw.FPDFText_GetUnicode(text_page.raw, i)) for i in range(count)).replace("\x02", _HYPHEN)
    if _INVISIBLE.sub("", single) == _INVISIBLE.sub("", text):
        return single, True
    return str(text_page.get_text_bounded()), False


def _place(text_page: Any, first: int, last: int) -> tuple[float, float, float, float]:
    """(left, right, baseline, height) of the line of those characters; height 0.0 if it is not level."""
    from pypdfium2 import raw

    start, end = raw.FS_RECTF(), raw.FS_RECTF()
    x, y, end_y = ctypes.c_double(), ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetLooseCharBox(text_page, first, start)
    raw.FPDFText_GetLooseCharBox(text_page, last, end)
    raw.FPDFText_GetCharOrigin(text_page, last, x, end_y)
    raw.FPDFText_GetCharOrigin(text_page, first, x, y)
    height = max(0.0, start.top - start.bottom)
    is_level = abs(y.value - end_y.value) < 0.6 * height
    return min(start.left, end.left), max(start.right, end.right), y.value, height if is_level else 0.0


def _written(page: Sequence[_Line], words: Counter[str], usual: float) -> str:
    """The page's text. usual: the document's line spacing, in line heights."""
    gaps = _gaps(page)
    spacing = median(gaps) if len(gaps) >= _MIN_GAPS else usual
    parts: list[str] = []
    for i, line in enumerate(page):
        if i:
            before = page[i - 1]
            after = page[i + 1] if i + 1 < len(page) else None
            parts.append(_hyphen(before, line, words) if before.is_hyphenated else _gap(before, line, after, spacing))
        parts.append(line.text)
    return "".join(parts)


def _gap(before: _Line, line: _Line, after: _Line | None, spacing: float) -> str:
    """What stands between two lines: nothing, a space, a line break, a blank line."""
    if not before.height or not line.height:
        return "\n"
    height = min(before.height, line.height)
    down = before.baseline - line.baseline
    if (
        abs(down) < 0.6 * max(before.height, line.height)
        and line.left > before.left
        and line.left > before.right - 0.5 * height
    ):
        return " " if line.left - before.right > 0.15 * height else ""
    if down < 0.5 * height or line.left > before.right or line.right < before.left:  # another column
        return "\n" if line.text[0].islower() and not before.text.endswith(_STOP) else "\n\n"
    if down > _WIDE_GAP * spacing * height or max(before.height, line.height) > _SIZE_CHANGE * height:
        return "\n\n"
    is_indented = (
        after is not None
        and 0.6 * height < line.left - before.left < 5 * height
        and abs(after.left - before.left) < 0.3 * height
        and before.text.endswith(_STOP)
        and not line.text[0].islower()
    )
    return "\n\n" if is_indented else "\n"


def _gaps(page: Sequence[_Line]) -> list[float]:
    """The spaces from line to line down the page, in line heights."""
    return [
        (before.baseline - line.baseline) / min(before.height, line.height)
        for before, line in pairwise(page)
        if before.height and line.height and 0.6 * line.height < before.baseline - line.baseline < 4 * line.height
    ]


def _hyphen(before: _Line, line: _Line, words: Counter[str]) -> str:
    """ "-" where the hyphen belongs to the word ("end-\\nto-end"), else "": as the document spells it elsewhere."""
    left, right = _LAST_WORD.search(before.text[-_MAX_WORD_CHARS:]), _WORD.match(line.text)
    if left is None or right is None:
        return "-"
    joined, hyphenated = words[(left[0] + right[0]).lower()], words[f"{left[0]}-{right[0]}".lower()]
    if joined != hyphenated:
        return "" if joined > hyphenated else "-"
    return "" if left[0][-1].islower() and right[0][0].islower() else "-"


def _fields(properties: dict[str, str]) -> tuple[Field, ...]:
    found = [property_field(key.lower(), clean(properties.get(key, ""))) for key in ("Title", "Author", "Subject")]
    found.append(property_field("keywords", clean(properties.get("Keywords", ""))))
    for name, key in (("created", "CreationDate"), ("modified", "ModDate")):
        found.append(property_field(name, _date(properties.get(key, ""))))
    return tuple(field for field in found if field is not None and not _BAD_TITLE.fullmatch(field.value))


def _date(text: str) -> date | None:
    found = _PDF_DATE.match(text)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None
