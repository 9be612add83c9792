"""The command line → docs/commands.md.

Rule: made from the parser alone, so that it cannot say what is not so. `lifelong __manual > docs/commands.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from rag_lifelong.config import DEFAULTS, ENVIRONMENT, FILE_NAME, PURPOSES
from rag_lifelong.terminal.offer import ALIASES, COMMON, EXAMPLES, GROUPS
from rag_lifelong.terminal.parser import build_parser, commands_of, own_actions, synopsis, value_of

_HEAD = """\
# Commands

Made from the command line itself: `lifelong __manual > docs/commands.md`; a test keeps it current.

Results go to standard output, progress and notes to standard error. The exit code is 0 when done, 1 for an error that
one line explains, 2 for a command line that cannot be understood, 3 for a bug (the line names a log), 4 when the
sources do not say or nothing was found, 130 after ^C.

`--kb` takes a folder, or a bare name: the knowledge base of that name among your data, unless a folder of that name
stands here and holds a knowledge base, or nothing yet. Without it, `LIFELONG_KB` says where, else your data folder.

`--json` calls one thing by one name in every command:

- `path`: absolute; of a document, a file, or a folder. `kb`: the knowledge base's folder
- `version`: always a number: the one asked, or in which something happened; of `list`, since when. `at`: its time
- `made`: the version that the command made, as `versions` tells one; null if it made none. `undoes`: a version's number
- `dated`: the date a document bears itself, or null; `document_date`: that, else its file's
- `stale_since`, `superseded_by`, `retired`: why a document holds no longer; null where nothing speaks against it
- `without_vectors`: how many passages are found by words alone so far
- `start`, `end`: characters of the document's text as stored, `end` excluded; `line` and `page`: from 1, or null
- `chat`: a conversation's number, `turn` that of a question in it; `question`: as typed, `asked_as`: standing alone
- `old`, `new`, `decision`: two documents, and whether the older is superseded: confirmed, rejected, or null
"""


def manual() -> str:
    """The page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    commands = commands_of(build_parser())
    yield _HEAD
    yield "## Options of every command\n"
    yield "Before or after the command. What is for some commands only, others refuse.\n"
    for names, metavar, purpose, only in COMMON:
        yield _entry(names, metavar, purpose) + (f"; for {', '.join(only)}" if only else "")
    yield "\n## Settings\n"
    yield f"In `{FILE_NAME}`, of one knowledge base or for all; `lifelong config` shows where it stands.\n"
    defaults = asdict(DEFAULTS)
    for name, purpose in PURPOSES.items():
        variable = f" (in the environment `{ENVIRONMENT[name]}`)" if name in ENVIRONMENT else ""
        value = json.dumps(defaults[name])  # as TOML has it
        yield f"- `{name} = {value}`{variable}: {purpose}"
    for title, row in GROUPS:
        yield f"\n## {title[0].upper()}{title[1:]}"
        for name, purpose in row:
            alias = f" (also `lifelong {ALIASES[name]}`)" if name in ALIASES else ""
            yield f"\n### lifelong {name}\n"
            yield f"{purpose[0].upper()}{purpose[1:].split(' (also')[0]}.{alias}\n"
            yield f"    lifelong {name}{synopsis(commands[name])}"
            own = list(own_actions(commands[name]))
            if own:
                yield ""
            for action in own:
                names = (" ".join([*action.option_strings, value_of(action)]).strip(),)
                if action.help:
                    yield _entry(names, None, action.help)
            yield "\nExamples:\n"
            yield from (f"    {line}" for line in EXAMPLES[name])


def _entry(names: tuple[str, ...], metavar: str | None, purpose: str) -> str:
    shown = ", ".join(names) + (f" {metavar}" if metavar else "")
    return f"- `{shown}`: {purpose}"
