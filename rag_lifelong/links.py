"""Names in a text that may be titles of other documents: what a second search goes by, without a language model.

Rule: text in, terms out; nothing here reads the store. Names are runs of capitalised words, so scripts without
capitals have none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_lifelong.terms import STOPWORDS, terms

MAX_WORDS = 6  # of a name
MAX_NAMES = 40  # of a text: each is looked up

_WORD = re.compile(r"\w[\w'’.-]*\w|\w")
_JOINING = frozenset("of the de di da del der von van la le el al and in for on to y e du des".split())
_AFTER_TITLE = re.compile(r"\s*[(|:–—]|\s+-\s|,\s")
_GAP = re.compile(r" *|['’] ")  # within a name: "Dunkin' Brands"
_BEGINS_SENTENCE = re.compile(r"(?:\A|[.!?\n])[\s\"'(“‘]*\Z")

Name = tuple[str, ...]


def names(text: str) -> list[Name]:
    """The distinct names in a text, each as search terms, in order; at most MAX_NAMES.

    A run of more than two words also gives what is left without its first or its last word ("President Barack
    Obama"), and a run with joining words its parts ("Ada of Lund and Oslo").
    """
    found: dict[Name, None] = {}
    for run in _runs(text):
        for words in _variants(run):
            name = tuple(terms(" ".join(words)))
            if name:
                found.setdefault(name)
    return list(found)[:MAX_NAMES]


def titles(title: str) -> frozenset[Name]:
    """What a document so titled may be called: all of it, and what stands before "(", ":", "|", "," or a dash."""
    short = _AFTER_TITLE.split(title, maxsplit=1)[0]
    return frozenset(name for name in (tuple(terms(title)), tuple(terms(short))) if name)


def is_run(name: Name, words: Sequence[str]) -> bool:
    """Whether the terms of a name stand side by side among these."""
    return any(tuple(words[i : i + len(name)]) == name for i in range(len(words) - len(name) + 1))


def parts(title: str) -> frozenset[Name]:
    """What stands in a title: each run of up to MAX_WORDS of its terms, and what the document may be called."""
    whole = terms(title)
    runs = (tuple(whole[i : i + n]) for n in range(1, MAX_WORDS + 1) for i in range(len(whole) - n + 1))
    return titles(title).union(runs)


def named_share(title: str, question: Sequence[str]) -> float:
    """How much of a question, given as its terms, is the title of a document: 0 if the title does not stand in it.

    Of the distinct terms that are no function words.
    """
    content = {term for term in question if term not in STOPWORDS}
    own = [len(content.intersection(name)) for name in titles(title) if is_run(name, question)]
    return max(own, default=0) / len(content) if content else 0.0


def _runs(text: str) -> list[list[str]]:
    """Capitalised words side by side, also with joining words between them; a lone first word tells nothing."""
    runs: list[list[str]] = []
    run: list[str] = []
    is_first = False  # the run begins a sentence
    last_end = 0

    def close() -> None:
        while run and run[-1] in _JOINING:
            run.pop()
        lead = bool(run) and run[0].lower() in STOPWORDS
        kept = run[1:] if lead else run[:]
        if kept and (len(kept) > 1 or lead or not is_first):
            runs.append(kept)
        run.clear()

    for match in _WORD.finditer(text):
        word, gap = match.group(), text[last_end : match.start()]
        if run and not (_GAP.fullmatch(gap) or (gap == ". " and len(run[-1]) == 1)):  # "M. Ward"
            close()
        if word[0].isupper() or (run and (word in _JOINING or word[0].isdigit())):
            if not run:
                is_first = _BEGINS_SENTENCE.search(text, max(0, match.start() - 4), match.start()) is not None
            run.append(word)
        else:
            close()
        last_end = match.end()
    close()
    return runs


def _variants(run: list[str]) -> list[list[str]]:
    """The run, what stands between joining words, neighbours of such parts together, and each without its ends."""
    starts = [i for i, word in enumerate(run) if word not in _JOINING and (i == 0 or run[i - 1] in _JOINING)]
    ends = [i for i, word in enumerate(run, start=1) if word not in _JOINING and (i == len(run) or run[i] in _JOINING)]
    found = [run]
    found += [run[start:end] for start in starts for end in ends if start < end and end - start < len(run)]
    found += [run[1:], run[:-1]] if len(run) > 2 else []
    return [words for words in found if len(words) <= MAX_WORDS and not {words[0], words[-1]} & _JOINING]
