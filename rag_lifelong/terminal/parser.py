"""The command line, of what `offer` has. `--help`, completion and docs/commands.md are made from it.

Rule: the common options may stand before or after the command.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from typing import NoReturn

from rag_lifelong import __version__
from rag_lifelong.terminal.offer import ALIASES, COMMON, EXAMPLES, GROUPS


class Usage(Exception):
    """The command line cannot be understood; what is wrong has been said."""


class Parser(argparse.ArgumentParser):
    """Raises `Usage` where argparse would exit, and names the nearest command."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong in one line, and where help is."""
        sys.stderr.write(f"lifelong: {message}; see: {self.prog} --help\n")
        raise Usage

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            near = difflib.get_close_matches(str(value), list(action.choices), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"there is no command {str(value)!r}{hint}")
        super()._check_value(action, value)


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="lifelong",
        usage="lifelong [OPTIONS] COMMAND …",
        description="\n".join(_overview()),
        epilog="examples:\n" + "".join(f"  {EXAMPLES[name][0]}\n" for name in ("add", "ask", "chat")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-h", "--help", action="help", help="this; lifelong COMMAND --help tells more about one")
    parser.add_argument(
        "--version", action="version", version=f"lifelong {__version__}", help="the version of this program"
    )
    _add_common(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser, help=argparse.SUPPRESS)
    made = {name: _command(commands, name, purpose) for _, row in GROUPS for name, purpose in row}
    _add_arguments(made)
    for name, command in made.items():
        command.prog = f"lifelong {name}"
        command.usage = f"lifelong {name}{synopsis(command)} [OPTIONS]"
        _add_common(command, name)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Name → parser of each command, aliases too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def refuse_useless(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A common option that would change nothing is an error, so that nobody believes that it did. Raises `Usage`."""
    command = options.command or "chat"
    given = {"--as-of": options.as_of, "--dated": options.dated, "--in": globs_of(options), "-k": options.k}
    for names, _, _, commands in COMMON:
        if commands and command not in commands and given[names[0]]:
            commands_of(parser)[command].error(f"{command} takes no {names[0]}, which is for {', '.join(commands)}")


def globs_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The --in options, those before the command first."""
    return (*(getattr(options, "within_before", None) or ()), *(getattr(options, "within", None) or ()))


def own_actions(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What a command takes besides --help and the common options."""
    common = {"-h", *(name for names, *_ in COMMON for name in names)}
    return (action for action in command._actions if not common & set(action.option_strings))


def synopsis(command: argparse.ArgumentParser) -> str:
    """ " PATH… [--keep-last N]": a space before each."""
    parts = []
    for action in own_actions(command):
        shown = " ".join([*action.option_strings[:1], *([value] if (value := value_of(action)) else [])])
        is_free = bool(action.option_strings) or action.nargs in ("?", "*")
        parts.append(f" [{shown}]" if is_free else f" {shown}")
    return "".join(parts)


def value_of(action: argparse.Action) -> str:
    """ "N", "OLD NEW", "CODE…", "mark|down|hide": what an option or argument is given; "" for none."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar or "|".join(action.choices or ())
    return " ".join(metavar) if isinstance(metavar, tuple) else metavar + ("…" if action.nargs in ("+", "*") else "")


def _command(commands: argparse._SubParsersAction[Parser], name: str, purpose: str) -> Parser:
    return commands.add_parser(
        name,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog="examples:\n" + "".join(f"  {line}\n" for line in EXAMPLES[name]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        aliases=[ALIASES[name]] if name in ALIASES else [],
        allow_abbrev=False,
        add_help=False,
    )


def _add_arguments(made: dict[str, Parser]) -> None:
    """What each command takes besides the common options."""
    made["add"].add_argument("paths", nargs="+", metavar="PATH", help="a folder, or a file")
    made["add"].add_argument(
        "--no-wait",
        action="store_true",
        help="return when all can be found by words; vectors follow at the next add or sync, or while watched",
    )
    for name in ("add", "watch"):
        made[name].add_argument("--gitignore", action="store_true", help="the folder's own .gitignore counts too")
        made[name].add_argument(
            "--follow-links", action="store_true", help="read links in the folder, and what they lead to"
        )
    for name in ("add", "sync"):
        made[name].add_argument(
            "--yes", action="store_true", help="believe it that over a fifth of a folder's documents are gone"
        )
    made["ask"].add_argument(
        "-c", "--continue", dest="go_on", action="store_true", help="a question that goes on with the last chat"
    )
    made["chat"].add_argument("-c", "--continue", dest="go_on", action="store_true", help="go on with the last one")
    made["chat"].add_argument("--resume", metavar="ID", type=_positive, help="go on with a chat of lifelong chats")
    for name in ("ask", "chat"):
        made[name].add_argument("--no-save", action="store_true", help="keep nothing of it")
    made["chats"].add_argument(
        "action", nargs="?", choices=("show", "export", "delete"), help="else all are listed, the last one first"
    )
    made["chats"].add_argument(
        "values", nargs="*", metavar="ID", help="which; after export FILE may follow, else it is printed, as Markdown"
    )
    made["replay"].add_argument("--good", action="store_true", help="only questions whose answer you rated good")
    made["replay"].add_argument("--bad", action="store_true", help="only those rated bad")
    made["chat"].add_argument("--watch", metavar="FOLDER", help="follow a folder meanwhile")
    made["watch"].add_argument("folders", nargs="*", metavar="FOLDER", help="else all that were added")
    made["sync"].add_argument("folders", nargs="*", metavar="FOLDER", help="else all that were added or followed")
    made["history"].add_argument("path", metavar="PATH", help="a document, also one that is gone")
    made["diff"].add_argument("first", metavar="WHEN", help="a version, a date, yesterday, 3 weeks ago")
    made["diff"].add_argument("last", metavar="WHEN", nargs="?", help="as before; else now")
    made["diff"].add_argument("--files", action="store_true", help="only which documents differ")
    made["undo"].add_argument(
        "version", metavar="VERSION", nargs="?", type=_positive, help="else the last a command made"
    )
    made["undo"].add_argument("--dry-run", action="store_true", help="only show what it would do")
    made["folders"].add_argument("--move", nargs=2, metavar=("OLD", "NEW"), help="the folder OLD stands at NEW now")
    made["unfollow"].add_argument("folder", metavar="FOLDER")
    piped = "none, or -, reads it from standard input"
    made["ask"].add_argument("question", nargs="*", metavar="QUESTION", help=piped)
    made["search"].add_argument("query", nargs="*", metavar="QUERY", help=piped)
    made["search"].add_argument("--explain", action="store_true", help="show scores, and the terms found")
    made["search"].add_argument("--files", action="store_true", help="print only the files' paths, one a line")
    made["status"].add_argument("path", nargs="?", metavar="PATH", help="a file: why is it found, or not?")
    made["list"].add_argument("pattern", nargs="?", metavar="GLOB", help="only such paths, or in such a folder")
    made["list"].add_argument("--failed", action="store_true", help="the files that could not be read, and why")
    made["list"].add_argument("--pending", action="store_true", help="only documents that wait for vectors")
    made["list"].add_argument(
        "--stale", action="store_true", help="only documents past their time to live, superseded or retired"
    )
    made["remember"].add_argument("text", nargs="*", metavar="TEXT", help=piped)
    made["remember"].add_argument(
        "--always", action="store_true", help='a preference: how answers are to be, such as "answer in German"'
    )
    made["remember"].add_argument("--list", action="store_true", help="the preferences in force, with their numbers")
    made["remember"].add_argument("--drop", type=_positive, metavar="N", help="preference N goes, as listed")
    made["show"].add_argument("path", metavar="PATH[:LINE]", help="a stored document; from LINE on")
    made["forget"].add_argument("paths", nargs="+", metavar="PATH", help="a document, or a folder: all in it")
    made["forget"].add_argument("--everywhere", action="store_true", help="remove from all versions, for good")
    made["prune"].add_argument(
        "--keep-for",
        metavar="SPAN",
        type=_span,
        help="what was replaced longer ago goes: '1 year', 90d, 2w, 3mo; else as the rules say",
    )
    made["prune"].add_argument(
        "--keep-last", metavar="N", type=_positive, help="of each document, N former texts stay; else as the rules say"
    )
    made["prune"].add_argument("--dry-run", action="store_true", help="only show what would go")
    _add_rules(made["rules"])
    made["conflicts"].add_argument("--confirm", nargs="+", metavar="CODE", help="it is superseded; as listed")
    made["conflicts"].add_argument("--reject", nargs="+", metavar="CODE", help="it is not")
    made["conflicts"].add_argument("--supersede", nargs=2, metavar=("OLD", "NEW"), help="NEW takes the place of OLD")
    made["conflicts"].add_argument("--settled", action="store_true", help="what was confirmed and rejected")
    _add_distillation(made["distill"])
    made["adapters"].add_argument(
        "action",
        nargs="?",
        choices=("show", "enable", "disable", "delete"),
        help="else all are listed, the newest first; an adapter that is disabled answers nothing until it is enabled",
    )
    made["adapters"].add_argument("values", nargs="*", metavar="ID", help="which, as listed")
    for name in ("forget", "prune", "chats", "adapters"):
        made[name].add_argument("--yes", action="store_true", help="do not ask before what cannot be undone")
    made["backup"].add_argument("file", metavar="FILE", help="where to; a new file")
    made["backup"].add_argument("--force", action="store_true", help="overwrite FILE")
    made["restore"].add_argument("file", metavar="FILE", help="what `lifelong backup` has written")
    made["restore"].add_argument(
        "--force",
        action="store_true",
        help="also where a knowledge base is; it is kept beside the new one, under another name",
    )
    made["export"].add_argument("folder", metavar="DIR", help="a new folder, or an empty one")
    made["models"].add_argument(
        "action",
        nargs="?",
        choices=("default", "key"),
        help="default: SPEC words the answers from now on, once it has answered; key: keep the key of a server in the "
        "system's keyring, asked for without echo or read from a pipe",
    )
    made["models"].add_argument("words", nargs="*", metavar="SPEC_OR_HOST", help="of default: SPEC; of key: HOST")
    made["models"].add_argument("--delete", action="store_true", help="take that key out of the keyring")
    made["service"].add_argument(
        "action",
        choices=("install", "status", "logs", "uninstall"),
        help="status exits 0 if it runs, else 4; logs prints the last 50 lines, or -k",
    )
    made["completion"].add_argument("shell", choices=("bash", "zsh", "fish"))


def _add_distillation(command: Parser) -> None:
    command.add_argument(
        "globs",
        nargs="*",
        metavar="GLOB",
        help="only documents with such a path, or in such a folder; else those of the setting distill_within",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="only show what would be chosen, and why not the rest; -v with examples"
    )
    command.add_argument(
        "--min-age",
        metavar="DAYS",
        type=_count,
        help="chosen is what stood unchanged so long, or over five edits of its document",
    )
    command.add_argument(
        "--min-uses", metavar="N", type=_count, help="and was found and cited so often, or called good"
    )
    command.add_argument("--max-passages", metavar="N", type=_positive, help="the most used, so many of them")
    command.add_argument("--steps", metavar="N", type=_positive, help="of training, at most")
    command.add_argument("--seed", metavar="N", type=_count, help="of all that is drawn")
    command.add_argument(
        "--probe",
        metavar="FILE",
        help="general questions that must not suffer, 40 or more, one a line, each with a tab and its answer",
    )
    command.add_argument(
        "--if-due", action="store_true", help="only if the settings distill_every_days or distill_after_passages say so"
    )
    command.add_argument("--yes", action="store_true", help="begin without asking")


def _add_rules(command: Parser) -> None:
    command.add_argument(
        "match",
        nargs="?",
        metavar="GLOB",
        help="for such paths, or for all in such a folder; the last rule that says it holds",
    )
    command.add_argument(
        "--time-to-live", metavar="SPAN", type=_span, help="older documents are stale: '90 days', 90d, 2w, 3mo, 1y"
    )
    command.add_argument("--past", choices=("mark", "down", "hide"), help="what is done with stale ones; else: mark")
    command.add_argument("--half-life", metavar="SPAN", type=_span, help="newer before older among what answers alike")
    command.add_argument(
        "--age", choices=("dated", "changed"), help="count from the document's own date (else), or the file's change"
    )
    command.add_argument("--keep-last", metavar="N", type=_positive, help="`prune` keeps the last N former texts")
    command.add_argument("--keep-for", metavar="SPAN", type=_span, help="`prune` keeps former texts for so long")
    options = ("time-to-live", "past", "half-life", "age", "keep-last", "keep-for")
    command.add_argument(
        "--unset",
        nargs="+",
        metavar="OPTION",
        choices=options,
        help="the rule for GLOB says no more of it: past, age, …",
    )
    command.add_argument("--drop", action="store_true", help="the rule for GLOB goes")


def _add_common(parser: argparse.ArgumentParser, command: str | None) -> None:
    """command: whose options these are, None: before any. What is not for it is read too, to be refused."""
    group = parser.add_argument_group("options of every command" if command is None else "common options")
    default = None if command is None else argparse.SUPPRESS  # what stands before the command is not overwritten
    if command is not None:
        group.add_argument("-h", "--help", action="help", help="this")
    for names, metavar, purpose, commands in COMMON:
        shown = purpose if command is None or not commands or command in commands else argparse.SUPPRESS
        if metavar is None:
            group.add_argument(*names, action="store_true", default=default, help=shown)
        elif names == ("--in",):
            name = "within_before" if command is None else "within"
            group.add_argument(*names, dest=name, action="append", default=default, metavar=metavar, help=shown)
        else:
            kind = _positive if names == ("-k",) else str
            group.add_argument(*names, type=kind, default=default, metavar=metavar, help=shown)


def _span(text: str) -> str:
    from rag_lifelong.when import span

    try:
        span(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 31:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, not {text!r}")
    return int(text)


def _overview() -> Iterator[str]:
    """What it is for, and the commands by group."""
    yield "Answers from your own files, with citations. Nothing leaves this machine."
    for title, row in GROUPS:
        yield f"\n{title}:"
        yield from (f"  {name:<11} {purpose}" for name, purpose in row)
