"""A conversation → Markdown: each question a heading, each citation a footnote.

Rule: what a document says stays text; none of it becomes a heading, a link or a footnote of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag_lifelong.types import Citation, Turn

_MARKER = re.compile(r"\[(\d{1,3})\](?![:(])")
_AT_START = re.compile(r"^(\s*)([#>+~|=-])|^(\s*\d+)([.)])", re.MULTILINE)
_ANYWHERE = re.compile(r"([\\`*_<\[\]])")


def markdown(turns: Sequence[Turn]) -> str:
    """The whole page, ending with a newline."""
    title = " ".join(turns[0].question.split()) if turns else "An empty conversation"
    blocks = [f"# {_literal(title)}"]
    for turn in turns:
        blocks.extend(_turn(turn))
    return "\n\n".join(blocks) + "\n"


def _turn(turn: Turn) -> Iterator[str]:
    yield f"## {turn.number}. {_literal(' '.join(turn.question.split()))}"
    answer = turn.answer
    then = "as of version" if answer.as_of is not None else "version"
    details = [f"{turn.at.astimezone():%Y-%m-%d %H:%M}", f"{then} {answer.version}"]
    with_adapter = "" if answer.adapter is None else f" with {answer.adapter}"
    details.append("quoted" if answer.model == "quote" else answer.model + with_adapter)
    if turn.asked_as != turn.question:
        details.append(f"asked as: {turn.asked_as}")
    yield f"*{_literal(' · '.join(details))}*"
    numbers = {citation.number for citation in answer.citations}
    yield _answer(answer.text, turn.number, numbers)
    if turn.rating is not None:
        said = "good" if turn.rating.is_good else "bad"
        yield _literal(f"Rated {said}" + (f": {turn.rating.note}" if turn.rating.note else "."))
    notes = [_footnote(citation, turn.number) for citation in answer.citations]
    if notes:
        yield "\n".join(notes)


def _answer(text: str, turn: int, numbers: set[int]) -> str:
    """With footnotes in place of markers; the page numbers them through, so they bear the turn's number too."""
    parts: list[str] = []
    end = 0
    for found in _MARKER.finditer(text):
        if int(found[1]) in numbers:
            parts += [_literal(text[end : found.start()]), f"[^{turn}-{found[1]}]"]
            end = found.end()
    return "".join([*parts, _literal(text[end:])])


def _footnote(citation: Citation, turn: int) -> str:
    place = citation.path
    if citation.line is not None:
        place += f":{citation.line}"
    elif citation.page is not None:
        place += f", p. {citation.page}"
    label = f" · {citation.label}" if citation.label else ""
    quote = " ".join(citation.quote.split())
    return f"[^{turn}-{citation.number}]: {_literal(f'{place}{label} · version {citation.version}: “{quote}”')}"


def _literal(text: str) -> str:
    escaped = _ANYWHERE.sub(r"\\\1", text)
    return _AT_START.sub(lambda found: f"{found[1] or found[3] or ''}\\{found[2] or found[4]}", escaped)
