"""The second hop: from what was found to the documents that it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import Chunk, Document
from rag_lifelong import links, second_hop
from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase
from rag_lifelong.operations import Gone, Place, Put
from rag_lifelong.terms import terms
from rag_lifelong.types import Hit

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
FILM = "The Silent Harbour is a drama of 1931. The director of the film was Ernst Halvorsen; it ran for a year."
PERSON = "He was a baker's son from Trondheim and began as a stage painter."
QUESTION = "Which town did the director of the film The Silent Harbour come from?"


def put(base: KnowledgeBase, title: str, text: str) -> None:
    name = f"{title}.txt"
    root = base.folders.ensure_root("/notes", is_whole=True)
    chunk = Chunk(0, len(text), text, title, "", None)
    document = Document(text, title, None, (), (), True, "text", 1)
    base.commit(
        [Put(Place(root.id, name, len(text), 0), name.encode(), EPOCH, document, [chunk], 1, by_name=False)],
        cause="test",
    )


def filled(folder: Path) -> KnowledgeBase:
    """A film, other films and towns that speak of the same things, and the person whom only the film names."""
    days = iter(range(1_000))
    base = KnowledgeBase(
        folder,
        embedder=HashEmbedder(64),
        now=lambda: EPOCH + timedelta(days=next(days)),
    )
    put(base, "The Silent Harbour", FILM)
    for i in range(30):
        put(base, f"Film {i}", f"Another film about a harbour and a town, number {i}. Its director came from the sea.")
    put(base, "Ernst Halvorsen", PERSON)
    embed(base)
    return base


def embed(base: KnowledgeBase) -> None:
    while base.embed_next(64):
        pass


def titles(hits: tuple[Hit, ...]) -> list[str]:
    return [hit.title for hit in hits]


def test_names_are_runs_of_capitalised_words() -> None:
    found = links.names("Yesterday we met the painter Ada of Lund and President Barack Obama. See PEP 572, in Oslo.")
    assert ("ada", "of", "lund") in found
    assert ("lund",) in found
    assert ("presid", "barack", "obama") in found
    assert ("pep", "572") in found
    assert ("oslo",) in found
    assert ("yesterday",) not in found  # a capital only because it comes first
    assert ("barack", "obama") in links.names("a visit of President Barack Obama, too")
    assert links.names("no name at all") == []


def test_a_title_also_goes_without_what_follows_it() -> None:
    assert links.titles("Mercury (planet)") == {("mercuri", "planet"), ("mercuri",)}
    assert ("pep", "572") in links.titles("PEP 572 – Assignment Expressions")
    assert links.titles("") == frozenset()


def test_what_the_best_passage_names_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path) as base:
        hits = base.search(QUESTION, 5)
        assert titles(hits)[:2] == ["The Silent Harbour", "Ernst Halvorsen"]
        assert hits[1].score <= hits[0].score
        assert [hit.scores.led_by for hit in hits[:2]] == [None, " ".join(terms("Ernst Halvorsen"))]
        monkeypatch.setattr(second_hop, "SEEDS", 0)
        assert "Ernst Halvorsen" not in titles(base.search(QUESTION, 5))


def test_a_document_that_does_not_live_or_is_out_of_scope_is_not_followed_to(tmp_path: Path) -> None:
    with filled(tmp_path) as base:
        newest = base.latest()
        assert newest is not None
        assert "Ernst Halvorsen" not in titles(base.search(QUESTION, 5, as_of=newest.number - 1))
        assert "Ernst Halvorsen" not in titles(base.search(QUESTION, 5, within=["/notes/The*", "/notes/Film*"]))
        root = base.folders.ensure_root("/notes", is_whole=True)
        base.commit([Gone(root.id, "Ernst Halvorsen.txt")], cause="test")
        assert "Ernst Halvorsen" not in titles(base.search(QUESTION, 5))
        assert "Ernst Halvorsen" in titles(base.search(QUESTION, 5, as_of=newest.number))


def test_a_name_that_many_documents_have_leads_nowhere(tmp_path: Path) -> None:
    with filled(tmp_path) as base:
        for i in range(60):
            put(base, f"Ernst Halvorsen ({i})", f"A letter, number {i}.")
        embed(base)
        assert not any(title.startswith("Ernst") for title in titles(base.search(QUESTION, 5)))


def test_of_many_documents_of_one_name_the_two_best_are_followed_to(tmp_path: Path) -> None:
    with filled(tmp_path) as base:
        for i in range(6):
            put(base, f"Ernst Halvorsen ({i})", f"A letter from a town, number {i}.")
        embed(base)
        found = [hit for hit in base.search(QUESTION, 40) if hit.title.startswith("Ernst")]
        assert sum(hit.score > 0.3 for hit in found) == second_hop.BEST


def test_a_title_that_contains_the_name_is_meant_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path) as base:
        put(base, "Ernst Halvorsen youth", "The post was late again in March.")
        embed(base)

        def scores() -> dict[str, float]:
            return {hit.title: hit.score for hit in base.search(QUESTION, 40)}

        found = scores()
        monkeypatch.setattr(second_hop, "PARTIAL", 0.0)
        without = scores()
        first = found["The Silent Harbour"]
        gained = found["Ernst Halvorsen youth"] - without.get("Ernst Halvorsen youth", 0.0)
        # 0.6 of the seed's score, times 0.6 for a part of a title, times two of three words
        assert gained == pytest.approx(0.6 * 0.6 * 2 / 3 * first)
        assert found["Ernst Halvorsen"] == without["Ernst Halvorsen"] > found["Ernst Halvorsen youth"]


def test_initials_and_apostrophes_do_not_end_a_name() -> None:
    assert ("m", "ward") in links.names("It is the third album by M. Ward, of Portland.")
    assert ("dunkin", "brand") in links.names("He was the head of Dunkin' Brands until 2010.")
    assert ("plan", "b", "then") not in links.names("We kept to plan B. Then it rained.")


def test_a_run_is_side_by_side() -> None:
    assert links.is_run(("b", "c"), ["a", "b", "c"])
    assert not links.is_run(("a", "c"), ["a", "b", "c"])
    assert not links.is_run(("c", "d"), ["a", "b", "c"])


def test_how_much_of_a_question_a_title_is() -> None:
    question = terms("Which harbour did the boat in The Silent Harbour leave from?")
    # harbour, boat, silent, leave: of these the title has two
    assert links.named_share("The Silent Harbour (film)", question) == pytest.approx(2 / 4)
    assert links.named_share("Silent Film", question) == 0.0
    assert links.named_share("The", question) == 0.0
    assert links.named_share("", question) == 0.0


def test_a_document_whose_title_the_question_holds_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with KnowledgeBase(tmp_path, embedder=HashEmbedder(64), now=lambda: EPOCH) as base:
        put(base, "Kraus House", "Built in 1852 beside a river, and moved since.")
        put(base, "Waters", "Where the river that begins beside the house of the Kraus family ends.")
        embed(base)
        asked = "Where is the beginning of the river beside the Kraus House?"
        found = {hit.title: hit.score for hit in base.search(asked, 2)}
        monkeypatch.setattr(second_hop, "TITLE_BONUS", 0.0)
        without = {hit.title: hit.score for hit in base.search(asked, 2)}
        # kraus and house, of: beginning, river, beside, kraus, house
        assert found["Kraus House"] == pytest.approx(without["Kraus House"] + 2 / 5)
        assert found["Waters"] == without["Waters"]


def test_the_parts_of_a_title_are_its_runs_and_what_it_may_be_called() -> None:
    assert links.parts("Ada Lund (painter)") == {
        ("ada",), ("lund",), ("painter",), ("ada", "lund"), ("lund", "painter"), ("ada", "lund", "painter"),
    }  # fmt: skip
    long = "one two six ten red blue green black white"
    lengths = {len(part) for part in links.parts(long)}
    assert lengths == {1, 2, 3, 4, 5, 6, 9}  # runs as long as names may be, and the whole
