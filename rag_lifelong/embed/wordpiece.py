"""WordPiece tokens of a text: their ids, and, much faster, only their number.

Rule: the number is that of the real tokenizer, always. Counts are additive over words parted by
white space, so each word is counted once and remembered; words of plain ASCII, nearly all of those
in English and in code, are counted here, and all others by the tokenizer itself.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_JOINING = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
"""White space to Python, but control characters to BERT, which drops them and so joins what they part."""
_WORD = re.compile("[^ \t\n\r]+")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_PIECE = re.compile("[a-z0-9]+|.")
"""What BERT splits a lower-cased word of printable ASCII into: every punctuation mark stands alone."""
_SPECIAL = re.compile(r"\[(?:PAD|UNK|CLS|SEP|MASK)\]")
"""Tokens as they stand, wherever a text names them."""
_HALF = re.compile("[\ud800-\udfff]")
_MAX_WORDS = 200_000
"""How many words' counts are remembered, about 20 MB: 16 MB of mixed code and prose have so many."""
_MAX_WORD_CHARS = 100
"""Longer words are not remembered: they seldom come back, and would take the room of many."""
_UNKNOWN_CHARS = 100
"""BERT reads a longer run of letters and digits as one [UNK] (max_input_chars_per_word)."""

_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}


def is_uncased_bert(path: Path) -> bool:
    """Whether the tokenizer.json at the path is of the kind that `WordPiece` counts: BERT's, lower-casing."""
    content = json.loads(path.read_bytes())
    model = content.get("model") or {}
    vocabulary = model.get("vocab", ())
    return (
        content.get("normalizer") == _NORMALIZER
        and content.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
        and model.get("type", "WordPiece") == "WordPiece"
        and model.get("unk_token") == "[UNK]"
        and model.get("continuing_subword_prefix") == "##"
        and model.get("max_input_chars_per_word") == _UNKNOWN_CHARS
        and all(_SPECIAL.fullmatch(token["content"]) for token in content.get("added_tokens", ()))
        and all(c in vocabulary for c in string.punctuation)
        and all(c in vocabulary and "##" + c in vocabulary for c in string.ascii_lowercase + string.digits)
    )


class WordPiece:
    """The tokenizer of a tokenizer.json that `is_uncased_bert`, less the truncation and padding set there.

    Loads `tokenizers` and the file when first used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = _Measured(lambda word: self.measure(word)[0])
        self._unknown: dict[str, int] = {}  # only words with some
        self._pieces = _Measured(self._measure_piece)

    def ids(self, text: str, *, max_tokens: int) -> list[int]:
        """The ids with [CLS] and [SEP], at most max_tokens of them."""
        ids = self._encode(text, special=True)
        return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]

    def pieces(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids, without special ones, and the characters [start, end) of the text that each stands for."""
        found = self._tokenizer.encode(_HALF.sub("?", text), add_special_tokens=False)
        return found.ids, found.offsets

    def count(self, text: str) -> int:
        """How many tokens, without special ones."""
        return sum(map(self._counts.__getitem__, _words(text)))

    def unknown_share(self, text: str) -> float:
        """The share of the tokens that are [UNK]; 0 if there are none at all."""
        count = self.count(text)
        unknown = 0
        for word in _words(text):
            if word in self._counts:
                unknown += self._unknown.get(word, 0)
            else:
                unknown += self.measure(word)[1]
        return unknown / count if count else 0.0

    def broken_share(self, text: str) -> float:
        """The share of the words (two letters or more) that are no entry of the vocabulary; 0 if there are none."""
        found = _LETTERS.findall(text)
        return sum(self.measure(word)[0] > 1 for word in found) / len(found) if found else 0.0

    def measure(self, word: str) -> tuple[int, int]:
        """The word's tokens, and how many of them are [UNK]; remembered if the word is short."""
        if word.isascii() and word.isprintable() and not _SPECIAL.search(word):
            pieces = _PIECE.findall(word.lower())
            count = sum(map(self._pieces.__getitem__, pieces))
            unknown = sum(len(piece) > _UNKNOWN_CHARS for piece in pieces) if len(word) > _UNKNOWN_CHARS else 0
        else:
            ids = self._encode(word, special=False)
            count, unknown = len(ids), ids.count(self._unknown_id)
        if len(word) <= _MAX_WORD_CHARS:
            if len(self._counts) >= _MAX_WORDS:
                self._counts.clear()
                self._unknown.clear()
            if unknown:
                self._unknown[word] = unknown
            self._counts[word] = count
        return count, unknown

    def _encode(self, text: str, *, special: bool) -> list[int]:
        try:
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=special).ids
        except TypeError:  # half a surrogate pair, as JSON may hold; BERT drops what is no character
            ids = self._tokenizer.encode(_HALF.sub("", text), add_special_tokens=special).ids
        return ids

    def _measure_piece(self, piece: str) -> int:
        """How many tokens of the vocabulary the piece is made of, the longest first; remembered if short.

        A single letter or digit always is one, and may continue any other: no short piece is [UNK].
        """
        if len(piece) > _UNKNOWN_CHARS:
            return 1
        vocabulary = self._vocabulary
        count = start = 0
        while start < len(piece):
            end = min(len(piece), start + self._longest)
            while end > start + 1 and ("##" * (start > 0) + piece[start:end]) not in vocabulary:
                end -= 1
            start = end
            count += 1
        if len(self._pieces) >= _MAX_WORDS:
            self._pieces.clear()
        self._pieces[piece] = count
        return count

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._path))
        tokenizer.no_truncation()  # the file says 128, while the model reads 256
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(self._tokenizer.get_vocab(with_added_tokens=False))

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._vocabulary))

    @cached_property
    def _unknown_id(self) -> int:
        return self._encode("[UNK]", special=False)[0]


def _words(text: str) -> list[str]:
    return _WORD.findall(text) if _JOINING.search(text) else text.split()


class _Measured(dict[str, int]):
    """Word → its number of tokens, measured where it is not remembered."""

    def __init__(self, measure: Callable[[str], int]) -> None:
        super().__init__()
        self._measure = measure

    def __missing__(self, word: str) -> int:
        return self._measure(word)
