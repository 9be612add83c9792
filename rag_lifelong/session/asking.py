"""A question asked: the answer as it comes, what it rests on, and what is kept when it is stopped.

Rule: ^C stops the answer and the model, and not the program; what was said until then stays.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import cast

from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.session.naming import narrowed
from rag_lifelong.session.state import Session
from rag_lifelong.terminal import render
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import Style, safe
from rag_lifelong.terminal.waiting import Waiting, unechoed
from rag_lifelong.terminal.wrapping import Wrapping
from rag_lifelong.types import Answer


def say(assistant: Assistant, question: str, *, style: Style, scope: Narrowing, k: int | None) -> Answer:
    """Prints an answer as it comes, then what it rests on."""
    before = assistant.last_hits
    written(assistant.stream(question, **scope, k=k), style, doing=lambda: _doing(assistant, before), keep=None)
    found = assistant.last_answer
    assert found is not None  # stream() has come to its end
    rest_on(assistant, found, style)
    return found


def ask(session: Session, question: str) -> None:
    """Asks within the session's scope, and within the documents that `@path` in the question names."""
    question, scope = narrowed(session.assistant, question, session.scope)
    if not question:
        print("What about it? Ask a question beside the name.")
        return
    session.question, session.shown, session.answer, session.said, session.hits = question, (), None, "", ()
    before = session.assistant.last_hits
    written(
        session.assistant.stream(question, **scope, k=session.k),
        session.style,
        doing=lambda: _doing(session.assistant, before),
        keep=session.hear,
    )
    found = session.assistant.last_answer
    assert found is not None  # stream() has come to its end
    session.hits = session.assistant.last_hits
    session.shown = found.nearest if found.refused else found.citations
    session.answer, session.said = found, found.text
    session.refused |= found.refused
    rest_on(session.assistant, found, session.style)
    print()


def written(
    stream: Iterator[str], style: Style, *, doing: Callable[[], str], keep: Callable[[str], None] | None
) -> None:
    """Prints pieces as they come, broken to the width, with a wheel until the first.

    keep: told each piece before it is printed. Closed at once on ^C, so that a model stops.
    """
    is_watched = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    wheel = Waiting(sys.stderr if is_watched else None, doing, style=style.dim)
    wrapping = Wrapping(style.width)
    with closing(cast("Generator[str, None, None]", stream)) as pieces, unechoed(sys.stdin), wheel:
        for piece in pieces:
            wheel.end()
            if keep is not None:
                keep(piece)
            sys.stdout.write(wrapping.feed(safe(piece)))
            sys.stdout.flush()
    print(wrapping.end())


def rest_on(assistant: Assistant, found: Answer, style: Style) -> None:
    """Prints what stands below an answer."""
    if not found.refused:
        print()
    when = None
    if found.as_of is not None:
        newest = assistant.knowledge_base.latest()
        between = assistant.versions(newest.number - found.as_of + 1) if newest is not None else ()
        when = between[-1].at if between else None
    rest = render.basis(found, style, as_of_time=when, has_passages=found.version > 0)
    if rest:
        print(rest)


def _doing(assistant: Assistant, before: object) -> str:
    """What is done now. The passages are at hand as soon as the search is over."""
    hits = assistant.last_hits
    return "searching…" if hits is before or not hits else f"reading {count_of(len(hits), 'passage')}…"
