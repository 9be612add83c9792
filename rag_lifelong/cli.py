"""The `lifelong` command.

Rule: results on stdout, progress and warnings on stderr. Exit 0 done · 1 expected error, one line · 2 usage · 3 a bug,
with the path of its log · 4 refused or nothing found · 130 ^C. Heavy modules load inside the command that needs them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rag_lifelong import __version__
from rag_lifelong.errors import LifelongError

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant, Narrowing
    from rag_lifelong.terminal.progress import Bars
    from rag_lifelong.terminal.render import Style

DONE, ERROR, USAGE, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 3, 4, 130

_GROUPS = (
    (
        "every day",
        (
            ("add", "read files and folders in; they can be asked at once"),
            ("ask", "an answer from your files, with citations"),
            ("search", "the passages themselves"),
            ("chat", "a conversation"),
            ("status", "what is in it, what failed, what waits; or all about one file"),
            ("list", "the documents stored"),
            ("show", "a document's stored text, also when its file is gone"),
            ("forget", "take documents out of every answer about now"),
        ),
    ),
    ("time", (("versions", "the knowledge base's versions, newest first"),)),
    (
        "care",
        (
            ("check", "is everything well, and what mends it (also: doctor)"),
            ("rebuild", "make the word and vector indexes again"),
            ("config", "every setting with its origin"),
            ("completion", "a script for bash, zsh or fish"),
        ),
    ),
)
_LATER = frozenset(
    [
        "watch",
        "sync",
        "remember",
        "history",
        "diff",
        "undo",
        "conflicts",
        "prune",
        "folders",
        "unfollow",
        "chats",
        "backup",
        "restore",
        "export",
        "models",
        "service",
        "distill",
        "adapters",
        "replay",
        "evaluate",
    ]
)
_EXAMPLES = {
    "add": "lifelong add ~/notes\nlifelong add report.pdf --no-wait",
    "ask": 'lifelong ask "What did we decide about retries?"\nlifelong ask --in \'meetings/*\' --json "Who owns the queue?"\n'
    'echo "What is new?" | lifelong ask -',
    "search": "lifelong search walrus -k 5\nlifelong search \"dead letter queue\" --in 'ops/*' --explain",
    "chat": "lifelong chat\nlifelong chat -m transformers:~/models/qwen",
    "status": "lifelong status\nlifelong status ~/notes/old.md",
    "list": "lifelong list\nlifelong list '*.pdf'\nlifelong list --failed",
    "show": "lifelong show ~/notes/old.md\nlifelong show ~/notes/old.md:40",
    "forget": "lifelong forget ~/notes/old.md",
    "versions": "lifelong versions",
    "check": "lifelong check",
    "rebuild": "lifelong rebuild",
    "config": "lifelong config --json",
    "completion": "lifelong completion bash >> ~/.bashrc",
}


class _Usage(Exception):
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        sys.stderr.write(f"lifelong: {message}\n")
        raise _Usage


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["__complete"]:
        from rag_lifelong.terminal.completion import candidates

        sys.stdout.write("".join(f"{word}\n" for word in candidates(words[1:])))
        return DONE
    try:
        return _flushed(_run(words))
    except _Usage:
        return USAGE
    except SystemExit as leaving:  # argparse, after --help and --version
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read us has left; nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        return _failed(error)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, as `--help`, completion and the documentation see it."""
    parser = _Parser(
        prog="lifelong",
        usage="lifelong [OPTIONS] COMMAND …",
        description="Answers from your own files, with citations. Nothing leaves this machine.",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="show this help; lifelong COMMAND --help shows a command's")
    parser.add_argument("--version", action="version", version=f"lifelong {__version__}")
    _common(parser, is_top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser, help=argparse.SUPPRESS)
    made = {}
    for _, row in _GROUPS:
        for name, purpose in row:
            made[name] = commands.add_parser(
                name,
                description=purpose[0].upper() + purpose[1:] + ".",
                epilog="examples:\n" + "".join(f"  {line}\n" for line in _EXAMPLES[name].split("\n")),
                formatter_class=argparse.RawDescriptionHelpFormatter,
                aliases=["doctor"] if name == "check" else [],
            )
            _common(made[name], is_top=False)
    made["add"].add_argument("paths", nargs="+", metavar="PATH", help="a folder, or a file")
    made["add"].add_argument(
        "--no-wait",
        action="store_true",
        help="return when the text can be found by words; vectors follow at the next add",
    )
    made["ask"].add_argument(
        "question", nargs="+", metavar="QUESTION", help="the question; - reads it from standard input"
    )
    made["search"].add_argument("query", nargs="+", metavar="QUERY")
    made["search"].add_argument("--explain", action="store_true", help="show scores and the terms found")
    made["search"].add_argument("--files", action="store_true", help="print only the files, one a line")
    made["status"].add_argument("path", nargs="?", metavar="PATH")
    made["list"].add_argument("pattern", nargs="?", metavar="GLOB")
    made["list"].add_argument("--failed", action="store_true", help="only files that could not be read")
    made["list"].add_argument("--pending", action="store_true", help="only documents that wait for vectors")
    made["show"].add_argument("path", metavar="PATH[:LINE]")
    made["forget"].add_argument("paths", nargs="+", metavar="PATH")
    made["completion"].add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _common(parser: argparse.ArgumentParser, *, is_top: bool) -> None:
    """The options that stand before or after the command."""
    group = parser.add_argument_group("options for every command" if is_top else "common options")

    def option(*names: str, **settings: object) -> None:
        group.add_argument(*names, default=None if is_top else argparse.SUPPRESS, **settings)  # type: ignore[arg-type]

    option(
        "--kb",
        metavar="DIR_OR_NAME",
        help="the knowledge base (else LIFELONG_KB, else the user's data folder)",
    )
    option("--json", action="store_true", help="print JSON")
    option("-m", "--model", metavar="SPEC", help="quote, or transformers:PATH_OR_NAME")
    option("--as-of", metavar="WHEN", help="ask what was known at a version, or at a date")
    option(
        "--dated",
        metavar="FROM..TO",
        help="only documents whose own date lies between, either may be left out",
    )
    option(
        "--in",
        dest="within",
        action="append",
        metavar="GLOB",
        help="only documents with such a path (repeatable)",
    )
    option("-k", type=int, metavar="N", help="how many passages")
    option("-v", "--verbose", action="store_true", help="say more")
    option("-q", "--quiet", action="store_true", help="no progress")


