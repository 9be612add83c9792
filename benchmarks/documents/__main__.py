"""Every file of a folder of real documents: what became of it, with which marks, how its text compares.

    python -m benchmarks.documents [--data DATA]

DATA holds `docs/`. Each file goes through the process that parses and into a real knowledge base, and ends as a document
or as a failure with its reason; anything else ends the command. Recall, precision and order of words are those of
likeness.py; expected texts and twins are listed in expected.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.documents import expected, outcomes, report
from benchmarks.documents.likeness import likeness, words

NOTE = (
    "Recall and precision of words, with their repetitions (ROUGE-1), and the share of the common ones that also follow one "
    "another alike (ROUGE-L), means over the files with an expected text. Precision leaves out files that hold more than "
    "what is expected; rows of sheets name each column again, which costs precision and is meant."
)
ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.documents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the folder that holds docs/; beside the checkout")
    docs: Path = parser.parse_args().data / "docs"
    if not docs.is_dir():
        parser.error(f"no folder {docs}")
    print(page(docs))


def page(docs: Path) -> str:
    """Raises AssertionError if a file is lost."""
    found = outcomes.parsed_apart(docs, tell=lambda path: print(path, file=sys.stderr))
    kept = outcomes.kept(docs)
    compared = compare(docs, found)
    unpaired = ", ".join(expected.without_document(docs))
    parts = [
        report.by_format(found, compared),
        NOTE,
        report.in_knowledge_base(kept, found),
        report.pages(found, expected.stated_pages(docs)),
        report.by_file(compared),
        f"Expected texts whose document is not in the folder: {unpaired}." if unpaired else "",
    ]
    return "\n\n".join(part for part in parts if part)


def compare(docs: Path, found: Sequence[outcomes.Outcome]) -> list[report.Compared]:
    outcome_of = {outcome.path: outcome for outcome in found}
    texts = {outcome.path: outcome.text for outcome in found if outcome.text is not None}
    compared = []
    for pair in expected.pairs(docs):
        outcome = outcome_of[pair.file]
        wanted = expected.expected(docs, pair, texts)
        if outcome.text is None:
            compared.append(report.Compared(pair, None, outcome.reason))
        elif wanted is None:
            compared.append(report.Compared(pair, None, f"its reference: {outcome_of[pair.reference].reason}"))
        elif not words(wanted):  # what another tool could not read is no truth
            compared.append(report.Compared(pair, None, "its expected text is empty"))
        else:
            compared.append(report.Compared(pair, likeness(wanted, outcome.text), ""))
    return compared


if __name__ == "__main__":
    main()
