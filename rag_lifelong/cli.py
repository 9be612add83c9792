"""The `lifelong` command.

Rule: results on stdout, progress and warnings on stderr. Exit 0 done · 1 expected error, one line · 2 usage · 3 a bug,
with the path of its log · 4 refused or nothing found · 130 ^C. Heavy modules load inside the command that needs them.
"""

from __future__ import annotations

import errno
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rag_lifelong.errors import LifelongError
from rag_lifelong.terminal.parser import Parser, Usage, build_parser, refuse_useless

if TYPE_CHECKING:
    from rag_lifelong.assistant import Assistant
    from rag_lifelong.terminal.outcome import Outcome
    from rag_lifelong.terminal.periodic import Periodic
    from rag_lifelong.terminal.style import Style
    from rag_lifelong.terminal.watching import Watching

DONE, ERROR, USAGE, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 3, 4, 130

_EMBEDDING = ("add", "sync", "watch", "rebuild")  # commands that go on with a takeover
_BEGIN = """\
No knowledge base yet. Begin with a folder:
  lifelong add ~/notes        read it in
  lifelong ask "…"            ask it
  lifelong watch ~/notes      keep following it
It will be kept in {path}. Nothing leaves this machine.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that has no "·", a file name that is no text
    try:
        code = _hidden(words) if words[:1] in (["__complete"], ["__manual"]) else _run(words)
        sys.stdout.flush()  # a broken pipe shows here, not at exit
        return code
    except Usage:
        return USAGE
    except SystemExit as leaving:  # argparse, after --help and --version
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read us has left
        return DONE
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            _drop_output()
            sys.stderr.write("lifelong: no space left on the disk that was to be written to\n")
            return ERROR
        return _failed(error, words)


def _run(words: list[str]) -> int:
    parser = build_parser()
    options = parser.parse_args(words)
    refuse_useless(parser, options)
    if options.command is None:
        return _bare(parser, options)
    if options.command == "completion":
        return _completion(options)
    if options.command == "config":
        return _config(options)
    if options.command == "models":
        return _models(options)
    if options.command == "service":
        return _service(options)
    if options.command == "restore":
        return _restore(options)
    if options.command == "ask":
        return _ask(options)
    if options.command == "chat":
        return _chat(options)
    if options.command == "watch":
        return _watch(options)
    return _other(options)


def _bare(parser: Parser, options: Namespace) -> int:
    """No command: a conversation, or how to begin."""
    from rag_lifelong.config import is_knowledge_base, knowledge_base_path
    from rag_lifelong.terminal.style import short_path

    path = knowledge_base_path(options.kb)
    if not is_knowledge_base(path):
        sys.stdout.write(_BEGIN.format(path=short_path(str(path))))
        return DONE
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _chat(options)
    parser.print_help()
    return DONE


def _ask(options: Namespace) -> int:
    from rag_lifelong.session.asking import say
    from rag_lifelong.terminal import as_json
    from rag_lifelong.terminal.commands import question_of, scope_of
    from rag_lifelong.terminal.talks import gone_on_with

    question, scope, resume = question_of(options.question), scope_of(options), gone_on_with(options)
    with _opened(options, with_model=True) as assistant, assistant.chat(resume, keep=not options.no_save) as talk:
        if options.json:
            found = talk.ask(question, **scope, k=options.k)
            sys.stdout.write(as_json.written(found.to_json()))
        else:
            found = say(assistant, talk, question, style=_style(assistant), scope=scope, k=options.k)
            if not options.quiet and not found.refused:
                _note_once(assistant)
    return NOTHING if found.refused else DONE


def _chat(options: Namespace) -> int:
    from rag_lifelong.repl import chat
    from rag_lifelong.terminal.commands import missing, scope_of
    from rag_lifelong.terminal.talks import gone_on_with

    resume, keep = gone_on_with(options), not getattr(options, "no_save", False)
    scope = scope_of(options)
    folder = getattr(options, "watch", None)  # the bare command has no such option
    if folder is not None:
        missing([folder])
    with _opened(options, create=folder is not None, with_model=True) as assistant:
        if folder is not None:
            assistant.watch(folder)
        return chat(assistant, style=_style(assistant), scope=scope, k=options.k, resume=resume, keep=keep)


def _watch(options: Namespace) -> int:
    """Follows folders until ^C, until a service manager ends it, or until all were unfollowed."""
    from rag_lifelong.terminal.commands import missing, rules_of
    from rag_lifelong.terminal.style import short_path
    from rag_lifelong.terminal.watching import Watching, watch

    missing(options.folders)
    with _opened(options, create=bool(options.folders)) as assistant:
        named = [os.path.abspath(os.path.expanduser(folder)) for folder in options.folders]
        places = named or [root.path for root in assistant.followed()]
        shown = Watching(sys.stdout, is_json=bool(options.json), is_quiet=bool(options.quiet))
        watcher = assistant.watch(*options.folders, rules=rules_of(options), tell=shown.tell)
        if not options.quiet:
            where = ", ".join(short_path(place) for place in places)
            sys.stderr.write(f"Following {where}. ^C stops, nothing is lost.\n")
        try:
            watch(watcher, shown, periodic=_periodic(assistant, shown, options))
            if not watcher.folders() and not options.quiet:
                sys.stderr.write("Nothing is followed any more. To follow a folder: lifelong watch FOLDER\n")
        except KeyboardInterrupt:
            watcher.stop()
            if not options.quiet:
                sys.stderr.write("Stopped. What changes from now on is found by: lifelong watch, or lifelong sync\n")
            return INTERRUPTED
    return DONE


def _periodic(assistant: Assistant, shown: Watching, options: Namespace) -> Periodic:
    """Who distils meanwhile, whenever a setting asks for it."""
    from rag_lifelong.terminal.periodic import Periodic, distilling, is_asked_for

    base = assistant.knowledge_base
    return Periodic(
        distilling(base.path, options.model),
        is_wanted=partial(is_asked_for, base.path),
        tell=shown.tell,
        utc_now=base.now,
    )


def _other(options: Namespace) -> int:
    """The commands that give one outcome, as text or as JSON."""
    from rag_lifelong.terminal.commands import COMMANDS, missing
    from rag_lifelong.terminal.progress import Stopped

    is_note = options.command == "remember" and not options.list and options.drop is None
    creates = options.command == "add" or is_note
    if options.command == "add":
        missing(options.paths)  # before a knowledge base is made for nothing
    with _opened(options, create=creates) as assistant:
        try:
            outcome = COMMANDS[options.command](assistant, options, _style(assistant))
        except Stopped as stopped:
            sys.stderr.write(f"{stopped}\n")
            return INTERRUPTED
    return _told(outcome, options)


def _restore(options: Namespace) -> int:
    from rag_lifelong.terminal.commands import restoring
    from rag_lifelong.terminal.logs import log_to
    from rag_lifelong.terminal.progress import Stopped

    log_to(sys.stderr, is_verbose=bool(options.verbose))
    try:
        return _told(restoring(options), options)
    except Stopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return INTERRUPTED


def _service(options: Namespace) -> int:
    from rag_lifelong.terminal.service import serve

    return _told(serve(options), options)


def _models(options: Namespace) -> int:
    from rag_lifelong.terminal.logs import log_to
    from rag_lifelong.terminal.models import models

    log_to(sys.stderr, is_verbose=bool(options.verbose))
    return _told(models(options), options)


def _told(outcome: Outcome, options: Namespace) -> int:
    from rag_lifelong.terminal import as_json

    if options.json:
        sys.stdout.write(as_json.written(outcome.json))
    elif outcome.text:
        sys.stdout.write(outcome.text + "\n")
    if outcome.remark and not options.quiet:
        sys.stdout.flush()  # on a terminal the remark comes last
        sys.stderr.write(outcome.remark + "\n")
    return outcome.code


def _config(options: Namespace) -> int:
    from rag_lifelong.config import FILE_NAME, knowledge_base_path, settings_of, user_file
    from rag_lifelong.terminal.style import safe_line, short_path

    path = knowledge_base_path(options.kb)
    found = settings_of(path)
    if options.json:
        from rag_lifelong.terminal import as_json

        sys.stdout.write(as_json.written([as_json.setting(setting) for setting in found]))
        return DONE
    shown = [str(s.value).lower() if isinstance(s.value, bool) else str(s.value) for s in found]  # as TOML has it
    width = max(map(len, shown))
    names = max(len(setting.name) for setting in found)
    for setting, text in zip(found, shown, strict=True):
        value = safe_line(text) or '""'
        sys.stdout.write(f"{setting.name:<{names}}  {value:<{width}}  {short_path(setting.origin)}\n")
    here, everywhere = short_path(str(path / FILE_NAME)), short_path(str(user_file()))
    sys.stdout.write(f"To change one: {here}, or for all knowledge bases {everywhere}\n")
    return DONE


def _completion(options: Namespace) -> int:
    from rag_lifelong.terminal.completion import script

    sys.stdout.write(script(options.shell))
    return DONE


def _hidden(words: list[str]) -> int:
    """What shells and the documentation ask for; not in the help."""
    if words[0] == "__complete":
        from rag_lifelong.terminal.completion import candidates

        sys.stdout.write("".join(f"{word}\n" for word in candidates(words[1:])))
    else:
        from rag_lifelong.terminal.manual import manual

        sys.stdout.write(manual())
    return DONE


# -- inside


def _opened(options: Namespace, *, create: bool = False, with_model: bool = False) -> Assistant:
    """with_model: load the language model too, which may take long; else nobody will ask it."""
    from rag_lifelong.config import is_knowledge_base, knowledge_base_path
    from rag_lifelong.errors import KnowledgeBaseMissing
    from rag_lifelong.terminal.logs import log_to
    from rag_lifelong.terminal.style import short_path

    log_to(sys.stderr, is_verbose=bool(options.verbose))
    path = knowledge_base_path(options.kb)
    if not create and not is_knowledge_base(path):  # before anything is made there
        raise KnowledgeBaseMissing(f"no knowledge base at {short_path(str(path))}; begin with: lifelong add FOLDER")
    from rag_lifelong.assistant import open_assistant

    is_rescue = options.command == "rebuild"
    assistant = open_assistant(path, llm=options.model if with_model else "quote", create=create, rescue=is_rescue)
    has_news = options.command in _EMBEDDING or assistant.knowledge_base.has_begun_takeover
    if has_news and not options.quiet:
        from rag_lifelong.terminal.overview import takeover

        found = assistant.knowledge_base.takeover()
        if found is not None:
            sys.stderr.write(takeover(found) + "\n")
    return assistant


def _style(assistant: Assistant) -> Style:
    from rag_lifelong.terminal.style import style_for

    return style_for(
        assistant.config.color,
        editor_uri=assistant.config.editor_uri,
        is_terminal=sys.stdout.isatty(),
        environment=os.environ,
    )


def _note_once(assistant: Assistant) -> None:
    """That no language model is set is said once for a knowledge base."""
    from rag_lifelong.terminal.render import NO_MODEL_NOTE

    try:
        is_news = assistant.model_name == "quote" and assistant.knowledge_base.first_time("no-model note")
    except LifelongError:
        return  # busy, or on a full or read-only disk: the answer is there, the note can wait
    if is_news:
        sys.stdout.flush()
        sys.stderr.write(NO_MODEL_NOTE + "\n")


def _drop_output() -> None:
    """Nothing more can be written to standard output, not at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: Exception, words: Sequence[str]) -> int:
    from datetime import UTC, datetime

    from ingest.errors import IngestError
    from rag_lifelong.terminal.crash import write_log
    from rag_lifelong.terminal.style import safe_line, short_path

    if isinstance(error, (LifelongError, IngestError)):
        sys.stderr.write(f"lifelong: {safe_line(str(error))}\n")
        return ERROR
    log = write_log(error, words, now=datetime.now(UTC))
    sys.stderr.write(
        f"lifelong: this is a bug in lifelong, nothing of yours is lost; details: {short_path(str(log))}\n"
    )
    return BUG


if __name__ == "__main__":
    sys.exit(main())
