"""A model's text → its sentences, each with the passages it cites.

Rule: a sentence that says nothing (a greeting, "In summary:", a heading, a question) needs no support; whatever has a
number in it says something. A marker after a full stop belongs to the sentence before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag_lifelong.grounding.values import mentions
from rag_lifelong.sentences import shown, split_sentences
from rag_lifelong.terms import STOPWORDS, terms

_MARKER = re.compile(r"[ \t]*\[(\d{1,3})\]")
_LEADING = re.compile(r"(?:[ \t]*\[\d{1,3}\][.,;]?)+")
_INVISIBLE = re.compile(  # escape sequences, control characters, and what takes no room
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200d\u2060\ufeff]"
)
_NO_CLAIM = re.compile(
    r"^\W*(?:in (?:summary|short|conclusion|other words)"
    r"|to (?:summari[sz]e|sum up)|here (?:is|are)\b|sure|hello"
    r"|certainly|of course|i hope\b|let me know\b|please\b|thank|you're welcome|sorry"
    r"|(?:according to|based on) (?:the|your|these) (?:passages?|sources?|documents?)\W*$"
    r"|the (?:following|key points|main points))",
    re.IGNORECASE,
)
_SAYS_NOTHING_OF = re.compile(
    r"\b(?:sources?|passages?|documents?|notes?)\s+(?:do|does|did)(?:\s+not|n['’]t)\s+"
    r"(?:say|mention|state|contain|hold|specify|give|tell|include|provide|describe|explain)"
    r"|\b(?:is|are) not (?:mentioned|stated|given|specified|described) in (?:the|your|these) "
    r"(?:sources|passages|documents)"
    r"|\bI (?:could|can) ?not find\b|\bthere is no information\b",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"\W*\d{1,3}[.)]?\W*")
_BARE = frozenset({"yes", "no", "ja", "nein", "sí", "si", "oui", "non"})  # alone it says only what was asked
_SHORT_WORDS = 8  # a heading, or what ends with ":" or only opens, has no more


@dataclass(frozen=True, slots=True)
class Statement:
    """Characters [start, end) of an answer's text: one sentence.

    text: as it reads, without markers. cited: the numbers of its markers, in order. needs_support: it says something.
    """

    start: int
    end: int
    text: str
    cited: tuple[int, ...]
    needs_support: bool


def split_statements(text: str) -> list[Statement]:
    """The sentences of an answer, in order."""
    found: list[Statement] = []
    for sentence in split_sentences(text):
        start = sentence.start
        leading = _LEADING.match(sentence.text)
        if leading is not None and found and "\n" not in text[found[-1].end : start]:
            before = found.pop()
            start += leading.end()
            found.append(_statement(text, before.start, start, is_heading=False))
            if not text[start : sentence.end].strip():
                continue
        found.append(_statement(text, start, sentence.end, is_heading=sentence.heading_level > 0))
    return found


def says_nothing_is_said(text: str) -> bool:
    """All that an answer says is that the sources do not say it."""
    found = split_statements(text)
    return not any(each.needs_support for each in found) and any(_SAYS_NOTHING_OF.search(each.text) for each in found)


def _statement(text: str, start: int, end: int, *, is_heading: bool) -> Statement:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    cited = tuple(dict.fromkeys(int(number) for number in _MARKER.findall(piece)))
    words = shown(_MARKER.sub("", _INVISIBLE.sub("", piece)))
    return Statement(start, end, words, cited, _says_something(words, is_heading=is_heading))


def _says_something(words: str, *, is_heading: bool) -> bool:
    content = [term for term in terms(words) if term not in STOPWORDS]
    if not content or set(content) <= _BARE or _LIST_NUMBER.fullmatch(words):
        return False
    if _SAYS_NOTHING_OF.search(words):
        return False
    if any(not mention.is_weak for mention in mentions(words)):
        return True
    if words.rstrip("\"'”’*_ ").endswith(("?", "？")):
        return False
    is_short = len(words.split()) <= _SHORT_WORDS
    return not (is_short and (is_heading or words.rstrip("*_ ").endswith((":", "：")) or _NO_CLAIM.match(words)))
