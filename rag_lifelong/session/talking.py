"""The chat as it is kept: /retry, /edit, /new, /resume, /chats, /save, /good, /bad.

Rule: a chat is kept turn by turn, so that a terminal that closes loses no answer that was finished.
"""

from __future__ import annotations

import os
from pathlib import Path

from rag_lifelong.session import changing
from rag_lifelong.session.asking import ask, ask_again
from rag_lifelong.session.state import Session
from rag_lifelong.terminal.editor import edited
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.style import safe, safe_line, short_path
from rag_lifelong.transcript import markdown


def retry(session: Session, rest: str) -> None:
    """/retry [SPEC]: the last question again, perhaps by another model, which stays."""
    if not session.talk.turns:
        print("Nothing has been asked in this chat yet.")
        return
    if rest:
        changing.model(session, rest)
    print(session.style.dim(f"again: {in_one_line(session.talk.turns[-1].question)}"))
    ask_again(session)


def edit(session: Session, rest: str) -> None:
    """/edit [TEXT]: the question written in the user's editor."""
    if not session.is_terminal:
        print("There is no terminal for an editor; type the question.")
        return
    text = edited(rest)
    if text is None:
        print("No editor is set; say which: export EDITOR=nano")
    elif not text.strip():
        print("Nothing was written, nothing is asked.")
    else:
        print(session.style.dim(safe(text.strip())))
        ask(session, text.strip())


def new(session: Session, rest: str) -> None:
    """/new: a chat of its own from here on."""
    number = session.talk.id
    session.begin(session.assistant.chat(keep=session.keeps))
    print("A new chat." if number is None else f"Saved as chat {number}; back to it: /resume {number}. A new chat.")


def resume(session: Session, rest: str) -> None:
    """/resume [ID]: go on with a chat that was kept; without ID with the last other one."""
    if rest and not rest.isdecimal():
        print("Which? /resume ID, as /chats lists them")
        return
    others = [chat.id for chat in session.assistant.chats() if chat.id != session.talk.id]
    if not rest and not others:
        print("There is no other chat yet.")
        return
    session.begin(session.assistant.chat(int(rest) if rest else others[0], keep=session.keeps))
    print(resumed(session))


def resumed(session: Session) -> str:
    """What is gone on with: its last question and answer, in short."""
    turns = session.talk.turns
    if not turns:
        return "A new chat."
    last = turns[-1]
    told = f"Going on with chat {session.talk.id}: {count_of(len(turns), 'question')}."
    return f"{told}\n{session.style.dim(f'› {in_one_line(last.question)}')}\n{safe(last.answer.text)}"


def in_one_line(question: str) -> str:
    """A question of several lines as one."""
    return safe_line(" ".join(question.split()))


def save(session: Session, rest: str) -> None:
    """/save FILE: this chat as Markdown, into a new file."""
    force, names = "--force" in rest.split(), changing.paths_in(rest.replace("--force", "", 1).strip())
    if len(names) != 1:
        print("Where to? /save FILE")
        return
    if not session.talk.turns:
        print("Nothing has been asked in this chat yet.")
        return
    path = Path(os.path.abspath(os.path.expanduser(names[0])))
    shown = short_path(str(path))
    if path.exists() and not force:
        print(f"{shown} is there already. To write over it: /save --force {safe_line(names[0])}")
        return
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(markdown(session.talk.turns), encoding="utf-8", errors="replace")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        session.failed = True
        print(f"lifelong: {shown} cannot be written: {error.strerror or error}")
        return
    print(f"Saved {count_of(len(session.talk.turns), 'question')} to {shown}")
    root = session.assistant.folder_that_reads(path)
    if root is not None:
        print(f"It lies in {short_path(root.path)}, which is read in: it will answer like your other documents.")


def rate(session: Session, rest: str, *, is_good: bool) -> None:
    """/good [NOTE], /bad [NOTE]: what the user says of the last answer."""
    session.talk.rate(is_good, rest)
    what = "good" if is_good else "bad"
    kept = "Noted" if session.talk.id is not None else "Noted, until this chat ends"
    print(f"{kept}: {what}." + ("" if rest else f" Say why, if you like: /{what} NOTE"))


def leaving(session: Session) -> str:
    """Where to find this chat again; "" if nothing of it is kept."""
    if session.talk.id is None or not session.talk.turns:
        return ""
    newest = session.assistant.chats()[0].id
    way = "-c" if newest == session.talk.id else f"--resume {session.talk.id}"
    return f"Saved as chat {session.talk.id}. Go on with: lifelong chat {way}"
