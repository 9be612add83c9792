"""HTML, PDF and Word files of other projects' tests: each ends as a document or as a reason of one plain line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ingest import Document, IngestError, MarkKind
from ingest.parsers import parse

_KINDS = {".html": "html", ".htm": "html", ".pdf": "pdf", ".docx": "docx"}
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
    for path in files(docs, "html", "pdf", "docx"):
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
    # (imagemagick-images.pdf) a layer's name far beside its pages; two want a password.
    assert ended == {
        ("html", "text"): 17,
        ("pdf", "text"): 64,
        ("pdf", _SCANNED): 10,
        ("pdf", _ENCRYPTED): 2,
        ("docx", "text"): 60,
        ("docx", _EMPTY): 16,
    }


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
