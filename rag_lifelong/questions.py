"""What a question asks for: header fields, documents it names by number, a kind of answer, and the terms it is about.

Rule: wordings are general English, and the commonest Chinese ones; nothing here knows a document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from rag_lifelong.terms import query_terms, terms


class Kind(Enum):
    """The kind of answer a question wants, as far as its wording tells."""

    NUMBER = "number"
    DATE = "date"
    PERSON = "person"
    DOCUMENT = "document"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A document perhaps named by a word and a number: "PEP 572" is ("pep", "572")."""

    word: str
    number: str

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms it gives, however it is spelled."""
        padded = self.number.zfill(4)
        return tuple(terms(f"{self.word} {self.number} {self.word}-{self.number} {self.word}-{padded}"))


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    fields: for each header field asked, the names it may have, best first. content: the terms it is about, without
    the wording of the question itself. residual: those no field wording accounts for. asks_whether: to be answered by
    yes or no, so that a sentence that only repeats it answers it. asks_several: for a list, as far
    as the wording tells.
    """

    text: str
    kind: Kind
    identifiers: tuple[Identifier, ...]
    fields: tuple[tuple[str, ...], ...]
    content: tuple[str, ...]
    residual: tuple[str, ...]
    is_unspaced: bool
    asks_whether: bool
    asks_several: bool


_MARKED = re.compile(r"[\d_A-Z]")
_AUTHOR = ("author", "authors", "creator", "from", "by", "作者")
_CREATED = ("created", "date", "published", "日期", "创建日期")
_DELEGATE = ("bdfl-delegate", "pep-delegate", "delegate")
# Wordings that ask for a header field, and the names it goes by.
_FIELD_WORDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\bdelegates?\b|\bdelegated to\b", _DELEGATE),
    (r"\bsponsor(?:s|ed)?\b", ("sponsor",)),
    (
        r"\bauthors?\b|\b(?:wrote|writes|authored|penned|co-wrote)\b|\bwho\b.*\bwritten\b|\bwritten by\b"
        r"|\bwho created\b|\bby whom\b.*\bwritten\b"
        r"|作者|谁写",
        _AUTHOR,
    ),
    (r"\bpython[- ]versions?\b|\btarget(?:s|ed|ing)? version\b", ("python-version",)),
    (r"\b(?:version|release)s? of python\b|\bpython (?:version|release)s?\b", ("python-version",)),
    (r"\bpost[- ]history\b|\bwhen\b.*\bposted\b", ("post-history",)),
    (r"(?<!who )\bcreat(?:ed|ion)\b|\bwhen\b.*\bwritten\b|何时创建|什么时候创建|创建日期", _CREATED),
    (r"\bstatus\b|\bstate of\b|状态", ("status", "state", "状态")),
    (r"\bresolution\b|\bresolved\b", ("resolution",)),
    (r"\bdiscussions?[- ]to\b|\bwhere\b.*\bdiscussed\b|\bdiscussed (?:at|on|in)\b", ("discussions-to",)),
    (
        r"\bsuperseded by\b|\breplaced by\b|\b(?:supersedes|superseded|replaced|replaces) (?:it|this)\b",
        ("superseded-by", "replaced-by"),
    ),
    (r"\breplaces?\b(?! (?:it|this))|\bsupersedes?\b(?! (?:it|this))", ("replaces", "supersedes")),
    (r"\brequires?\b", ("requires",)),
    (r"\btopics?\b|\btags?\b", ("topic", "topics", "tags", "tag", "keywords")),
    (r"\b(?:what|which) (?:type|kind) of (?:pep|document|proposal)\b|\btype of\b|\btype (?:is|does|has)\b", ("type",)),
    (r"\btitled?\b|\bcalled\b|标题", ("title", "标题")),
    (r"\bwhen\b.*\b(?:published|dated|sent)\b|\bdate of\b|\bpublication date\b", ("date", "published", "created")),
    (r"\blicen[cs]e\b", ("license", "licence")),
    (r"\bsubject\b", ("subject",)),
    (r"\bwho\b.*\bsent\b|\bsender\b", ("from", "sender")),
    (r"\brecipients?\b|\b(?:sent|addressed) to\b|\bto whom\b", ("to", "recipient")),
)
_FIELDS = tuple((re.compile(pattern, re.IGNORECASE), names) for pattern, names in _FIELD_WORDINGS)

