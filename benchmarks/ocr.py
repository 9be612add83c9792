"""First pages of text PDFs, drawn as a scan would be and recognised, beside the text that stands in them.

    python -m benchmarks.ocr [--data DATA] [--pages 24] [--languages eng eng+deu]

DATA holds `docs/`. Pages are drawn as the PDF parser draws those without text; recall, precision and order of words are
those of documents/likeness.py. Taken are, spread evenly over the paths, first pages of at least 30 words, each text once,
nearly all of whose letters are Latin: what the program is not taught to read would say nothing about it. Left out are
scans with a text that another program recognised, which is no truth. A drawn page is sharp and straight, so this is
what recognising can do at best; paper is worse.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.documents.likeness import Likeness, likeness, words
from benchmarks.documents.report import table
from ingest.errors import IngestError
from ingest.limits import DEFAULT
from ingest.ocr import OFF, NotRead, Picture, Recogniser
from ingest.parsers.pdf import _DPI, _WHOLE_PAGE, _images, _picture, parse
from ingest.types import Document, MarkKind

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MIN_WORDS = 30
MIN_LATIN_SHARE = 0.9
MIN_RECALL = 0.9  # pages below it are named


@dataclass(frozen=True, slots=True)
class Read:
    """A page recognised. reason: why it was not, ""; cpu_s: with the program's, and that of drawing."""

    path: str
    found: Likeness
    reason: str
    cpu_s: float
    wall_s: float


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ocr", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that holds docs/; beside the checkout")
    parser.add_argument("--pages", type=int, default=24)
    parser.add_argument("--languages", nargs="+", default=[""], help="default: what is chosen by itself")
    arguments = parser.parse_args()
    docs: Path = arguments.data / "docs"
    if not docs.is_dir():
        parser.error(f"no folder {docs}")
    try:
        recognisers = [recogniser_for(languages) for languages in dict.fromkeys(arguments.languages)]
    except NotRead as error:
        print(error, file=sys.stderr)
        return 1
    pages = spread(list(first_pages(docs)), arguments.pages)
    if not pages:
        parser.error(f"no PDF with text in {docs}")
    print(page(recognised(docs, pages, recognisers)))
    return 0


def recogniser_for(languages: str) -> Recogniser:
    """Raises NotRead if it could read nothing."""
    recogniser = Recogniser(replace(DEFAULT, ocr_languages=languages, ocr_seconds=math.inf))
    if recogniser.why_stopped():
        raise NotRead(recogniser.why_stopped())
    return recogniser


def first_pages(docs: Path) -> Iterator[tuple[str, str]]:
    """(path below the folder, text) of the first pages that may be taken."""
    seen: set[tuple[str, ...]] = set()
    for path in sorted(docs.rglob("*.pdf")):
        try:
            document = parse(path.read_bytes(), name=path.name, limits=replace(DEFAULT, ocr_languages=OFF))
        except IngestError:
            continue
        text = first_page(document)
        key = tuple(words(text))
        if len(key) < MIN_WORDS or latin_share(text) < MIN_LATIN_SHARE or key in seen:
            continue
        with opened(path) as page:
            is_scan = _images(page)[0] >= _WHOLE_PAGE
        if not is_scan:
            seen.add(key)
            yield path.relative_to(docs).as_posix(), text


def spread(pages: Sequence[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    count = min(most, len(pages))
    return [pages[i * len(pages) // count] for i in range(count)]


def first_page(document: Document) -> str:
    """Its text, "" if it has none."""
    starts = {mark.label: mark.start for mark in document.marks if mark.kind is MarkKind.PAGE}
    if "1" not in starts:
        return ""
    return document.text[starts.pop("1") : min(starts.values(), default=len(document.text))].strip()


def latin_share(text: str) -> float:
    """Of its letters; those of Basic Latin, Latin-1 and Latin Extended-A and -B."""
    letters = [character for character in text if character.isalpha()]
    return sum(character < "\u0250" for character in letters) / len(letters) if letters else 0.0


def recognised(
    docs: Path, pages: Sequence[tuple[str, str]], recognisers: Sequence[Recogniser]
) -> dict[str, list[Read]]:
    """By the name of the recogniser; they take turns, page by page."""
    named = {recogniser.name: recogniser for recogniser in recognisers}
    results: dict[str, list[Read]] = {name: [] for name in named}
    for path, text in pages:
        for recogniser in named.values():
            print(f"{path}: {recogniser.name}", file=sys.stderr)
            before, began = cpu_s(), time.perf_counter()
            found = reason = ""
            try:
                found = recogniser.read(drawn(docs / path))
            except NotRead as error:
                reason = str(error)
            took = cpu_s() - before, time.perf_counter() - began
            results[recogniser.name].append(Read(path, likeness(text, found), reason, *took))
    return results


def drawn(path: Path) -> Picture:
    """Its first page, as the parser draws it."""
    with opened(path) as page:
        return _picture(page, _DPI)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Its first page."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        yield document[0]
    finally:
        document.close()


def cpu_s() -> float:
    """Of this process and all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def page(results: dict[str, list[Read]]) -> str:
    """A row for each setting: means over the pages, and of the times their medians too."""
    rows = []
    for name, reads in results.items():
        times = [[read.cpu_s for read in reads], [read.wall_s for read in reads]]
        rows.append(
            [
                name,
                f"{len(reads)}",
                f"{sum(read.found.words for read in reads):,}",
                *(f"{fmean(values):.3f}" for values in zip(*map(_shares, reads), strict=True)),
                *(f"{fmean(values):.1f} / {median(values):.1f}" for values in times),
            ]
        )
    head = ["read by", "pages", "words", "recall", "precision", "order", "CPU s a page", "wall s a page"]
    worst = [
        f"{name}: {read.path}: recall {read.found.recall:.3f}" + (f", not read: {read.reason}" if read.reason else "")
        for name, reads in results.items()
        for read in sorted(reads, key=lambda read: read.found.recall)
        if read.found.recall < MIN_RECALL
    ]
    note = f"Means over the pages; times as mean / median, the program's included. Drawn at {_DPI} dpi."
    below = [f"Pages with a recall below {MIN_RECALL}:\n\n" + "\n".join(f"- {line}" for line in worst)] if worst else []
    return "\n\n".join([table(head, rows), note, *below])


def _shares(read: Read) -> tuple[float, float, float]:
    return read.found.recall, read.found.precision, read.found.order


if __name__ == "__main__":
    sys.exit(main())
