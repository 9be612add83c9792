"""The conversations kept: listed, shown, exported, deleted; and which one `ask -c` and `chat -c` go on with.

Rule: prints nothing itself. What cannot be undone is asked for first, or needs --yes.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Literal

from rag_lifelong.assistant import Assistant
from rag_lifelong.errors import TargetUnusable
from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.agreement import ask_first
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.overview import ago, count_of, unfinished
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.render import basis
from rag_lifelong.terminal.style import Style, safe, safe_line, short_path
from rag_lifelong.types import ChatSummary, Turn

SHOWN = 20
_TITLE_CHARS = 60


def chats(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """All of them; or one shown or exported; or some deleted."""
    if options.action is None:
        return _listed(assistant, options, style)
    if options.action == "show":
        return _shown(assistant, _only(options, "show ID"), style)
    if options.action == "export":
        return _exported(assistant, options)
    return _deleted(assistant, options)


def gone_on_with(options: Namespace) -> int | Literal["last"] | None:
    """Which conversation -c or --resume means; None: a new one. Raises `Usage` for both."""
    number = getattr(options, "resume", None)
    if not getattr(options, "go_on", False):  # the bare command has neither
        return None if number is None else int(number)
    if number is not None:
        raise _misused("-c goes on with the last chat, --resume with the one named; give one of them")
    return "last"


def _listed(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    found = assistant.chats()
    shown = found[: options.k or SHOWN]
    lines = [_line(one, style, now=utc_now()) for one in shown]
    if len(found) > len(shown):
        lines.append(f"… and {len(found) - len(shown):,} more: lifelong chats -k {len(found)}")
    remark = "Read one: lifelong chats show ID   Go on with the last: lifelong chat -c" if found else "No chat yet."
    return Outcome("\n".join(lines), [as_json.chat(one) for one in found], DONE if found else NOTHING, remark)


def _line(found: ChatSummary, style: Style, *, now: datetime) -> str:
    title = safe_line(found.title)
    title = title if len(title) <= _TITLE_CHARS else f"{title[: _TITLE_CHARS - 1].rstrip()}…"
    when = f"{ago(found.last, now)}, {count_of(found.turns, 'question')}"
    return f"{style.bold(f'{found.id:>4}')}  {title:<{_TITLE_CHARS}}  {style.dim(when)}"


def _shown(assistant: Assistant, chat_id: int, style: Style) -> Outcome:
    turns = assistant.read_chat(chat_id)
    text = "\n\n".join(_turn(turn, style) for turn in turns)
    return Outcome(text, {"chat": chat_id, "turns": [as_json.turn(turn) for turn in turns]}, DONE, "")


def _turn(turn: Turn, style: Style) -> str:
    head = [f"{turn.at.astimezone():%Y-%m-%d %H:%M}"]
    if turn.asked_as != turn.question:
        head.append(f"asked as: {safe_line(turn.asked_as)}")
    if turn.rating is not None:
        note = f": {safe_line(turn.rating.note)}" if turn.rating.note else ""
        head.append(f"rated {'good' if turn.rating.is_good else 'bad'}{note}")
    lines = [style.bold(f"› {safe(turn.question)}"), style.dim(" · ".join(head)), safe(turn.answer.text)]
    if turn.removed_at is None:
        rest = basis(turn.answer, style, as_of_time=None, has_passages=turn.answer.version > 0)
        lines += ["", rest] if rest else []
    return "\n".join(lines)


def _exported(assistant: Assistant, options: Namespace) -> Outcome:
    if len(options.values) not in (1, 2):
        raise _misused("say which: lifelong chats export ID [FILE]")
    chat_id = _number(options.values[0])
    text = assistant.export_chat(chat_id)
    if len(options.values) == 1:
        return Outcome(text.removesuffix("\n"), {"chat": chat_id, "markdown": text}, DONE, "")
    path = Path(os.path.abspath(os.path.expanduser(options.values[1])))
    try:
        with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
            os.chmod(path, 0o600)
            file.write(text)
    except FileExistsError:
        raise TargetUnusable(f"{path} is there already; name a new file") from None
    except OSError as error:
        raise TargetUnusable(f"cannot write to {path}: {error.strerror}; name another place") from error
    root = assistant.folder_that_reads(path)
    remark = ""
    if root is not None:
        remark = f"It lies in {short_path(root.path)}, which is read in: it will answer like your other documents."
    said = f"Chat {chat_id} is in {short_path(str(path))}"
    return Outcome(said, {"chat": chat_id, "file": str(path)}, DONE, remark)


def _deleted(assistant: Assistant, options: Namespace) -> Outcome:
    if not options.values:
        raise _misused("say which: lifelong chats delete ID…")
    numbers = list(dict.fromkeys(_number(value) for value in options.values))
    turns = sum(len(assistant.read_chat(number)) for number in numbers)  # before it asks
    which = f"chat {numbers[0]}" if len(numbers) == 1 else f"{len(numbers):,} chats"
    ask_first(options, f"This removes {which}, {count_of(turns, 'question')} with what was answered, for good")
    done = assistant.delete_chat(*numbers)
    lines = [f"Removed for good: {which}, {count_of(done.turns, 'question')}.", *unfinished(done)]
    found = {"chats": numbers, "turns": done.turns, "complete": done.is_complete, "left": list(done.left)}
    return Outcome("\n".join(lines), found, DONE, "")


def _only(options: Namespace, how: str) -> int:
    if len(options.values) != 1:
        raise _misused(f"say which: lifelong chats {how}")
    return _number(options.values[0])


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise _misused(f"{safe_line(text)!r} is no chat's number; see: lifelong chats")
    return int(text)


def _misused(what: str) -> Usage:
    sys.stderr.write(f"lifelong: {what}\n")
    return Usage()