def _overview() -> str:
    lines = []
    for title, row in _GROUPS:
        lines.append(f"{title}:")
        lines.extend(f"  {name:<11} {purpose}" for name, purpose in row)
    lines.append("")
    lines.append(
        'examples:\n  lifelong add ~/notes\n  lifelong ask "What did we decide about retries?"\n  lifelong chat'
    )
    return "\n".join(lines)


def _run(words: list[str]) -> int:
    later = next((word for word in words if not word.startswith("-")), "")
    if later in _LATER:
        sys.stderr.write(f"lifelong: {later!r} is not built yet\n")
        return USAGE
    parser = build_parser()
    options = parser.parse_args(words)
    if options.k is not None and options.k < 1:
        parser.error("-k must be at least 1")
    if options.verbose:
        import logging

        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if options.command is None:
        return _bare(parser, options)
    return _COMMANDS[options.command](options)


def _bare(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """No command: chat with a knowledge base, or how to begin."""
    from rag_lifelong.config import knowledge_base_path

    path = knowledge_base_path(options.kb)
    if not _exists(path):
        shown = str(path).replace(os.path.expanduser("~"), "~", 1)
        print(
            "No knowledge base yet. Begin with a folder:\n"
            "  lifelong add ~/notes        read it in\n"
            '  lifelong ask "…"            ask it\n'
            f"It will be kept in {shown}. Nothing leaves this machine."
        )
        return DONE
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _chat(options)
    parser.print_help()
    return DONE


# -- commands


def _add(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render

    bars = _bars(options)
    with _open(options, create=True) as assistant:
        try:
            done = assistant.add(*options.paths, wait=False if options.no_wait else True, progress=bars)
        except KeyboardInterrupt:
            bars.close()
            status = assistant.status()
            sys.stderr.write(
                f"Stopped. All {status.documents:,} documents read answer by words; "
                f"{status.waiting:,} passages wait for vectors.\n"
                f"Go on with: lifelong add {' '.join(options.paths)}\n"
            )
            return INTERRUPTED
        finally:
            bars.close()
        if options.json:
            _print_json(
                {
                    "versions": [as_json.version(v) for v in done.versions],
                    "documents": done.documents,
                    "added": done.added,
                    "changed": done.changed,
                    "moved": done.moved,
                    "removed": done.removed,
                    "unchanged": done.unchanged,
                    "waiting": assistant.knowledge_base.lag().passages,
                    "failures": [as_json.failure(f) for f in done.failures],
                }
            )
        else:
            print(render.read_in(done, _style(assistant)))
    return DONE


def _ask(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render

    question = " ".join(options.question)
    if question == "-":
        question = sys.stdin.read().strip()
    if not question.strip():
        sys.stderr.write("lifelong: the question is empty\n")
        return USAGE
    with _open(options) as assistant:
        found = assistant.ask(question, **_scope(options), k=options.k)
        if options.json:
            _print_json(as_json.answer(found))
        else:
            print(render.answer(found, _style(assistant)))
            _note_once(assistant)
    return NOTHING if found.refused else DONE


def _search(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render
    from rag_lifelong.terms import query_terms

    query = " ".join(options.query)
    with _open(options) as assistant:
        hits = assistant.search(query, options.k, **_scope(options))
        if options.json:
            _print_json([as_json.hit(hit, explain=options.explain) for hit in hits])
        elif options.files:
            for path in dict.fromkeys(hit.path for hit in hits):
                print(render.safe(path))
        else:
            asked = query_terms(query) if options.explain else None
            style = _style(assistant)
            print(
                "\n".join(render.hit(hit, i, style, explain=asked) for i, hit in enumerate(hits, start=1))
                or "Nothing found."
            )
    return DONE if hits else NOTHING


def _chat(options: argparse.Namespace) -> int:
    from rag_lifelong.repl import chat

    with _open(options) as assistant:
        return chat(assistant, style=_style(assistant), scope=_scope(options))


def _status(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render

    with _open(options) as assistant:
        if options.path is not None:
            found = assistant.status_of(options.path)
            if options.json:
                _print_json(
                    {
                        "path": found.path,
                        "state": found.state,
                        "message": found.message,
                        "nearest": list(found.nearest),
                    }
                )
            else:
                print(render.path_status(found))
            return NOTHING if found.state == "unknown" else DONE
        status = assistant.status()
        if options.json:
            _print_json(as_json.status(status))
        else:
            from rag_lifelong.knowledge_base import utc_now

            print(render.status(status, _style(assistant), now=utc_now()))
    return DONE


def _list(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render

    with _open(options) as assistant:
        if options.failed:
            failed = assistant.failures()
            if options.json:
                _print_json([as_json.failure(f) for f in failed])
            else:
                for f in failed:
                    print(f"{render.short_path(f.path)}  {render.safe(f.reason)}")
            return DONE
        found = assistant.list(options.pattern)
        if options.pending:
            found = tuple(document for document in found if document.without_vectors)
        if options.json:
            _print_json([as_json.document(document) for document in found])
        else:
            style = _style(assistant)
            for document in found:
                print(render.document(document, style))
    return DONE if found else NOTHING


def _show(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import render

    path, _, line = options.path.rpartition(":")
    first = int(line) if path and line.isdecimal() else None
    with _open(options) as assistant:
        text = assistant.show(path if first is not None else options.path, as_of=_as_of(options))
    lines = text.split("\n")
    if first is not None and first > len(lines):
        sys.stderr.write(f"lifelong: the document has {len(lines)} lines\n")
        return ERROR
    shown = "\n".join(lines[first - 1 :] if first is not None else lines)
    print(render.safe(shown) if sys.stdout.isatty() else shown)
    return DONE


def _forget(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json

    with _open(options) as assistant:
        version = assistant.forget(*options.paths)
    if options.json:
        _print_json(as_json.version(version))
    else:
        documents = f"{version.removed} {'document' if version.removed == 1 else 'documents'}"
        print(
            f"Version {version.number}: {documents} forgotten, {version.passages_died} passages retired. "
            "The files stay on disk and are not read again.\n"
            f"Take it back: lifelong add {' '.join(options.paths)}"
        )
    return DONE


def _versions(options: argparse.Namespace) -> int:
    from rag_lifelong.knowledge_base import utc_now
    from rag_lifelong.terminal import as_json, render

    with _open(options) as assistant:
        found = assistant.versions(options.k or 20)
    if options.json:
        _print_json([as_json.version(v) for v in found])
    else:
        for v in found:
            print(render.version(v, now=utc_now()))
    return DONE


def _check(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal import as_json, render

    with _open(options) as assistant:
        found = assistant.check()
        if options.json:
            _print_json([as_json.finding(f) for f in found])
        else:
            style = _style(assistant)
            for f in found:
                print(render.finding(f, style))
    return DONE if all(f.is_well for f in found) else ERROR


def _rebuild(options: argparse.Namespace) -> int:
    bars = _bars(options)
    with _open(options) as assistant:
        try:
            assistant.rebuild(progress=bars)
        finally:
            bars.close()
        well = all(finding.is_well for finding in assistant.check())
    print("Rebuilt; everything is well." if well else "Rebuilt, but not everything is well: lifelong check")
    return DONE if well else ERROR


def _config(options: argparse.Namespace) -> int:
    from rag_lifelong.config import knowledge_base_path, settings_of, user_file
    from rag_lifelong.terminal import render

    path = knowledge_base_path(options.kb)
    found = settings_of(path)
    if options.json:
        _print_json([{"name": s.name, "value": s.value, "origin": s.origin} for s in found])
    else:
        for s in found:
            print(f"{s.name:<13} {s.value!s:<24} {render.short_path(s.origin)}")
        print(
            f"Set them in {render.short_path(str(path / 'lifelong.toml'))}, or for all in {render.short_path(str(user_file()))}"
        )
    return DONE


def _completion(options: argparse.Namespace) -> int:
    from rag_lifelong.terminal.completion import script

    print(script(options.shell))
    return DONE


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "add": _add,
    "ask": _ask,
    "search": _search,
    "chat": _chat,
    "status": _status,
    "list": _list,
    "show": _show,
    "forget": _forget,
    "versions": _versions,
    "check": _check,
    "doctor": _check,
    "rebuild": _rebuild,
    "config": _config,
    "completion": _completion,
}


# -- inside


def _open(options: argparse.Namespace, *, create: bool = False) -> Assistant:
    from rag_lifelong.assistant import open_assistant

    return open_assistant(options.kb, llm=options.model, create=create)


def _exists(path: Path) -> bool:
    return (path / "lifelong.sqlite3").exists()


def _scope(options: argparse.Namespace) -> Narrowing:
    return {"as_of": _as_of(options), "within": tuple(options.within or ()), "dated": _dates(options.dated)}


def _as_of(options: argparse.Namespace) -> str | None:
    return None if options.as_of is None else str(options.as_of)


def _dates(text: str | None) -> tuple[date | None, date | None] | None:
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        return (
            date.fromisoformat(first) if first else None,
            date.fromisoformat(last) if last else (None if dots else date.fromisoformat(first)),
        )
    except ValueError:
        sys.stderr.write(f"lifelong: cannot read --dated {text!r}; give FROM..TO, such as 2024-01-01..2024-12-31\n")
        raise _Usage from None


def _style(assistant: Assistant) -> Style:
    from rag_lifelong.terminal.render import Style

    choice = assistant.config.color
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    is_rich = choice == "always" or (choice == "auto" and sys.stdout.isatty() and not plain)
    return Style(is_rich=is_rich, editor_uri=assistant.config.editor_uri)


class _Quiet:
    def reading(self, done_files: int, total_files: int, passages: int) -> None: ...

    def readable(self, passages: int) -> None: ...

    def embedding(self, done: int, total: int) -> None: ...

    def close(self) -> None: ...


def _bars(options: argparse.Namespace) -> Bars | _Quiet:
    from rag_lifelong.terminal.progress import Bars

    return _Quiet() if options.quiet else Bars(is_terminal=sys.stderr.isatty())


def _note_once(assistant: Assistant) -> None:
    """That no language model is set is said once for a knowledge base."""
    from rag_lifelong.terminal.render import NO_MODEL_NOTE

    if assistant.model_name == "quote" and assistant.knowledge_base.first_time("no-model note"):
        sys.stderr.write(NO_MODEL_NOTE + "\n")


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _flushed(code: int) -> int:
    sys.stdout.flush()  # a broken pipe shows here, not at exit
    return code


def _failed(error: Exception) -> int:
    from ingest.errors import IngestError

    if isinstance(error, (LifelongError, IngestError)):
        sys.stderr.write(f"lifelong: {error}\n")
        return ERROR
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="lifelong-", suffix=".log", delete=False, encoding="utf-8") as log:
        traceback.print_exception(error, file=log)
    sys.stderr.write(f"lifelong: this is a bug in lifelong, nothing of yours is lost; details: {log.name}\n")
    return BUG


if __name__ == "__main__":
    sys.exit(main())
