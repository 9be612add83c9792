"""How the paths of two documents stand to each other: versions of one thing, two of a kind, or nothing in common.

Rule: names made by one pattern (another number, another word beside the same ones) are two
things, however alike their texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import PurePath

from ingest.parsers import parser_for
from rag_lifelong.supersession.facts import Facts
from rag_lifelong.supersession.marks import Marks


class Relation(Enum):
    """How two paths stand to each other."""

    VERSIONS = "one name, but for what marks a version"
    FORMATS = "one name with two endings"
    INSTANCES = "two of a kind: another number, or another word beside the same ones"
    STRANGERS = "nothing in common"


def relate(one: Marks, other: Marks) -> Relation:
    """How two paths stand to each other."""
    is_same_folder = one.folder == other.folder and one.put_away == other.put_away
    if one.key == other.key:
        return Relation.FORMATS if is_same_folder and _bare(one) == _bare(other) else Relation.VERSIONS
    if is_same_folder and _is_second(*sorted((one.words, other.words), key=len)):
        return Relation.VERSIONS
    if _letters(one.words) == _letters(other.words) and _all_letters(one.folders) == _all_letters(other.folders):
        return Relation.INSTANCES  # chapter 1, chapter 2; case-17/contract, case-18/contract
    if one.words == other.words:  # miller/contract, smith/contract
        return Relation.INSTANCES if _are_beside(one.folders, other.folders) else Relation.STRANGERS
    words, others = set(one.words), set(other.words)
    if words & others and words - others and others - words:  # contract-miller, contract-smith
        return Relation.INSTANCES
    return Relation.STRANGERS


def is_source(facts: Facts) -> bool:
    """Program code, or data, where versions live side by side; a list of books is text."""
    path = PurePath(facts.path)
    return parser_for(path.name) in ("source", "json", "yaml", "xml") and path.suffix.lower() != ".bib"


def _bare(marks: Marks) -> tuple[object, ...]:
    return marks.version, marks.dates, marks.stage, marks.copy, marks.is_copy


def _is_second(one: Sequence[str], other: Sequence[str]) -> bool:
    """thesis, thesis2"""
    return len(other) > 1 and tuple(one) == tuple(other[:-1]) and other[-1] in "23456789"


def _letters(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.isdecimal()]


def _all_letters(folders: Sequence[Sequence[str]]) -> list[list[str]]:
    return [_letters(words) for words in folders]


def _are_beside(one: Sequence[tuple[str, ...]], other: Sequence[tuple[str, ...]]) -> bool:
    """Each of the two folders has a part of its own, at the same place."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    return start < min(len(one), len(other))
