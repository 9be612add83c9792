"""Pictures made here, with a stand-in for the program that reads them; hostile and random ones."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ingest import Document, IngestError, MarkKind, ScannedFile, TooLarge, UnreadableFile
from ingest.limits import DEFAULT, Limits
from ingest.parsers import parse as parse_any
from ingest.parsers.image import parse
from tests.ingest.test_ocr import needs_posix, path, row, shown, tesseract

__all__ = ["path"]  # the fixture


def read(data: bytes, limits: Limits = DEFAULT) -> Document:
    return parse(data, name="a.png", limits=limits)


def inked(width: int = 40, height: int = 20, mode: str = "L") -> Image.Image:
    picture = Image.new(mode, (width, height), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, width // 2 - 1, height - 1), fill="black")  # the left half
    return picture


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def given_to_it(folder: Path) -> Image.Image:
    """What the program got."""
    return Image.open(io.BytesIO((folder / "got").read_bytes()))


@pytest.fixture
def keeps(path: Path) -> Path:
    """The program keeps what it gets, and reads one word."""
    keep = f'cat page.pgm > "{path}/got"\necho "$@" > "{path}/arguments"\n'
    tesseract(path, keep + shown(row("1 1 1", 90, "Word")))
    return path


@needs_posix
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
def test_pictures_of_every_kind_are_read_whatever_their_name(keeps: Path, kind: str) -> None:
    found = parse_any(saved(inked(), kind), name=f"a.{kind.lower()}")
    assert (found.text, found.title, found.dated, found.marks, found.is_source) == ("Word", "", None, (), False)
    assert [(field.name, field.value) for field in found.fields] == [("read-by", "tesseract 9.8.7 (eng)")]
    assert parse_any(saved(inked(), "PNG"), name="a.pdf").parser == "image"


@needs_posix
def test_a_small_picture_is_drawn_twice_as_large_and_a_large_one_smaller(
    keeps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(saved(inked()))
    assert given_to_it(keeps).size == (80, 40)
    assert "--dpi" not in (keeps / "arguments").read_text()
    read(saved(inked(), dpi=(300, 300)))
    assert given_to_it(keeps).size == (40, 20)
    assert "--dpi 300" in (keeps / "arguments").read_text()
    read(saved(inked(), dpi=(150, 150)))
    assert given_to_it(keeps).size == (80, 40)
    assert "--dpi 300" in (keeps / "arguments").read_text()
    monkeypatch.setattr("ingest.parsers.image._MAX_PIXELS", 100_000)
    read(saved(inked(800, 500), dpi=(600, 600)))
    assert given_to_it(keeps).size == (400, 250)
    read(saved(inked(800, 500), "JPEG", dpi=(600, 600)))
    assert given_to_it(keeps).size == (400, 250)
    assert "--dpi 300" in (keeps / "arguments").read_text()


def left_and_right(folder: Path) -> tuple[int, int]:
    got = given_to_it(folder)
    corner = got.getpixel((2, 2)), got.getpixel((got.width - 3, got.height - 3))
    assert isinstance(corner[0], int) and isinstance(corner[1], int)
    return corner[0], corner[1]


@needs_posix
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_any_colours_become_grey(keeps: Path, mode: str) -> None:
    picture = inked()
    if mode == "I;16":
        picture = picture.convert("I").point(lambda value: value * 257).convert("I;16")
    elif mode in ("I", "F"):
        picture = picture.convert(mode).point(lambda value: value * 1000 + 7)
    else:
        picture = picture.convert(mode)
    read(saved(picture, "TIFF"))
    assert left_and_right(keeps) == (0, 255)


@needs_posix
def test_what_is_clear_is_white(keeps: Path) -> None:
    picture = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 20, 20))
    read(saved(picture))
    assert left_and_right(keeps) == (0, 255)


@needs_posix
def test_properties_of_a_photograph(keeps: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180°
    exif[0x013B] = "Ana\0 Ruiz"
    exif.get_ifd(0x8769)[0x9003] = "2024:02:29 10:11:12"
    found = read(saved(inked(), "JPEG", exif=exif, quality=100))
    assert found.dated == date(2024, 2, 29)
    assert [(field.name, field.value) for field in found.fields][:2] == [
        ("author", "Ana Ruiz"),
        ("created", "2024-02-29"),
    ]
    left, right = left_and_right(keeps)
    assert left > 250 and right < 5


@needs_posix
def test_pages_of_a_tiff_are_marks_and_those_of_a_gif_are_one(keeps: Path) -> None:
    blank = Image.new("L", (40, 20), 255)
    found = read(saved(inked(), "TIFF", save_all=True, append_images=[blank, inked()]))
    assert found.text == "Word\n\nWord"
    assert [(m.kind, m.label, m.start) for m in found.marks] == [(MarkKind.PAGE, "1", 0), (MarkKind.PAGE, "3", 6)]
    moving = read(saved(inked(), "GIF", save_all=True, append_images=[blank, inked()]))
    assert (moving.text, moving.marks) == ("Word", ())


@needs_posix
def test_no_text_is_a_reason(path: Path) -> None:
    tesseract(path, shown())
    with pytest.raises(UnreadableFile, match=r"^no text was found in the picture$"):
        read(saved(inked()))


def test_without_the_program_a_picture_is_a_reason(path: Path) -> None:
    with pytest.raises(ScannedFile, match=r"^looks scanned: install tesseract-ocr to have it read, or add its text$"):
        read(saved(inked()))


@needs_posix
def test_too_little_time_is_said(path: Path) -> None:
    tesseract(path, f'[ -e "{path}/once" ] && exec sleep 30\n: > "{path}/once"\n' + shown(row("1 1 1", 90, "Word")))
    pages = saved(inked(), "TIFF", save_all=True, append_images=[inked(), inked()])
    found = read(pages, replace(DEFAULT, timeout_s=1.5))
    assert found.text == "Word\n\n[p. 2 and on not read: recognising its text took longer than 1.05 s]"
    assert [mark.label for mark in found.marks] == ["1", "2"]
    assert found.fields[-1].value == "p. 2 and on: recognising its text took longer than 1.05 s"
    with pytest.raises(
        ScannedFile, match=r"^looks scanned: recognising its text took longer than 0\.7 s; add its text$"
    ):
        read(saved(inked()), replace(DEFAULT, timeout_s=1.0))


# -- hostile


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_bomb_is_told_by_its_size_before_it_is_unpacked(path: Path) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )
    with pytest.raises(TooLarge, match="million"):
        read(bomb)
    small = replace(DEFAULT, max_unpacked_bytes=4_000)
    with pytest.raises(TooLarge, match=r"^40 × 26 pixels, the limit is 0 million: save it smaller$"):
        read(saved(inked(40, 26)), small)


@needs_posix
def test_more_pages_than_the_limit_are_too_large(keeps: Path) -> None:
    pages = saved(inked(), "TIFF", save_all=True, append_images=[inked(), inked()])
    with pytest.raises(TooLarge, match=r"^over 2 pages: split the file$"):
        read(pages, replace(DEFAULT, max_pages=2))
    assert len(read(pages, replace(DEFAULT, max_pages=3)).marks) == 3


@needs_posix
def test_pages_of_a_tiff_that_go_round_in_circles_end(keeps: Path) -> None:
    data = bytearray(saved(inked(), "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, at + 2 + 12 * count, at)  # the next page is this one
    assert read(bytes(data), replace(DEFAULT, max_pages=5)).text.startswith("Word")


def test_half_a_picture_and_no_picture_are_reasons(path: Path) -> None:
    for data in (saved(inked())[:60], saved(inked(300, 300), "JPEG")[:400], b"\x89PNG\r\n", b"", b"words", b"GIF89a"):
        with pytest.raises(UnreadableFile, match=r"^damaged picture: open it in a viewer and save it anew$"):
            read(data)


WHOLE = [
    saved(inked()),
    saved(inked(), "JPEG"),
    saved(inked(), "GIF"),
    saved(inked(), "TIFF", save_all=True, append_images=[inked()]),
    saved(inked(), "BMP"),
    saved(inked(), "WEBP"),
]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.sampled_from(WHOLE)), st.data())
def test_anything_is_a_document_or_a_reason(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 5)) if data else 0):
        changed[draw.draw(st.integers(0, len(changed) - 1))] = draw.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")  # no OCR: what it reads is not at stake
        with pytest.raises(IngestError) as caught:
            parse(bytes(changed), name="a.png", limits=replace(DEFAULT, max_unpacked_bytes=10_000_000))
    reason = str(caught.value)
    assert reason and "\n" not in reason
