"""What a question asks for: header fields, a document it names, a kind of answer, and the terms it is about.

Rule: wordings are general English (and Chinese particles); nothing here knows a document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from rag_lifelong.terms import query_terms, stem, terms


class Kind(Enum):
    """The kind of answer a question wants, as far as its wording tells."""

    NUMBER = "number"
    DATE = "date"
    PERSON = "person"
    DOCUMENT = "document"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A document named by a word and a number: "PEP 572" is ("pep", "572")."""

    word: str
    number: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    fields: for each header field asked, the names it may have, best first. content: the terms it is about,
    without the wording of the question itself. residual: those no field wording accounts for.
    """

    text: str
    kind: Kind
    identifiers: tuple[Identifier, ...]
    fields: tuple[tuple[str, ...], ...]
    content: tuple[str, ...]
    residual: tuple[str, ...]
    is_unspaced: bool


_AUTHOR = ("author", "authors", "creator", "from", "by")
_CREATED = ("created", "date", "published")
_DELEGATE = ("bdfl-delegate", "pep-delegate", "delegate")
# Wordings that ask for a header field. The first group of names that matches claims its words.
_FIELD_WORDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\b(?:bdfl|pep|council)?[- ]?delegates?\b|\bdelegated to\b|\bacts? as (?:the )?delegate\b", _DELEGATE),
    (r"\bsponsor(?:s|ed)?(?: by)?\b", ("sponsor",)),
    (
        r"\bauthors?\b|\b(?:who|whom)\b.*?\b(?:writes|written|penned)\b|\b(?:wrote|written by|authored)\b",
        _AUTHOR,
    ),
    (r"\b(?:python[- ]version|target(?:s|ed|ing)? (?:python )?version)\b", ("python-version",)),
    (
        r"\b(?:which|what) (?:version|release)s? of python\b|\b(?:which|what) python (?:version|release)s?\b",
        ("python-version",),
    ),
    (r"\bpost[- ]history\b|\bwhen was .* posted\b", ("post-history",)),
    (r"\bcreat(?:ed|ion)(?: date| on| in)?\b|\bdate of creation\b|\bwhen .*\bwritten\b", _CREATED),
    (r"\bstatus\b|\bstate of\b", ("status", "state")),
    (r"\bresolution\b|\bresolved\b", ("resolution",)),
    (r"\bdiscussions?[- ]to\b|\bdiscussed(?: at| on| in)?\b", ("discussions-to",)),
    (r"\bsupersed(?:ed|es) by\b|\breplaced by\b", ("superseded-by", "replaced-by")),
    (r"\breplac(?:e|es)\b|\bsupersedes\b", ("replaces", "supersedes")),
    (r"\brequires?\b", ("requires",)),
    (r"\btopics?\b", ("topic", "topics", "tags")),
    (r"\b(?:what|which) (?:type|kind)\b|\btype of\b", ("type",)),
    (r"\btitle\b|\bcalled\b|\btitled\b", ("title",)),
    (r"\bwhen\b.*\b(?:published|dated)\b|\bdate of\b|\bpublication date\b", ("date", "published", "created")),
    (r"\blicen[cs]e\b", ("license", "licence")),
    (r"\bsubject of\b", ("subject",)),
)
_FIELDS = tuple((re.compile(pattern, re.IGNORECASE), names) for pattern, names in _FIELD_WORDINGS)

# Words of the question itself; they are about no topic.
_FILLER = frozenset(
    stem(word)
    for word in [
        "say",
        "says",
        "said",
        "tell",
        "tells",
        "give",
        "gives",
        "name",
        "names",
        "state",
        "mention",
        "mentions",
        "according",
        "list",
        "show",
        "find",
        "know",
        "please",
        "document",
        "documents",
        "file",
        "files",
        "text",
        "page",
        "section",
        "note",
        "notes",
        "described",
        "describe",
        "describes",
        "explain",
        "explains",
        "defined",
        "define",
        "defines",
        "definition",
        "introduced",
        "introduce",
        "introduces",
        "introducing",
        "specify",
        "specifies",
        "specified",
        "propose",
        "proposes",
        "proposed",
        "cover",
        "covers",
        "mean",
        "means",
        "meaning",
        "person",
        "people",
        "someone",
        "anyone",
        "exactly",
        "kind",
        "sort",
        "way",
        "there",
        "any",
        "some",
        "many",
        "much",
        "long",
        "do",
        "does",
        "did",
        "get",
        "got",
        "one",
        "ones",
        "also",
        "there's",
        "what's",
        "who's",
        "currently",
        "current",
        "now",
        "may",
        "might",
        "must",
        "shall",
        "listed",
        "given",
        "stand",
        "stands",
        "have",
        "having",
        "regarding",
        "concerning",
        "called",
        "first",
    ]
)
# Words that field wordings are made of: beside a field they ask for nothing more.
_ACCOUNTED = frozenset(
    terms(
        "who wrote write writes written by author authors authored creator penned when was created create creation "
        "date "
        "published dated publication which what version versions release releases python python-version target targets "
        "targeted meant mean intended aimed type kind delegate delegates bdfl-delegate pep-delegate bdfl pep council "
        "delegated act acts acted acting sponsor sponsors sponsored post-history posted history status state "
        "resolution "
        "resolved discussions-to discussion discussed superseded supersedes replaced replaces replace requires require "
        "topic topics title called titled licence license subject proposal rfc number"
    )
)
_IDENTIFIER = re.compile(r"\b([A-Za-z]{2,12})[ \u00a0#_-]{0,2}0*(\d{1,6})\b(?![.\w]*[.]\d)")
_NOT_IDENTIFIERS = frozenset(
    [
        "in",
        "on",
        "at",
        "of",
        "to",
        "by",
        "from",
        "since",
        "until",
        "after",
        "before",
        "around",
        "about",
        "year",
        "version",
        "python",
        "page",
        "chapter",
        "section",
        "top",
        "than",
        "is",
        "the",
        "and",
        "or",
        "for",
        "was",
        "were",
        "are",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
_KINDS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"\bhow (?:many|much|old|far|long|tall|big|large|high|fast|often)\b"
            r"|\b(?:price|cost|salary|percentage|number) of\b",
            Kind.NUMBER,
        ),
        (r"多少|几个|几年|多[长大高久远重宽深]", Kind.NUMBER),
        (
            r"^\s*when\b|\b(?:what|which|in which|in what) (?:year|date|day|month|century|decade)\b"
            r"|何时|什么时候|哪一?年",
            Kind.DATE,
        ),
        (r"^\s*who(?:m|se)?\b|\bby whom\b", Kind.PERSON),
        (
            r"^\s*(?:which|what) (?:pep|document|file|note|paper|article|report|proposal|rfc|page)s?\b",
            Kind.DOCUMENT,
        ),
    )
)
_UNSPACED_PARTICLES = re.compile(
    "为什么|多长|多大|多高|多久|多远|多重|多宽|多深|什么时候|什么|哪一|哪些|哪个|哪里|哪年|多少|何时|怎么样|怎么|怎样|如何|请问|是否|以及|谁|几|吗|呢|吧|是|的|了|在|和|与|被|把|将|于|从|到|有|位"
)
# "How much does … cost?" asks for a number; texts rarely say "cost" beside it.
_COST = re.compile(r"(\bhow much\b.*?)\bcosts?\b", re.IGNORECASE)
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]")


def take_apart(text: str) -> Question:
    """What the question asks for."""
    named = identifiers(text)
    fields: list[tuple[str, ...]] = []
    for pattern, names in _FIELDS:
        if names not in fields and pattern.search(text):
            fields.append(names)
    is_unspaced = bool(_UNSPACED.search(text))
    content = _content(text, named)
    residual = tuple(term for term in content if not fields or term not in _ACCOUNTED)
    kind = next((kind for pattern, kind in _KINDS if pattern.search(text)), Kind.ANY)
    return Question(text, kind, named, tuple(fields), content, residual, is_unspaced)


def identifiers(text: str) -> tuple[Identifier, ...]:
    """The documents that a text names by a word and a number, in order."""
    found = (Identifier(match[1].lower(), match[2]) for match in _IDENTIFIER.finditer(text))
    return tuple(dict.fromkeys(i for i in found if i.word not in _NOT_IDENTIFIERS))


def _content(text: str, named_documents: tuple[Identifier, ...]) -> tuple[str, ...]:
    named = {term for i in named_documents for term in terms(f"{i.word} {i.number} {i.word}-{i.number}")}
    text = _COST.sub(r"\1", text)
    stripped = _UNSPACED_PARTICLES.sub(" ", text) if _UNSPACED.search(text) else text
    found = [term for term in query_terms(stripped) if term not in _FILLER and term not in named]
    return tuple(found)
