"""What a pronoun may mean: what the turns before named, spoke of and answered, best first.

Rule: the last turn goes before older ones. For a person, the answer to "Who …?" goes first; for a thing, what the last
question was about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_lifelong.followup.leaning import Role
from rag_lifelong.followup.mentions import Mention, names, numbered, phrases, same
from rag_lifelong.questions import Kind, take_apart
from rag_lifelong.types import Turn

_MARKER = re.compile(r"\s*\[\d+\]")
_WHERE = re.compile(
    r"\bwhere\b|\b(?:which|what) (?:city|country|town|place|state|region|island|village)\b", re.IGNORECASE
)
_PLACED = re.compile(r"\b(?:in|at|from|to|near|of|on)\s+(?:the\s+)?$", re.IGNORECASE)
_WHAT = re.compile(r"^\s*(?:\w+ )?(?:what|which)\b", re.IGNORECASE)
_WHO = re.compile(r"\bwho(?:m|se)?\b", re.IGNORECASE)
_WHAT_IS = re.compile(
    r"^\s*(?:what|who) (?:is|was|are|were) (?:the |an? )?(?P<np>[^,?()]+?)"
    r"(?: (?:also |first |initially |later )?(?:called|named|known as|about))?[\s?]*$",
    re.IGNORECASE,
)
_MAX_PHRASE_WORDS = 8
_AFTER_NUMBER = re.compile(r"^[\s–—:-]+")
_SUBJECT = re.compile(
    r"^\s*(?i:what|which|when|where|why|how|who|whom)\b[^?]*?\b(?:did|does|do|was|were|is|are|has|had)\s+"
    r"(the [a-z][\w-]+(?: [a-z][\w-]+)??)(?= [a-z]+\b(?:\W|$))"
)
_DEFINITE = re.compile(
    r"\bthe [a-z][\w-]+(?= (?:\w+ed|\w+en|built|made|won|held|sent|set|begin|end|start|open|close)\b|\W*$)"
)


def topics(turn: Turn) -> list[Mention]:
    """What a former question was about: documents by number, else names, else its noun phrases; in order."""
    asked = turn.asked_as
    found = numbered(asked)
    if found:
        return found
    document = titled(turn)
    if document is not None:
        return [document[0]]
    whole = _WHAT_IS.match(asked)
    if whole is not None and len(whole["np"].split()) <= _MAX_PHRASE_WORDS and names(whole["np"]):
        return [Mention(whole["np"], whole.start("np"), whole.end("np"), is_name=True)]
    return list(names(asked)) or sorted(phrases(asked), key=lambda m: -len(m.text))[:1]


def titled(turn: Turn) -> tuple[Mention, str] | None:
    """The document whose title heads the answer, if it was asked for, or by that title: its number, its title."""
    first = _answer_text(turn)
    found = numbered(first)
    if turn.answer.refused or not found or found[0].start:
        return None
    title = _AFTER_NUMBER.sub("", turn.answer.text.partition("\n")[0][found[0].end :])
    title = _MARKER.sub("", title).strip()
    is_named = len(title) > 2 and title.casefold() in turn.asked_as.casefold()
    return (found[0], title) if is_named or take_apart(turn.asked_as).kind is Kind.DOCUMENT else None


def answered(turn: Turn) -> list[str]:
    """The names that the answer gives to a question for one, the likeliest first; none if it was refused."""
    if turn.answer.refused:
        return []
    short = turn.answer.short
    if short and names(f"… {short}"):
        return [mention.text for mention in names(f"… {short}")]
    text = _answer_text(turn)
    return [m.text for m in names(text) if not same(m.text, turn.asked_as) and not numbered(m.text)]


def meant(turns: Sequence[Turn], role: Role, *, is_subject: bool = False) -> list[str]:
    """What a pronoun of that role may mean, best first; [] if nothing was spoken of."""
    for turn in spoken(turns):
        about = topics(turn)
        in_question = [_with_article(mention, turn.asked_as) for mention in about]
        asked = turn.asked_as
        if role is Role.PERSON:
            people = [m for mention in names(asked) if _may_be_person(m := _with_article(mention, asked))]
            given = [name for name in answered(turn) if _may_be_person(name)]
            is_who = _WHO.search(asked) is not None
            return [*given[:1], *people] if is_who and given else people or given[:1] or in_question
        if role is Role.PLACE:
            given = answered(turn)[:1] if _WHERE.search(asked) else []
            placed = [_with_article(m, asked) for m in about if _PLACED.search(asked[: m.start])]
            return [*given, *reversed(placed), *in_question]
        if role is Role.GROUP:
            plural = [p for m in _joined(phrases(asked), asked) if (p := _plural(m))]
            return [*plural, *(m for m in in_question if m not in plural)]
        subject = _SUBJECT.match(asked)
        if is_subject and subject is not None and not numbered(asked):
            in_question.insert(0, subject[1])  # "When did the plague reach Oslo?", and then "How did it spread?"
        own = _DEFINITE.search(turn.question)
        if own is not None and not names(turn.question) and not numbered(asked):
            in_question.insert(0, own.group())  # "When was the building built?", and then "Who designed it?"
        things = [m for m in in_question if not _may_be_person(m) or m.split()[-1].islower()]
        given = answered(turn)[:1] if _WHAT.match(asked) and not things else []
        return [*things, *given, *(m for m in in_question if m not in things)]
    return []


def spoken(turns: Sequence[Turn]) -> list[Turn]:
    """The turns that tell what is spoken of, the last first: those with names before the others."""
    newest = list(reversed(turns))
    named = [turn for turn in newest if any(mention.is_name for mention in topics(turn))]
    return named or [turn for turn in newest if topics(turn)]


def _plural(mention: Mention) -> str | None:
    """The mention up to its first plural; None if it has none."""
    words = mention.text.split()
    last = next((n for n, word in enumerate(words) if re.search(r"[^suia'’]s$", word)), None)
    return None if last is None else " ".join(words[: last + 1])


def _joined(mentions: Sequence[Mention], text: str) -> list[Mention]:
    """Mentions side by side as one: "New York" and "filmmakers"."""
    found: list[Mention] = []
    for mention in mentions:
        if found and found[-1].is_name and found[-1].end + 1 == mention.start:
            before = found.pop()
            mention = Mention(text[before.start : mention.end], before.start, mention.end, is_name=True)
        found.append(mention)
    return found


def _with_article(mention: Mention, text: str) -> str:
    before = re.search(r"\b(the|an?)\s+$", text[: mention.start], re.IGNORECASE)
    if before is None:
        return mention.text
    return f"the {mention.text}"


def _may_be_person(name: str) -> bool:
    words = name.split()
    if name.lower().startswith("the ") or any(char.isdigit() for char in name):
        return False
    return words[0][:1].isupper() and not (len(words) == 1 and name.isupper())


def _answer_text(turn: Turn) -> str:
    """The answer's first line, without markers; fields without their names."""
    lines = [_MARKER.sub("", line).strip() for line in turn.answer.text.splitlines()]
    return " ".join(lines[:2])
