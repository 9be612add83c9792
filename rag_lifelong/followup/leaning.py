"""How a question leans on what was said before it: pronouns, parts left out, another thing put in the same question.

Rule: the question alone is looked at, never the turns. What its own words explain ("When did Ada sell her house?")
does not lean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from rag_lifelong.followup.mentions import (
    ASKING,
    AUXILIARIES,
    PREPOSITIONS,
    Word,
    names,
    numbered,
    phrases,
    words_of,
)
from rag_lifelong.questions import take_apart
from rag_lifelong.terms import STOPWORDS


class Form(Enum):
    """In which way a question leans."""

    ALONE = "alone"  # it does not
    OTHER = "other"  # "What about PEP 8?": the former question, of something else
    ASIDE = "aside"  # "And the author?": something of what was spoken of
    BARE = "bare"  # "In what year?": the former question, asked for something else
    POINTING = "pointing"  # "Who wrote it?"
    LOOSE = "loose"  # "And where did the team play?": goes on, and says no name or little


class Role(Enum):
    """What a word that points stands for."""

    PERSON = "person"
    THING = "thing"
    GROUP = "group"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Characters [start, end) that point. is_owner: "its", "theirs". is_kept: more stands there than a pronoun."""

    start: int
    end: int
    role: Role
    is_owner: bool
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Leaning:
    """text: the question without "And", or what it puts in, asks aside, or asks bare."""

    form: Form
    text: str
    pointers: tuple[Pointer, ...] = ()


_LEAD = re.compile(
    r"^\s*(?:(?:and|but|so|also|then|okay|ok|now|well|yes|no|thanks|thank you|right|great|plus)\b[\s,.:;!–-]*)+",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"^\s*(?:what|how) (?:about|of)\s+(?P<x>.+?)[\s?.!]*$"
    r"|^\s*(?:(?:tell|give|show) me )?(?:the )?same(?: question| thing)?(?: again)? (?:for|about|of|with)\s+"
    r"(?P<y>.+?)[\s?.!]*$"
    r"|^\s*(?:and )?for\s+(?P<z>[^,]+?)[\s?.!]*$",
    re.IGNORECASE,
)
_POLITE = re.compile(r"[,\s]+(?:please|then|instead|too|as well|exactly|thanks)(?=[\s?.!]*$)", re.IGNORECASE)
_PERSON = frozenset(["he", "him", "his", "she", "her", "hers", "himself", "herself"])
_THING = frozenset(["it", "its", "itself"])
_GROUP = frozenset(["they", "them", "their", "theirs", "themselves"])
_OWNERS = frozenset(["his", "its", "their", "theirs", "hers"])
_DEMONSTRATIVES = frozenset(["this", "that", "these", "those"])
_MAX_PUT_IN = 9  # words of "What about …?"
_FEW = 3  # terms: "And when was Antioch hit?" goes on with what was spoken of
_TRANSITIVE = frozenset("wrote made built won led ran got took gave about did".split())
_SPANS = frozenset("year month week day century decade time moment today era period way point".split())
_BOUNDARIES = frozenset(
    "when while after before because if since although and but or that which who where once".split()
)
# "Is it true that …", "What does it take to …", "How long does it take": nothing is meant by it.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|be|been|would|will|does|did|makes?|made) it (?:\w+ )?(?:called|said|true|possible|necessary|known|"
    r"believed|thought|important|hard|easy|difficult|likely|better|best|safe|legal|allowed|common|raining|ok|okay)"
    r" (?:when|that|to|if|for)\b"
    r"|\b(?:does|did|would|will) it (?:take|mean|matter|cost|rain|help) (?:to|when|if|that|for|an?|longer|the)\b"
    r"|\bit (?:is|was) (?:\w+ )?(?:said|true|possible|necessary|known|believed|thought|important) (?:that|to)\b",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(
    r"\b(?:the (?:other|others|former|latter|first|second|third|last|next|same|rest)"
    r"(?= (?:one|of|two)\b|\W*$| [a-z]+ ?\?)"
    r"|others?(?=\W*$)|else\b|each of|both\b(?! \w+ and)|another one|any others?\b)",
    re.IGNORECASE,
)
_ONES = re.compile(r"\bones?\b(?! (?:of|in|on|day|year|hundred|thousand|million|or|and|hand)\b)", re.IGNORECASE)
_BARE_WORDS = (
    ASKING
    | PREPOSITIONS
    | AUXILIARIES
    | frozenset("many much long often far year years date day month much exactly".split())
)
_BARE_NOUNS = frozenset(
    "year date day month century place city country reason name person people act law purpose company money percent "
    "way kind type extent age price".split()
)
_RELATIONS = frozenset(
    "reason reasons cause causes result results outcome purpose answer number total name names year date population "
    "size age price cost length height weight capital budget leader head owner members rest details example examples "
    "consequence consequences effect effects origin location winner loser score title address".split()
)


