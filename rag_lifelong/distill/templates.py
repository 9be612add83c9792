"""Pairs without a model: what the form of a sentence asks by itself.

Rule: the answer is words of the passage, as they are read. Each fact is asked in five wordings, which are less unlike
than a model's: of a gap they share the sentence. Forms are English; gaps are found in any language that writes names
with a capital.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag_lifelong.distill.facts import Draft, Fact, PairKind, normal, stands_in, subject_of
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.grounding.values import mentions
from rag_lifelong.sentences import is_prose, looks_like_code, shown, split_sentences

FACTS = 8  # of a passage at most: entries and definitions first, then gaps
GAP = "___"
_LEAST_WORDS = 4  # left of a sentence around its gap: fewer could be any
_MOST_WORDS = 40
_ANSWER_WORDS = 12

_ENTRY = re.compile(r"^(?P<name>[A-Z][A-Za-z_-]+(?: [A-Za-z_-]+){0,2}):[ \t]+(?P<value>\S.*?)[.]?$")
_DEFINITION = re.compile(
    r"^(?P<what>(?:(?:The|A|An)\s+)?[^\W\d_][\w-]*(?:\s+(?:of|the|for|in)\b|\s+[\w-]+){0,4}?)\s+(?P<verb>is|are)\s+"
    r"(?P<said>(?:an?|the)\s+[^.;:]+?)[.]?$"
)
_NO_SUBJECT = re.compile(
    r"^(?:it|this|that|these|those|there|here|he|she|they|we|you|i|what|which|who|one|such|all|some|any|each|if|when|"
    r"where|because|while|since|as|but|and|or|so|then|thus|note)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![\w.])[A-ZÀ-ÞА-ЯΑ-Ω][\w’'-]+(?:\s+[A-ZÀ-ÞА-ЯΑ-Ω][\w’'-]*)*")

_ENTRY_WORDINGS = (
    "What is the {name} of {subject}?",
    "Which {name} does {subject} give?",
    "{subject}: what is its {name}?",
    "What does {subject} state as its {name}?",
    "Tell me the {name} of {subject}.",
)
_ENTRY_REVERSE = "Which document gives {value} as its {name}?"
_DEFINITION_WORDINGS = (
    "What {verb} {what}?",
    "How does {subject} describe {what}?",
    "What does {subject} say that {what} {verb}?",
    "Tell me what {what} {verb}.",
    "In {subject}, what {verb} {what}?",
)
_DEFINITION_REVERSE = "What is described as {said}?"
_GAP_WORDINGS = (
    'Complete: "{gapped}"',
    'Which words are missing here: "{gapped}"',
    'In {subject}, what stands at the gap of "{gapped}"',
    'Fill in the gap: "{gapped}"',
    'What does {subject} say in place of the gap: "{gapped}"',
)
_PLACE_WORDINGS = (
    "What does {subject} say about {label}?",
    "What does {subject} say first about {label}?",
    "How does {subject} begin on {label}?",
    "Tell me what {subject} says about {label}.",
    "On {label}, what does {subject} say?",
)


def facts_of(passage: Candidate, *, wordings: int) -> list[Fact]:
    """What the forms of its sentences ask of a passage; at most FACTS, each in `wordings` wordings, five at most."""
    found: list[Fact] = []
    taken: set[str] = set()
    for fact in (*_entries(passage), *_definitions(passage), *_of_place(passage), *_gaps(passage)):
        first = normal(fact[0].prompt)
        if first in taken or not _is_fit(passage, fact):
            continue
        taken.add(first)
        questions = [draft for draft in fact if draft.kind is PairKind.QUESTION][:wordings]
        found.append((*questions, *(draft for draft in fact if draft.kind is PairKind.REVERSE)))
        if len(found) == FACTS:
            break
    return found


def _is_fit(passage: Candidate, fact: Fact) -> bool:
    """The answer stands in the passage, and no wording gives it away."""
    answers = [draft for draft in fact if draft.kind is PairKind.QUESTION]
    return all(stands_in(d.answer, passage.text) and not stands_in(d.answer, d.prompt) for d in answers)


def _fact(wordings: Sequence[str], answer: str, *, reverse: tuple[str, str] | None = None, **parts: str) -> Fact:
    drafts = [Draft(PairKind.QUESTION, form.format(**parts), answer, "template") for form in wordings]
    if reverse is not None and not stands_in(reverse[1], reverse[0]):
        drafts.append(Draft(PairKind.REVERSE, *reverse, "template"))
    return tuple(drafts)


def _sentences(passage: Candidate) -> Iterator[str]:
    """As they are read, without headings and code."""
    for sentence in split_sentences(passage.text):
        text = shown(sentence.text).strip('"“”„ ')
        is_code = "```" in text or looks_like_code(text)
        if not sentence.heading_level and is_prose(text) and not is_code:
            yield text


def _entries(passage: Candidate) -> Iterator[Fact]:
    subject = subject_of(passage)
    for text in _sentences(passage):
        found = _ENTRY.match(text)
        if found is not None and len(found["value"].split()) <= _ANSWER_WORDS:
            name, value = found["name"].strip(), found["value"].strip()
            turned = (_ENTRY_REVERSE.format(name=name, value=value), subject)
            yield _fact(_ENTRY_WORDINGS, value, reverse=turned, name=name, subject=subject)


def _definitions(passage: Candidate) -> Iterator[Fact]:
    subject = subject_of(passage)
    for text in _sentences(passage):
        found = _DEFINITION.match(text)
        if found is None or _NO_SUBJECT.match(found["what"]) or len(found["said"].split()) > _MOST_WORDS:
            continue
        what = re.sub(r"^(?:The|An?)\b", lambda article: article[0].lower(), found["what"])
        turned = (_DEFINITION_REVERSE.format(said=found["said"]), what)
        yield _fact(_DEFINITION_WORDINGS, found["said"], reverse=turned, what=what, verb=found["verb"], subject=subject)


def _of_place(passage: Candidate) -> Iterator[Fact]:
    """The first sentence under a heading."""
    first = next(_sentences(passage), None)
    if passage.label and passage.title and first is not None and _LEAST_WORDS <= len(first.split()) <= _MOST_WORDS:
        yield _fact(_PLACE_WORDINGS, first, subject=passage.title, label=passage.label)


def _gaps(passage: Candidate) -> Iterator[Fact]:
    """One of each sentence: its first number or date, else its first name behind the first word."""
    for text in _sentences(passage):
        if _ENTRY.match(text) or not _LEAST_WORDS < len(text.split()) <= _MOST_WORDS:
            continue
        span = next(((m.start, m.end) for m in mentions(text) if not m.is_weak), None)
        if span is None:
            span = next((found.span() for found in _NAME.finditer(text) if text[: found.start()].strip()), None)
        if span is not None:
            gapped = f"{text[: span[0]]}{GAP}{text[span[1] :]}"
            yield _fact(_GAP_WORDINGS, text[slice(*span)].strip(), gapped=gapped, subject=subject_of(passage))
