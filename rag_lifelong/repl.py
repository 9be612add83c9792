"""The conversation in a terminal: questions, answers as they come, and commands that begin with "/".

Rule: ^C stops an answer and not the program, ^D leaves. Without a terminal the same lines are read from a pipe.
"""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ingest.errors import IngestError
from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.errors import LifelongError
from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.terminal import render
from rag_lifelong.terminal.progress import Bars
from rag_lifelong.terminal.render import Style
from rag_lifelong.terms import query_terms
from rag_lifelong.types import Citation

PROMPT = "› "
HISTORY_FILE = "chat-history"
_HELP = (
    ("/sources", "the passages the last answer was looked for in"),
    ("/open N", "citation N of the last answer, in $EDITOR or the pager, at its line"),
    ("/why", "how those passages were found: scores and terms"),
    ("/search QUERY", "passages, without an answer"),
    ("/add PATH", "read a file or folder in"),
    ("/forget PATH", "take a document out of every answer about now"),
    ("/status [PATH]", "what is in the knowledge base, or all about one file"),
    ("/model SPEC", "answer with quote, or transformers:PATH_OR_NAME"),
    ("/help", "this"),
    ("/quit", "leave (also ^D)"),
)


def chat(assistant: Assistant, *, style: Style, scope: Narrowing) -> int:
    """Talks until the input ends; gives the exit code."""
    session = _Session(assistant, style, scope)
    if sys.stdin.isatty() and sys.stdout.isatty():
        print(style.dim(session.banner()))
        for line in _typed(assistant):
            if not session.take(line):
                break
    else:
        for line in sys.stdin:
            if not session.take(line.rstrip("\n")):
                break
    return 0


class _Session:
    """One conversation: what was asked last is at hand for /open, /sources and /why."""

    def __init__(self, assistant: Assistant, style: Style, scope: Narrowing) -> None:
        self._assistant = assistant
        self._style = style
        self._scope = scope
        self._citations: tuple[Citation, ...] = ()
        self._question = ""
        self._commands: dict[str, Callable[[str], bool]] = {
            "/sources": self._sources,
            "/open": self._open,
            "/why": self._why,
            "/search": self._search,
            "/add": self._add,
            "/forget": self._forget,
            "/status": self._status,
            "/model": self._model,
            "/help": self._help,
            "/quit": self._quit,
            "/exit": self._quit,
        }

    def banner(self) -> str:
        """One line: what there is to talk to."""
        status = self._assistant.status()
        version = "empty" if status.version is None else f"version {status.version.number}"
        model = "quoting, no language model" if status.model == "quote" else status.model
        return f"{status.documents:,} documents · {version} · {render.safe(model)} · /help"

    def take(self, line: str) -> bool:
        """Deals with one line; False to leave."""
        line = line.strip()
        if not line:
            return True
        try:
            if line.startswith("/"):
                return self._command(line)
            self._ask(line)
        except KeyboardInterrupt:
            print("\nStopped.")
        except (LifelongError, IngestError) as error:
            print(f"lifelong: {render.safe(str(error))}")
        return True

    def _command(self, line: str) -> bool:
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            near = difflib.get_close_matches(name, self._commands, n=1)
            print(f"There is no {render.safe(name)}" + (f"; did you mean {near[0]}?" if near else "; see /help"))
            return True
        return command(rest.strip())

    def _ask(self, question: str) -> None:
        self._question = question
        # Text first, as it comes; then what it rests on.
        for piece in self._assistant.stream(question, **self._scope):
            sys.stdout.write(render.safe(piece))
            sys.stdout.flush()
        print()
        answer = self._assistant.last_answer
        if answer is not None:
            self._citations = answer.citations
            print(render.answer(answer, self._style, with_text=False))
            print()

    def _sources(self, rest: str) -> bool:
        hits = self._assistant.last_hits
        print("\n".join(render.hit(hit, i, self._style) for i, hit in enumerate(hits, start=1)) or "Nothing asked yet.")
        return True

    def _why(self, rest: str) -> bool:
        asked = query_terms(self._question)
        for i, hit in enumerate(self._assistant.last_hits, start=1):
            print(f"{i:>2}  {render.place(hit.path, hit.line, hit.page)}")
            print(f"    {render.explanation(hit, asked)}")
        return True

    def _search(self, rest: str) -> bool:
        if not rest:
            print("What for? /search QUERY")
            return True
        self._question = rest
        self._assistant.search(rest, **self._scope)
        return self._sources("")

    def _add(self, rest: str) -> bool:
        paths = shlex.split(rest)
        if not paths:
            print("Which? /add PATH")
            return True
        bars = Bars(is_terminal=sys.stderr.isatty())
        try:
            done = self._assistant.add(*paths, progress=bars)
        finally:
            bars.close()
        print(render.read_in(done, self._style))
        return True

    def _forget(self, rest: str) -> bool:
        paths = shlex.split(rest)
        if not paths:
            print("Which? /forget PATH")
            return True
        version = self._assistant.forget(*paths)
        print(f"Version {version.number}: forgotten; the file stays on disk. Take it back: /add {rest}")
        return True

    def _status(self, rest: str) -> bool:
        if rest:
            print(render.path_status(self._assistant.status_of(shlex.split(rest)[0])))
        else:
            print(render.status(self._assistant.status(), self._style, now=utc_now()))
        return True

    def _model(self, rest: str) -> bool:
        if rest:
            self._assistant.use_model(rest)
        print(f"model: {render.safe(self._assistant.model_name)}")
        return True

    def _open(self, rest: str) -> bool:
        if not rest.isdecimal() or not 1 <= int(rest) <= len(self._citations):
            count = len(self._citations)
            print(f"The last answer has {count} citations; /open 1" if count else "The last answer has no citations.")
            return True
        _open_citation(self._assistant, self._citations[int(rest) - 1])
        return True

    def _help(self, rest: str) -> bool:
        print("\n".join(f"  {name:<16} {purpose}" for name, purpose in _HELP))
        print(
            "Anything else is a question. ^C stops an answer, Esc Enter begins a new line, ^R searches what you asked."
        )
        return True

    def _quit(self, rest: str) -> bool:
        return False


