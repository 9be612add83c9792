"""The session of docs/terminal.md, driven again in a real terminal and compared line by line."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest

from benchmarks.terminal import page
from benchmarks.terminal.script import SCENES
from benchmarks.terminal.user import driven

PAGE = Path(__file__).parents[2] / "docs" / "terminal.md"


@pytest.mark.slow
@pytest.mark.model
def test_the_session_in_the_docs_is_what_a_user_sees() -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed; the tests with pexpect drive a terminal without it")
    blocks = driven(SCENES)
    kept = page.read(PAGE.read_text(encoding="utf-8"))
    told = ["\n".join(page.masked(lines)) for lines in kept]
    seen = ["\n".join(page.masked(block.lines)) for block in blocks]
    differing = list(
        difflib.unified_diff("\n\n".join(told).split("\n"), "\n\n".join(seen).split("\n"), "told", "seen", lineterm="")
    )
    assert not differing, "write the page again with python -m benchmarks.terminal, or mend it:\n" + "\n".join(
        differing
    )


def test_what_may_differ_from_run_to_run_is_masked_and_nothing_else() -> None:
    before = [
        "Reading    8/8 files · 11 passages · searchable now                       0:03",
        "as of version 1 (2026-11-25 23:12) · newest evidence 2026-02-18",
        "score 1.000 · meaning 0.747 (cosine) · words 4.79 (BM25)",
        "as backed up on 2026-11-25 23:55.",
        '"checked_at": "2026-11-25T23:52:00.507000+00:00",',
        "9 chats · model quote · 385 KB on disk",
        "Ana Ruiz  owns two  spaces.",
    ]
    after = [
        "Reading    8/8 files · 11 passages · searchable now                      0:13",
        "as of version 1 (2027-01-01 00:00) · newest evidence 2026-02-18",
        "score 0.999 · meaning 0.748 (cosine) · words 4.80 (BM25)",
        "as backed up on 2026-11-26 00:10.",
        '"checked_at": "2026-11-26T00:07:24.876000+00:00",',
        "9 chats · model quote · 1.2 MB on disk",
        "Ana Ruiz  owns two  spaces.",
    ]
    assert page.masked(before) == page.masked(after)
    for told, seen in (
        ("8 documents", "9 documents"),
        ("newest evidence 2026-02-18", "newest evidence 2026-02-19"),
        ("version 1", "version 2"),
        ("two  spaces", "two spaces"),
        ("terms: own, dead", "terms: own"),
    ):
        assert page.masked([told]) != page.masked([seen])


def test_a_page_read_back_has_the_blocks_it_was_written_from() -> None:
    blocks = [
        page.Block("One", "A sentence.", ("$ lifelong", "", "No knowledge base yet.")),
        page.Block("Two", "", ("›",)),
    ]
    assert page.read(page.written(blocks)) == [block.lines for block in blocks]
    older = page.written([page.Block("One", "", ("it took 3 s",))])
    assert page.kept([page.Block("New", "", ("it took 9 s",))], older) == [page.Block("New", "", ("it took 3 s",))]
