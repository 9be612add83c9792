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
from rag_lifelong.conversation import Conversation
from rag_lifelong.session.naming import named_in, narrowed
from rag_lifelong.session.state import Session
from rag_lifelong.terminal import render
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import Style, safe, safe_line
from rag_lifelong.terminal.waiting import Waiting, unechoed
from rag_lifelong.terminal.wrapping import Wrapping
from rag_lifelong.types import Answer


def say(
    assistant: Assistant, talk: Conversation, question: str, *, style: Style, scope: Narrowing, k: int | None
) -> Answer:
    """Prints an answer as it comes, then what it rests on."""
    return _said(assistant, talk, talk.stream(question, **scope, k=k), style, hear=lambda piece: None)


def ask(session: Session, question: str) -> None:
    """Asks within the session's scope, and within the documents that `@path` in the question names."""
    question, scope = narrowed(session.assistant, question, session.scope)
    if not question:
        print("What about it? Ask a question beside the name.")
        return
    if scope is not session.scope:
        print(session.style.dim(session.style.filled(f"in {named_in(session.assistant, scope)}")))
    _answered(session, question, session.talk.stream(question, **scope, k=session.k))


def ask_again(session: Session) -> None:
    """Asks the last question once more; the answer takes the place of the last one."""
    _answered(session, session.talk.turns[-1].question, session.talk.retry())


def _answered(session: Session, question: str, stream: Iterator[str]) -> None:
    session.question, session.shown, session.answer, session.said, session.hits = question, (), None, "", ()
    try:
        found = _said(session.assistant, session.talk, stream, session.style, hear=session.hear)
    except KeyboardInterrupt:
        _take_in(session, session.talk.last_answer)  # what was kept of it
        raise
    _take_in(session, found)
    session.refused |= found.refused
    print()


def _take_in(session: Session, found: Answer | None) -> None:
    session.hits = session.assistant.last_hits
    if found is not None:
        session.question = found.asked_as or found.question
        session.shown = found.nearest if found.refused else found.citations
        session.answer, session.said = found, found.text


def _said(
    assistant: Assistant, talk: Conversation, stream: Iterator[str], style: Style, *, hear: Callable[[str], None]
) -> Answer:
    """Prints pieces as they come, broken to the width, with a wheel until the first; then what they rest on.

    hear: told each piece before it is printed. The stream is closed at once on ^C, so that a model stops.
    """
    is_watched = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    before = assistant.last_hits
    wheel = Waiting(sys.stderr if is_watched else None, lambda: _doing(assistant, before), style=style.dim)
    wrapping = Wrapping(style.width)
    is_first = True
    with closing(cast("Generator[str, None, None]", stream)) as pieces, unechoed(sys.stdin):
        try:
            with wheel:
                for piece in pieces:
                    wheel.end()
                    if is_first and talk.asked_as is not None:
                        print(style.dim(style.filled(safe_line(f"asked as: {talk.asked_as}"))))
                    is_first = False
                    hear(piece)
                    sys.stdout.write(wrapping.feed(safe(piece)))
                    sys.stdout.flush()
        finally:
            if not is_first:
                print(wrapping.end())
    found = talk.last_answer
    assert found is not None  # the stream has come to its end
    rest_on(assistant, found, style)
    return found


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
