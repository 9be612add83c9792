"""Shell completion: what may stand next on a `lifelong` command line.

Rule: under a tenth of a second, so nothing heavy is imported: no numpy, no FAISS, no torch.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from rag_lifelong.config import knowledge_base_path

_MOST = 200
_TAKES_STORED_PATH = frozenset({"show", "forget", "status", "list"})

_SCRIPTS = {
    "bash": """_lifelong() {
  local IFS=$'\\n'
  COMPREPLY=($(lifelong __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o filenames -F _lifelong lifelong rag-lifelong""",
    "zsh": """#compdef lifelong rag-lifelong
_lifelong() {
  local -a found
  found=("${(@f)$(lifelong __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found[1]" ]]; then compadd -- $found; else _files; fi
}
compdef _lifelong lifelong rag-lifelong""",
    "fish": """function __lifelong_complete
  set -l words (commandline -opc) (commandline -ct)
  lifelong __complete $words[2..-1] 2>/dev/null
end
complete -c lifelong -a '(__lifelong_complete)'
complete -c rag-lifelong -a '(__lifelong_complete)'""",
}


def script(shell: str) -> str:
    """What the shell is to read."""
    return _SCRIPTS[shell]


def candidates(words: Sequence[str]) -> list[str]:
    """What the last word (perhaps empty) may become, after those before it."""
    from rag_lifelong.cli import build_parser

    parser = build_parser()
    commands = _commands(parser)
    typed = words[-1] if words else ""
    command = next((word for word in words[:-1] if word in commands), None)
    if typed.startswith("-"):
        found = _options(commands[command] if command else parser)
    elif command is None:
        found = sorted(name for name in commands if name != "doctor")
    elif command == "completion":
        found = ["bash", "zsh", "fish"]
    elif command in _TAKES_STORED_PATH:
        found = _stored_paths(words, typed)
    else:
        found = []
    return [word for word in found if word.startswith(typed)][:_MOST]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return sorted({name for action in parser._actions for name in action.option_strings if name.startswith("--")})


def _stored_paths(words: Sequence[str], typed: str) -> list[str]:
    from rag_lifelong.store.glance import paths_below

    named = next((words[i + 1] for i, word in enumerate(words[:-1]) if word == "--kb"), None)
    absolute = os.path.abspath(os.path.expanduser(typed)) + ("/" if typed.endswith("/") else "") if typed else ""
    found = paths_below(knowledge_base_path(named), absolute, limit=_MOST)
    if not typed or typed.startswith("/"):
        return found
    return [typed + path[len(absolute) :] for path in found]
