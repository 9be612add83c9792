"""LaTeX sources, as they stand: sectioning commands as heading marks; title, author and date as fields.

Rule: the text is read by tokens, as far as telling what is a command takes: comments, verbatim text and the bodies of
definitions give no headings, nor does anything behind the document's end. Files that it inputs are not followed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ingest.decode import decode
from ingest.header import date_of, value_of
from ingest.limits import Limits
from ingest.types import Document, Field, Mark, MarkKind

NAME = "latex"
VERSION = 1

_LEVELS = {
    "part": 1,
    "addpart": 1,
    "chapter": 2,
    "addchap": 2,
    "section": 3,
    "addsec": 3,
    "subsection": 4,
    "subsubsection": 5,
    "frametitle": 6,
    "paragraph": 6,
    "subparagraph": 7,
}
_FRAME_LEVEL = 6  # of `\begin{frame}{Title}`
_FIELDS = frozenset(["title", "subtitle", "author", "date"])
_DEFINITIONS = (
    "newcommand|renewcommand|providecommand|DeclareRobustCommand|newenvironment|renewenvironment|NewDocumentCommand"
    "|RenewDocumentCommand|NewDocumentEnvironment|DeclareMathOperator|titleformat|newtheorem|def|gdef|edef|xdef"
)
_VERBATIM = r"verbatim\*?|[BL]?Verbatim\*?|lstlisting|minted|comment|filecontents\*?|alltt|luacode\*?|pycode"
_TOKEN = re.compile(
    rf"%[^\n]*|\\begin[ \t]*\{{(?P<verbatim>{_VERBATIM})\}}|\\begin[ \t]*\{{(?P<frame>frame)\}}"
    r"|\\(?P<end>end[ \t]*\{document\}|endinput(?![A-Za-z@]))|\\(?P<verb>verb|lstinline)(?![A-Za-z@])"
    rf"|\\(?P<heading>{'|'.join(sorted(_LEVELS, key=len, reverse=True))})(?![A-Za-z@])"
    rf"|\\(?P<field>{'|'.join(_FIELDS)})(?![A-Za-z@])|\\(?P<definition>{_DEFINITIONS})(?![A-Za-z@])"
    r"|\\(?P<skip>iffalse)(?![A-Za-z@])|\\(?:[A-Za-z@]+|.)",
    re.DOTALL,
)
_BRACE = re.compile(r"\\.|%[^\n]*|[{}\[\]]", re.DOTALL)
_BLANK = re.compile(r"(?:[ \t]|%[^\n]*\n[ \t]*|\n(?![ \t]*\n))*")
_FI = re.compile(r"\\(?:fi|else)(?![A-Za-z@])")
_MAX_ARGUMENT_CHARS = 2_000
_MAX_BODY_CHARS = 50_000
_MAX_OPTION_CHARS = 300
_MAX_CODE_CHARS = 500  # of `\\verb|…|`, and from a definition to the name it gives
_MAX_BRACES = 20  # open in one another
_MAX_OPTIONS = 9

_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?[ \t]*")
_GROUP = r"\{(?:[^{}]|\{[^{}]{0,300}\}){0,300}\}"
_DROPPED = re.compile(
    r"\\(?:label|footnote|footnotemark|thanks|index|vspace|hspace|cite[a-z]*|inst|orcidID|fnref|href|email)(?![A-Za-z])"
    rf"\*?[ \t]*(?:\[[^\[\]{{}}]{{0,200}}\])?(?:{_GROUP})?"
)
_CHOICE = re.compile(rf"\\texorpdfstring[ \t]*{_GROUP}[ \t]*(?={_GROUP})")  # the second is the plain one
_ACCENT = re.compile(r"\\(['`^\"~=.]|[cvuHkrbd](?![A-Za-z]))[ \t]*(?:\{(\\?[A-Za-z])\}|(\\?[A-Za-z]))")
_ACCENTS = dict(
    zip(
        "'`^\"~=.cvuHkrbd",
        "\u0301\u0300\u0302\u0308\u0303\u0304\u0307\u0327\u030c\u0306\u030b\u0328\u030a\u0331\u0323",
        strict=True,
    )
)
_LETTERS = {
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "o": "ø",
    "O": "Ø",
    "aa": "å",
    "AA": "Å",
    "l": "ł",
    "L": "Ł",
    "i": "ı",
    "j": "ȷ",
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "ldots": "…",
    "dots": "…",
    "and": ", ",
    "textendash": "–",
    "textemdash": "—",
    "S": "§",
    "copyright": "©",
    "textbackslash": "\\",
}
_LETTER = re.compile(rf"\\({'|'.join(sorted(_LETTERS, key=len, reverse=True))})(?![A-Za-z])[ \t]*(?:\{{\}})?")
_NAMED = re.compile(r"\\[A-Za-z@]+\*?[ \t]*|\\(?=\()|\\(?=\))")
_SIGN = re.compile(r"\\([&%$#_])|\\[,;:!/ ]|~")
_BRACES = re.compile(r"(?<!\\)[{}]")
_LINE_BREAK = re.compile(r"\\\\\*?(?:\[[^\[\]]{0,20}\])?")
_QUOTES = (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"))


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself, with its headings as marks."""
    text = decode(data)
    fields: list[Field] = []
    found: list[tuple[int, str, int]] = []  # start, label, level
    for start, end, command, argument in _commands(text):
        label = plain(argument)
        if command in _FIELDS:
            if label:
                fields.append(Field(command, label, start, end))
        elif label:
            found.append((start, label, _LEVELS.get(command, _FRAME_LEVEL)))
    highest = min((level for _, _, level in found), default=1)  # an article has no chapters
    return Document(
        text=text,
        title=value_of(fields, "title") or "",
        dated=date_of(fields),
        fields=tuple(fields),
        marks=tuple(Mark(start, MarkKind.HEADING, label, level - highest + 1) for start, label, level in found),
        is_source=True,
        parser=NAME,
        parser_version=VERSION,
    )


