"""What `benchmarks.documents` counts: how alike texts are, and that no file is lost."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from benchmarks.documents import __main__ as command
from benchmarks.documents import expected, outcomes, report
from benchmarks.documents.likeness import Likeness, common_subsequence, likeness


def longest(first: list[str], second: list[str]) -> int:
    """By trying every subsequence."""
    for size in range(len(first), 0, -1):
        for chosen in itertools.combinations(first, size):
            rest = iter(second)
            if all(word in rest for word in chosen):
                return size
    return 0


def test_words_are_counted_with_their_repetitions_and_without_markup_and_case() -> None:
    # expected: a b b c; found: b B d e; two of four expected, two of four found, both in order
    assert likeness("**A** b, b | c", "b B d_e") == Likeness(recall=0.5, precision=0.5, order=1.0, words=4)


def test_order_is_the_share_of_common_words_that_follow_one_another_alike() -> None:
    # all four in both; of "c d a b" only two can follow one another as in "a b c d"
    assert likeness("a b c d", "c d a b") == Likeness(recall=1.0, precision=1.0, order=0.5, words=4)


def test_nothing_expected_is_found_and_whatever_is_found_is_too_much() -> None:
    assert likeness("", "a") == Likeness(recall=1.0, precision=0.0, order=1.0, words=0)


def test_common_subsequence_is_that_of_trying_every_one() -> None:
    rng = random.Random(5)
    for _ in range(150):
        first, second = ([rng.choice("abcd") for _ in range(rng.randrange(8))] for _ in range(2))
        assert common_subsequence(first, second) == longest(first, second), (first, second)


def test_a_lost_file_a_silent_failure_and_one_that_is_both_are_told() -> None:
    kept = outcomes.Kept(frozenset(["a.txt", "b.zip/in.txt"]), {"c.pdf": "encrypted"})
    outcomes.check(["a.txt", "b.zip", "c.pdf"], kept)  # the archive stands in what is in it
    with pytest.raises(AssertionError, match=r"1 neither a document nor a failure: d\.txt"):
        outcomes.check(["a.txt", "b.zip", "c.pdf", "d.txt"], kept)
    with pytest.raises(AssertionError, match=r"failed without a reason: c\.pdf"):
        outcomes.check(["c.pdf"], outcomes.Kept(frozenset(), {"c.pdf": " "}))
    with pytest.raises(AssertionError, match=r"both a document and a failure: a\.txt"):
        outcomes.check(["a.txt"], outcomes.Kept(frozenset(["a.txt"]), {"a.txt": "damaged"}))
    with pytest.raises(AssertionError, match=r"from nowhere: e\.txt"):
        outcomes.check(["a.txt"], outcomes.Kept(frozenset(["a.txt", "e.txt"]), {}))


def test_the_page_of_a_small_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unstructured"
    folder.mkdir()
    (folder / "umlauts-utf8.md").write_text("# Käse\n\nKäse, Käse", encoding="utf-8")
    (folder / "umlauts-non-utf8.md").write_bytes("# Käse\n\nKäse".encode("cp1252"))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    gold = tmp_path / expected.EVALUATED / "gold_standard_cct"
    gold.mkdir(parents=True)
    (gold / "away.pdf.txt").write_text("not here")
    page = command.page(tmp_path)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    by_format = {tuple(row[:2]): row for row in rows if len(row) == 9}
    assert by_format["markdown", ".md"][2:6] == ["2", "2", "2: heading 2", ""]
    # 3 of 3 words, and 2 of 3
    assert by_format["markdown", ".md"][8] == "0.833 / 1.000 / 1.000 (2)"
    assert by_format["pdf", ".pdf"][2:4] == ["1", "0"]
    assert by_format["pdf", ".pdf"][6].startswith("1 × ")
    assert by_format["all", ""][2:4] == ["4", "3"]
    assert "3 of 4 files are documents and 1 recorded failures" in page
    assert "gold_standard_cct/away.pdf.txt." in page


def test_an_empty_expected_text_and_a_reference_that_failed_are_not_compared(tmp_path: Path) -> None:
    for name in ("empty", "there"):
        for path in (tmp_path / expected.GOLD / f"{name}.md", tmp_path / expected.M / f"{name}.pdf"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a word" if name == "there" else " ")
    for name in ("fake.docx", "fake.doc"):
        path = tmp_path / expected.U / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    paths = [f"{expected.M}/empty.pdf", f"{expected.M}/there.pdf", f"{expected.U}/fake.doc"]
    found = [outcomes.Outcome(path, "pdf", ".pdf", 1.0, "a word", "", {}, 0, 0) for path in paths]
    broken = outcomes.Outcome(f"{expected.U}/fake.docx", "docx", ".docx", 1.0, None, "damaged", {}, 0, 0)
    told = {c.pair.file: (c.found, c.reason) for c in command.compare(tmp_path, [*found, broken])}
    assert told == {
        paths[0]: (None, "its expected text is empty"),
        paths[1]: (Likeness(1.0, 1.0, 1.0, 2), ""),
        paths[2]: (None, "its reference: damaged"),
    }


def test_a_mean_of_precision_leaves_out_files_that_hold_more() -> None:
    whole, more = (expected.Pair(f"{name}.txt", "r", "text", name == "whole") for name in ("whole", "more"))
    found = [
        report.Compared(whole, Likeness(0.5, 0.8, 1.0, 9), ""),
        report.Compared(more, Likeness(1.0, 0.1, 0.5, 9), ""),
    ]
    outcome = outcomes.Outcome("whole.txt", "text", ".txt", 1.0, "words", "", {}, 0, 0)
    other = outcomes.Outcome("more.txt", "text", ".txt", 3.0, "words", "", {}, 0, 0)
    row = report.by_format([outcome, other], found).splitlines()[2]
    assert row.endswith("| 2.0 | 0.750 / 0.800 / 0.750 (2) |")


@pytest.mark.slow
def test_no_real_document_is_lost_and_texts_are_the_expected_ones(shared: Path) -> None:
    docs = (shared / "docs").resolve()
    found = outcomes.parsed_apart(docs, tell=lambda path: None)
    assert len(found) == len(outcomes.files_of(docs))
    outcomes.kept(docs)  # raises if a file is lost
    compared = command.compare(docs, found)
    short = [(c.pair.file, c.found.recall) for c in compared if c.found is not None and c.found.recall < 0.9]
    assert short == []
