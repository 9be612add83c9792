"""Where classes and functions begin in source code, by patterns: a language a row.

Rule: a definition begins its line; one inside a comment or a string that spans lines is none. How deep it stands is
told by its indentation. Its mark begins at the decorators, attributes and comments directly above it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.types import Mark, MarkKind

_MAX_COMMENT_CHARS = 20_000  # above a definition: longer ones are not looked through for their beginning
_NAME = r"[^\W\d][\w$]*"
_PATH = rf"{_NAME}(?:(?:::|\.){_NAME})*"
_MODIFIERS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|fileprivate|static|abstract|final|readonly|async"
    r"|pub(?:\([\w:\s]+\))?|unsafe|extern(?:[ \t]+\"\w+\")?|const|override|virtual|inline|sealed|open|data|partial|case"
    r"|implicit|suspend|mutating|indirect|local|mutable)[ \t]+)*"
)


def _rule(words: str, between: str = "[ \t]+", name: str = _PATH, after: str = "", flags: int = 0) -> re.Pattern[str]:
    pattern = rf"^(?P<indent>[ \t]*){_MODIFIERS}(?P<word>{words})(?:{between})(?P<name>{name}){after}"
    return re.compile(pattern, re.MULTILINE | flags)


# A function told by its brace alone: what stands before its name is `head`.
_BRACED = re.compile(
    r"^(?P<indent>[ \t]*)(?P<head>(?:[A-Za-z_@][^\n;={}()#\"']*?[\s*&])?)"
    rf"(?P<name>~?{_NAME}(?:::~?{_NAME})*)[ \t]?\((?P<arguments>[^;{{}}]{{0,800}}?)\{{",
    re.MULTILINE,
)
_NO_HEAD = frozenset(
    "return else new throw case await yield delete do goto typedef using import package assert in of not and or".split()
)
_NO_NAME = frozenset(
    "if for while switch catch return synchronized lock fixed foreach when match guard with function func fn elif "
    "sizeof defined".split()
)
_NESTED = r"\{[^{}]*\}|\([^()]*\)"
_JS_METHOD = re.compile(
    r"^(?P<indent>[ \t]+)"
    r"(?P<head>(?:(?:public|private|protected|static|async|override|abstract|readonly|get|set)[ \t]+)*)"
    r"\*?(?P<name>#?[\w$]+)[ \t]*(?:<[^\n(]*>)?"
    rf"\((?P<arguments>(?:[^;{{}}()'\"`]|{_NESTED}|'[^'\n]*'|\"[^\"\n]*\"){{0,400}})\)[^;{{}}()=\n]{{0,120}}\{{",
    re.MULTILINE,
)
_JS_VALUE = re.compile(
    r"^(?P<indent>)(?:export[ \t]+)?(?:const|let|var)[ \t]+(?P<name>[\w$]+)(?:[ \t]*:[^=\n]+)?[ \t]*=[ \t]*"
    r"(?:async[ \t]*)?(?:function\b|class\b|[\w$]+[ \t]*=>"
    rf"|(?:<[^\n(]*>)?\((?:[^;(){{}}]|{_NESTED}){{0,400}}\)(?:[ \t]*:[^=\n]{{1,80}})?\s*=>)",
    re.MULTILINE,
)
_CONTAINERS = frozenset(
    "class interface enum record struct namespace trait object impl mod module protocol extension actor mixin union "
    "@interface".split()
)


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language writes definitions.

    opaque: strings and comments, of which those that span lines hide what is in them.
    above: a line that belongs to the definition below it.
    """

    rules: tuple[re.Pattern[str], ...]
    opaque: re.Pattern[str]
    above: re.Pattern[str]


# A quote behind a backslash begins no string: on a line of them each would be looked for to the end.
_STRING = r'(?<!\\)(?:"(?:\\.|[^"\\\n])*+"|\'(?:\\.|[^\'\\\n])*+\')'
_TRIPLE = r'(?<!\\)(?:"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\')'
_BLOCK = r"/\*.*?(?:\*/|\Z)"
_LINE = r"(?<![^\s;])\#[^\n]*"
_SLASHES = re.compile(rf"//[^\n]*|{_BLOCK}|{_TRIPLE}|{_STRING}|(?<!\\)`(?:\\.|[^`\\])*+`", re.DOTALL)
_HASHES = re.compile(rf"{_LINE}|{_TRIPLE}|{_STRING}", re.DOTALL)
_RUBY = re.compile(rf"{_LINE}|^=begin\b.*?(?:^=end\b|\Z)|{_STRING}", re.DOTALL | re.MULTILINE)
_PERL = re.compile(rf"{_LINE}|^=[A-Za-z].*?(?:^=cut\b|\Z)|{_STRING}", re.DOTALL | re.MULTILINE)
_LUA = re.compile(rf"(?:--)?\[(=*)\[.*?(?:\]\1\]|\Z)|--[^\n]*|{_STRING}", re.DOTALL)
_SQL = re.compile(rf"--[^\n]*|{_BLOCK}|{_STRING}", re.DOTALL)
_HASKELL = re.compile(rf"--[^\n]*|\{{-.*?(?:-\}}|\Z)|{_STRING}", re.DOTALL)
_ABOVE_SLASHES = re.compile(r"[ \t]*(?:@[\w.]|//|/\*|\*|#!?\[|\[.*\][ \t]*$|template\b)")
_ABOVE_HASHES = re.compile(r"[ \t]*(?:@|#(?!!))")
_ABOVE_DASHES = re.compile(r"[ \t]*--")


