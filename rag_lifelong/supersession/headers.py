"""What headers say of others, `Replaces: 3107`, and of themselves, `Superseded-By: 600`, `Status: Withdrawn`.

Rule: a header retires its own document only. What it says of others is resolved to exactly one document or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from rag_lifelong.supersession.facts import Facts, Kind, Suggestion
from rag_lifelong.types import HeaderField

_SCORES = {
    "replaces": 0.95,
    "supersedes": 0.95,
    "obsoletes": 0.95,
    # what is amended still holds in part
    "updates": 0.5,
    "amends": 0.5,
}
_SURE = 0.9
_SUCCESSORS = frozenset(["superseded-by", "obsoleted-by", "replaced-by"])
# "Rejected" and "Deferred" never held, so that nothing ended; "Archived" and "Closed" tell of a task, not of a text.
_RETIRED = re.compile(
    r"(?:withdrawn|superseded|obsoleted?|deprecated)(?=\s*(?:$|[,;.(\[–—-]|\b(?:by|since|in|on|as)\b))", re.IGNORECASE
)
_STATUS = frozenset(["status", "document-status"])
_NOTHING = frozenset(["", "none", "n/a", "na", "no", "nil", "nothing", "null", "false", "tbd", "?", "-", "–", "—", "~"])

_LINK = re.compile(r"\[(?P<text>[^\]]*+)\]\((?P<target>[^)\s]++)[^)]*+\)|\[\[(?P<wiki>[^\]|#]++)[^\]]*+\]\]")
_MAX_VALUE_CHARS = 5_000  # of an entry that names other documents; the pattern's time grows with the square
_ROLE = re.compile(r":(?P<word>[a-z]+):`(?P<number>[^`]+)`")
_SPLIT = re.compile(r"[,;]|\s(?:and|&)\s|\s{2,}")
_NUMBERED = re.compile(r"\W*(?P<word>[^\W\d_]{2,12})?[\s#_-]{0,2}0*(?P<number>\d{1,6})(?![\d.]|[-/]\d)")
_NUMBER_OR_FILE = re.compile(r"\d|\.\w+$")
_NUMBER_AND_TITLE = re.compile(r"^\W*[^\W\d_]{2,12}[\s#_-]{0,2}\d+\s*[–—:.|-]\s*")

_Series = tuple[str, str]
"""(word or "", number without leading zeros): ("pep", "440")."""


def retired_by_own_header(fields: Sequence[HeaderField]) -> str | None:
    """What to say of a document whose own header says that it holds no more; None if it does not say so."""
    for field in fields:
        value = " ".join(field.value.split())
        if field.name in _SUCCESSORS and value.casefold() not in _NOTHING:
            return f"its header says {_shown(field.name)}: {value}"
    for field in fields:
        value = " ".join(field.value.split())
        if field.name in _STATUS and _RETIRED.match(value):
            return f"its header says {_shown(field.name)}: {value}"
    return None


def named_in_headers(documents: Sequence[Facts]) -> list[Suggestion]:
    """Each document that another one's header says it replaces or amends, or its own that it is replaced by."""
    claims = [
        (facts, field) for facts in documents for field in facts.fields if field.name in _SCORES.keys() | _SUCCESSORS
    ]
    if not claims:
        return []
    directory = _Directory(documents)
    found: dict[tuple[int, int], Suggestion] = {}
    for facts, field in claims:
        for reference in _references(field.value):
            if _SCORES.get(field.name, 1.0) < _SURE and not _NUMBER_OR_FILE.search(reference):  # "Updates: weekly"
                continue
            other = directory.resolve(reference, facts)
            if other is None:
                continue
            old, new, whose = other, facts, "its header"
            if field.name in _SUCCESSORS:
                old, new, whose = facts, other, "the older one's header"
            score = _SCORES.get(field.name, _SCORES["replaces"])
            evidence = f"{whose} says {_shown(field.name)}: {reference}"
            suggestion = Suggestion(old.document_id, new.document_id, Kind.HEADER, score, evidence)
            known = found.get((suggestion.old, suggestion.new))
            if known is None or known.score < suggestion.score:
                found[suggestion.old, suggestion.new] = suggestion
    return list(found.values())


class _Directory:
    """Documents by what a header may call them."""

    def __init__(self, documents: Sequence[Facts]) -> None:
        self._by_series: dict[_Series, list[Facts]] = {}
        self._by_name: dict[str, list[Facts]] = {}
        self._by_title: dict[str, list[Facts]] = {}
        for facts in documents:
            for series in sorted(set(_series_of(facts))):
                self._by_series.setdefault(series, []).append(facts)
            name = PurePath(facts.path).name.casefold()
            for called in {name, PurePath(name).stem}:
                self._by_name.setdefault(called, []).append(facts)
            title = _plain(facts.title)
            for called in {title, _plain(_NUMBER_AND_TITLE.sub("", facts.title))} - {""}:
                self._by_title.setdefault(called, []).append(facts)

    def resolve(self, reference: str, by: Facts) -> Facts | None:
        """The one document that `by` calls so, its neighbours first; None if none or several are."""
        own_words = sorted({word for word, _ in _series_of(by)})
        if not (reference.isdecimal() and own_words):
            name = reference.rsplit("/", 1)[-1].casefold()
            for table, key in ((self._by_name, name), (self._by_title, _plain(reference))):
                if key in table:
                    return _only(table[key], by)
        numbered = _NUMBERED.match(reference)
        if numbered is None or (numbered.end() < len(reference) and not _is_comment(reference[numbered.end() :])):
            return None
        word, number = (numbered["word"] or "").casefold(), numbered["number"]
        words = [word] if word else own_words
        if word and word not in own_words and "" in own_words:  # "ADR 7" among 0007-use-postgres.md
            words.append("")
        candidates = {
            facts.document_id: facts for called in words for facts in self._by_series.get((called, number), ())
        }
        return _only(list(candidates.values()), by)


def _series_of(facts: Facts) -> Iterator[_Series]:
    """What its title and its file name number it as."""
    for called in (facts.title, PurePath(facts.path).stem):
        numbered = _NUMBERED.match(called)
        if numbered is not None:
            yield (numbered["word"] or "").casefold(), numbered["number"]


def _only(candidates: Sequence[Facts], by: Facts) -> Facts | None:
    folder = PurePath(by.path).parent
    beside = [facts for facts in candidates if PurePath(facts.path).parent == folder]
    chosen = beside or candidates
    return chosen[0] if len(chosen) == 1 else None


def _references(value: str) -> Iterator[str]:
    """The documents that a field's value names, one by one; a title with a comma is tried whole first."""
    value = value[:_MAX_VALUE_CHARS]
    links = list(_LINK.finditer(value))
    if links:
        yield from (link["target"] or link["wiki"] for link in links)
        return
    value = _ROLE.sub(lambda role: f"{role['word']} {role['number']}", value).strip()
    parts = [part.strip(" \t\"'`<>.") for part in _SPLIT.split(value)]
    for part in dict.fromkeys([value, *parts] if len(parts) > 1 else parts):
        if part.casefold() not in _NOTHING:
            yield part


def _is_comment(rest: str) -> bool:
    """Behind a number: "2616 (if approved)", "PEP 12: Sample", but not "3 of our forms"."""
    return rest.lstrip()[:1] in ("(", "[", ":", "–", "—")


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _shown(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