def _commands(text: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, name, argument) of the commands that make headings and fields, in order."""
    at = 0
    while (token := _TOKEN.search(text, at)) is not None:
        at = token.end()
        if token["end"]:
            return
        if token["verbatim"]:
            at = text.find(f"\\end{{{token['verbatim']}}}", at)
        elif token["verb"]:
            at = _verb_end(text, at)
        elif token["skip"]:
            close = _FI.search(text, at)
            at = -1 if close is None else close.end()
        elif token["definition"]:
            at = _definition_end(text, at)
        elif token["heading"] or token["field"] or token["frame"]:
            argument = _argument(text, at, is_near=bool(token["frame"]))
            if argument is not None:
                yield token.start(), argument[1] + 1, token["heading"] or token["field"] or "", text[slice(*argument)]
                at = argument[1] + 1
        if at < 0:  # it goes on to the end
            return


def _argument(text: str, at: int, *, is_near: bool = False) -> tuple[int, int] | None:
    """The span of the first argument in braces behind a command, behind its star and optional ones.

    is_near: it begins on the same line.
    """
    if text.startswith("*", at):
        at += 1
    for _ in range(_MAX_OPTIONS):
        begin = at if is_near else _after_blank(text, at)
        opening = text[begin : begin + 1]
        if opening == "{":
            end = _closing(text, begin, _MAX_ARGUMENT_CHARS)
            return None if end is None else (begin + 1, end)
        end = _closing(text, begin, _MAX_OPTION_CHARS) if opening == "[" else None
        if end is None:
            return None
        at = end + 1
    return None


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at, at + _MAX_ARGUMENT_CHARS)
    return at if found is None else found.end()


def _closing(text: str, begin: int, longest: int) -> int | None:
    """Where the bracket or brace that opens at `begin` closes; None if it does not, not far behind."""
    closes = {"{": "}", "[": "]"}[text[begin]]
    depth = 0  # of braces
    for found in _BRACE.finditer(text, begin + 1, begin + longest):
        sign = found.group()
        if sign == closes and not depth:
            return found.start()
        if sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
        if depth < 0 or depth > _MAX_BRACES:
            return None
    return None


def _definition_end(text: str, at: int) -> int:
    r"""Behind the arguments of a definition: `{\name}[2][x]{body}`, `\name#1#2{body}`; `at` if they are none."""
    end = _line_end(text, at)
    begin = text.find("{", at, end)
    for _ in range(_MAX_OPTIONS):
        if begin < 0 or text[begin : begin + 1] not in ("{", "["):
            break
        close = _closing(text, begin, _MAX_BODY_CHARS)
        if close is None:
            break
        at = close + 1
        begin = _after_blank(text, at)
    return at


def _verb_end(text: str, at: int) -> int:
    """Behind `|code|`."""
    if text.startswith("*", at):
        at += 1
    close = text.find(text[at : at + 1] or " ", at + 1, _line_end(text, at))
    return at if close < 0 else close + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at, at + _MAX_CODE_CHARS)
    return at + _MAX_CODE_CHARS if found < 0 else found


def plain(markup: str) -> str:
    """The words of a heading or field without commands, notes and references; accents as letters."""
    text = _LINE_BREAK.sub(" ", _COMMENT.sub("", markup))
    text = _DROPPED.sub("", _CHOICE.sub("", text))
    text = _LETTER.sub(lambda found: _LETTERS[found[1]], _ACCENT.sub(_accented, text))
    text = _SIGN.sub(lambda found: found[1] or " ", text.replace("{}", ""))
    text = _BRACES.sub("", _NAMED.sub("", text))
    for written, sign in _QUOTES:
        text = text.replace(written, sign)
    return " ".join(text.split()).replace(" ,", ",").replace("\\{", "{").replace("\\}", "}")


def _accented(found: re.Match[str]) -> str:
    letter = (found[2] or found[3]).removeprefix("\\")
    return unicodedata.normalize("NFC", letter + _ACCENTS[found[1]])
