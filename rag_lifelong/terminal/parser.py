"""The command line: commands, options, examples. `--help`, completion and docs/commands.md are made from it.

Rule: the common options may stand before or after the command. What is not built yet is not offered, and says so
when typed.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from typing import NoReturn

from rag_lifelong import __version__

GROUPS = (
    (
        "every day",
        (
            ("add", "read files and folders in; they can be asked at once"),
            ("ask", "an answer from your files, with citations"),
            ("search", "the passages themselves, best first"),
            ("chat", "a conversation"),
            ("watch", "follow folders: what changes in them can be asked at once"),
            ("sync", "make the knowledge base equal to the folders, once"),
            ("status", "what is in it, what waits, what failed; or all about one file"),
            ("list", "the documents stored"),
            ("show", "a document's stored text, also when its file is gone"),
            ("forget", "take documents out of every answer about now"),
        ),
    ),
    (
        "time",
        (
            ("versions", "what changed when, newest first"),
            ("history", "every state of a document, with what changed"),
            ("diff", "what changed between two versions"),
            ("rules", "how long documents hold, how they fade, what of their past is kept"),
            ("conflicts", "documents that another one is likely to supersede, for you to decide"),
            ("prune", "let go of former texts, for good"),
            ("undo", "take back what a command changed; the disk is not touched"),
        ),
    ),
    (
        "care",
        (
            ("check", "is everything well, and what mends it (also: doctor)"),
            ("rebuild", "make the word and vector indexes again from what is stored"),
            ("folders", "the folders known, who follows them; or one that has moved"),
            ("unfollow", "compare a folder no longer; its documents stay"),
            ("backup", "the whole knowledge base as one file, also while it is written to"),
            ("restore", "a knowledge base from such a file"),
            ("export", "texts, versions and history as plain files, for other programs"),
            ("models", "which language model answers, what else there is, and how to get one"),
            ("config", "every setting, its value, and where that comes from"),
            ("service", "keep `lifelong watch` running after login and reboot"),
            ("completion", "completion for bash, zsh or fish"),
        ),
    ),
    (
        "learning",
        (("evaluate", "does it still know what was, and nothing but what is: measured on your own files"),),
    ),
)
"""Title → (command, purpose), as `--help` shows them."""

EXAMPLES = {
    "add": ("lifelong add ~/notes", "lifelong add report.pdf", "lifelong add ~/archive --no-wait"),
    "ask": (
        'lifelong ask "What did we decide about retries?"',
        "lifelong ask --in 'meetings/*' \"Who owns the queue?\"",
        'lifelong ask --as-of 2026-03-01 "How many attempts?"',
        "lifelong ask --json < question.txt",
    ),
    "search": (
        "lifelong search dead letter queue",
        "lifelong search walrus -k 3 --explain",
        "lifelong search --dated 2026-01-01.. --files retries",
    ),
    "chat": ("lifelong chat", "lifelong chat --watch ~/notes", "lifelong chat -m transformers:~/models/qwen"),
    "watch": ("lifelong watch ~/notes", "lifelong watch", "lifelong watch --json"),
    "sync": ("lifelong sync", "lifelong sync ~/notes --yes"),
    "status": ("lifelong status", "lifelong status ~/notes/old.md"),
    "list": (
        "lifelong list",
        "lifelong list '*.pdf'",
        "lifelong list --failed",
        "lifelong list --as-of yesterday --in meetings",
    ),
    "show": (
        "lifelong show ~/notes/old.md",
        "lifelong show ~/notes/old.md:40",
        "lifelong show old.md --as-of 3",
    ),
    "forget": (
        "lifelong forget ~/notes/old.md",
        "lifelong forget ~/notes/drafts",
        "lifelong forget --everywhere ~/notes/secret.md",
    ),
    "versions": ("lifelong versions", "lifelong versions -k 3 --json"),
    "history": ("lifelong history ~/notes/plan.md", "lifelong history ~/notes/plan.md --json"),
    "diff": ("lifelong diff 3 4", "lifelong diff yesterday now --files"),
    "prune": ("lifelong prune --keep-for '1 year' --dry-run", "lifelong prune --keep-last 5 --in 'logs/*'"),
    "rules": (
        "lifelong rules",
        "lifelong rules 'news/*' --time-to-live '90 days' --past hide",
        "lifelong rules ~/notes/journal --half-life '1 year' --keep-last 5",
        "lifelong rules 'news/*' --unset past",
        "lifelong rules 'news/*' --drop",
    ),
    "conflicts": (
        "lifelong conflicts",
        "lifelong conflicts --confirm 12-40 --reject 3-9",
        "lifelong conflicts --supersede plan-2025.md plan-2026.md",
    ),
    "undo": ("lifelong undo --dry-run", "lifelong undo", "lifelong undo 7"),
    "folders": ("lifelong folders", "lifelong folders --move ~/notes /mnt/big/notes"),
    "unfollow": ("lifelong unfollow ~/archive",),
    "check": ("lifelong check", "lifelong check && echo well"),
    "rebuild": ("lifelong rebuild",),
    "backup": ("lifelong backup /media/usb/notes.lifelong", 'lifelong backup "$(date +%F).lifelong"'),
    "restore": (
        "lifelong restore /media/usb/notes.lifelong",
        "lifelong restore notes.lifelong --kb old-notes",
        "lifelong restore notes.lifelong --force",
    ),
    "export": ("lifelong export ~/export",),
    "models": (
        "lifelong models",
        "lifelong models default ollama:qwen3:4b",
        "lifelong models default transformers:~/models/qwen",
        "lifelong models key api.openai.com",
        "lifelong models default openai:NAME@http://127.0.0.1:8000/v1",
    ),
    "config": ("lifelong config", "lifelong config --json"),
    "service": (
        "lifelong service install",
        "lifelong service status",
        "lifelong service logs -k 200",
        "lifelong service uninstall --kb work",
    ),
    "completion": (
        "lifelong completion bash >> ~/.bashrc",
        'lifelong completion zsh > "${fpath[1]}/_lifelong"',
        "lifelong completion fish > ~/.config/fish/completions/lifelong.fish",
    ),
    "evaluate": ("lifelong evaluate", "lifelong evaluate -k 50 --json"),
}

ALIASES = {"check": "doctor"}

LATER = frozenset("remember chats distill adapters replay".split())
"""Commands that are to come; typing one says so."""

_QUESTIONS = ("ask", "search", "chat")

COMMON: tuple[tuple[tuple[str, ...], str | None, str, tuple[str, ...]], ...] = (
    (
        ("--kb",),
        "DIR_OR_NAME",
        "the knowledge base: a folder, or a name in your data folder (else LIFELONG_KB)",
        (),
    ),
    (("--json",), None, "print JSON, for scripts", ()),
    (
        ("-m", "--model"),
        "SPEC",
        "who words the answer: quote, transformers:PATH_OR_NAME, ollama:NAME, openai:NAME@BASE_URL",
        (),
    ),
    (
        ("--as-of",),
        "WHEN",
        "what was known at a version (3), a day (2026-03-01: its end), yesterday, 3 weeks ago",
        (*_QUESTIONS, "list", "show"),
    ),
    (
        ("--dated",),
        "FROM..TO",
        "only documents whose own date lies between; either end may be left out",
        (*_QUESTIONS, "list"),
    ),
    (
        ("--in",),
        "GLOB",
        "only documents with such a path, or in such a folder (repeatable)",
        (*_QUESTIONS, "list", "prune"),
    ),
    (
        ("-k",),
        "N",
        "how many passages, versions, lines, or samples",
        (*_QUESTIONS, "versions", "conflicts", "service", "evaluate"),
    ),
    (("-v", "--verbose"), None, "say more, on standard error", ()),
    (("-q", "--quiet"), None, "no progress and no notes", ()),
)
"""(names, metavar, help, the commands it is for, else all) of the options that stand before or after a command."""


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
            if value in LATER:
                sys.stderr.write(f"lifelong: {value} is not built yet\n")
                raise Usage
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
    for name in ("forget", "prune"):
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


def _overview() -> Iterator[str]:
    """What it is for, and the commands by group."""
    yield "Answers from your own files, with citations. Nothing leaves this machine."
    for title, row in GROUPS:
        yield f"\n{title}:"
        yield from (f"  {name:<11} {purpose}" for name, purpose in row)
