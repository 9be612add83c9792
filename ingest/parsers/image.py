"""Pictures: the text that OCR finds in them, where its program is installed; the pages of a TIFF are marks.

Rule: a picture's size is known before it is unpacked. Of one that moves, the first frame is read.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, cast

from ingest.decode import clean
from ingest.errors import ScannedFile, TooLarge, UnreadableFile
from ingest.header import parse_date, property_field
from ingest.limits import Limits
from ingest.ocr import INSTALL, NotRead, Picture, Recogniser
from ingest.types import Document, Field, Mark, MarkKind

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

NAME = "image"
VERSION = 1

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_BYTES_A_PIXEL = 4
# A4 at 300 dpi has 8.7 million pixels: more take longer and read no better. Small letters read better drawn twice as
# large: of a page of 247 words, 631 pixels wide, a third is read as it is and five in six so.
_MAX_PIXELS = 10_000_000
_SMALL_DPI = 200
_SMALL_PIXELS = 1_500_000  # where the resolution is not told
_MIN_DPI, _MAX_DPI = 100, 1200  # 72 and 96 are what programs write that know nothing
_TAKEN, _TAKEN_BY, _EXIF_PART = 0x9003, 0x013B, 0x8769  # Exif 2.3: DateTimeOriginal, Artist, the Exif IFD
_DAMAGED = "damaged picture: open it in a viewer and save it anew"


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text recognised, a blank line between pages, each a mark where there are several.

    Raises ScannedFile if it takes too long or the program is missing, TooLarge, UnreadableFile.
    """
    fields: list[Field | None] = []
    taken: date | None = None
    texts: list[str] = []
    missed = ""
    recogniser: Recogniser | None = None
    for page, share in _pages(data, limits):
        if not texts:
            taken, fields = _properties(page.getexif())
        try:
            if recogniser is None:
                recogniser = Recogniser(limits)
            texts.append(recogniser.read(_picture(page, share)))
        except NotRead as error:
            missed = f"p. {len(texts) + 1} and on: {error}"
            break
    if recogniser is None or not any(texts):
        raise _no_text(missed)
    return _document(texts, missed, taken, [*fields, property_field("read-by", recogniser.name)])


def _no_text(missed: str) -> UnreadableFile:
    if missed:
        why = missed.partition(": ")[2]
        return ScannedFile(f"looks scanned: {why}" + ("" if why.endswith(INSTALL) else "; add its text"))
    return UnreadableFile("no text was found in the picture")


def _document(texts: list[str], missed: str, taken: date | None, fields: list[Field | None]) -> Document:
    parts: list[str] = []
    marks: list[Mark] = []
    at = 0
    pages = [*texts, f"[{missed.replace(':', ' not read:', 1)}]"] if missed else texts
    for number, text in enumerate(pages, start=1):
        if text:
            if len(pages) > 1:
                marks.append(Mark(at, MarkKind.PAGE, str(number), 0))
            parts.append(text)
            at += len(text) + 2
    return Document(
        text="\n\n".join(parts),
        title="",
        dated=taken,
        fields=tuple(field for field in (*fields, property_field("not-read", missed)) if field is not None),
        marks=tuple(marks),
        is_source=False,
        parser=NAME,
        parser_version=VERSION,
    )


def _pages(data: bytes, limits: Limits) -> Iterator[tuple[Image, float]]:
    """The pages, each unpacked, one at a time, and as what share of its width and height."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes, which are looked at here, and of odd metadata
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                number = 0
                while True:
                    _check(picture, number, limits)
                    width = picture.width
                    picture.draft("L", _drafted(picture))
                    picture.load()
                    yield picture, picture.width / width
                    number += 1
                    if picture.format != "TIFF":
                        return
                    try:
                        picture.seek(number)
                    except EOFError:
                        return
        except Image.DecompressionBombError as error:
            raise TooLarge("over 178 million pixels: save it smaller") from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise UnreadableFile(_DAMAGED) from error  # Pillow on damaged files raises many kinds


def _check(picture: Image, number: int, limits: Limits) -> None:
    width, height = picture.size
    if width * height * _BYTES_A_PIXEL > limits.max_unpacked_bytes:
        most = limits.max_unpacked_bytes // _BYTES_A_PIXEL
        raise TooLarge(f"{width} × {height} pixels, the limit is {most / 1e6:.0f} million: save it smaller")
    if number >= limits.max_pages:
        raise TooLarge(f"over {limits.max_pages} pages: split the file")


def _drafted(picture: Image) -> tuple[int, int]:
    """The least size worth unpacking: a JPEG can be unpacked at a half, a quarter, an eighth."""
    width, height = picture.size
    share = min(1.0, (_MAX_PIXELS / (width * height)) ** 0.5)
    return round(width * share), round(height * share)


def _picture(page: Image, share: float) -> Picture:
    """In grey, on white where it is clear, upright, neither larger nor smaller than reads well."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    grey = _grey(ImageOps.exif_transpose(page))
    pixels = grey.width * grey.height
    dots = float((page.info.get("dpi") or (0.0, 0.0))[0]) * share
    is_told = _MIN_DPI <= dots <= _MAX_DPI
    is_small = dots < _SMALL_DPI if is_told else pixels < _SMALL_PIXELS
    scale = min(2.0 if is_small else 1.0, (_MAX_PIXELS / pixels) ** 0.5)
    if scale != 1.0:
        size = max(1, round(grey.width * scale)), max(1, round(grey.height * scale))
        grey = grey.resize(size, Resampling.LANCZOS if scale > 1.0 else Resampling.BOX)
    return Picture(grey.width, grey.height, grey.tobytes(), round(dots * scale) if is_told else None)


def _grey(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits and more
        lowest, highest = cast(tuple[float, float], picture.convert("F").getextrema())
        factor = 255.0 / max(highest - lowest, 1.0)
        return picture.convert("F").point(lambda value: value * factor - lowest * factor).convert("L")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        paper = Image.new("RGBA", clear.size, "white")
        paper.alpha_composite(clear)
        return paper.convert("L")
    return picture.convert("L")


def _properties(exif: Exif) -> tuple[date | None, list[Field | None]]:
    """When it was taken, and by whom."""
    written = str(exif.get_ifd(_EXIF_PART).get(_TAKEN) or "")
    day = parse_date(written[:10].replace(":", "-"))
    author = clean(str(exif.get(_TAKEN_BY) or ""))
    return day, [property_field("author", author), property_field("created", day)]