def _open_citation(assistant: Assistant, citation: Citation) -> None:
    """In the editor at the line, else in the pager, else printed: the stored text, if the file is gone or no text."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    line = citation.line
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal and line is not None and Path(citation.path).exists():
        if editor:
            subprocess.run([*shlex.split(editor), f"+{line}", citation.path], check=False)
            return
        pager = shutil.which("less")
        if pager is not None:
            subprocess.run([pager, f"+{line}", citation.path], check=False)
            return
    print(render.place(citation.path, citation.line, citation.page))
    print(render.safe(citation.quote))


def _typed(assistant: Assistant) -> Iterator[str]:
    """Lines typed at the prompt, with history across runs and completion."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion, PathCompleter
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings

    path = assistant.knowledge_base.path / HISTORY_FILE
    path.touch(mode=0o600, exist_ok=True)
    disk = PathCompleter(expanduser=True)

    class Words(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterable[Completion]:
            text = document.text_before_cursor
            name, space, rest = text.partition(" ")
            if not name.startswith("/"):
                return
            if not space:
                yield from (
                    Completion(entry.split(" ")[0], start_position=-len(text), display_meta=purpose)
                    for entry, purpose in _HELP
                    if entry.startswith(text)
                )
            elif name == "/add":
                yield from disk.get_completions(Document(rest, len(rest)), complete_event)  # type: ignore[arg-type]
            elif name in ("/forget", "/status"):
                known = (render.short_path(d.path) for d in assistant.documents())
                yield from (Completion(p, start_position=-len(rest)) for p in known if rest in p)

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: object) -> None:
        event.current_buffer.insert_text("\n")  # type: ignore[attr-defined]

    session: PromptSession[str] = PromptSession(
        PROMPT,
        history=FileHistory(str(path)),
        completer=Words(),
        complete_while_typing=False,
        key_bindings=keys,
    )
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            continue  # an empty line, or what was typed is dropped
        except EOFError:
            return
