"""Fusion and spreading, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import Chunk, Document
from rag_lifelong import open_assistant
from rag_lifelong.knowledge_base import KnowledgeBase, utc_now
from rag_lifelong.operations import Place, Put
from rag_lifelong.questions import marked_terms
from rag_lifelong.retrieve import Scored, dense_weight, fuse, known_by_words, spread
from rag_lifelong.types import Scores


def test_the_mix_is_convex_and_each_part_scaled() -> None:
    fused = fuse({1: 0.9, 2: 0.5, 3: 0.1}, {2: 8.0, 3: 4.0}, dense_weight=0.7)
    # cosines to [0, 1] by min-max: 1, 0.5, 0; BM25 by its maximum: 0, 1, 0.5
    assert fused[1].fused == pytest.approx(0.7)
    assert fused[2].fused == pytest.approx(0.35 + 0.3)
    assert fused[3].fused == pytest.approx(0.15)
    assert fused[1].words is None


def test_a_passage_that_waits_for_its_vector_is_ranked_by_words() -> None:
    fused = fuse({1: 0.9, 2: 0.1}, {3: 5.0, 2: 2.0}, dense_weight=0.7)
    assert fused[3].dense is None
    assert fused[3].fused == 1.0


def test_words_count_for_more_the_more_they_know() -> None:
    assert dense_weight(0.6, 0.0) == 0.6
    assert dense_weight(0.6, 1.0) == pytest.approx(0.6 * 0.3)


def test_words_know_what_stands_out_for_them_and_is_far_down_by_its_cosine() -> None:
    far = dict.fromkeys(range(30), 0.9) | {99: 0.1}
    by_words = {99: 10.0} | dict.fromkeys(range(15), 7.0)  # ahead by 0.3: two thirds from 0.1 to 0.4
    question = "What did Ada Byron note in 1843?"  # ada, byron and 1843 count twice; note once

    def known(string: str, by_vector: dict[int, float] = far, found: dict[int, float] = by_words) -> float:
        return known_by_words(question, by_vector, found, lambda passage_id: string if passage_id == 99 else "")

    assert known("Notes by Ada Byron, 1843") == pytest.approx(2 / 3)
    assert known("By Ada Byron, 1843") == pytest.approx(2 / 3 * (6 / 7 - 0.7) / 0.2)
    assert known("Notes by Ada Byron, 1842") == pytest.approx(2 / 3 * (5 / 7 - 0.7) / 0.2)
    assert known("Notes by Ada") == 0.0
    assert known("Notes by Ada Byron, 1843", dict.fromkeys(range(19), 0.9) | {99: 0.1}) == 0.0  # not far enough down
    assert known("Notes by Ada Byron, 1843", dict.fromkeys(range(30), 0.9)) == 0.0  # it waits for its vector
    assert known("Notes by Ada Byron, 1843", far, {99: 10.0} | dict.fromkeys(range(15), 9.0)) == 0.0  # not ahead
    assert known("Notes by Ada Byron, 1843", far, {99: 10.0}) == 1.0  # alone
    assert known("", far, {}) == 0.0


def test_one_document_does_not_take_every_place() -> None:
    ranked = [Scored(i, 1, Scores(1 - i / 10, None, None)) for i in range(6)] + [Scored(9, 2, Scores(0.1, None, None))]
    assert [s.passage_id for s in spread(ranked, 4)] == [0, 1, 2, 9]


def test_one_document_takes_every_place_if_there_is_no_other() -> None:
    ranked = [Scored(i, 1, Scores(1 - i / 10, None, None)) for i in range(6)]
    assert [s.passage_id for s in spread(ranked, 4)] == [0, 1, 2, 3]


def put(base: KnowledgeBase, name: str, text: str, *, title: str = "") -> None:
    root = base.folders.ensure_root("/notes", is_whole=True)
    chunk = Chunk(0, len(text), text, title, "", None)
    document = Document(text, title, None, (), (), True, "text", 1)
    base.commit(
        [Put(Place(root.id, name, len(text), 0), name.encode(), utc_now(), document, [chunk], 1, by_name=False)],
        cause="test",
    )


def test_a_document_named_by_its_number_goes_first(base: KnowledgeBase) -> None:
    for number in range(1, 30):
        put(
            base,
            f"{number}.md",
            "Delegates delegate to a delegate." * number,
            title=f"PEP {number} – Delegates",
        )
    put(base, "572.md", "Assignment in expressions.", title="PEP 572 – Walrus")
    assert base.search("Who was the delegate of PEP 572?", 3)[0].title == "PEP 572 – Walrus"
    assert base.search("Who was the delegate of PEP 5?", 1)[0].title == "PEP 5 – Delegates"


def test_only_paths_that_match_are_searched(base: KnowledgeBase) -> None:
    put(base, "ops/a.md", "The queue is full.")
    put(base, "hr/b.md", "The queue is empty.")
    while base.embed_next(10):
        pass
    for pattern in ("hr/*", "*/b.md", "/notes/hr/b.md", "notes/hr/*", "hr", "/notes/hr"):
        assert [Path(hit.path).name for hit in base.search("queue", 5, within=[pattern])] == ["b.md"]
    assert base.search("queue", 5, within=["nowhere/*"]) == ()


def test_words_outside_the_latin_script_are_found(base: KnowledgeBase) -> None:
    put(base, "zh.md", "黑豹队的防守只丢了308分。")
    put(base, "ja.md", "東京都の人口は約1400万人です。")
    assert Path(base.search("黑豹队 防守", 1)[0].path).name == "zh.md"
    assert Path(base.search("東京都の人口", 1)[0].path).name == "ja.md"


def test_a_header_entry_asked_for_is_found_whole_however_long(tmp_path: Path) -> None:
    links = [
        f"`{day:02}-Jan-2024 <https://lists.example/archives/{day}/THREADWITHALONGNAME>`__" for day in range(1, 29)
    ]
    history = "Post-History: " + ",\n              ".join(links)
    header = f"PEP: 7\nTitle: Retries\nStatus: Draft\n{history}\nResolution: none\n"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "pep-0007.rst").write_text(f"{header}\nAbstract\n========\n\nText about retries.\n")
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(tmp_path / "notes")
        passages = assistant.documents()[0].passages
        (found,) = assistant.search("PEP 7 Post-History", 1)
        assert passages > 3  # the entry is cut into several
        assert history in found.text
        assert assistant.show(found.path)[found.start : found.end] == found.text
        (status,) = assistant.search("PEP 7 Status", 1)
        assert history not in status.text


def test_names_numbers_and_identifiers_are_marked() -> None:
    assert marked_terms("What did Ada Byron note in 1843 about max_size?") == {
        "ada",
        "byron",
        "1843",
        "max",
        "size",
        "maxsize",
    }
    assert marked_terms("Which harbour?") == frozenset()
    assert marked_terms("") == frozenset()