def leaning(question: str) -> Leaning:
    """How it leans, by its own words."""
    text = _LEAD.sub("", question).strip() or question.strip()
    has_lead = text != question.strip()
    text = _POLITE.sub("", text) if len(text.split()) > 1 else text
    other = _OTHER.match(text)
    if other is not None and len(text.split()) <= _MAX_PUT_IN:
        put = next(group for group in other.groups() if group)
        if not ASKING.intersection(word.lower for word in words_of(put)):
            return _put_in(put)
    found = words_of(text)
    if not found:
        return Leaning(Form.ALONE, question)
    if _is_bare(found):
        return Leaning(Form.BARE, text.rstrip(" ?.!"))
    before, _, after = text.partition(",")
    if names(f"{before} …") and [word for word in words_of(after)[:1] if word.lower in ASKING]:
        return Leaning(Form.ALONE, question)  # "And X.25, when was that introduced?"
    pointers = tuple(_pointers(text, found))
    if not _is_clause(found):
        if found[0].lower in ("any", "some", "more"):
            return Leaning(Form.LOOSE, text)
        return _put_in(text.rstrip(" ?.!"), pointers) if has_lead or len(found) <= 3 else Leaning(Form.ALONE, question)
    if numbered(text) and not any(pointer.role is Role.PERSON for pointer in pointers):
        return Leaning(Form.ALONE, question)
    if pointers:
        return Leaning(Form.POINTING, text, pointers)
    is_short = len(take_apart(text).content) <= _FEW
    if has_lead and (is_short or not names(text)) and not _names_a_thing(text):
        return Leaning(Form.LOOSE, text)
    return Leaning(Form.ALONE, question)


def _names_a_thing(text: str) -> bool:
    """It says of what thing it asks, in two words or more: "the billing service", but not "the city"."""
    return any(
        text[: phrase.start].rstrip().lower().endswith("the") and len(re.split(r"[\s-]+", phrase.text)) > 1
        for phrase in phrases(text)
    )


def _put_in(text: str, pointers: tuple[Pointer, ...] = ()) -> Leaning:
    """A phrase alone: another thing for the former question, or something of what that was about."""
    words = [word.lower for word in words_of(text)]
    if pointers:
        is_owner = pointers[0].is_owner and not pointers[0].start
        return _moved(f"What is {text[0].lower()}{text[1:]}?", pointers) if is_owner else Leaning(Form.OTHER, text)
    if words[0] in ASKING or words[-1] in ("reason", "cause", "why"):
        return Leaning(Form.BARE, "Why" if words[-1] in ("reason", "cause") else text)
    is_aside = words[-1] in _RELATIONS or (not names(text) and bool(take_apart(f"the {text} of").fields))
    return Leaning(Form.ASIDE if is_aside and words[0] not in PREPOSITIONS else Form.OTHER, text)


def _moved(text: str, pointers: tuple[Pointer, ...]) -> Leaning:
    """What is "its status" made a question of: the pointers move with it."""
    by = len("What is ")
    moved = tuple(Pointer(p.start + by, p.end + by, p.role, p.is_owner, p.is_kept) for p in pointers)
    return Leaning(Form.POINTING, text, moved)


def _is_bare(found: list[Word]) -> bool:
    """Only question words, with a noun of asking: "Why?", "By whom?", "In which year?", "Sequenced when?"."""
    words = [word.lower for word in found]
    if not ASKING.intersection(words):
        return False
    if words[0] in PREPOSITIONS and not AUXILIARIES.intersection(words) and len(words) <= 7:
        return words[1] in ASKING or words[-1] not in ASKING  # "By the union of which churches?"
    if len(words) > 5:
        return False
    rest = [word for word in words if word not in _BARE_WORDS]
    if words[-1] in ASKING and len(words) <= 3 and words[0] not in AUXILIARIES | ASKING:
        return True  # "And sequenced when?"
    if len(rest) <= 1 and all(word in _BARE_NOUNS for word in rest):
        return not (AUXILIARIES.intersection(words) and rest)
    return len(rest) == 1 and len(words) <= 3 and not AUXILIARIES.intersection(words) and words[0] in PREPOSITIONS


def _is_clause(found: list[Word]) -> bool:
    """Something is asked or told: a question word, or an auxiliary."""
    words = [word.lower for word in found]
    if words[0] in ("tell", "name", "list", "show", "explain", "describe", "give", "compare", "find", "summarize"):
        return True
    if ASKING.intersection(words):
        return words[0] not in ("how",) or len(words) > 3 or bool(AUXILIARIES.intersection(words))
    return bool(AUXILIARIES.intersection(words))


