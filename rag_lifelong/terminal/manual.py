"""The command line → docs/commands.md.

Rule: made from the parser alone, so that it cannot say what is not so. `lifelong __manual > docs/commands.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rag_lifelong.terminal.parser import (
    ALIASES,
    COMMON,
    EXAMPLES,
    GROUPS,
    build_parser,
    commands_of,
    own_actions,
    synopsis,
)

_HEAD = """\
# Commands

Made from the command line itself: `lifelong __manual > docs/commands.md`; a test keeps it current.

Results go to standard output, progress and notes to standard error. The exit code is 0 when done, 1 for an error that
one line explains, 2 for a command line that cannot be understood, 3 for a bug (the line names a log), 4 when the
sources do not say or nothing was found, 130 after ^C.

`--kb` takes a folder, or a bare name: the knowledge base of that name among your data, unless a folder of that name
stands here and holds a knowledge base, or nothing yet. Without it, `LIFELONG_KB` says where, else your data folder.
"""


def manual() -> str:
    """The page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    commands = commands_of(build_parser())
    yield _HEAD
    yield "## Options of every command\n"
    yield "Before or after the command.\n"
    for names, metavar, purpose in COMMON:
        yield _entry(names, metavar, purpose)
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
                metavar = str(action.metavar or "{" + ",".join(action.choices or ()) + "}")
                if action.option_strings:
                    yield _entry(tuple(action.option_strings), None, action.help or "")
                elif action.help:
                    yield f"- `{metavar}`: {action.help}"
            yield "\nExamples:\n"
            yield from (f"    {line}" for line in EXAMPLES[name])


def _entry(names: tuple[str, ...], metavar: str | None, purpose: str) -> str:
    shown = ", ".join(names) + (f" {metavar}" if metavar else "")
    return f"- `{shown}`: {purpose}"
