"""`lifelong remember` and `/remember`: what the user tells the assistant, as notes and as preferences.

Rule: as in `commands`: prints nothing itself. Text comes from the command line, from a line typed in the chat, or from
standard input, and from nowhere else.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rag_lifelong.assistant import Assistant
from rag_lifelong.memory import Remembered
from rag_lifelong.preferences import Preference
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.parser import Usage, build_parser, globs_of, refuse_useless
from rag_lifelong.terminal.style import Style, safe_line, short_path

NO_MODEL = (
    "Preferences speak to a language model; without one, your files are quoted as they stand. To add one: "
    "lifelong models"
)
_USAGE = "what? /remember TEXT, or /remember --list"


def remember(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Keeps a note or a preference; or lists preferences, or drops one."""
    within = globs_of(options)
    if options.list or options.drop is not None:
        if options.text or options.always or within or (options.list and options.drop is not None):
            raise _misused("--list and --drop N stand alone")
        if options.drop is not None:
            done = assistant.drop_preference(options.drop)
            return Outcome(f"Dropped: {safe_line(done.text)}\n{told(done)}", as_json.remembered(done), DONE, "")
        return _listed(assistant.preferences())
    if within and not options.always:
        raise _misused("--in says for which passages a preference is; a note is for all: add --always, or leave it out")
    text = _text_of(options.text)
    done = assistant.remember(text, always=options.always, within=within)
    quotes = (options.model or assistant.config.model) == "quote"
    is_news = options.always and quotes and assistant.knowledge_base.first_time("preferences note")
    return Outcome(told(done), as_json.remembered(done), DONE, NO_MODEL if is_news else "")


def typed(assistant: Assistant, rest: str, style: Style) -> Outcome:
    """What stands behind `/remember` in a chat: a note, quotes and all; with options, as on the command line.

    Raises `Usage` where nothing can be made of it, which has been said.
    """
    if not rest.strip():
        raise _misused(_USAGE)
    if not rest.startswith("--"):
        done = assistant.remember(rest)
        return Outcome(told(done), as_json.remembered(done), DONE, "")
    import shlex

    parser = build_parser()
    try:
        words = shlex.split(rest)
    except ValueError as error:  # an apostrophe that opens nothing
        raise _misused('put the text into double quotes: /remember --always "…"') from error
    options = parser.parse_args(["remember", *words])
    refuse_useless(parser, options)
    if not (options.text or options.list or options.drop is not None):
        raise _misused(_USAGE)  # a chat does not read the text from standard input
    return remember(assistant, options, style)


def told(done: Remembered) -> str:
    """One line: where it is, since which version, and how to take it back."""
    back = "lifelong undo" if done.version.source == "command" else f"lifelong undo {done.version.number}"
    return f"Saved in {short_path(done.path)} · version {done.version.number} · take it back: {back}"


def _listed(found: Sequence[Preference]) -> Outcome:
    lines = []
    for one in found:
        since = "          " if one.since is None else one.since.isoformat()
        place = f"   (for {', '.join(one.within)})" if one.within else ""
        lines.append(f"{one.number:>2}  {since}  {safe_line(one.text + place)}")
    none = 'No preference yet; for one: lifelong remember --always "answer in German"'
    remark = "To take one out: lifelong remember --drop N" if found else none
    return Outcome("\n".join(lines), [as_json.preference(one) for one in found], DONE if found else NOTHING, remark)


def _text_of(words: list[str]) -> str:
    """The words given, or standard input for "-", and for none unless it is a terminal; raises `Usage` if empty."""
    is_piped = words == ["-"] or (not words and not sys.stdin.isatty())
    text = sys.stdin.read() if is_piped else " ".join(words)
    if not text.strip():
        is_left_out = not words and not is_piped
        raise _misused('say what to remember: lifelong remember "…"' if is_left_out else "the note is empty")
    return text


def _misused(what: str) -> Usage:
    sys.stderr.write(f"lifelong: {what}\n")
    return Usage()
