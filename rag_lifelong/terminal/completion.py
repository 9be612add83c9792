"""Shell completion: what may stand next on a `lifelong` command line.

Rule: under a tenth of a second, so nothing heavy is imported: no numpy, no FAISS, no torch, no rich. A stored name
that could drive a terminal is not offered.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_lifelong.config import knowledge_base_path
from rag_lifelong.terminal.parser import build_parser, commands_of
from rag_lifelong.terminal.style import safe_line

_MOST = 200
_TAKES_STORED_PATH = frozenset({"show", "forget", "status", "list"})

# Where nothing is offered, the shell completes files by itself; so does zsh after "~", which compadd would quote.
_SCRIPTS = {
    "bash": """\
_lifelong() {
  local current="${COMP_WORDS[COMP_CWORD]}" word
  # a colon breaks words in bash; what stands before it is not typed again
  COMPREPLY=()
  while IFS= read -r word; do
    [[ $word == */* ]] && compopt -o filenames
    COMPREPLY+=("$word")
  done < <(lifelong __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 0 && $current != -* ]]; then
    compopt -o default
  fi
}
complete -F _lifelong lifelong rag-lifelong
""",
    "zsh": """\
#compdef lifelong rag-lifelong
_lifelong() {
  local -a found
  found=("${(@f)$(lifelong __complete "${(@Q)words[2,$CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found[1]" && "$words[CURRENT]" != "~"* ]]; then
    compadd -f -- "${found[@]}"
  else
    _files
  fi
}
if [[ "$funcstack[1]" == "_lifelong" ]]; then
  _lifelong
else
  compdef _lifelong lifelong rag-lifelong
fi
""",
    "fish": """\
function __lifelong_complete
  set -l words (commandline -opc) (commandline -ct)
  lifelong __complete $words[2..-1] 2>/dev/null
end
complete -c lifelong -a '(__lifelong_complete)'
complete -c rag-lifelong -a '(__lifelong_complete)'
""",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """A command line as far as it is typed. awaited: the option whose value the last word is, or None.

    given: the words after the command that are no options, nor values of such.
    """

    command: str | None
    awaited: str | None
    values: Mapping[str, str]
    given: tuple[str, ...]


def script(shell: str) -> str:
    """What the shell is to read."""
    return _SCRIPTS[shell]


def candidates(words: Sequence[str]) -> list[str]:
    """What the last word (perhaps empty) may become, after those before it; empty where the shell knows better."""
    parser = build_parser()
    commands = commands_of(parser)
    typed = words[-1] if words else ""
    line = _understood(words[:-1], parser, commands)
    if line.awaited is not None:
        found = _values(line)
    elif typed.startswith("-"):
        found = _options(commands[line.command] if line.command else parser)
    elif line.command is None:
        found = sorted(name for name in commands if name != "doctor")
    elif line.command in _TAKES_STORED_PATH:
        found = _stored_paths(line, typed)
    elif line.command == "chats" and line.given:
        found = _chats(line)
    elif line.command == "adapters" and line.given:
        found = _adapters(line)
    else:
        found = _choices(commands[line.command])
    return [word for word in found if word.startswith(typed) and safe_line(word) == word][:_MOST]


def _understood(
    words: Sequence[str], parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]
) -> _Line:
    """The command named so far, and the option that still waits for its value."""
    command: str | None = None
    awaited: str | None = None
    values: dict[str, str] = {}
    given: list[str] = []
    for word in words:
        if awaited is not None:
            values[awaited] = word
            awaited = None
        elif word.startswith("-"):
            awaited = _valued(commands[command] if command else parser).get(word)
        elif command is None and word in commands:
            command = word
        elif command is not None:
            given.append(word)
    return _Line(command, awaited, values, tuple(given))


def _valued(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Option as typed → its long name, of those that take a value."""
    return {
        name: action.option_strings[-1]
        for action in parser._actions
        for name in action.option_strings
        if action.nargs != 0
    }


def _options(parser: argparse.ArgumentParser) -> list[str]:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return sorted({name for action in shown for name in action.option_strings if name.startswith("--")})


def _choices(command: argparse.ArgumentParser) -> list[str]:
    """The words a command's own argument is one of; empty where any word will do."""
    return [str(word) for action in command._actions if not action.option_strings for word in action.choices or ()]


def _values(line: _Line) -> list[str]:
    """What an option may be given."""
    from rag_lifelong.store.glance import chat_ids, version_numbers

    if line.awaited == "--as-of":
        return version_numbers(_knowledge_base(line), limit=_MOST)
    if line.awaited == "--resume":
        return chat_ids(_knowledge_base(line), limit=_MOST)
    if line.awaited == "--model":
        return ["quote", "transformers:"]
    if line.awaited == "--kb":
        return _names()
    return []


def _names() -> list[str]:
    """The knowledge bases that have a name, beside the one that needs none."""
    default = knowledge_base_path("")
    prefix = default.name + "-"
    return sorted(path.name.removeprefix(prefix) for path in default.parent.glob(prefix + "*") if path.is_dir())


def _stored_paths(line: _Line, typed: str) -> list[str]:
    from rag_lifelong.store.glance import paths_below

    absolute = ""
    if typed:
        absolute = os.path.abspath(os.path.expanduser(typed)) + ("/" if typed.endswith("/") else "")
    found = paths_below(_knowledge_base(line), absolute, limit=_MOST)
    if not typed or typed.startswith("/"):
        return found
    return [typed + path[len(absolute) :] for path in found]


def _chats(line: _Line) -> list[str]:
    from rag_lifelong.store.glance import chat_ids

    if len(line.given) > 1 and line.given[0] != "delete":  # it takes one, then perhaps a file
        return []
    return [number for number in chat_ids(_knowledge_base(line), limit=_MOST) if number not in line.given]


def _adapters(line: _Line) -> list[str]:
    from rag_lifelong.store.glance import adapter_ids

    return [] if len(line.given) > 1 else adapter_ids(_knowledge_base(line), limit=_MOST)


def _knowledge_base(line: _Line) -> Path:
    return knowledge_base_path(line.values.get("--kb"))
