"""The commands of a chat, and /help: on one screen of 24 lines, and a few sentences about each.

Rule: what a command does is said here once; completion shows it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from rag_lifelong.terminal.style import Style, safe_line

_COLUMNS = 80  # two entries side by side from here on


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: what is typed, its purpose in 25 characters, and all about it."""

    typed: str
    purpose: str
    more: str

    @property
    def name(self) -> str:
        """ "/open"."""
        return self.typed.partition(" ")[0]


GUIDE: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "the answer",
        (
            Entry(
                "/open N",
                "show what [N] cites",
                "Opens number N of what was shown last in $VISUAL or $EDITOR at the line, else in less; what is no "
                "text file, or is gone, as stored. Numbers are those shown last.",
            ),
            Entry(
                "/why [N]",
                "how it was found",
                "For each citation, or for citation N: the words of the question and the likeness of meaning, of the "
                "cited sentence itself and of its passage. /why all tells of every passage found.",
            ),
            Entry(
                "/sources",
                "the passages it had",
                "The best passages that the answer was looked for in; /sources all shows every one.",
            ),
            Entry(
                "/copy",
                "to the clipboard",
                "Copies the last answer: to tmux's buffer inside tmux, else by the terminal (OSC 52), where it "
                "allows that.",
            ),
            Entry(
                "/retry [SPEC]",
                "ask it once more",
                "Asks the last question again in place of its answer; with SPEC by another language model, which then "
                "stays: /retry transformers:~/models/qwen",
            ),
            Entry(
                "/good [NOTE]",
                "it was right",
                "Keeps with the question and its answer that this was right, and why. lifelong replay asks such "
                "questions again and tells what has changed.",
            ),
            Entry(
                "/bad [NOTE]", "it was wrong", "Keeps with the question and its answer that this was wrong, and why."
            ),
            Entry(
                "/save FILE",
                "this chat, Markdown",
                "Writes this chat to a new file as Markdown, its citations as footnotes; over an old one: "
                "/save --force FILE",
            ),
        ),
    ),
    (
        "the chat",
        (
            Entry(
                "/asof [WHEN]",
                "ask the past",
                "A version (3), a day (2026-03-01: its end), yesterday, 3 weeks ago. Without WHEN the present again.",
            ),
            Entry(
                "/in [GLOB …]",
                "only such documents",
                "Paths or globs (ops, '*.pdf'); without one all again. For one question, name documents in it: "
                "who is on call? @oncall.md",
            ),
            Entry(
                "/dated [FROM..TO]",
                "only of such days",
                "Documents whose own date lies between; either end may be left out. Without dates all again.",
            ),
            Entry(
                "/model [SPEC]",
                "who words answers",
                "quote, or a language model, such as transformers:~/models/qwen. Without SPEC it says which it is.",
            ),
            Entry(
                "/adapters",
                "what was distilled",
                "The adapters made, which word answers about what they were made of; with the options of lifelong "
                "adapters: /adapters disable 3",
            ),
            Entry("/new", "begin another", "Begins another chat; the last one is kept, see /resume."),
            Entry(
                "/resume [ID]",
                "go on with another",
                "Goes on with a chat that was kept, as /chats numbers them; without ID with the last other one.",
            ),
            Entry("/chats", "those kept", "The chats kept; with the options of lifelong chats."),
            Entry(
                "/edit",
                "write it in $EDITOR",
                "Opens $VISUAL or $EDITOR; what you save is asked. An empty file asks nothing.",
            ),
            Entry("/help [COMMAND]", "this; or about one", "All commands; or all about one."),
            Entry("/quit", "leave (also ^D)", "Leaves the chat."),
        ),
    ),
    (
        "your files",
        (
            Entry("/search QUERY", "passages, no answer", "The passages themselves, best first. /open N shows one."),
            Entry("/status [PATH]", "what is in it", "The knowledge base at a glance; or why a file is found, or not."),
            Entry("/add PATH", "read in", "Reads a file or a folder in; it can be asked at once. Tab completes paths."),
            Entry(
                "/forget PATH",
                "out of answers",
                "Takes documents out of every answer about now; their files stay. /undo takes it back.",
            ),
            Entry(
                "/remember TEXT",
                "keep a note",
                "Writes TEXT as a dated note, which answers like your other documents. A wish about how answers are to "
                'be: /remember --always "answer in German"; it speaks to a language model.',
            ),
            Entry(
                "/preferences",
                "your standing wishes",
                "The wishes about how answers are to be, numbered; one less: /remember --drop N",
            ),
        ),
    ),
    (
        "time",
        (
            Entry("/versions", "what changed when", "The versions, newest first. -k 50 shows more of them."),
            Entry("/history PATH", "states of a document", "Every state of a document, with what changed."),
            Entry("/diff WHEN [WHEN]", "between versions", "What changed between two versions, or since one: /diff 3"),
            Entry("/rules [GLOB]", "how long it holds", "How long documents hold; with the options of lifelong rules."),
            Entry(
                "/conflicts",
                "what is superseded",
                "What is likely superseded, for you to decide; with the options of lifelong conflicts.",
            ),
            Entry(
                "/undo [VERSION]",
                "take back a change",
                "Takes back what a command changed last, or a version; the disk is not touched. /undo --dry-run tells.",
            ),
        ),
    ),
)

ENTRIES: tuple[Entry, ...] = tuple(entry for _, row in GUIDE for entry in row)
HELP: tuple[tuple[str, str], ...] = tuple((entry.typed, entry.purpose) for entry in ENTRIES)
"""("/name ARGUMENT", purpose), as completion takes it."""

_FOOT = (
    "Anything else is a question; @path in it asks that one alone. Tab completes,",
    "^R finds what you asked, Esc Enter or \\ Enter begins a new line, ^C stops.",
)


def overview(style: Style) -> str:
    """All commands in groups, two to a line where there is room."""
    width = _COLUMNS if style.width is None else style.width()
    lines = []
    for title, row in GUIDE:
        lines.append(style.bold(title))
        shown = [f"  {entry.typed:<17} {entry.purpose:<20}" for entry in row]
        if width < _COLUMNS:
            lines.extend(line.rstrip() for line in shown)
            continue
        half = (len(shown) + 1) // 2
        for left, right in zip(shown[:half], [*shown[half:], ""], strict=False):
            lines.append((left + right).rstrip())
    return "\n".join([*lines, *_FOOT])


def about(name: str, style: Style) -> str:
    """All about one command."""
    wanted = "/" + name.lstrip("/").partition(" ")[0]
    found = next((entry for entry in ENTRIES if entry.name == wanted), None)
    if found is None:
        return no_such(wanted)
    return f"{style.bold(found.typed)}  {found.purpose}\n{style.indented(found.more)}"


def no_such(name: str, others: Sequence[str] = ()) -> str:
    """That there is no such command, with the nearest."""
    near = difflib.get_close_matches(name, [*(entry.name for entry in ENTRIES), *others], n=1)
    return f"There is no {safe_line(name)}; " + (f"did you mean {near[0]}?" if near else "see /help")
