"""A chat in a terminal: questions, answers as they come, and commands that begin with "/".

Rule: ^C stops an answer and not the program, ^D leaves. Without a terminal the same lines are read from a pipe, with
no prompt and no colours; then the exit code tells of them all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from ingest.errors import IngestError
from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.errors import LifelongError
from rag_lifelong.session import changing, guide, looking, talking
from rag_lifelong.session.asking import ask
from rag_lifelong.session.state import Session
from rag_lifelong.terminal import overview
from rag_lifelong.terminal.style import Style, safe_line, short_path

DONE, ERROR, NOTHING = 0, 1, 4


def chat(
    assistant: Assistant,
    *,
    style: Style,
    scope: Narrowing,
    k: int | None,
    resume: int | Literal["last"] | None = None,
    keep: bool = True,
) -> int:
    """Talks until the input ends; gives the exit code.

    resume, keep: as in `Assistant.chat`. On a terminal 0; through a pipe 1 if a line met an error, else 4 if the
    sources did not say, else 0.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    talk = assistant.chat(resume, keep=keep)
    session = Session(assistant, talk, style=style, scope=scope, k=k, is_terminal=is_terminal, keeps=keep)
    session.begin(talk)
    try:
        if is_terminal:
            _at_prompt(session)
            return DONE
        for question in joined(line.rstrip("\n") for line in sys.stdin):
            if not take(session, question):
                break
        return ERROR if session.failed else NOTHING if session.refused else DONE
    finally:
        session.talk.close()


def take(session: Session, line: str) -> bool:
    """Deals with one line; False to leave."""
    line = line.strip()
    name, _, rest = line.partition(" ")
    if name in ("/quit", "/exit"):
        return False
    try:
        if line.startswith("/") and not _is_path(name):
            _command(session, name, rest.strip())
        elif line:
            ask(session, line)
    except KeyboardInterrupt:
        if not session.is_terminal:
            raise
        print("Stopped." if session.answer is None else "Stopped; what was said is kept. To ask again: /retry")
    except (LifelongError, IngestError) as error:
        session.failed = True
        said = session.style.filled(changing.in_chat(f"lifelong: {safe_line(str(error))}"))
        print(said, file=None if session.is_terminal else sys.stderr)
    return True


def banner(session: Session) -> str:
    """What there is to talk to, and what to do."""
    status = session.assistant.status()
    version = "empty" if status.version is None else f"version {status.version.number}"
    waiting = f" · {overview.count_of(status.waiting, 'passage')} without vectors" if status.waiting else ""
    model = "quoting" if status.model == "quote" else safe_line(status.model)
    mine = [short_path(folder.path) for folder in status.folders if folder.pid is not None]
    following = f" · following {', '.join(mine)}" if mine else ""
    head = f"{overview.count_of(status.documents, 'document')} · {version}{waiting}{following} · {model} · /help"
    if status.version is None:
        return f"{head}\nNothing has been read in yet. Begin with: /add FOLDER"
    return f"{head}\nAsk a question, as you would ask a colleague. /open 1 shows what [1] cites, /why how it was found."


def joined(lines: Iterator[str]) -> Iterator[str]:
    r"""Lines, those that end in a \ with the next."""
    parts: list[str] = []
    for line in lines:
        if line.endswith("\\"):
            parts.append(line[:-1])
        else:
            yield "\n".join([*parts, line])
            parts.clear()
    if parts:
        yield "\n".join(parts)


def _is_path(name: str) -> bool:
    """A question may begin with a path; a command holds no second "/"."""
    return "/" in name[1:]


def _command(session: Session, name: str, rest: str) -> None:
    if name == "/help":
        print(guide.about(rest, session.style) if rest else guide.overview(session.style))
    elif name in _SLASH:
        _SLASH[name](session, rest)
    else:
        session.failed = True
        print(guide.no_such(name))


def _at_prompt(session: Session) -> None:
    from rag_lifelong.session.offering import offers
    from rag_lifelong.terminal.prompting import Prompt

    assistant = session.assistant
    folder = assistant.knowledge_base.path if session.keeps and assistant.config.keep_chats else None
    prompt = Prompt(folder, offers=offers(session), source=None, screen=None)
    print(session.style.dim(session.style.filled(banner(session))))
    if session.talk.turns:
        print(talking.resumed(session))
    while True:
        try:
            line = prompt.read(session.prompt())
            if line is None or not take(session, line):
                break
        except KeyboardInterrupt:  # between two lines: nothing was going on
            continue
    said = talking.leaving(session)
    if said:
        print(said)


_SLASH: dict[str, Callable[[Session, str], None]] = {
    "/open": looking.open_place,
    "/why": looking.why,
    "/sources": looking.sources,
    "/copy": looking.copy,
    "/retry": talking.retry,
    "/good": partial(talking.rate, is_good=True),
    "/bad": partial(talking.rate, is_good=False),
    "/save": talking.save,
    "/new": talking.new,
    "/resume": talking.resume,
    "/edit": talking.edit,
    "/search": looking.search,
    "/asof": changing.as_of,
    "/in": changing.within,
    "/dated": changing.dated,
    "/model": changing.model,
    "/add": changing.add,
    "/forget": changing.forget,
    "/remember": changing.remember,
    "/preferences": changing.preferences,
    "/status": changing.status,
    **{f"/{name}": partial(changing.as_typed, name=name) for name in changing.AS_TYPED},
}
