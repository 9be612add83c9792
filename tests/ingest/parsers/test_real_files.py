"""Files of other projects' tests: each ends as a document or as a reason of one plain line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ingest import Document, IngestError, MarkKind
from ingest.decode import decode
from ingest.ocr import is_available
from ingest.parsers import office, parse

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
_SCANNED = "looks scanned: install tesseract-ocr to have it read, or add its text"
_NO_TEXT = "empty, or looks scanned: no text was found on its pages; add its text"
_ENCRYPTED = "encrypted: save a copy without a password"
_EMPTY = "empty: it holds no text"
_WORD = re.compile(r"[^\W_]+")


@pytest.fixture(autouse=True)
def no_ocr(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts are those without it, also where it is installed."""
    if not {"ocr", "libreoffice"} & set(request.fixturenames):
        monkeypatch.setenv("PATH", "")


@pytest.fixture
def ocr() -> None:
    """Scans are read."""
    if not is_available():
        pytest.skip("tesseract is not installed")


@pytest.fixture
def libreoffice() -> None:
    """Old Word and PowerPoint files are read."""
    if not office.is_available():
        pytest.skip("LibreOffice is not installed")


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
@pytest.mark.usefixtures("libreoffice")
def test_old_word_and_powerpoint_files_are_read_by_libreoffice(docs: Path) -> None:
    """Two of the seven are new files under an old name; the others begin as their new versions beside them do."""
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


_DATA_KINDS = {
    ".eml": "email",
    ".msg": "msg",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".json": "json",
    ".ndjson": "json",
    ".yaml": "yaml",
    ".xml": "xml",
}


def data_files(docs: Path, *kinds: str) -> list[Path]:
    paths = (path for path in sorted(docs.rglob("*")) if path.is_file())
    return [path for path in paths if _DATA_KINDS.get(path.suffix.lower()) in kinds]


def words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text))


def test_every_mail_and_data_file_is_a_document_or_a_reason(docs: Path) -> None:
    ended: Counter[tuple[str, str]] = Counter()
    for path in data_files(docs, *_DATA_KINDS.values()):
        found = end(path)
        kind = _DATA_KINDS[path.suffix.lower()]
        if isinstance(found, str):
            ended[kind, found] += 1
            continue
        ended[kind, "its own text" if found.is_source else "text"] += 1
        assert found.text.strip() and found.parser == kind, path.name
        assert found.text == found.text.encode().decode().replace("\x00", "").replace("\r", ""), path.name
        assert [mark.start for mark in found.marks] == sorted(mark.start for mark in found.marks), path.name
        if found.is_source:
            assert found.text == decode(path.read_bytes()), path.name
        for field in found.fields:
            if field.start is not None:
                printed = found.text[field.start : field.end]
                assert printed.lower() == f"{field.name}: {field.value}".lower(), (path.name, field)
    encrypted = "encrypted: open it in your mail program and save its text or print it as a PDF"
    assert ended == {
        ("email", "text"): 38,
        ("email", encrypted): 1,
        ("email", _EMPTY): 1,
        ("msg", "text"): 4,
        ("msg", encrypted): 1,
        ("delimited", "text"): 13,
        ("json", "its own text"): 17,
        ("json", "text"): 3,
        ("yaml", "its own text"): 1,
        ("xml", "text"): 4,
    }


def test_mails_say_what_the_standard_library_reads_in_them(docs: Path) -> None:
    from email import message_from_bytes, policy

    compared = 0
    for path in data_files(docs, "email"):
        found = end(path)
        data = path.read_bytes()
        if isinstance(found, str) or "utf-16" in path.name:
            continue
        message = message_from_bytes(data, policy=policy.default)
        for name in ("from", "to", "subject"):
            value = next((field.value for field in found.fields if field.name == name), "")
            expected = str(message[name] or "")  # without what is optional
            assert re.sub(r'[\s<>"]', "", value) == re.sub(r'[\s<>"]', "", expected), (path.name, name)
        body = message.get_body(("plain",))
        if body is not None and path.name != "fake-email-malformed-encoding.eml":  # its charset is beyond the library
            expected_words = words(body.get_content().replace("\xa0", " "))
            missing = expected_words - words(found.text)
            assert missing.total() <= 0.02 * expected_words.total(), (path.name, missing)
            compared += 1
    assert compared == 30


def test_tables_of_text_keep_every_cell(docs: Path) -> None:
    import csv
    import io

    delimiters = {
        "semicolon-delimited.csv": ";",
        "table-semicolon-delimiter.csv": ";",
        "csv-with-line-delimiter.csv": "|",
    }
    for path in data_files(docs, "delimited"):
        found = end(path)
        assert not isinstance(found, str)
        delimiter = "\t" if path.suffix == ".tsv" else delimiters.get(path.name, ",")
        rows = [row for row in csv.reader(io.StringIO(decode(path.read_bytes())), delimiter=delimiter) if any(row)]
        assert len(found.marks) == len(rows), path.name
        starts = [mark.start for mark in found.marks]
        for row, start, stop in zip(rows, starts, [*starts[1:], None], strict=True):
            line = found.text[start:stop]
            assert not words(" ".join(row)) - words(line), (path.name, line)


