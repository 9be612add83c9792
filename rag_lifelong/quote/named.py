"""Which documents a question names: by a word and a number, by file name, by title.

Rule: a number names a document only where documents are numbered so ("PEP 572" among PEPs); a number of such a
series that no evidence is from names a document that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from rag_lifelong.questions import Identifier, Question
from rag_lifelong.quote.evidence import Evidence
from rag_lifelong.terms import query_terms, terms

_NUMBERED = re.compile(r"^\W*[^\W\d_]{2,12}[\s#_-]{0,2}\d+\s*(?:[–—:.|-]\s*|$)")  # "PEP 8 – ", before a title


@dataclass(frozen=True, slots=True)
class Named:
    """The documents a question names.

    documents: their ids, in the question's order. terms: the words that name them, which are no topic. is_missing: one
    more is named, and no evidence is from it. by_number: named by a word and a number.
    """

    documents: tuple[int, ...]
    terms: frozenset[str]
    is_missing: bool
    by_number: bool


def find_named(asked: Question, evidence: Sequence[Evidence]) -> Named:
    """What the question names among the documents of the evidence."""
    found: list[int] = []
    words: set[str] = set()
    for identifier in asked.identifiers:
        ids = [e.hit.document_id for e in evidence if _is_identified(identifier, e)]
        if not ids and any(_is_numbered_so(identifier.word, e) for e in evidence):
            return Named((), frozenset(), is_missing=True, by_number=True)
        if ids:
            found.extend(ids)
            words.update(identifier.terms)
    if found:
        return Named(tuple(dict.fromkeys(found)), frozenset(words), is_missing=False, by_number=True)
    for naming in (_file_name, _title):
        for e in evidence:
            named_by = naming(asked, e)
            if named_by:
                found.append(e.hit.document_id)
                words.update(named_by)
        if found:
            return Named(tuple(dict.fromkeys(found)), frozenset(words), is_missing=False, by_number=False)
    return Named((), frozenset(), is_missing=False, by_number=False)


def title_words(evidence: Evidence) -> set[str]:
    """The content terms of the document's title, its number aside."""
    return set(query_terms(_NUMBERED.sub("", evidence.hit.title)))


def _names(evidence: Evidence) -> Iterator[str]:
    yield evidence.hit.title
    yield PurePath(evidence.hit.path).stem


def _is_identified(identifier: Identifier, evidence: Evidence) -> bool:
    if any(f.name == identifier.word and f.value.lstrip("0") == identifier.number for f in evidence.fields):
        return True
    pattern = re.compile(rf"\b{re.escape(identifier.word)}[\s#_-]{{0,2}}0*{identifier.number}(?!\d)", re.IGNORECASE)
    return any(pattern.search(name) for name in _names(evidence))


def _is_numbered_so(word: str, evidence: Evidence) -> bool:
    """The document is one of a series: its header, title or file name begins with this word and a number."""
    if any(f.name == word and f.value.isdecimal() for f in evidence.fields):
        return True
    pattern = re.compile(rf"^{re.escape(word)}[\s#_-]{{0,2}}\d", re.IGNORECASE)
    return any(pattern.search(name) for name in _names(evidence))


def _file_name(asked: Question, evidence: Evidence) -> set[str]:
    name = PurePath(evidence.hit.path).name
    return set(terms(name)) if name.lower() in asked.text.lower() else set()


def _title(asked: Question, evidence: Evidence) -> set[str]:
    """All content words of the title stand in the question: two of them, or the question asks for nothing else."""
    words = title_words(evidence)
    if not words or not words <= set(query_terms(asked.text)):
        return set()
    return words if len(words) >= 2 or (asked.fields and set(asked.residual) == words) else set()