def _pointers(text: str, found: list[Word]) -> list[Pointer]:
    pointers = []
    for i, word in enumerate(found):
        pointer = _pointer(text, found, i, word.lower)
        if pointer is not None:
            pointers.append(pointer)
    for match in _ONES.finditer(text):
        before = [word for word in found if word.end <= match.start()][-1:]
        if pointers and before and before[0].lower in ("which", "what"):
            continue  # "Which ones does it replace?"
        if before and before[0].lower in ("that", "this", "which", "what", "the", "new", "old", "other", "lesser"):
            start = before[0].start if before[0].lower in ("that", "this") else match.start()
            is_kept = start == match.start()
            pointers = [p for p in pointers if not p.start <= start < p.end]
            pointers.append(Pointer(start, match.end(), Role.THING, is_owner=False, is_kept=is_kept))
        elif before and before[0].end + 1 == match.start() and before[0].lower not in PREPOSITIONS | AUXILIARIES:
            pointers.append(Pointer(match.start(), match.end(), Role.THING, is_owner=False, is_kept=True))
    if not pointers and (match_ := _LEFT_OVER.search(text)) and not names(text[match_.end() :]):
        pointers.append(Pointer(match_.start(), match_.end(), Role.THING, is_owner=False, is_kept=True))
    return sorted(pointers, key=lambda pointer: pointer.start)


def _pointer(text: str, found: list[Word], i: int, word: str) -> Pointer | None:
    after = found[i + 1].lower if i + 1 < len(found) else ""
    before = found[i - 1].lower if i else ""
    start, end = found[i].start, found[i].end
    for forms, role in ((_PERSON, Role.PERSON), (_THING, Role.THING), (_GROUP, Role.GROUP)):
        if word in forms:
            if role is Role.THING and any(m.start() <= start < m.end() for m in _EMPTY_IT.finditer(text)):
                return None
            is_owner = word in _OWNERS or (word == "her" and after not in _BARE_WORDS | STOPWORDS | {""})
            return None if _is_explained(text, found, i, is_owner, role) else Pointer(start, end, role, is_owner, False)
    if word == "there" and before not in AUXILIARIES and after not in AUXILIARIES and i:
        return (
            None if _is_explained(text, found, i, True, Role.PLACE) else Pointer(start, end, Role.PLACE, False, False)
        )
    if word in _DEMONSTRATIVES:
        if after in _SPANS or after in ("who", "which", "one", "ones") or (word in ("that", "those") and after == "of"):
            return None
        if word == "that" and i and before not in AUXILIARIES | PREPOSITIONS and after:
            is_last = i + 2 == len(found) and (before in _TRANSITIVE or before.endswith("ed"))
            if not is_last:
                return None  # "a law that forbids", "say that"
        if after in ("", *AUXILIARIES, *PREPOSITIONS, "and", "or", "then", "again") or after.endswith(("ed", "en")):
            return Pointer(start, end, Role.THING if word in ("this", "that") else Role.GROUP, False, False)
        noun = found[i + 1]
        if noun.text[0].isupper() and noun.lower not in ("pep", "rfc") and word in ("this", "that"):
            return None
        if any(mention.end <= start for mention in names(text)):
            return None  # "When did Kenya sign this treaty": the rest says what is meant
        return Pointer(start, noun.end, Role.THING, text[noun.end : noun.end + 2] in ("'s", "’s"), True)
    return None


def _is_explained(text: str, found: list[Word], i: int, is_owner: bool, role: Role) -> bool:
    """Whether a name or noun of the question itself, before the pronoun, may be what it means.

    A subject or an object may mean only what stands in another clause; an owner also the subject of its own.
    """
    sentence = max(text.rfind(mark, 0, found[i].start) for mark in (". ", "? ", "; "))
    if sentence > 0 and _explaining(text[:sentence], role):
        return True
    first = next((n for n, word in enumerate(found[:i]) if word.lower in AUXILIARIES), None)
    if first is None:
        first = 0 if found[0].lower in ASKING else -1
    between = found[first + 1 : i]
    if not is_owner:
        boundary = max((n for n, word in enumerate(between) if word.lower in _BOUNDARIES), default=None)
        if boundary is None:
            return False
        between = between[:boundary]
    return bool(between) and _explaining(text[between[0].start : between[-1].end], role)


def _explaining(part: str, role: Role) -> bool:
    """Whether a pronoun of that role may mean something in this part of the question."""
    named = [mention.text for mention in names(f"… {part}")]
    if role is Role.GROUP:
        return any(re.search(r"[^suia'’]s$", mention.text) for mention in phrases(f"… {part}"))
    if role is Role.PERSON:
        return bool(named or _people(part))
    if role is Role.THING:
        return any(not name.endswith("s") for name in named) or re.search(r"\b(?:the|an?) [a-z]", part) is not None
    return bool(named)


def _people(part: str) -> list[str]:
    return re.findall(
        r"\b(?:the|an?)\s+\w+(?:er|or|ist|ian|man|woman|king|queen|president|student|child|boy|girl)\b", part
    )
