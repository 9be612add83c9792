"""What a text names or speaks of: names, document numbers and noun phrases, with their places.

Rule: words and capitals alone tell, without a tagger; what is taken for a phrase may be one word too long, never a
question word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rag_lifelong.questions import identifiers
from rag_lifelong.terms import STOPWORDS, terms

AUXILIARIES = frozenset(
    "is are was were be been being am do does did has have had can could may might must shall should will would "
    "isn't aren't wasn't weren't doesn't didn't don't hasn't haven't hadn't can't couldn't won't wouldn't".split()
)
PREPOSITIONS = frozenset(
    "in of on at by for from to with about during within into between after before since until under over against "
    "through without among than as per towards toward near around via besides because".split()
)
ASKING = frozenset("what which who whom whose when where why how".split())
# Words that end a noun phrase; not nouns.
_CLOSED = (
    AUXILIARIES
    | PREPOSITIONS
    | ASKING
    | STOPWORDS
    | frozenset(
        "any some each every all both many much more most less least few several other others another such own same "
        "if while because although though that this these those one ones also ever still just only not never too "
        "became become becomes called named known used made make makes gave give gives given get gets got took take "
        "takes say says said mean means meant went go goes came come comes found find finds led lead leads began begin "
        "begins ended end ends happen happened happens occur occurs occurred please tell name list show explain "
        "describe exist exists existed first last".split()
    )
)
_WORD = re.compile(r"[^\W_][\w'’.&+/–-]*[\w+]|[^\W_]|\b_\w+")
_JOINING = frozenset("of the de di da del der von van la le el al y e du des".split())
_QUOTED = re.compile(r"[\"“”«]([^\"“”«»]{2,80})[\"“”»]")
_MONTHS = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday".split()
)


_SERIES = frozenset(["pep", "rfc"])
_COMMANDS = frozenset("compare summarize summarise sequenced created written author authors status sponsor".split())


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters [start, end) of a text. is_name: written as a name, or a document's number; else a noun phrase."""

    text: str
    start: int
    end: int
    is_name: bool

    @property
    def words(self) -> list[str]:
        """Lower case, as they stand."""
        return [word.lower() for word in self.text.split()]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text; possession and what stands around it are not part of it."""

    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """As function words are compared."""
        return self.text.lower()


def words_of(text: str) -> list[Word]:
    """The words of a text, "Ana's" as "Ana"."""
    found = []
    for match in _WORD.finditer(text):
        word = (
            re.sub(r"['’](?:s)?$", "", match.group().rstrip(".-–'’"))
            if match.group().lower() not in AUXILIARIES
            else ""
        )
        word = word or match.group()
        found.append(Word(word, match.start(), match.start() + len(word)))
    return found


@lru_cache(maxsize=512)
def names(text: str) -> tuple[Mention, ...]:
    """The names in a text, in order: runs of words with capitals or digits, what stands in quotes, "PEP 8".

    A first word that is no name elsewhere, months, and numbers that stand alone are none.
    """
    found = [Mention(m[1], m.start(1), m.end(1), is_name=True) for m in _QUOTED.finditer(text)]
    found += [m for m in numbered(text) if not any(o.start <= m.start < o.end for o in found)]
    run: list[Word] = []

    def close() -> None:
        while run and run[-1].lower in _JOINING:
            run.pop()
        if run and _is_telling(run, text):
            start, end = run[0].start, run[-1].end
            if not any(other.start < end and start < other.end for other in found):
                found.append(Mention(text[start:end], start, end, is_name=True))
        run.clear()

    for word in words_of(text):
        gap = text[run[-1].end : word.start] if run else ""
        is_initial = bool(run) and gap == ". " and len(run[-1].text) == 1  # "M. Ward"
        if gap.strip() and gap != " & " and not is_initial:
            close()
        goes_on = bool(run) and gap.isspace() and (word.text.isdigit() or word.lower in _JOINING)
        if goes_on or _is_marked(word, is_first=_begins(text, word)):
            run.append(word)
        else:
            close()
    close()
    return tuple(sorted((_extended(mention, text) for mention in found), key=lambda mention: mention.start))


def _extended(mention: Mention, text: str) -> Mention:
    """With the noun it stands before: "Latin name", "Amazon rainforest"; not with the verb of "did Ada write"."""
    before = [word.lower for word in words_of(text[: mention.start])]
    before = before[:-1] if before[-1:] == ["the"] else before
    after = re.match(r" ([a-z][\w-]+)(?![\w'’])", text[mention.end :])
    if after is None or (after[1] in _CLOSED and after[1] != "name") or after[1].endswith(("ed", "ing")):
        return mention
    if not before or before[-1] in AUXILIARIES or numbered(mention.text):
        return mention
    end = mention.end + after.end()
    return Mention(text[mention.start : end], mention.start, end, is_name=True)


@lru_cache(maxsize=512)
def phrases(text: str) -> tuple[Mention, ...]:
    """The noun phrases in a text, in order, names among them: runs of words that are no function words."""
    named = names(text)
    found: list[Mention] = list(named)
    run: list[Word] = []

    def close() -> None:
        if run and len("".join(word.text for word in run)) > 2:
            start, end = run[0].start, run[-1].end
            found.append(Mention(text[start:end], start, end, is_name=False))
        run.clear()

    for word in words_of(text):
        inside = any(mention.start <= word.start < mention.end for mention in named)
        if run and text[run[-1].end : word.start].strip():
            close()
        if inside or word.lower in _CLOSED or word.text[0].isdigit():
            close()
        else:
            run.append(word)
    close()
    return tuple(sorted(found, key=lambda mention: mention.start))


def numbered(text: str) -> list[Mention]:
    """The documents that a text names by a word and a number ("PEP 8", "pep-8"), as they stand there.

    The word is an abbreviation: "Apollo 11" and "Super Bowl 50" are names as others are.
    """
    found = []
    for identifier in identifiers(text):
        pattern = rf"\b{re.escape(identifier.word)}[ \u00a0#_-]{{0,2}}0*{identifier.number}(?!\d)"
        match = re.search(pattern, text, re.IGNORECASE)
        if match is not None and (match.group()[:2].isupper() or identifier.word in _SERIES):
            found.append(Mention(match.group(), match.start(), match.end(), is_name=True))
    return found


def same(one: str, other: str) -> bool:
    """Whether one stands in the other, or its terms do."""
    return one.casefold() in other.casefold() or set(terms(one)) <= set(terms(other))


def _is_marked(word: Word, *, is_first: bool) -> bool:
    if word.lower in _MONTHS or word.lower == "i" or word.lower in _SERIES or word.text[0].isdigit():
        return False
    if is_first:
        return word.lower not in _CLOSED and word.text[0].isupper() and word.lower not in _COMMANDS
    return word.text[0].isupper() or bool(re.search(r"[A-Z_]|\d[A-Za-z]|[A-Za-z]\d|\w\.\w", word.text))


def _begins(text: str, word: Word) -> bool:
    """The word begins a sentence."""
    before = text[: word.start].rstrip(" \"'“‘¿¡([")
    return not before or before[-1] in ".!?:\n"


def _is_telling(run: list[Word], text: str) -> bool:
    if len(run) == 1 and _begins(text, run[0]):
        return text[run[0].end : run[0].end + 2] in ("'s", "’s") or len(words_of(text)) == 1
    return True
