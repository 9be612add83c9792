"""Looking at what an answer rests on: /open, /why, /sources, /search, /copy, /save.

Rule: tells of the last question; changes nothing.
"""

from __future__ import annotations

import os
import sys

from rag_lifelong.session.state import Session
from rag_lifelong.terminal import clipboard, render
from rag_lifelong.terminal.editor import open_file, page_text
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import place, safe, safe_line
from rag_lifelong.terms import query_terms
from rag_lifelong.types import Citation, Hit

SHOWN = 5  # passages, unless "all" is said


def open_place(session: Session, rest: str) -> None:
    """/open N: in the editor or pager if it is a text file still there; else its stored text, paged or printed."""
    count = len(session.shown)
    if not count:
        print("Nothing has been cited yet.")
        return
    number = rest.strip("[]") if count > 1 or rest else "1"
    if not number.isdecimal() or not 1 <= int(number) <= count:
        print(f"Which? /open 1 … /open {count}" if count > 1 else "Which? /open 1")
        return
    found = session.shown[int(number) - 1]
    if session.is_terminal:
        if found.line is not None and os.path.isfile(found.path) and open_file(found.path, found.line):
            return
        text = session.assistant.show(found.path, as_of=found.version)
        if page_text(text, text.count("\n", 0, found.start) + 1):
            return
    print(place(found.path, found.line, found.page))
    print(safe(found.quote if isinstance(found, Citation) else found.text))


def sources(session: Session, rest: str) -> None:
    """/sources: the passages the last answer was looked for in; the best few, or "all"."""
    session.shown = session.hits
    asked = query_terms(session.question)
    shown = _few(session, rest)
    lines = [render.hit(hit, i, asked, session.style) for i, hit in enumerate(shown, start=1)]
    print("\n".join(lines) or _nothing(session))
    _tell_rest(session, len(shown), "/sources all")


def why(session: Session, rest: str) -> None:
    """/why: how what is cited was found; of one citation, of the passages if nothing is cited, or of "all" of them."""
    cited = () if session.answer is None else session.answer.citations
    if rest.strip("[]").isdecimal() and 1 <= int(rest.strip("[]")) <= len(cited):
        cited, rest = cited[int(rest.strip("[]")) - 1 :][:1], ""
    elif rest and rest != "all":
        print(f"Which? /why 1 … /why {len(cited)}, or /why all" if cited else "Which? /why, or /why all")
        return
    if not cited or rest == "all":
        _why_passages(session, rest)
        return
    asked = query_terms(session.question)
    for citation in cited:
        print(_why_cited(session, citation, asked))
    if session.hits:
        print(session.style.dim(f"Of {count_of(len(session.hits), 'passage')} found; each of them: /why all"))
    _tell_adapter(session)


def search(session: Session, rest: str) -> None:
    """/search QUERY: passages, without an answer."""
    if not rest:
        print("What for? /search QUERY")
        return
    session.question, session.answer = rest, None
    session.hits = session.assistant.search(rest, session.k, **session.scope)
    sources(session, "all")


def copy(session: Session, rest: str) -> None:
    """/copy: the last answer to the clipboard."""
    if not session.said.strip():
        print("Nothing has been said yet.")
    elif not session.is_terminal:
        print("There is no terminal to copy through; write it to a file: /save FILE")
    else:
        text = session.said.strip()
        try:
            way = clipboard.copy(text, sys.stdout, environment=os.environ)
        except ValueError as error:
            print(f"{str(error)[0].upper()}{str(error)[1:]}.")
            return
        print(f"Copied {len(text):,} characters {way}.")


def _few(session: Session, rest: str) -> tuple[Hit, ...]:
    return tuple(session.hits if rest == "all" else session.hits[:SHOWN])


def _tell_rest(session: Session, shown: int, command: str) -> None:
    if len(session.hits) > shown:
        print(session.style.dim(f"… and {len(session.hits) - shown} more: {command}"))


def _tell_adapter(session: Session) -> None:
    """That the answer is worded with an adapter, which is so only where the best evidence is among its sources."""
    found = session.answer
    if found is None or found.adapter is None:
        return
    adapter, number = safe_line(found.adapter), safe_line(found.adapter.rpartition(" ")[2])
    told = f"worded by {safe_line(found.model)} with {adapter}, which was made of the best passages found"
    print(session.style.dim(f"{told}: /adapters show {number}"))


def _nothing(session: Session) -> str:
    return "Nothing was found." if session.question else "Nothing asked yet."


def _why_passages(session: Session, rest: str) -> None:
    session.shown = session.hits
    asked = query_terms(session.question)
    shown = _few(session, rest)
    for i, hit in enumerate(shown, start=1):
        where = session.style.linked_place(hit.path, line=hit.line, page=hit.page)
        print(f"{i:>2}  {where}\n{session.style.dim(session.style.indented(render.explanation(hit, asked)))}")
    if not shown:
        print(_nothing(session))
    _tell_rest(session, len(shown), "/why all")


def _why_cited(session: Session, citation: Citation, asked: list[str]) -> str:
    """The sentence with its own words and meaning, then the passage it stands in with its rank and scores."""
    style = session.style
    embedder = session.assistant.knowledge_base.embedder
    meaning = float(embedder.embed_query(session.question) @ embedder.embed([citation.quote])[0])
    lines = [
        f"[{citation.number}] {style.linked_place(citation.path, line=citation.line, page=citation.page)}",
        render.cited_sentence(citation, asked, style),
        style.dim(style.indented(render.sentence_explanation(citation, asked, meaning))),
    ]
    passage = _passage_of(session, citation)
    if passage is not None:
        rank, hit = passage
        told = f"its passage: {rank} of {len(session.hits)} · {render.explanation(hit, asked)}"
        lines.append(style.dim(style.indented(told)))
    return "\n".join(lines)


def _passage_of(session: Session, citation: Citation) -> tuple[int, Hit] | None:
    """The passage found that holds the begin of what is cited, with its rank from 1."""
    for rank, hit in enumerate(session.hits, start=1):
        if hit.path == citation.path and hit.start <= citation.start < hit.end and hit.version == citation.version:
            return rank, hit
    return None
