"""A question and the turns before it → the question as it would be asked on its own, by rules or by a model.

Rule: unchanged, unless something is left out of it; what is put in stood in the turns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_lifelong.followup import unspaced
from rag_lifelong.followup.antecedents import meant, spoken, titled, topics
from rag_lifelong.followup.by_model import by_model
from rag_lifelong.followup.leaning import Form, Leaning, Role, leaning
from rag_lifelong.followup.mentions import AUXILIARIES, Mention, names, numbered, phrases, same, words_of
from rag_lifelong.generate import LanguageModel
from rag_lifelong.questions import take_apart
from rag_lifelong.terms import stem
from rag_lifelong.types import Turn

_MAX_APPENDED = 3


def stand_alone(question: str, turns: Sequence[Turn], *, model: LanguageModel | None) -> str:
    """`question` with what it leaves out of the turns before it, oldest first; unchanged if it leaves out nothing.

    model: rewrites what leans, or names nothing; what it gives is checked, and else the rules rewrite.
    """
    if not turns or not question.strip():
        return question
    if model is not None and not (leaning(question).form is Form.ALONE and names(question)):
        written = by_model(question, turns, model)
        if written is not None:
            return written
    return by_rules(question, turns)


def by_rules(question: str, turns: Sequence[Turn]) -> str:
    """Without a model: names and topics are carried over."""
    if unspaced.is_unspaced(question):
        return unspaced.rewritten(question, turns)
    question = _with_word(question, turns[-1])
    found = leaning(question)
    match found.form:
        case Form.ALONE:
            return question
        case Form.OTHER:
            return _put_in(found.text, turns)
        case Form.ASIDE:
            return _aside(found.text, turns) or question
        case Form.BARE if (done := _DONE.fullmatch(found.text)) and (options := meant(turns, Role.THING)):
            return f"{done[2].capitalize()} was {options[0]} {done[1].lower()}?"
        case Form.BARE:
            return _asked_again(found.text, turns[-1])
        case Form.POINTING:
            return _pointed(found, turns) or question
        case Form.LOOSE:
            carried = _carried(turns, found.text)
            if carried and numbered(carried[0]) and not take_apart(found.text).fields:
                return question  # a header field of a document is asked for, or the document has no part in it
            return _appended(found.text, carried)


_DONE = re.compile(r"(\w+) (when|where|how|why|by whom)", re.IGNORECASE)  # "Created when?"
_BARE_NUMBER = re.compile(r"(?<![\w.,#-])(?P<before>[A-Za-z]+) (?P<number>\d{1,4})(?=\s*[?.!]*\s*$)")
_OF_TIME = frozenset("in since until after before from of around to by version python about".split())


def _with_word(question: str, turn: Turn) -> str:
    """ "Who sponsored 680?" after a question on PEP 618."""
    former = numbered(turn.asked_as)
    bare = _BARE_NUMBER.search(question)
    if not former or bare is None or numbered(question) or bare["before"].lower() in _OF_TIME:
        return question
    named = re.sub(r"\d+$", bare["number"], former[-1].text)
    return question[: bare.start("number")] + named + question[bare.end("number") :]


# -- "Who wrote it?"


def _pointed(found: Leaning, turns: Sequence[Turn]) -> str | None:
    """Pronouns replaced by what they mean, from the first on; what else the last question named is appended."""
    text, shift, used = found.text, 0, list[str]()
    for pointer in found.pointers:
        before = words_of(found.text[: pointer.start])
        is_subject = bool(before) and before[-1].lower in AUXILIARIES and not pointer.is_owner
        options = meant(turns, pointer.role, is_subject=is_subject)
        options = [option for option in options if not same(option, found.text)] or options
        if not options:
            return None
        name = options[0]
        if pointer.is_kept and not numbered(name):
            continue
        if name in used:
            continue
        used.append(name)
        whole = re.match(r"(?:the |an? )?[a-z][^,]* of (.+)", name)
        name = whole[1] if pointer.is_owner and whole is not None else name
        put = _owned(name) if pointer.is_owner else name
        if pointer.role is Role.PLACE:
            put = f"to {name}" if before and before[-1].lower in _MOVING else f"in {name}"
        text = text[: pointer.start + shift] + put + text[pointer.end + shift :]
        shift += len(put) - (pointer.end - pointer.start)
    text = text[0].upper() + text[1:]
    return _appended(text, _carried(turns, text, named_only=bool(used)))


_MOVING = frozenset("get go come flee move travel lead arrive sail march went came fled moved brought sent".split())


def _owned(name: str) -> str:
    return f"{name}'" if name.endswith("s") and not name[:-1].endswith("s") else f"{name}'s"


def _carried(turns: Sequence[Turn], text: str, *, named_only: bool = False) -> list[str]:
    """What the last turns named, or else spoke of, and `text` does not."""
    for turn in spoken(turns):
        about = topics(turn)
        if about:
            kept = [mention for mention in about if mention.is_name or not named_only]
            return [mention.text for mention in kept if not same(mention.text, text)]
    return []


def _appended(text: str, more: Sequence[str]) -> str:
    more = list(dict.fromkeys(more))[:_MAX_APPENDED]
    if not more:
        return text
    text = text[0].upper() + text[1:]
    end = re.search(r"[\s?.!]*$", text)
    assert end is not None  # matches the empty string too
    return f"{text[: end.start()]} ({', '.join(more)}){end.group().strip() or '?'}"


# -- "And the author?"


def _aside(text: str, turns: Sequence[Turn]) -> str | None:
    options = meant(turns, Role.THING)
    if not options:
        return None
    bare = re.sub(r"^(?:the|an?)\s+", "", text, flags=re.IGNORECASE)
    return _appended(
        f"What is the {bare[0].lower() + bare[1:]} of {options[0]}?", _carried(turns, f"{bare} {options[0]}")
    )


# -- "In what year?"

_WH_PHRASE = re.compile(
    r"^\s*(?:(?:in|on|at|by|for|from|to|with|of|under|since|until)\s+)?(?:what|which|who|whom|whose|when|where|why|how)\b"
    r"(?:\s+(?:many|much|long|old|far|often|tall|big|large|high))?",
    re.IGNORECASE,
)


def _asked_again(text: str, turn: Turn) -> str:
    """The former question, asked for something else."""
    former = turn.asked_as.strip().rstrip("?.! ")
    text = text[0].upper() + text[1:]
    words = words_of(former)
    if words and words[0].lower in AUXILIARIES:
        return f"{text} {former[0].lower() + former[1:]}?"
    auxiliary = next((word for word in words[:7] if word.lower in AUXILIARIES), None)
    head = _WH_PHRASE.match(former)
    if head is None:
        return f"{text}: {former}?"
    if auxiliary is not None and auxiliary.lower in (
        "did",
        "do",
        "does",
        "was",
        "were",
        "is",
        "are",
        "has",
        "had",
        "have",
    ):
        rest = former[auxiliary.start :]
        return f"{text} {rest}?"
    return f"{text} {former[head.end() :].strip()}?"


# -- "What about PEP 8?"


_ORDINAL = re.compile(r"\b(?:first|second|third|fourth|fifth|last|former|latter)\b", re.IGNORECASE)


def _put_in(text: str, turns: Sequence[Turn]) -> str:
    """The former question, with this in place of what is most like it there."""
    former = turns[-1].asked_as.strip()
    ordinal = _ORDINAL.search(text)
    if ordinal is not None and (theirs_ := _ORDINAL.search(former)) is not None:
        return former[: theirs_.start()] + ordinal.group() + former[theirs_.end() :]
    mine = numbered(text)
    theirs = numbered(former)
    document = titled(turns[-1])
    if document is not None and not theirs:
        naming = rf"\b(?:the )?(?:\w+ (?:titled |called )?)?{re.escape(document[1])}"
        named = re.search(naming, former, re.IGNORECASE)
        if named is not None:
            theirs = [Mention(document[0].text, named.start(), named.end(), is_name=True)]
    number = re.fullmatch(r"\W*(\d+)\W*", text)
    if theirs and (mine or number):
        put = mine[0].text if mine else re.sub(r"\d+$", number[1] if number else "", theirs[-1].text)
        return _swapped(former, theirs[-1], put)
    place = _alike(text, former)
    if place is not None:
        return _swapped(former, place, text)
    return f"{former.rstrip('?.! ')}: {text}?"


def _swapped(former: str, place: Mention, put: str) -> str:
    before, after = former[: place.start], former[place.end :]
    if after[:2] in ("'s", "’s"):
        put, after = _owned(put), after[2:]
    if re.match(r"(?:the|an?)\s", put, re.IGNORECASE):
        before = re.sub(r"\b(?:the|an?)\s+$", "", before, flags=re.IGNORECASE)
    first = put.split()[0].lower()
    last = re.search(r"\b(\w+)\s+$", before)
    if last is not None and last[1].lower() == first:
        before = before[: last.start()]
    return f"{before}{put}{after}"


def _alike(text: str, former: str) -> Mention | None:
    """The part of the former question that is most like `text`; None if nothing is."""
    mine = names(text)
    words = words_of(text)
    if not words:
        return None
    best: tuple[float, Mention] | None = None
    for mention in phrases(former):
        score = 0.0
        if mention.is_name == bool(mine):
            score += 1.0
        theirs = mention.words
        own = [word.lower for word in words if word.lower not in ("the", "a", "an", "in", "on", "at", "of")]
        if not own:
            continue
        score += 1.0 * bool({*map(stem, own)} & {*map(stem, theirs)})
        score += 0.5 * (own[-1][-3:] == theirs[-1][-3:])
        score += 0.3 * (mention.text.isupper() == text.removeprefix("the ").isupper())
        score += 0.2 * (len(own) == len(theirs))
        before = former[: mention.start].split()
        score += 0.5 * bool(before and before[-1].lower() == words[0].lower and words[0].lower != own[0])
        if best is None or score >= best[0]:
            best = score, mention
    return None if best is None or best[0] < 1.0 else best[1]
