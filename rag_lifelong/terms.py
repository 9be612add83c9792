"""Text → search terms: what the word index stores and what a question is matched by.

Rule: the same text gives the same terms for ever within one `ANALYZER_VERSION`, since the
contentless full-text table can only delete a row by being told exactly what it holds.

English words are lower-cased, freed of diacritics and stemmed (Snowball "english", Porter2).
Identifiers give their parts and themselves (`snake_case`, `CamelCase`, `pep-0572`), numbers lose leading
zeros. Scripts without spaces (Chinese, Japanese, Korean, Thai, …) give character bigrams.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import cast

import Stemmer

ANALYZER_VERSION = 1

# Scripts written without spaces between words (CJK with extensions, kana, hangul, Thai, Lao, Khmer, Myanmar).
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+(?:[-.'’][^\W{_UNSPACED}]+)*")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_STEMMER = Stemmer.Stemmer("english", 0)  # its own cache off: `_word_terms` caches
_MAX_TERM_CHARS = 40  # longer runs are data (base64, hashes), not words; cut, not dropped

# Function words of English: they carry no topic, and an OR over them visits every passage.
STOPWORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "me",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "she",
        "should",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "s",
        "t",
        "about",
    ]
)


def fold(text: str) -> str:
    """`text` in lower case, without diacritics, in compatibility form."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).lower()


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The Porter2 stem of a folded word; others are returned as they are."""
    return cast(str, _STEMMER.stemWord(word))


@lru_cache(maxsize=200_000)
def family(term: str) -> str:
    """What a stem shares with its nearest kin: decide and decision (decid, decis), own and owner."""
    if len(term) >= 5 and term[-1] in "ds":
        return term[:-1]
    if len(term) >= 5 and term.endswith(("er", "or")):
        return term[:-2]
    return term


def terms(text: str) -> list[str]:
    """The terms of `text`, in order, with repeats; about 5 MB/s."""
    found: list[str] = []
    for token in _TOKEN.findall(text):
        found.extend(_token_terms(token))
    return found


def query_terms(text: str) -> list[str]:
    """The distinct terms of a question, in order, without function words (unless nothing else is left)."""
    distinct = list(dict.fromkeys(terms(text)))
    content = [term for term in distinct if term not in STOPWORDS]
    return content or distinct


@lru_cache(maxsize=200_000)
def _token_terms(token: str) -> tuple[str, ...]:
    if _IS_UNSPACED.match(token):
        return _bigrams(unicodedata.normalize("NFKC", token))
    if token.isalpha() and (token.islower() or token.istitle() or token.isupper()):
        return (stem(fold(token))[:_MAX_TERM_CHARS],)
    return _identifier_terms(token)


def _bigrams(run: str) -> tuple[str, ...]:
    if len(run) == 1:
        return (run,)
    return tuple(run[i : i + 2] for i in range(len(run) - 1))


def _identifier_terms(token: str) -> tuple[str, ...]:
    """The parts of an identifier, then the whole of it as one term: `MAX_size` → max, size, maxsize."""
    parts: list[str] = []
    for piece in re.split(r"[-_.'’]+", token):
        for part in _PARTS.findall(piece):
            parts.append(_number(part) if part.isdigit() else stem(fold(part)))
    parts = [part[:_MAX_TERM_CHARS] for part in parts if part]
    if "'" in token or "’" in token:  # Ana's, don't: parts only
        return tuple(part for part in parts if part != "s")
    whole = re.sub(r"[^\w]|_", "", fold(token))[:_MAX_TERM_CHARS]
    if len(parts) > 1 and whole and whole not in parts:
        parts.append(whole)
    if not parts and whole:
        parts = [whole]
    return tuple(parts)


def _number(digits: str) -> str:
    return digits.lstrip("0") or "0"