def test_json_and_xml_keep_every_word(docs: Path) -> None:
    import json

    from lxml import etree

    def strings(value: object) -> list[str]:
        if isinstance(value, dict):
            return [*value, *(text for inner in value.values() for text in strings(inner))]
        if isinstance(value, list):
            return [text for inner in value for text in strings(inner)]
        return [str(value)] if value is not None and not isinstance(value, bool) else []

    for path in data_files(docs, "json", "xml"):
        found = end(path)
        assert not isinstance(found, str)
        text = decode(path.read_bytes())
        if found.is_source or path.name == "test_rss.xml":  # its entries repeat their summaries
            continue
        if path.suffix == ".xml":
            root = etree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text))
            said = " ".join(root.itertext())
        elif path.suffix == ".json":
            said = " ".join(strings(json.loads(text)))
        else:
            said = " ".join(word for line in text.splitlines() if line.strip() for word in strings(json.loads(line)))
        assert not set(words(said)) - set(words(found.text)), path.name


def test_books_have_the_chapters_of_their_contents(docs: Path) -> None:
    """Counted in the files: the h1 … h6 of the pages that the spine names; the contents where there are none."""
    found = {path.name: end(path) for path in sorted(docs.rglob("*.epub"))}
    books = {name: document for name, document in found.items() if isinstance(document, Document)}
    assert {name: (book.title, str(book.dated), len(book.marks)) for name, book in books.items()} == {
        "test.epub": ("Test EPUB Document", "2024-12-18", 2),
        "winter-sports.epub": ("Winter Sports in Switzerland", "2019-08-23", 33),
        "eng_spa_mult.epub": ("", "2023-10-03", 0),
    }
    winter = books["winter-sports.epub"]
    assert [mark.label for mark in winter.marks if mark.label.startswith("CHAPTER")] == [
        "CHAPTER I THE SUN-SEEKER",
        "CHAPTER II RINKS AND SKATERS",
        "CHAPTER III TEES AND CRAMPITS",
        "CHAPTER IV TOBOGGANING",
        "CHAPTER V ICE-HOCKEY",
        "CHAPTER VI SKI-ING",
        "CHAPTER VII NOTES ON WINTER RESORTS",
        "CHAPTER VIII FOR PARENTS AND GUARDIANS",
    ]
    for book in books.values():
        assert all(book.text.startswith(mark.label.split()[0], mark.start) for mark in book.marks)


def test_words_of_a_book_are_those_of_its_pages(docs: Path) -> None:
    """Against the pages with their tags cut out: nothing is lost but the cover's page."""
    import html
    import zipfile

    path = next(docs.rglob("winter-sports.epub"))
    found = end(path)
    assert isinstance(found, Document)
    with zipfile.ZipFile(path) as archive:
        pages = [archive.read(f"OEBPS/9010142969167985858_60153-h-{i}.htm.html").decode() for i in range(9)]
    bodies = [re.sub(r"<[^>]*>", " ", page[page.index("<body") :]) for page in pages]
    expected = Counter(_WORD.findall(html.unescape(" ".join(bodies))))
    words = Counter(_WORD.findall(found.text))
    assert (expected & words).total() >= 0.995 * expected.total()  # words cut by a tag: "W<small>INTER</small>"
    assert (expected & words).total() >= 0.995 * words.total()


def test_org_files_stay_and_have_their_headings(docs: Path) -> None:
    found = {path.name: end(path) for path in sorted(docs.rglob("*.org"))}
    outlines = {
        name: [(mark.level, mark.label) for mark in document.marks]
        for name, document in found.items()
        if isinstance(document, Document)
    }
    readme = [(1, "Example Docs"), (2, "XBRL 10-K")]
    assert outlines == {"README.org": readme, "README-w-include.org": readme, "eng_spa_mult.org": []}


def test_archives_hold_what_is_in_them(docs: Path) -> None:
    found = {path.name: end(path) for path in sorted(docs.rglob("*.zip"))}
    held = {
        name: [(member.name, len(member.data)) for member in document.members]
        for name, document in found.items()
        if isinstance(document, Document)
    }
    assert set(held) == {"simple.zip", "test_files.zip"}
    assert ("ideas-page.html", 6161) in held["simple.zip"]
    assert {"test.docx", "test.jpg", "test.pptx", "test.xlsx", "test_blog.html"} <= {
        n for n, _ in held["test_files.zip"]
    }


@pytest.mark.slow
def test_scanned_files_are_read_where_the_program_is_installed(docs: Path, ocr: None) -> None:
    """The pages seen by eye: four of ten hold text, one a page of four; the rest are photographs and logos."""
    names = (
        "MEDRPT-2024-PAT-3847_medical_report_scan imagemagick-ASCII85Decode imagemagick-CCITTFaxDecode imagemagick-images "
        "imagemagick-lzw grayscale-image cmyk-image loremipsum-flat single_table table-multi-row-column-cells"
    ).split()
    found = {name: end(next(docs.rglob(f"{name}.pdf"))) for name in names}
    assert {name for name, text in found.items() if text == _NO_TEXT} == set(names[1:7])
    read = {name: document for name, document in found.items() if isinstance(document, Document)}
    assert set(read) == {names[0], *names[7:]}
    for document in read.values():
        assert any(field.name == "read-by" and field.value.startswith("tesseract ") for field in document.fields)
    assert [mark.label for mark in read[names[0]].marks] == ["1", "2", "3"]
    report = {
        "SEATTLE",
        "COMPREHENSIVE",
        "MEDRPT",
        "Jonathan",
        "Harrison",
        "BlueCross",
        "Temperature",
        "ELEVATED",
        "98101",
    }
    assert report <= set(_WORD.findall(read[names[0]].text))
    expected = Counter(_WORD.findall((docs / "unstructured" / "table-multi-row-column-cells-actual.csv").read_text()))
    words = Counter(_WORD.findall(read["table-multi-row-column-cells"].text))
    assert (expected & words).total() >= 0.95 * expected.total()
    blank = end(next(docs.rglob("layout-parser-paper-with-empty-pages.pdf")))
    assert isinstance(blank, Document) and "This page is intentionally left blank" in blank.text


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
