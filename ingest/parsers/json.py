"""JSON and JSON Lines, to be read: as they stand where a person can, else written out without the signs.

Rule: it is text whatever is wrong with it; half a file, comments, a depth that no reader takes are no reason to fail.
A file laid out in lines is its own text, so that its lines can be cited; one that is all in a line, or hides its words
behind `\\u` signs, is written as `key: value` lines, the fields of a flat record on one. Nothing is left out but the
end of long rows of numbers, and it says how many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ingest.decode import clean, decode
from ingest.limits import Limits
from ingest.markup.outline import LEVELS, KeyHeadings
from ingest.types import Document, Mark, MarkKind

NAME = "json"
VERSION = 1

MAX_NUMBERS = 200  # of a list; more are coordinates, samples, vectors

_BY_LINE = (".jsonl", ".ndjson", ".jsonlines")
_MAX_MEAN_LINE = 300  # characters, in what is laid out for people
_MAX_ESCAPED_SHARE = 0.02  # of the characters begin a \u sign
_MAX_FIELD_CHARS = 300  # in a record that is written on one line
_MAX_INLINE_CHARS = 200  # of a list that is
_MAX_TITLE_CHARS = 200
_SAMPLE = 2_000_000
_MIN_LOADED_SHARE = 0.5  # of the lines of a file that has its records by line
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"?|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?|[\[\]{},:]')
_NUMBER = re.compile(r"-?\d[\d.eE+-]{0,40}")

Pairs = tuple[tuple[str, object], ...]
"""An object: its keys and values as they stand, twice what comes twice. Numbers are text, as written."""


def parse(data: bytes, *, name: str, limits: Limits) -> Document:
    """The text itself with its top keys or records as marks, or what it says; no bytes are the text ""."""
    text = decode(data)
    by_line = name.lower().endswith(_BY_LINE) or _is_by_line(text)
    if not _is_laid_out(text):
        written = _written(text, by_line=by_line, limits=limits)
        if written is not None:
            return written
    marks = list(_line_marks(text) if by_line else _marks(text))
    return _document(text, _title(text), marks, is_source=True)


def _document(text: str, title: str, marks: Sequence[Mark], *, is_source: bool) -> Document:
    return Document(
        text=text,
        title=title,
        dated=None,
        fields=(),
        marks=tuple(marks),
        is_source=is_source,
        parser=NAME,
        parser_version=VERSION,
    )


def _is_laid_out(text: str) -> bool:
    mean = len(text) / (text.count("\n", 0, len(text) - 1) + 1)
    return mean <= _MAX_MEAN_LINE and text.count("\\u") <= _MAX_ESCAPED_SHARE * len(text)


def _is_by_line(text: str) -> bool:
    """Whether the first two lines that are not blank are each a whole object or list."""
    lines = (line for line in text[:_SAMPLE].split("\n") if line.strip())
    first = list(islice(lines, 2))
    return len(first) == 2 and all(line.lstrip()[0] in "{[" and _loaded(line) is not None for line in first)


def _loaded(text: str) -> object | None:
    """The value, None where it is no JSON, or nests deeper than the library goes."""
    try:
        found: object = json.loads(text, object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found


# -- as it stands


def _line_marks(text: str) -> Iterator[Mark]:
    for number, line in enumerate(re.finditer(r"^.*\S", text, re.MULTILINE), start=1):
        yield Mark(line.start(), MarkKind.ROW, str(number), 0)


def _marks(text: str) -> Iterator[Mark]:
    """The items of a list that is the whole, as rows; of an object its keys and theirs, as headings.

    A key with nothing in it but a word has a heading only behind one that has more. Nothing is believed of the text but
    its brackets, so that half of it is read too.
    """
    stack: list[str] = []
    headings = KeyHeadings()
    items = 0
    has_marks = False
    key: re.Match[str] | None = None  # the last string, at the levels of headings
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        is_keyed = 0 < len(stack) <= LEVELS and "[" not in stack
        if sign == '"':
            key = token if is_keyed else None
        elif sign == ":" and is_keyed and key is not None:
            is_large = text[token.end() : token.end() + 100].lstrip()[:1] in ("{", "[")
            mark = headings.add(key.start(), _label(key[0]), len(stack), is_large=is_large)
            if mark is not None:
                yield mark
                has_marks = True
            key = None
        elif sign == "," and stack == ["["]:
            items += 1
        elif sign in "{[":
            key = None
            if stack == ["["]:  # the list's own bracket belongs to its first item
                yield Mark(token.start() if has_marks else 0, MarkKind.ROW, str(items + 1), 0)
                has_marks = True
            stack.append(sign)
        elif sign in "}]" and stack:
            key = None
            stack.pop()


def _label(string: str) -> str:
    value = _loaded(string)
    return clean(value if isinstance(value, str) else string.strip('"'))


def _title(text: str) -> str:
    """What the first key `title` of the outermost object says; "" if there is none."""
    found = re.compile(r'\s*\{(?:[^{}\[\]]{0,2000}?,)?\s*"title"\s*:\s*("(?:[^"\\\n]|\\.)*")').match(text)
    return "" if found is None else _titled(_label(found[1]))


def _titled(text: str) -> str:
    return " ".join(clean(text).split())[:_MAX_TITLE_CHARS]


# -- written out


def _written(text: str, *, by_line: bool, limits: Limits) -> Document | None:
    """None for what is no JSON, or is too deep."""
    values = _by_line(text) if by_line else _loaded(text)
    if not isinstance(values, list | tuple):
        return None
    writer = _Writer(limits.max_depth)
    try:
        if isinstance(values, list):
            writer.records(values)
        else:
            writer.members(values, 0)
    except RecursionError:  # deeper than the limit
        return None
    titles = [value for key, value in values if key == "title"] if isinstance(values, tuple) else []
    title = titles[0] if titles and isinstance(titles[0], str) else ""
    written = "".join(writer.parts).rstrip("\n")
    return _document(written, _titled(title), writer.marks, is_source=False)


def _by_line(text: str) -> list[object] | None:
    """A value for each line; the line itself where it is none, as at the end of half a file. None for another file."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    values = [_loaded(line) for line in lines]
    if values.count(None) > (1 - _MIN_LOADED_SHARE) * len(values):
        return None
    return [line if value is None else value for line, value in zip(lines, values, strict=True)]


