"""The conversation in a terminal: questions, answers as they come, and commands that begin with "/".

Rule: ^C stops an answer and not the program, ^D leaves. Without a terminal the same lines are read from a pipe, with
no prompt and no colours.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import cast

from ingest.errors import IngestError
from rag_lifelong.assistant import Assistant, Narrowing
from rag_lifelong.errors import LifelongError
from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.terminal import as_json, overview, render
from rag_lifelong.terminal.commands import COMMANDS, forgotten, watched, what_is_kept
from rag_lifelong.terminal.editor import open_file, page_text
from rag_lifelong.terminal.parser import Usage, build_parser, refuse_useless
from rag_lifelong.terminal.progress import Stopped
from rag_lifelong.terminal.style import Style, place, safe, safe_line, short_path
from rag_lifelong.terminal.wrapping import Wrapping
from rag_lifelong.terms import query_terms
from rag_lifelong.types import Answer, Citation, Hit

HELP = (
    ("/sources", "the passages the last answer was looked for in"),
    ("/open N", "number N of what was shown last, in your editor or the pager, at its line"),
    ("/why", "how those passages were found: scores and terms"),
    ("/search QUERY", "passages, without an answer"),
    ("/add PATH", "read a file or folder in"),
    ("/forget PATH", "take documents out of every answer about now"),
    ("/asof [WHEN]", "ask the past: a version, a date, 3 weeks ago; without WHEN the present again"),
    ("/versions", "what changed when, newest first"),
    ("/history PATH", "every state of a document, with what changed"),
    ("/diff WHEN [WHEN]", "what changed between two versions"),
    ("/rules [GLOB]", "how long documents hold; with the options of lifelong rules"),
    ("/conflicts", "what is likely superseded; with the options of lifelong conflicts"),
    ("/undo", "take back what a command changed last"),
    ("/status [PATH]", "what is in the knowledge base, or all about one file"),
    ("/model [SPEC]", "who words the answers: quote, or transformers:PATH_OR_NAME"),
    ("/help", "this"),
    ("/quit", "leave (also ^D)"),
)


_AS_TYPED = ("versions", "history", "diff", "rules", "conflicts")  # one command line for both
_IN_CHAT = re.compile(rf"\blifelong ({'|'.join([*_AS_TYPED, 'undo', 'add'])})\b")


def chat(assistant: Assistant, *, style: Style, scope: Narrowing, k: int | None) -> int:
    """Talks until the input ends; gives the exit code."""
    conversation = Conversation(assistant, style=style, scope=scope, k=k)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from rag_lifelong.terminal.prompting import typed_lines

        print(style.dim(conversation.banner()))
        lines: Iterator[str] = typed_lines(
            assistant.knowledge_base.path,
            commands=HELP,
            stored_paths=lambda: [short_path(document.path) for document in assistant.documents()],
            source=None,
            screen=None,
        )
    else:
        lines = (line.rstrip("\n") for line in sys.stdin)
    for line in lines:
        if not conversation.take(line):
            break
    return 0


def say(assistant: Assistant, question: str, *, style: Style, scope: Narrowing, k: int | None) -> Answer:
    """Prints an answer as it comes, then what it rests on."""
    stream = cast("Generator[str, None, None]", assistant.stream(question, **scope, k=k))
    with closing(stream) as pieces:  # closed at once on ^C, so that a model stops
        wrapping = Wrapping(style.width)
        for piece in pieces:
            sys.stdout.write(wrapping.feed(safe(piece)))
            sys.stdout.flush()
    print(wrapping.end())
    found = assistant.last_answer
    assert found is not None  # stream() has come to its end
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
    return found


class Conversation:
    """What was shown last is at hand for /open, what was found last for /sources and /why."""

    def __init__(self, assistant: Assistant, *, style: Style, scope: Narrowing, k: int | None) -> None:
        self._assistant = assistant
        self._style = style
        self._scope = scope
        self._k = k
        self._shown: tuple[Citation | Hit, ...] = ()
        self._question = ""
        self._commands: dict[str, Callable[[str], bool]] = {
            "/sources": self._sources,
            "/open": self._open,
            "/why": self._why,
            "/search": self._search,
            "/add": self._add,
            "/forget": self._forget,
            "/asof": self._as_of,
            "/undo": self._undo,
            "/status": self._status,
            **{f"/{name}": partial(self._as_typed, name) for name in _AS_TYPED},
            "/model": self._model,
            "/help": self._help,
            "/quit": self._quit,
            "/exit": self._quit,
        }

    def banner(self) -> str:
        """One line: what there is to talk to."""
        status = self._assistant.status()
        version = "empty" if status.version is None else f"version {status.version.number}"
        waiting = f" · {overview.count_of(status.waiting, 'passage')} without vectors" if status.waiting else ""
        model = "quoting" if status.model == "quote" else safe_line(status.model)
        mine = [short_path(folder.path) for folder in status.folders if folder.pid is not None]
        following = f" · following {', '.join(mine)}" if mine else ""
        return f"{overview.count_of(status.documents, 'document')} · {version}{waiting}{following} · {model} · /help"

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
            print(f"lifelong: {safe_line(str(error))}")
        return True

    def _command(self, line: str) -> bool:
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            near = difflib.get_close_matches(name, self._commands, n=1)
            print(f"There is no {safe_line(name)}; " + (f"did you mean {near[0]}?" if near else "see /help"))
            return True
        return command(rest.strip())

    def _ask(self, question: str) -> None:
        self._question, self._shown = question, ()
        found = say(self._assistant, question, style=self._style, scope=self._scope, k=self._k)
        self._shown = found.nearest if found.refused else found.citations
        print()

    def _sources(self, rest: str) -> bool:
        self._shown = hits = self._assistant.last_hits
        asked = query_terms(self._question)
        lines = [render.hit(hit, i, asked, self._style) for i, hit in enumerate(hits, start=1)]
        print("\n".join(lines) or ("Nothing was found." if self._question else "Nothing asked yet."))
        return True

    def _why(self, rest: str) -> bool:
        self._shown = hits = self._assistant.last_hits
        asked = query_terms(self._question)
        for i, hit in enumerate(hits, start=1):
            where = self._style.linked_place(hit.path, line=hit.line, page=hit.page)
            print(f"{i:>2}  {where}\n{self._style.dim(self._style.indented(render.explanation(hit, asked)))}")
        if not hits:
            print("Nothing was found." if self._question else "Nothing asked yet.")
        return True

    def _search(self, rest: str) -> bool:
        if not rest:
            print("What for? /search QUERY")
            return True
        self._question = rest
        self._assistant.search(rest, self._k, **self._scope)
        return self._sources("")

    def _add(self, rest: str) -> bool:
        paths = paths_in(rest)
        if not paths:
            print("Which? /add PATH")
            return True
        bars = watched(is_quiet=False, is_verbose=False)
        try:
            done = self._assistant.add(*paths, progress=bars)
        except KeyboardInterrupt:
            bars.close()
            print(what_is_kept(self._assistant, bars, "/add", paths))
            return True
        finally:
            bars.close()
        print(overview.read_in(done))
        return True

    def _forget(self, rest: str) -> bool:
        paths = paths_in(rest)
        if not paths:
            print("Which? /forget PATH")
            return True
        version, taken_out = forgotten(self._assistant, paths)
        print(overview.forgotten(version, taken_out).replace("lifelong add", "/add"))
        return True

    def _as_of(self, rest: str) -> bool:
        if not rest:
            self._scope = {**self._scope, "as_of": None}
            print("Asking about now.")
            return True
        number = self._assistant.knowledge_base.version_number(rest)
        found = self._assistant.knowledge_base.version(number)
        self._scope = {**self._scope, "as_of": number}
        when = "" if found is None else f" ({found.at.astimezone():%Y-%m-%d %H:%M})"
        print(f"Asking as of version {number}{when}. Back to now: /asof")
        return True

    def _undo(self, rest: str) -> bool:
        plan = self._assistant.undo_plan()
        done = self._assistant.undo(plan.version.number)
        print(overview.undo_plan(plan))
        print(overview.undone(plan, done))
        return True

    def _status(self, rest: str) -> bool:
        paths = paths_in(rest)
        if paths:
            print("\n".join(overview.path_status(self._assistant.status_of(path)) for path in paths))
        else:
            print(overview.status(self._assistant.status(), self._style, now=utc_now()))
        return True

    def _as_typed(self, name: str, rest: str) -> bool:
        """As on the command line, options and all."""
        parser = build_parser()
        try:
            options = parser.parse_args([name, *paths_in(rest)])
            refuse_useless(parser, options)
            outcome = COMMANDS[name](self._assistant, options, self._style)
        except (Usage, SystemExit):  # said already; SystemExit: after --help
            return True
        except Stopped as stopped:
            print(stopped)
            return True
        shown = (as_json.written(outcome.json).rstrip(),) if options.json else (outcome.text, outcome.remark)
        for text in filter(None, shown):
            print(_IN_CHAT.sub(r"/\1", text))
        return True

    def _model(self, rest: str) -> bool:
        if rest:
            self._assistant.use_model(rest)
        print(f"model: {safe_line(self._assistant.model_name)}")
        return True

    def _open(self, rest: str) -> bool:
        count = len(self._shown)
        if not count:
            print("Nothing has been cited yet.")
        elif not rest.isdecimal() or not 1 <= int(rest) <= count:
            print(f"Which? /open 1 … /open {count}" if count > 1 else "Which? /open 1")
        else:
            self._open_place(self._shown[int(rest) - 1])
        return True

    def _open_place(self, found: Citation | Hit) -> None:
        """In the editor or pager if it is a text file still there; else its stored text, paged or printed."""
        if sys.stdin.isatty() and sys.stdout.isatty():
            if found.line is not None and os.path.isfile(found.path) and open_file(found.path, found.line):
                return
            text = self._assistant.show(found.path, as_of=found.version)
            if page_text(text, text.count("\n", 0, found.start) + 1):
                return
        print(place(found.path, found.line, found.page))
        print(safe(found.quote if isinstance(found, Citation) else found.text))

    def _help(self, rest: str) -> bool:
        print("\n".join(f"  {name:<18} {purpose}" for name, purpose in HELP))
        print("Anything else is a question. ^C stops an answer, Esc Enter begins a new line, ^R finds what you asked.")
        return True

    def _quit(self, rest: str) -> bool:
        return False


def paths_in(text: str) -> list[str]:
    """The paths typed after a command: one that is there as it stands, spaces and all, else as a shell reads them."""
    if text and os.path.exists(os.path.expanduser(text)):
        return [text]
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe is no open quote
        return [text]