def _slashes(*rules: re.Pattern[str]) -> _Language:
    return _Language(rules, _SLASHES, _ABOVE_SLASHES)


def _hashes(*rules: re.Pattern[str]) -> _Language:
    return _Language(rules, _HASHES, _ABOVE_HASHES)


def _dashes(opaque: re.Pattern[str], *rules: re.Pattern[str]) -> _Language:
    return _Language(rules, opaque, _ABOVE_DASHES)


_BODY = r"\b[^;(){}=]{0,300}\{"  # a type that is only named ends in ";"
_ATTRIBUTE = r"(?:[A-Z][A-Z0-9_]*(?:\([^()\n]*\))?|alignas\([^()\n]*\)|\[\[[^\]\n]*\]\]|__attribute__[^\n]*?\)\))"
_SECTIONS = _hashes(re.compile(r"^(?P<indent>)\[\[?(?P<name>[^\[\]\n]+)\]", re.MULTILINE))
_SHELL = _hashes(
    re.compile(r"^(?P<indent>[ \t]*)(?:function[ \t]+)?(?P<name>[\w:.-]+)[ \t]*\(\)\s*[{(]", re.MULTILINE),
    _rule("function", name=r"[\w:.-]+"),
)
_LANGUAGES: dict[str, _Language] = {
    ".py .pyi": _hashes(_rule("class|def", name=_NAME)),
    ".js .mjs .cjs .jsx .ts .tsx .vue .svelte": _slashes(
        _rule("class|interface|enum|namespace|module|type|function", r"[ \t]*\*?[ \t]+|[ \t]*\*[ \t]*"),
        _JS_VALUE,
        _JS_METHOD,
    ),
    ".java .cs .dart .groovy .gradle": _slashes(
        _rule("class|interface|@interface|enum|record|struct|namespace|mixin|extension"), _BRACED
    ),
    ".c .h .cc .cpp .cxx .hpp .hh .hxx .cu .m .mm .proto .graphql": _slashes(
        _rule(
            "enum class|enum struct|struct|class|enum|union|namespace|message|service|interface|input|type",
            rf"[ \t]+(?:{_ATTRIBUTE}[ \t]+)*",
            rf"(?!final\b){_PATH}",
            _BODY,
        ),
        _BRACED,
    ),
    ".go": _slashes(_rule("func", r"[ \t]+(?:\([^)\n]*\)[ \t]*)?", _NAME), _rule("type", name=_NAME)),
    ".rs": _slashes(
        _rule("fn|struct|enum|union|trait|mod|type|macro_rules!", name=_NAME),
        _rule("impl", r"(?:<[^{\n]*?>)?[ \t]+", r"[^{\n]*?[^\s{]", r"(?=[ \t]*(?:\{|\n|where\b))"),
    ),
    ".kt .kts .scala .swift": _slashes(
        _rule(
            "enum class|class|interface|object|trait|struct|enum|protocol|extension|actor|fun|func|def|typealias",
            r"[ \t]+(?:<[^\n(]*?>[ \t]*)?",
        )
    ),
    ".php": _slashes(_rule("class|interface|trait|enum|namespace|function", r"[ \t]+&?", r"[\w\\]+")),
    ".rb": _Language((_rule("class|module|def", name=r"(?:self\.)?[A-Za-z_][\w:.]*[?!=]?"),), _RUBY, _ABOVE_HASHES),
    ".pl .pm": _Language((_rule("sub|package", name=r"[\w:]+"),), _PERL, _ABOVE_HASHES),
    ".sh .bash .zsh .fish": _SHELL,
    ".ps1": _hashes(_rule("function|filter|class|enum", name=r"[\w:-]+", flags=re.IGNORECASE)),
    ".r": _hashes(re.compile(r"^(?P<indent>)(?P<name>[\w.]+)[ \t]*(?:<-|=)[ \t]*function\b", re.MULTILINE)),
    ".jl": _hashes(_rule("function|struct|module|macro|abstract type", name=rf"{_PATH}!?")),
    ".ex .exs": _hashes(_rule("defmodule|defprotocol|defimpl|defmacrop?|defp?", name=r"[\w.]+[?!]?")),
    ".tf": _hashes(
        re.compile(r"^(?P<indent>)\w+[ \t]+(?P<name>\"[^\"\n]+\"(?:[ \t]+\"[^\"\n]+\")?)[ \t]*\{", re.MULTILINE)
    ),
    ".sql": _dashes(
        _SQL,
        _rule(
            r"create(?:[ \t]+or[ \t]+replace)?(?:[ \t]+(?:temp|temporary|unique|virtual|materialized))?[ \t]+"
            r"(?:table|view|function|procedure|trigger|index|type|schema|domain|sequence)",
            r"[ \t]+(?:if[ \t]+not[ \t]+exists[ \t]+)?",
            r"[\w.\"`\[\]]+",
            flags=re.IGNORECASE,
        ),
    ),
    ".lua": _dashes(
        _LUA,
        _rule("function", name=r"[\w.:]+"),
        re.compile(r"^(?P<indent>)(?:local[ \t]+)?(?P<name>[\w.]+)[ \t]*=[ \t]*function\b", re.MULTILINE),
    ),
    ".hs": _dashes(
        _HASKELL,
        _rule("data|newtype|type|class|module", name=r"[\w.']+"),
        re.compile(r"^(?P<indent>)(?P<name>[a-z_][\w']*)[ \t]*::", re.MULTILINE),
    ),
    ".clj .el": _Language(
        (
            re.compile(
                r"^(?P<indent>)\((?:defn-?|defmacro|defun|defmulti|defprotocol|defrecord|ns)[ \t]+(?P<name>[^\s()]+)",
                re.M,
            ),
        ),
        re.compile(r';[^\n]*|(?<!\\)"(?:\\.|[^"\\])*+"', re.DOTALL),
        re.compile(r"[ \t]*;"),
    ),
    ".bib": _Language(
        (
            re.compile(
                r"^(?P<indent>)@(?!comment\b|string\b|preamble\b)\w+[ \t]*\{[ \t]*(?P<name>[^\s,{}]+)", re.M | re.I
            ),
        ),
        re.compile(r"(?!)"),
        re.compile(r"[ \t]*%"),
    ),
    ".toml .ini .cfg .conf .properties": _SECTIONS,
    "makefile gnumakefile .mk": _hashes(re.compile(r"^(?P<indent>)(?P<name>[\w./%-]+)[ \t]*:(?![:=])", re.MULTILINE)),
    "dockerfile containerfile": _hashes(
        re.compile(r"^(?P<indent>)FROM[ \t].*?\bAS[ \t]+(?P<name>\S+)", re.MULTILINE | re.IGNORECASE)
    ),
}
_BY_SUFFIX = {suffix: language for row, language in _LANGUAGES.items() for suffix in row.split()}