class _Writer:
    """The text so far, in lines. Raises RecursionError over its depth."""

    def __init__(self, max_depth: int) -> None:
        self.parts: list[str] = []
        self.marks: list[Mark] = []
        self._at = 0
        self._max_depth = max_depth
        self._headings = KeyHeadings()

    def records(self, values: Sequence[object]) -> None:
        """A list that is the whole: a flat record a line, others apart by an empty line."""
        was_flat = True
        for number, value in enumerate(values, start=1):
            flat = _flat(value)
            if not (flat is not None and was_flat):
                self._gap()
            was_flat = flat is not None
            self.marks.append(Mark(self._at, MarkKind.ROW, str(number), 0))
            if flat is not None:
                self._line(flat)
            elif isinstance(value, tuple):
                self.members(value, 0, level=LEVELS + 1)
            else:
                self._entry("-", value, 0, LEVELS + 1)

    def members(self, pairs: Pairs, indent: int, level: int = 1) -> None:
        """An object: an entry for each key. level: of its keys; those below LEVELS are no headings."""
        for key, value in pairs:
            shown = _shown(key)
            if level <= LEVELS:
                is_large = isinstance(value, list | tuple) and _flat(value) is None
                mark = self._headings.add(self._at, shown, level, is_large=is_large)
                if mark is not None:
                    if level == 1:
                        self._gap()
                    self.marks.append(replace(mark, start=self._at))
            self._entry(f"{shown}:", value, indent, level + 1)

    def _entry(self, head: str, value: object, indent: int, level: int) -> None:
        if indent > self._max_depth:
            raise RecursionError
        pad = "  " * min(indent, 20)
        flat = _flat(value)
        if flat is not None:
            self._line(f"{pad}{head} {flat}".rstrip())
        elif isinstance(value, str):  # of several lines
            self._line(f"{pad}{head}")
            for line in _shown(value).split("\n"):
                self._line(f"{pad}  {line}".rstrip())
        elif isinstance(value, tuple):
            self._line(f"{pad}{head}")
            self.members(value, indent + 1, level)
        elif isinstance(value, list):
            self._line(f"{pad}{head}")
            for item in value:
                self._entry("-", item, indent + 1, LEVELS + 1)

    def _gap(self) -> None:
        if self.parts:
            self.parts.append("\n")
            self._at += 1

    def _line(self, line: str) -> None:
        line = clean(line)
        self.parts.append(line + "\n")
        self._at += len(line) + 1


def _flat(value: object) -> str | None:
    """The value on one line; None if it is more than fits there."""
    if isinstance(value, tuple):
        fields = [(key, _flat_field(inner)) for key, inner in value]
        if any(inner is None for _, inner in fields):
            return None
        shown = [(" ".join(_shown(key).split()), inner) for key, inner in fields]
        filled = [f"{key}: {inner}" for key, inner in shown if inner] or [f"{key}:" for key, _ in shown]
        return " | ".join(filled) or "{}"
    if isinstance(value, list):
        return _flat_list(value)
    text = _shown(value)
    return None if "\n" in text.strip("\n") else text.strip("\n")


def _flat_field(value: object) -> str | None:
    if isinstance(value, tuple):
        return None if value else ""
    shown = _flat_list(value) if isinstance(value, list) else _shown(value)
    return shown if shown is not None and len(shown) <= _MAX_FIELD_CHARS and "\n" not in shown else None


def _flat_list(values: list[object]) -> str | None:
    if any(isinstance(value, list | tuple) for value in values):
        return None
    if len(values) > MAX_NUMBERS and all(isinstance(value, str) and _NUMBER.fullmatch(value) for value in values):
        return f"{', '.join(map(_shown, values[:MAX_NUMBERS]))}, … {len(values) - MAX_NUMBERS} more numbers"
    is_numbers = all(isinstance(value, str) and _NUMBER.fullmatch(value) for value in values)
    shown = ", ".join(map(_shown, values))
    return shown if is_numbers or (len(shown) <= _MAX_INLINE_CHARS and "\n" not in shown) else None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    return "null" if value is None else "true" if value is True else "false"
