"""Changing what the chat asks, and whom: /asof, /in, /dated, /model; and what is stored: /add, /forget, /undo.

Rule: what can be taken back says how; where nothing is named, what holds now is said.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import replace

from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.session.state import Session
from rag_lifelong.terminal import as_json, overview, remembering
from rag_lifelong.terminal.commands import COMMANDS, dates_of, forgotten, watched, what_is_kept
from rag_lifelong.terminal.outcome import Outcome
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.parser import Usage, build_parser, refuse_useless
from rag_lifelong.terminal.progress import Stopped
from rag_lifelong.terminal.style import safe_line

AS_TYPED = ("versions", "history", "diff", "rules", "conflicts", "chats", "undo", "adapters")  # one line for both
_IN_CHAT = re.compile(rf"\blifelong ({'|'.join([*AS_TYPED, 'add', 'forget', 'remember'])})\b")


def as_of(session: Session, rest: str) -> None:
    """/asof [WHEN]: ask the past; without WHEN the present again."""
    if not rest:
        session.scope = {**session.scope, "as_of": None}
        print("Asking about now.")
        return
    number = session.assistant.knowledge_base.version_number(rest)
    found = session.assistant.knowledge_base.version(number)
    session.scope = {**session.scope, "as_of": number}
    when = "" if found is None else f" ({found.at.astimezone():%Y-%m-%d %H:%M})"
    print(f"Asking as of version {number}{when}. Back to now: /asof")


def within(session: Session, rest: str) -> None:
    """/in [GLOB …]: only such documents; without a glob all again."""
    globs = tuple(paths_in(rest))
    if not globs:
        session.scope = {**session.scope, "within": ()}
        print("Asking all documents.")
        return
    as_of = session.scope.get("as_of")
    inside = {document.document_id for glob in globs for document in session.assistant.list(glob, as_of=as_of)}
    if not inside:
        print(
            f"No document is stored in {safe_line(rest)}; a glob is of whole paths, or of paths below a folder added."
        )
        return
    session.scope = {**session.scope, "within": globs}
    print(f"Asking {count_of(len(inside), 'document')} in {safe_line(', '.join(globs))}. All again: /in")


def dated(session: Session, rest: str) -> None:
    """/dated [FROM..TO]: only documents whose own date lies between; without dates all again."""
    try:
        session.scope = {**session.scope, "dated": dates_of(rest or None)}
    except Usage:  # said already
        return
    print(f"Asking documents dated {safe_line(rest)}. All again: /dated" if rest else "Asking documents of any date.")


def model(session: Session, rest: str) -> None:
    """/model [SPEC]: who words the answers."""
    if rest:
        session.assistant.use_model(rest)
    print(f"model: {safe_line(session.assistant.model_name)}")


def add(session: Session, rest: str) -> None:
    """/add PATH: read files and folders in."""
    paths = paths_in(rest)
    if not paths:
        print("Which? /add PATH")
        return
    bars = watched(is_quiet=False, is_verbose=False)
    try:
        done = session.assistant.add(*paths, progress=bars)
    except KeyboardInterrupt:
        bars.close()
        print(what_is_kept(session.assistant, bars, "/add", paths))
        return
    finally:
        bars.close()
    print(overview.read_in(done))


def forget(session: Session, rest: str) -> None:
    """/forget PATH: out of every answer about now."""
    paths = paths_in(rest)
    if not paths:
        print("Which? /forget PATH")
        return
    version, taken_out = forgotten(session.assistant, paths)
    print(overview.forgotten(version, taken_out).replace("lifelong add", "/add"))


def status(session: Session, rest: str) -> None:
    """/status [PATH]: the knowledge base at a glance, or all about one file."""
    paths = paths_in(rest)
    if paths:
        print("\n".join(overview.path_status(session.assistant.status_of(path)) for path in paths))
    else:
        print(overview.status(session.assistant.status(), session.style, now=utc_now()))


def as_typed(session: Session, rest: str, *, name: str) -> None:
    """A command as on the command line, options and all."""
    parser = build_parser()

    def done() -> Outcome:
        options = parser.parse_args([name, *paths_in(rest)])
        refuse_useless(parser, options)
        outcome = COMMANDS[name](session.assistant, options, session.style)
        is_json = bool(options.json)
        return replace(outcome, text=as_json.written(outcome.json).rstrip(), remark="") if is_json else outcome

    _tell(session, done)


def remember(session: Session, rest: str) -> None:
    """/remember TEXT: a note of the user's own."""
    _tell(session, lambda: remembering.typed(session.assistant, rest, session.style))


def preferences(session: Session, rest: str) -> None:
    """/preferences: the user's standing wishes."""
    remember(session, "--list")


def _tell(session: Session, command: Callable[[], Outcome]) -> None:
    """Prints what a command gives."""
    try:
        outcome = command()
    except (Usage, SystemExit) as leaving:  # said already; SystemExit: after --help
        session.failed |= isinstance(leaving, Usage)
        return
    except Stopped as stopped:
        print(stopped)
        return
    for text in filter(None, (outcome.text, outcome.remark)):
        print(in_chat(text))


def paths_in(text: str) -> list[str]:
    """The paths typed after a command: one that is there as it stands, spaces and all, else as a shell reads them."""
    if text and os.path.exists(os.path.expanduser(text)):
        return [text]
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe is no open quote
        return [text]


def in_chat(text: str) -> str:
    """A message that names a command for the shell, for where the same is typed with "/"."""
    return _IN_CHAT.sub(r"/\1", text.replace("lifelong chat -c", "/resume"))
