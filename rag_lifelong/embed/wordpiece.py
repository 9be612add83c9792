"""WordPiece tokens of a text: their ids, and, much faster, only their number.

Rule: the number is that of the real tokenizer, always. Counts are additive over words parted by
white space, so each word is tokenized once and its count remembered.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_JOINING = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
"""White space to Python, but control characters to BERT, which drops them and so joins what they part."""
_WORD = re.compile("[^ \t\n\r]+")
_MAX_WORDS = 200_000
"""How many words' counts are remembered; about 20 MB. English text of 100 MB has about so many."""
_MAX_WORD_CHARS = 100


class WordPiece:
    """A BERT tokenizer as read from its tokenizer.json, without the truncation and padding set there."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()  # the file says 128, while the model reads 256
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._counts = _Counts(tokenizer)

    def ids(self, text: str, *, max_tokens: int) -> list[int]:
        """The ids with [CLS] and [SEP], at most max_tokens of them."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]

    def count(self, text: str) -> int:
        """How many tokens, without special ones."""
        return sum(map(self._counts.__getitem__, _words(text)))

    def count_unknown(self, text: str) -> int:
        """How many tokens are [UNK]."""
        unknown = 0
        for word in _words(text):
            if self._counts[word]:
                unknown += self._counts.unknown(word)
        return unknown


def _words(text: str) -> list[str]:
    return _WORD.findall(text) if _JOINING.search(text) else text.split()


class _Counts(dict[str, int]):
    """Word → its number of tokens, found when first asked for."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._unknown = tokenizer.encode("[UNK]", add_special_tokens=False).ids[0]

    def __missing__(self, word: str) -> int:
        count = len(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= _MAX_WORD_CHARS:
            if len(self) >= _MAX_WORDS:
                self.clear()
            self[word] = count
        return count

    def unknown(self, word: str) -> int:
        ids: list[int] = self._tokenizer.encode(word, add_special_tokens=False).ids
        return ids.count(self._unknown)
