"""Names known to be no title are not looked up, and nothing else is found for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag_lifelong import links, live_titles
from rag_lifelong.live_titles import LiveTitles
from rag_lifelong.operations import Gone
from rag_lifelong.store import revisions, words
from tests.rag_lifelong.test_links import put as put_text
from tests.rag_lifelong.test_live_words import opened, put

NAMES = ["Ada Lund", "Lund", "Ernst Halvorsen", "Halvorsen", "Silent Harbour", "Harbour", "Ada", "Silent Lund"]
TITLES = st.sampled_from([*NAMES, *(f"{name} (film)" for name in NAMES)])
TEXTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(
    lambda names: "\n".join(f"There we met {name} at the quay." for name in names)
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5), TITLES, TEXTS),
        st.tuples(st.just("gone"), st.integers(0, 5), st.just(""), st.just("")),
    ),
    min_size=2,
    max_size=10,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_titles_of_every_version_are_known_and_searches_find_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, int, str, str]],
) -> None:
    monkeypatch.setattr(live_titles, "_MOST_RECENT", 3)
    folder = tmp_path_factory.mktemp("titles")
    ever: set[links.Name] = set()
    with opened(folder) as base:
        root = base.folders.ensure_root(str(folder), is_whole=True)
        for what, number, title, text in steps:
            if what == "put":
                whole = f"{text}\nall of {title.lower()}"  # equal bytes have equal titles
                base.commit([put(root.id, number, whole, title=title)], cause="test")
                ever |= links.parts(title)
            else:
                base.commit([Gone(root.id, f"{number}.txt")], cause="test")
            while base.embed_next(50):
                pass
            with base.reading() as connection:
                may_be = base._retriever._live_titles.at(connection)
                assert may_be is not None
                candidates = ever | {name for one in NAMES for name in links.names(f"by {one} and {one}")}
                assert {name for name in candidates if may_be(name)} == ever
            latest = base.latest()
            for version in range(1, 1 + (0 if latest is None else latest.number)):
                found = base.search("who was at the quay", 10, as_of=version)
                with monkeypatch.context() as patched:
                    patched.setattr(LiveTitles, "at", lambda self, connection: None)
                    assert base.search("who was at the quay", 10, as_of=version) == found


def test_of_many_new_titles_none_is_said_to_be_unknown_until_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_titles, "_AT_ONCE", 2)
    monkeypatch.setattr(live_titles, "_RUN", 2)
    with opened(tmp_path) as base:
        root = base.folders.ensure_root(str(tmp_path), is_whole=True)
        base.commit([put(root.id, i, "quay", title=f"Ada {i}") for i in range(5)], cause="test")
        titles = LiveTitles()
        with base.reading() as connection:
            assert titles.at(connection) is None
            titles.read(connection)
            may_be = titles.at(connection)
            assert may_be is not None
            assert [i for i in range(8) if may_be(("ada", str(i)))] == [0, 1, 2, 3, 4]
            assert revisions.last_id(connection) == 5


def test_only_titles_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    look_up = words.in_context
    with opened(tmp_path) as base:
        put_text(base, "Quay", "At the quay we met Ada Lund, Ernst Halvorsen and Bo Ek.")
        put_text(base, "Ada Lund", "She painted.")
        base.search("who was at the quay", 5)

        def noted(connection: object, phrase: tuple[str, ...], limit: int, *, past: bool) -> list[int]:
            asked.append(phrase)
            return look_up(connection, phrase, limit, past=past)  # type: ignore[arg-type]

        monkeypatch.setattr(words, "in_context", noted)
        hits = base.search("who was at the quay", 5)
        assert asked == [("ada", "lund")]
        assert [hit.title for hit in hits] == ["Quay", "Ada Lund"]


def test_a_name_within_a_longer_title_does_not_hide_that_title(tmp_path: Path) -> None:
    """Both names lead to the passage; the first is not what its document is called."""
    with opened(tmp_path) as base:
        put_text(base, "Quay", "At the quay we met Ernst Halvorsen, who had founded the Ernst Halvorsen Trust.")
        put_text(base, "Ernst Halvorsen Trust", "It paints boats.")
        for i in range(30):
            put_text(base, f"Film {i}", f"Another film about a quay, number {i}.")
        hits = base.search("who met at the quay", 3)
        assert [hit.title for hit in hits][:2] == ["Quay", "Ernst Halvorsen Trust"]
