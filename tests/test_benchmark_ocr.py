"""Which pages `benchmarks.ocr` takes, and what it tells of them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from benchmarks import ocr
from benchmarks.documents.likeness import Likeness
from ingest.ocr import INSTALL, NotRead
from tests.ingest.parsers.test_pdf import column, pdf
from tests.ingest.test_ocr import needs_posix, path, row, shown, tesseract

__all__ = ["path"]  # the fixture

LINES = [f"Line {number} of the first page of {{}}" for number in range(5)]  # 8 words each

SCANNED = "q 612 0 0 792 0 0 cm BI /W 2 /H 2 /CS /G /BPC 8 ID \x00\xff\x00\xff EI Q BT /F1 12 Tf 14 TL 72 700 Td " + (
    "(words that another program recognised) Tj T* " * 8 + "ET"
)


def first(name: str) -> str:
    return "\n".join(LINES).format(*[name] * 5)


def write(folder: Path, name: str, *pages: str) -> None:
    (folder / name).write_bytes(pdf(*(column(*page.split("\n")) if page else [] for page in pages)))


def test_first_pages_of_enough_words_are_taken_each_text_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.pdf", "a2.pdf", "in/z.pdf"):
        write(tmp_path, name, first(name[:1]), "The second page")
    write(tmp_path, "few.pdf", "Only a few words", first("few"))
    write(tmp_path, "none.pdf", "", first("none"))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (tmp_path / "scan.pdf").write_bytes(pdf(SCANNED))
    assert list(ocr.first_pages(tmp_path)) == [("a.pdf", first("a")), ("in/z.pdf", first("i"))]


def test_pages_are_spread_evenly() -> None:
    pages = [(f"{number}.pdf", "") for number in range(7)]
    assert ocr.spread(pages, 3) == [pages[0], pages[2], pages[4]]
    assert ocr.spread(pages, 9) == pages and ocr.spread([], 9) == []


def test_the_share_of_latin_letters_is_of_the_letters_alone() -> None:
    assert ocr.latin_share("aé ß 123 …") == 1.0
    assert ocr.latin_share("ab жд") == 0.5
    assert ocr.latin_share("12") == 0.0


def test_a_page_is_drawn_at_300_dpi(tmp_path: Path) -> None:
    write(tmp_path, "a.pdf", "Words")
    drawn = ocr.drawn(tmp_path / "a.pdf")
    assert (drawn.width, drawn.dpi) == (2550, 300)  # 8.5 inches
    assert drawn.height in (3300, 3301)  # 11 inches, rounded up
    assert not drawn.is_blank()


def test_the_table_has_means_and_names_pages_read_badly() -> None:
    reads = [
        ocr.Read("a.pdf", Likeness(recall=1.0, precision=0.9, order=1.0, words=100), "", 1.0, 2.0),
        ocr.Read("b.pdf", Likeness(recall=0.5, precision=0.8, order=0.5, words=50), "", 1.0, 3.0),
        ocr.Read("c.pdf", Likeness(recall=0.0, precision=1.0, order=0.9, words=30), "too late", 4.0, 10.0),
    ]
    told = ocr.page({"tesseract 5 (eng)": reads}).splitlines()
    assert told[2] == "| tesseract 5 (eng) | 3 | 180 | 0.500 | 0.900 | 0.800 | 2.0 / 1.0 | 5.0 / 3.0 |"
    assert told[-2:] == [
        "- tesseract 5 (eng): c.pdf: recall 0.000, not read: too late",
        "- tesseract 5 (eng): b.pdf: recall 0.500",
    ]


@needs_posix
def test_recognisers_take_turns_and_the_time_of_the_program_counts(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tesseract(path, shown(row("1 1 1", 90, "Line of page")), langs="eng\\ndeu")
    write(tmp_path, "a.pdf", "Line of page 1")
    recognisers = [ocr.recogniser_for(languages) for languages in ("eng", "", "eng+deu")]
    found = ocr.recognised(tmp_path, [("a.pdf", "Line of page 1")] * 2, recognisers)
    assert {name: [read.found for read in reads] for name, reads in found.items()} == {
        "tesseract 9.8.7 (eng)": [Likeness(recall=0.75, precision=1.0, order=1.0, words=4)] * 2,
        "tesseract 9.8.7 (eng+deu)": [Likeness(recall=0.75, precision=1.0, order=1.0, words=4)] * 2,
    }
    assert [line[-5:] for line in capsys.readouterr().err.splitlines()] == ["(eng)", "+deu)"] * 2
    before = time.process_time()
    (read,) = ocr.recognised(tmp_path, [("a.pdf", "")], recognisers[:1])["tesseract 9.8.7 (eng)"]
    assert read.cpu_s > time.process_time() - before + 0.005  # two processes were started


def test_without_the_program_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["ocr", "--data", str(tmp_path)])
    assert ocr.main() == 1
    assert capsys.readouterr().err == f"{INSTALL}\n"


@needs_posix
def test_without_a_language_to_read_in_nothing_is_read(path: Path) -> None:
    tesseract(path, "exit 1", langs="osd")
    with pytest.raises(NotRead, match="no language"):
        ocr.recogniser_for("")