# Words of asking; they are about no topic.
_FILLER = frozenset(
    terms(
        "say says said tell tells give gives name names mention mentions mentioned according list show find know "
        "please document documents file files text page section note notes described describe describes explain "
        "explains defined define defines definition introduced introduce introduces introducing specify specifies "
        "specified propose proposes proposed cover covers mean means meaning there any some many much do does did "
        "get got also regarding concerning exactly"
    )
)
# Words that field wordings are made of, and what stands beside them: they ask for nothing more.
_ACCOUNTED = frozenset(
    terms(
        "who wrote write writes written co-wrote by author authors authored creator penned when was created create "
        "creation date published dated publication which what version versions release releases python python- "
        "version target targets targeted meant mean intended aimed type kind sort delegate delegates bdfl-delegate "
        "pep-delegate bdfl pep council delegated act acts acted acting sponsor sponsors sponsored post-history "
        "posted history status state resolution resolved discussions-to discussion discussed superseded supersedes "
        "supersede replaced replaces replace requires require topic topics tag tags title called titled licence "
        "license subject proposal rfc number sent send sender recipient recipients addressed mail email message "
        "current currently now listed given person people one ones someone year month day header field first "
        "作者 状态 标题 创建 日期 创建日期 写"
    )
)
_IDENTIFIER = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z]{2,12})[ \u00a0#_-]{0,2}0*(\d{1,6})(?![A-Za-z0-9_])(?![.]\d)")
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
            r"|何时|什么时候|哪一?[年天日月]|几[月号]",
            Kind.DATE,
        ),
        (r"^\s*who(?:m|se)?\b|\bby whom\b", Kind.PERSON),
        (r"^\s*(?:which|what) (?:pep|document|file|note|paper|article|report|proposal|rfc|page)s?\b", Kind.DOCUMENT),
    )
)
_WHETHER = re.compile(
    r"^\s*(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had)\b|[吗嗎]|是否|是不是|有没有",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"^\s*(?:please\s+)?(?:list|name|enumerate)\b|^\s*(?:what|which|who) (?:are|were)\b|哪些"
    r"|\b(?:what|which)\b(?: \w+)? \w+s (?:are|were|do|did|have|can|must|should)\b",
    re.IGNORECASE,
)
# "How much does … cost?" asks for a number; texts rarely say "cost" beside it.
_COST = re.compile(r"(\bhow much\b.*?)\bcosts?\b", re.IGNORECASE)
_UNSPACED_PARTICLES = re.compile(
    "为什么|多长|多大|多高|多久|多远|多重|多宽|多深|什么时候|什么|哪一|哪些|哪个|哪里|哪年|多少|何时|怎么样|怎么|怎样|如何|请问|是否|以及|谁|几|吗|呢|吧|是|的|了|在|和|与|被|把|将|于|从|到|有|位"
)
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]")


def marked_terms(text: str) -> frozenset[str]:
    """The terms of a question's names, numbers and identifiers: of words with a digit, a "_" or a capital.

    The capital that begins the question tells nothing.
    """
    words = text.split()
    if words and words[0][:1].isupper():
        words[0] = words[0][0].lower() + words[0][1:]
    return frozenset(term for word in words if _MARKED.search(word) for term in terms(word))


def take_apart(text: str) -> Question:
    """What the question asks for."""
    fields: list[tuple[str, ...]] = []
    for pattern, names in _FIELDS:
        if names not in fields and pattern.search(text):
            fields.append(names)
    is_unspaced = bool(_UNSPACED.search(text))
    about = _UNSPACED_PARTICLES.sub(" ", text) if is_unspaced else _COST.sub(r"\1", text)
    content = tuple(term for term in query_terms(about) if term not in _FILLER)
    return Question(
        text=text,
        kind=next((kind for pattern, kind in _KINDS if pattern.search(text)), Kind.ANY),
        identifiers=identifiers(text),
        fields=tuple(fields),
        content=content,
        residual=tuple(term for term in content if not fields or term not in _ACCOUNTED),
        is_unspaced=is_unspaced,
        asks_whether=bool(_WHETHER.search(text)),
        asks_several=bool(_SEVERAL.search(text)),
    )


def identifiers(text: str) -> tuple[Identifier, ...]:
    """The documents that a text may name by a word and a number, in order."""
    found = (Identifier(match[1].lower(), match[2]) for match in _IDENTIFIER.finditer(text))
    return tuple(dict.fromkeys(i for i in found if i.word not in _NOT_IDENTIFIERS))
