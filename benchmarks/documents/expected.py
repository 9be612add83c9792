"""Which text is expected of which file: gold texts that lie beside the documents, and the same content in another format.

Rule: a reference is read without our parsers wherever it is plain; where none is, the twin that another tool than the
one under test made is the reference ("parsed"), and agreement says that two parsers agree, not that both are right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

U = "unstructured"
L = f"{U}/language-docs"
M = "markitdown/packages/markitdown/tests/test_files"
P = "pypdf_samples"
GOLD = f"{M}/expected_outputs"
EVALUATED = f"{U}/test_evaluate_files"

EMAIL = "This is a test email to use for unit tests. Important points: Roses are red Violets are blue"


@dataclass(frozen=True, slots=True)
class Pair:
    """A file and what its text is compared with.

    reference: a path as that of `file`, or the words themselves. how: "text" or the name of an encoding, as it stands;
    "untagged", without its tags; "elements", the texts of a JSON list of elements; "parsed", as we read it; "words".
    is_whole: the file holds the reference and nothing else; else it holds more, and precision says nothing.
    """

    file: str
    reference: str
    how: str
    is_whole: bool


def _twins(folder: str, reference: str, how: str, files: str, *, is_whole: bool = True) -> list[Pair]:
    return [
        Pair(f"{folder}/{file}", reference if how == "words" else f"{folder}/{reference}", how, is_whole)
        for file in files.split()
    ]


PAIRS: tuple[Pair, ...] = (
    *_twins(U, "simple.json", "elements", "simple.docx simple.doc simple.odt"),
    *_twins(U, "README.md", "text", "README.md README.org README.rst README-w-include.org README-w-include.rst"),
    *_twins(
        U,
        "fake-text.txt",
        "text",
        "fake-text.txt fake-text-utf-16.txt fake-text-utf-16-le.txt fake-text-utf-16-be.txt fake-text-utf-32.txt",
    ),
    *_twins(
        U,
        "stanley-cups.csv",
        "text",
        "stanley-cups.csv stanley-cups.tsv stanley-cups-utf-16.csv stanley-cups-with-emoji.csv stanley-cups-with-emoji.tsv",
    ),
    *_twins(U, "stanley-cups.csv", "text", "stanley-cups.xlsx", is_whole=False),  # and a second sheet
    *_twins(U, "arbitrary-records.json", "text", "arbitrary-records.json arbitrary-records.ndjson"),
    *_twins(U, "umlauts-utf8.md", "text", "umlauts-utf8.md umlauts-non-utf8.md"),
    *_twins(U, "table-multi-row-column-cells-actual.csv", "text", "pdf/table-multi-row-column-cells.pdf"),
    *_twins(U, "factbook.xml", "untagged", "factbook.xml factbook-utf-16.xml", is_whole=False),
    *_twins(U, "fake.docx", "parsed", "fake.doc"),
    *_twins(U, "fake.docx", "parsed", "fake.odt", is_whole=False),  # and a table
    *_twins(U, "duplicate-paragraphs.docx", "parsed", "duplicate-paragraphs.doc"),
    *_twins(U, "fake-doc-emphasized-text.docx", "parsed", "fake-doc-emphasized-text.doc"),
    *_twins(U, "fake-power-point.pptx", "parsed", "fake-power-point.ppt", is_whole=False),
    *_twins(U, "example-steelJIS-datasheet.html", "parsed", "example-steelJIS-datasheet-utf-16.html"),
    *_twins(U, "handbook-1p.docx", "parsed", "handbook-1p-no-rendered-page-breaks.docx"),
    *_twins(U, "pdf/fake-memo.pdf", "parsed", "pdf/fake-memo-with-duplicate-page.pdf", is_whole=False),
    *_twins(U, "pdf/layout-parser-paper-fast.pdf", "parsed", "pdf/layout-parser-paper-with-empty-pages.pdf"),
    *_twins(U, "pdf/multi-column-2p.pdf", "parsed", "pdf/multi-column.pdf", is_whole=False),
    *_twins(
        U,
        EMAIL,
        "words",
        "fake-email.eml fake-email.msg eml/fake-email.eml eml/fake-email-b64.eml eml/fake-email-header.eml "
        "eml/fake-email-utf-16.eml eml/fake-email-utf-16-le.eml eml/fake-email-utf-16-be.eml "
        "eml/fake-email-malformed-encoding.eml eml/fake-email-image-embedded.eml",
        is_whole=False,
    ),
    *_twins(
        L,
        "eng_spa_mult.txt",
        "text",
        "eng_spa_mult.txt eng_spa_mult.md eng_spa_mult.org eng_spa_mult.rst eng_spa_mult.doc eng_spa_mult.docx "
        "eng_spa_mult.odt eng_spa_mult.html eng_spa_mult.rtf",
    ),
    *_twins(
        L,
        "eng_spa_mult.txt",
        "text",
        "eng_spa_mult.eml eng_spa_mult.epub eng_spa_mult.xml eng_spa_mult.ppt eng_spa_mult.pptx",
        is_whole=False,
    ),
    *_twins(M, "test_mskanji.csv", "cp932", "test_mskanji.csv"),
    *_twins(M, "test.docx", "parsed", "test_with_comment.docx", is_whole=False),
    *_twins(M, "test.xlsx", "parsed", "test.xls"),
    *_twins(P, "015-arabic/habibi.pdf", "parsed", "015-arabic/habibi-oneline-cmap.pdf"),
    *_twins(P, "006-pdflatex-outline/pdflatex-outline.pdf", "parsed", "014-outlines/mistitled_outlines_example.pdf"),
)


def pairs(docs: Path) -> list[Pair]:
    """All of which both ends are there, those with a gold text first."""
    gold = [
        Pair(f"{M}/{path.stem}.pdf", f"{GOLD}/{path.name}", "text", True) for path in sorted((docs / GOLD).glob("*.md"))
    ]
    return [pair for pair in (*gold, *PAIRS) if _is_there(docs, pair)]


def _is_there(docs: Path, pair: Pair) -> bool:
    return (docs / pair.file).is_file() and (pair.how == "words" or (docs / pair.reference).is_file())


def expected(docs: Path, pair: Pair, parsed: dict[str, str]) -> str | None:
    """The reference's text; None where it is to be parsed and could not. parsed: path → text of the documents."""
    if pair.how == "words":
        return pair.reference
    if pair.how == "parsed":
        return parsed.get(pair.reference)
    data = (docs / pair.reference).read_bytes()
    if pair.how == "elements":
        return "\n".join(element["text"] for element in json.loads(data))
    if pair.how == "untagged":
        return re.sub(r"<[^>]*>", " ", data.decode("utf-8")).replace("&amp;", "&")
    return data.decode("utf-8" if pair.how == "text" else pair.how)


def without_document(docs: Path) -> Iterator[str]:
    """The gold texts whose document is not in the folder, so that nothing can be compared with them."""
    names = {path.name for path in docs.rglob("*") if path.is_file()}
    for path in sorted((docs / EVALUATED).glob("gold_standard_*/*")):
        if path.stem not in names or path.stem == path.name:
            yield path.relative_to(docs).as_posix()


def stated_pages(docs: Path) -> dict[str, int]:
    """Path → how many pages `files.json` of the PDF samples says that it has; of those that are there."""
    try:
        listed = json.loads((docs / P / "files.json").read_text(encoding="utf-8"))["data"]
    except FileNotFoundError:
        return {}
    return {f"{P}/{entry['path']}": entry["pages"] for entry in listed if (docs / P / entry["path"]).is_file()}
