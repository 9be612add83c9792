"""HTML, PDF and office files of other projects' tests: each ends as a document or as a reason of one plain line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ingest import Document, IngestError, MarkKind
from ingest.parsers import parse
from ingest.parsers.office import is_available

_KINDS = {
    **{
        ".html": "html",
        ".htm": "html",
        ".pdf": "pdf",
        ".docx": "docx",
        ".pptx": "pptx",
        ".xlsx": "xlsx",
        ".xls": "xls",
    },
    **{".odt": "odt", ".rtf": "rtf", ".doc": "doc", ".ppt": "ppt"},
}
_SCANNED = "looks scanned: it holds pictures of text only; run OCR on it and add the result"
_ENCRYPTED = "encrypted: save a copy without a password"
_EMPTY = "empty: it holds no text"
_WORD = re.compile(r"[^\W_]+")


@pytest.fixture
def docs(shared: Path) -> Path:
    """The folder of real documents."""
    if not (shared / "docs").is_dir():
        pytest.skip("the real documents (shared/data/docs beside the checkout) are not here")
    return shared / "docs"


def files(docs: Path, *kinds: str) -> list[Path]:
    return [path for path in sorted(docs.rglob("*")) if _KINDS.get(path.suffix.lower()) in kinds and path.is_file()]


def end(path: Path) -> Document | str:
    try:
        return parse(path.read_bytes(), name=path.name)
    except IngestError as error:
        return str(error)


def test_every_file_is_a_document_or_a_reason(docs: Path) -> None:
    ended: Counter[tuple[str, str]] = Counter()
    for path in files(docs, "html", "pdf", "docx", "pptx", "xlsx", "xls", "odt", "rtf"):
        found = end(path)
        kind = _KINDS[path.suffix.lower()]
        if isinstance(found, str):
            ended[kind, found] += 1
            continue
        ended[kind, "text"] += 1
        assert found.text.strip(), path.name
        assert found.text == found.text.encode().decode().replace("\x00", "").replace("\r", ""), path.name
        assert [mark.start for mark in found.marks] == sorted(mark.start for mark in found.marks), path.name
        headings = [mark for mark in found.marks if mark.kind is MarkKind.HEADING]
        for mark in headings:
            printed = " ".join(found.text[mark.start : mark.start + len(mark.label) + 20].split())
            assert printed.startswith(mark.label), (path.name, mark)
        assert all(field.value and field.start is None for field in found.fields), path.name
    # The empty Word files hold no w:t or m:t with words; nine of the scanned PDFs hold no letter for PDFium, the tenth
    # (imagemagick-images.pdf) a layer's name far beside its pages; two want a password. The three empty presentations
    # hold pictures only, the empty workbook no cell.
    assert ended == {
        ("html", "text"): 17,
        ("pdf", "text"): 64,
        ("pdf", _SCANNED): 10,
        ("pdf", _ENCRYPTED): 2,
        ("docx", "text"): 60,
        ("docx", _EMPTY): 16,
        ("pptx", "text"): 14,
        ("pptx", _EMPTY): 3,
        ("xlsx", "text"): 13,
        ("xlsx", _EMPTY): 1,
        ("xlsx", _ENCRYPTED): 1,
        ("xls", "text"): 2,
        ("odt", "text"): 3,
        ("rtf", "text"): 3,
    }


@pytest.mark.slow
def test_old_word_and_powerpoint_files_are_read_by_libreoffice(docs: Path) -> None:
    """Two of the seven are new files under an old name; the others begin as their new versions beside them do."""
    if not is_available():
        pytest.skip("LibreOffice is not installed")
    texts = {path.name: found.text for path in files(docs, "doc", "ppt") if isinstance(found := end(path), Document)}
    assert len(texts) == 7
    folder = docs / "unstructured"
    for name, other in (("simple.doc", "simple.docx"), ("fake-power-point.ppt", "fake-power-point.pptx")):
        new = end(folder / other)
        assert isinstance(new, Document) and texts[name] == new.text, name


def test_pdf_pages_with_text_are_the_marks_and_no_word_is_lost(docs: Path) -> None:
    """Against PDFium's own text of each page: the same characters, blanks and hyphens aside."""
    import pypdfium2

    for path in files(docs, "pdf"):
        found = end(path)
        if isinstance(found, str):
            continue
        with_text = []
        for number, page in enumerate(pypdfium2.PdfDocument(path.read_bytes()), start=1):
            text = _squeezed(page.get_textpage().get_text_bounded())
            if text:
                with_text.append((str(number), text))
        starts = [mark.start for mark in found.marks]
        pages = [_squeezed(found.text[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
        assert [mark.label for mark in found.marks] == [label for label, _ in with_text], path.name
        for got, (label, expected) in zip(pages, with_text, strict=True):
            assert abs(len(got) - len(expected)) <= 1, (path.name, label)  # one file has a letter on the page's edge
            assert not Counter(got) - Counter(expected), (path.name, label)


def _squeezed(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\u00ad\ufffc\ufffe-]", "", text)


def test_pdf_words_are_those_others_expect(docs: Path) -> None:
    """Share of the expected words that are found, by file; expected_outputs are markitdown's own."""
    folder = docs / "markitdown" / "packages" / "markitdown" / "tests" / "test_files"
    shares = {}
    for path in sorted((folder / "expected_outputs").glob("*.md")):
        found = end(folder / f"{path.stem}.pdf")
        expected = Counter(_WORD.findall(path.read_text(encoding="utf-8").replace("-\n", "")))
        if isinstance(found, str):
            assert not expected, path.name  # nothing is expected of the scan either
            continue
        words = Counter(_WORD.findall(found.text))
        shares[path.stem] = (expected & words).total() / expected.total()
    assert len(shares) == 5
    assert {name: share for name, share in shares.items() if share < 0.97} == {}, shares


def test_word_text_is_all_that_is_in_the_body(docs: Path) -> None:
    """Against every w:t of the body: what is left out is deleted, hidden, or there twice."""
    import io
    import zipfile

    from lxml import etree

    word = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    for path in files(docs, "docx"):
        found = end(path)
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            body = etree.fromstring(archive.read("word/document.xml"))
        fallbacks = {t for node in body.iter("{*}Fallback") for t in node.iter(f"{word}t")}
        expected = Counter(
            "".join("".join((t.text or "") for t in body.iter(f"{word}t") if t not in fallbacks).split())
        )
        got = Counter("".join(("" if isinstance(found, str) else found.text).split()))
        assert not expected - got, path.name


def test_slides_and_notes_are_all_there(docs: Path) -> None:
    """Against every a:t of slides and notes; the odd one out is the placeholder of a date."""
    import io
    import zipfile

    from lxml import etree

    missing = {}
    for path in files(docs, "pptx"):
        found = end(path)
        expected: Counter[str] = Counter()
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"ppt/(?:slides|notesSlides)/[^/]+\.xml", name):
                    expected.update("".join(t.text or "" for t in etree.fromstring(archive.read(name)).iter("{*}t")))
        lost = expected - Counter("" if isinstance(found, str) else found.text)
        if "".join(lost).strip():
            missing[path.name] = "".join(sorted(lost.elements())).strip()
    assert missing == {"fake-power-point-malformed.pptx": "".join(sorted("ProblemDatePlaceholder"))}


def test_cells_are_all_there_in_their_rows(docs: Path) -> None:
    """Against openpyxl's own reading: each cell's words stand in the line of its row."""
    import openpyxl

    for path in files(docs, "xlsx"):
        found = end(path)
        if isinstance(found, str):
            continue
        lines: dict[tuple[str, str], str] = {}
        sheet = ""
        for mark, stop in zip(found.marks, [*found.marks[1:], None], strict=True):
            if mark.kind is MarkKind.SHEET:
                sheet = mark.label
            else:
                lines[sheet, mark.label] = found.text[mark.start : None if stop is None else stop.start]
        for worksheet in openpyxl.load_workbook(path, data_only=True).worksheets:
            for row in worksheet.iter_rows():
                texts = [
                    str(cell.value) for cell in row if isinstance(cell.value, (str, int)) and str(cell.value).strip()
                ]
                line = lines.pop((worksheet.title, str(row[0].row)), "")
                for text in texts:
                    assert " ".join(text.split()) in line, (path.name, worksheet.title, row[0].row)
        assert not lines, path.name


def test_paragraphs_of_open_documents_are_all_there(docs: Path) -> None:
    import io
    import zipfile

    from lxml import etree

    for path in files(docs, "odt"):
        found = end(path)
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            body = etree.fromstring(archive.read("content.xml")).find("{*}body")
        expected = Counter("".join("".join(body.itertext()).split()))
        assert isinstance(found, Document) and not expected - Counter(found.text), path.name
