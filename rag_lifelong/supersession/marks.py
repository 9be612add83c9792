"""What a path says of versions: "old/Report_v2 FINAL 2024-03-01.docx" → report, version 2, final, a date, put away.

Rule: marks are what may differ between versions of one document; all other words and numbers say which document it is.
A stage word counts at the end of a name ("report-final"), and weakly at its start ("new-customers" may be no version).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import PurePath

NameDate = tuple[int, ...]
"""(year,), (year, month) or (year, month, day)."""

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_YEAR = r"(?<!\d)(?:19|20)\d\d"
_NUMBER = r"\d{1,4}(?:\.\d{1,4})*"
_TOKEN = re.compile(
    rf"(?<![^\W_])(?:(?:version|ver|(?P<rev>revision|rev))[\s._-]{{0,2}}|v\.?|(?P<r>r))(?P<version>{_NUMBER})(?![^\W_])"
    rf"|(?P<y1>{_YEAR})(?P<sep>[-_. ]?)(?P<m1>0[1-9]|1[0-2])(?P=sep)(?P<d1>0[1-9]|[12]\d|3[01])(?!\d)"
    rf"|(?P<y2>{_YEAR})[-_. ]?(?:q(?P<q2>[1-4])|(?:w|kw)(?P<w2>[0-5]\d)|(?P<m2>0[1-9]|1[0-2]))(?![^\W_])"
    rf"|(?<![^\W_])q(?P<q3>[1-4])[-_. ]?(?P<y3>{_YEAR})(?!\d)"
    rf"|(?<![^\W_])(?:(?P<d4>\d{{1,2}})[-_. ]{{1,2}})?(?P<m4>{_MONTH})[-_., ]{{0,2}}(?P<y4>{_YEAR})(?!\d)"
    rf"|(?P<y5>{_YEAR})[-_. ]{{1,2}}(?P<m5>{_MONTH})(?![^\W_])"
    rf"|(?<!\d)(?P<d6>\d{{1,2}})\.(?P<m6>\d{{1,2}})\.(?P<y6>{_YEAR})(?!\d)"
    rf"|(?P<y7>{_YEAR})(?!\d)"
    rf"|(?<![\d.])(?P<dotted>\d{{1,3}}(?:\.\d{{1,3}})+)(?!\d)"
    rf"|\((?P<copy>\d{{1,2}})\)\s*$"
    rf"|(?P<word>[^\W\d_]+|\d+)"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

_EARLIER = frozenset("draft wip preliminary old obsolete outdated previous prev superseded bak backup".split())
_LATER = frozenset("final new latest updated revised corrected".split())
_STAGES = _EARLIER | _LATER
_COPY = frozenset(["copy", "kopie"])
# Folders where former versions are put away.
_PUT_AWAY = _EARLIER | frozenset("archive archives archived backups drafts deprecated previously".split())


@dataclass(frozen=True, slots=True)
class Marks:
    """A path, taken apart.

    folder: the folder it is in, or was in before it was put away. folders, words: which document it is; the words of
    the folders one by one, those that are marks only left out. version: empty if it has none; family: "v", "r", or "."
    for a bare dotted number. stage: -1 draft or old, 0 unsaid, 1 final or new, 2 "final final". is_leading: the stage
    stands at the start. copy: the number in "report (1)"; is_copy: called a copy. put_away: the name of the folder
    for old things that it is in, or "".
    """

    folder: str
    folders: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    suffix: str
    version: tuple[int, ...]
    family: str
    dates: tuple[NameDate, ...]
    stage: int
    is_leading: bool
    copy: int
    is_copy: bool
    put_away: str

    @property
    def key(self) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """Equal for what may be versions of one document."""
        return self.folders, self.words


@dataclass(frozen=True, slots=True)
class _Part:
    """One name of a path."""

    words: tuple[str, ...]
    version: tuple[int, ...]
    family: str
    dates: tuple[NameDate, ...]
    stage: int
    is_leading: bool
    copy: int
    is_copy: bool


def read_marks(path: str) -> Marks:
    """The marks of an absolute path."""
    pure = PurePath(path)
    own = _part(pure.stem)
    folder, put_away, parts = _folder(str(pure.parent))
    near = [own, *reversed(parts)]
    return Marks(
        folder=folder,
        folders=tuple(part.words for part in parts if part.words),
        words=own.words,
        suffix=pure.suffix.lower(),
        version=next((part.version for part in near if part.version), ()),
        family=next((part.family for part in near if part.version), ""),
        dates=next((part.dates for part in near if part.dates), ()),
        stage=own.stage,
        is_leading=own.is_leading,
        copy=own.copy,
        is_copy=own.is_copy,
        put_away=put_away,
    )


@lru_cache(maxsize=20_000)
def _folder(path: str) -> tuple[str, str, tuple[_Part, ...]]:
    """(the folder, without a last one for old things; the name of that one; the parts of all others)"""
    pure = PurePath(path)
    names = list(pure.parts[1:] if pure.anchor else pure.parts)
    put_away = ""
    if names and names[-1].casefold() in _PUT_AWAY:
        put_away = names.pop()
        path = str(pure.parent)
    kept = [_part(name) for name in names if name.casefold() not in _PUT_AWAY]
    return path, put_away, tuple(kept)


def _part(name: str) -> _Part:
    words: list[str] = []
    dates: list[NameDate] = []
    version: tuple[int, ...] = ()
    family = ""
    copy = 0
    for token in _TOKEN.finditer(_CAMEL.sub(" ", name).casefold()):
        if token["word"]:
            words.append(token["word"])
        elif token["version"]:
            version, family = _numbers(token["version"]), "r" if token["rev"] or token["r"] else "v"
        elif token["dotted"]:
            if not version:
                version, family = _numbers(token["dotted"]), "."
        elif token["copy"]:
            copy = int(token["copy"])
        else:
            dates.append(_date(token))
    is_copy = False
    if words[:2] == ["copy", "of"] and len(words) > 2:
        words, is_copy = words[2:], True
    if len(words) > 1 and words[-1] in _COPY:
        words, is_copy = words[:-1], True
    elif len(words) > 2 and words[-2] in _COPY and words[-1].isdecimal():
        words, is_copy, copy = words[:-2], True, int(words[-1])
    if len(words) > 1 and words[-1].isdecimal() and len(words[-1]) < 3 and words[-2] in _STAGES:
        if not version:  # "draft 2"
            version, family = (int(words[-1]),), "v"
        words.pop()
    stage, is_leading = _stage(words)
    return _Part(tuple(words), version, family, tuple(dates), stage, is_leading, copy, is_copy)


def _stage(words: list[str]) -> tuple[int, bool]:
    """Takes the words of a stage off; gives the stage, and whether it stood at the start."""
    stage = 0
    is_earlier = False
    while words and words[-1] in _STAGES:
        is_earlier |= words[-1] in _EARLIER
        stage += 1
        words.pop()
    if stage:
        return (-1 if is_earlier else stage), False
    if len(words) > 1 and words[0] in _STAGES:
        return (-1 if words.pop(0) in _EARLIER else 1), True
    return 0, False


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in text.split(".")]
    while len(numbers) > 1 and not numbers[-1]:  # v2.0 is v2
        numbers.pop()
    return tuple(numbers)


def _date(token: re.Match[str]) -> NameDate:
    groups = token.groupdict()
    year, month, day = (next((v for n in "1234567" if (v := groups.get(part + n))), "") for part in "ymd")
    if groups["q2"] or groups["q3"]:
        return int(year), int(groups["q2"] or groups["q3"]) * 3
    if groups["w2"]:
        try:
            monday = date.fromisocalendar(int(year), int(groups["w2"]), 1)
        except ValueError:
            return (int(year),)
        return monday.year, monday.month, monday.day
    if not month:
        return (int(year),)
    number = int(month) if month.isdecimal() else _MONTHS.index(month[:3]) + 1
    return (int(year), number, int(day)) if day else (int(year), number)