def definitions(text: str, suffix: str) -> Iterator[Mark]:
    """The definitions in order; none for a language without a row.

    suffix: lower case with its dot, or the file's name where it has none ("makefile").
    """
    language = _BY_SUFFIX.get(suffix)
    if language is None:
        return
    found = sorted((match for rule in language.rules for match in rule.finditer(text)), key=lambda match: match.start())
    if not found:
        return
    hidden = [match.span() for match in language.opaque.finditer(text) if "\n" in match.group()]
    starts = [start for start, _ in hidden]
    open_ones: list[tuple[int, bool, str]] = []  # indentation, whether it holds definitions, name
    last = 0  # a mark begins no earlier than here
    for match in found:
        at = bisect_right(starts, match.start("name")) - 1
        if match.start() < last or (at >= 0 and match.start("name") < hidden[at][1]):
            continue
        groups = match.groupdict()
        indent = len(match["indent"].expandtabs(4))
        while open_ones and open_ones[-1][0] >= indent:
            open_ones.pop()
        if groups.get("arguments") is not None and not _defines(match, open_ones):
            continue
        label = " ".join(match["name"].replace('"', "").split())
        word = (groups.get("word") or "").split()
        open_ones.append((indent, bool(word) and not _CONTAINERS.isdisjoint(word), label))
        start = block_start(text, match.start(), last, language.above)
        last = match.end("name")
        yield Mark(start, MarkKind.SYMBOL, label, len(open_ones))


def _defines(match: re.Match[str], open_ones: Sequence[tuple[int, bool, str]]) -> bool:
    """Whether what a brace follows is a function, not a call or a statement."""
    name, head, arguments = match["name"], match["head"].split(), match["arguments"]
    holder = open_ones[-1] if open_ones else None
    if name in _NO_NAME or (head and head[0] in _NO_HEAD) or (holder is not None and not holder[1]):
        return False
    if match.re is _JS_METHOD:
        return holder is not None and "=>" not in arguments
    if "=>" in arguments or "->" in arguments.rpartition(")")[0]:  # a lambda in a call
        return False
    begins_line = arguments.endswith("\n")
    return bool(head) or "::" in name or (holder is not None and name == holder[2]) or (begins_line and not holder)


def block_start(text: str, start: int, earliest: int, above: re.Pattern[str]) -> int:
    """Where the lines directly above the line at `start` that belong to it begin, at `earliest` at most."""
    while start > earliest:
        line = text.rfind("\n", 0, start - 1) + 1
        if text.endswith("*/", line, start - 1):
            comment = text.rfind("/*", max(earliest, start - _MAX_COMMENT_CHARS), start)
            line = text.rfind("\n", 0, comment) + 1 if comment >= 0 else line
        if line < earliest or not above.match(text, line, start - 1):
            break
        start = line
    return start


PYTHON_ABOVE = _ABOVE_HASHES
"""A line of Python that belongs to the definition below it."""
