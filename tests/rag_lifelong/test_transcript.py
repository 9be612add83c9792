"""A conversation as Markdown: what a document says stays text."""

from __future__ import annotations

from datetime import UTC, datetime

from rag_lifelong.transcript import markdown
from rag_lifelong.types import Answer, Citation, Lag, Rating, Turn, Verdict

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)


def turn(question: str, text: str, *, quote: str = "q", asked_as: str | None = None, as_of: int | None = None) -> Turn:
    citation = Citation(1, "/notes/a_b.md", "Setup > Keys", 3, None, 0, 1, quote, 2, None)
    answer = Answer(
        question=question,
        text=text,
        refused=False,
        citations=(citation,),
        nearest=(),
        verdict=Verdict(None, False, False, Lag(0, 0, None), 1.0, 0, False, None),
        version=2,
        as_of=as_of,
        model="quote",
        adapter=None,
    )
    return Turn(1, question, asked_as or question, answer, AT, Rating(False, "too *short*", AT))


def test_a_page_as_a_whole() -> None:
    when = f"{AT.astimezone():%Y-%m-%d %H:%M}"
    found = markdown([turn("Which key?", "The first [1], not [2].", asked_as="Which key of A?", as_of=2)])
    assert found == (
        "# Which key?\n\n## 1. Which key?\n\n"
        f"*{when} · as of version 2 · quoted · asked as: Which key of A?*\n\n"
        "The first [^1-1], not \\[2\\].\n\n"
        "Rated bad: too \\*short\\*\n\n"
        "[^1-1]: /notes/a\\_b.md:3 · Setup > Keys · version 2: “q”\n"
    )


def test_what_a_document_says_stays_text() -> None:
    said = "# head\n- list\n3. third\n> quote\n```\n===\n| a |\n<script>[x](http://y) `c`\n1984 was"
    found = markdown([turn("q", said, quote="line\n# head")])
    assert (
        "\\# head\n\\- list\n3\\. third\n\\> quote\n\\`\\`\\`\n\\===\n\\| a |\n"
        "\\<script>\\[x\\](http://y) \\`c\\`\n1984 was\n" in found
    )
    assert "“line # head”" in found


def test_an_empty_conversation() -> None:
    assert markdown([]) == "# An empty conversation\n"
