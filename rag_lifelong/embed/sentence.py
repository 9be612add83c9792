"""Any other sentence-transformers model that lies on this machine.

Rule: nothing is downloaded, so nothing hangs; a model is loaded by the first text embedded, and its
fingerprint is that of its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_lifelong.embed.threads import before_torch
from rag_lifelong.embed.weights import digest
from rag_lifelong.embed.wordpiece import WordPiece, is_uncased_bert
from rag_lifelong.errors import EmbedderUnusable
from rag_lifelong.local_models import model_folder, without_bars, without_surrogates
from rag_lifelong.types import Vector, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_READ = {".safetensors", ".bin", ".json", ".txt", ".model"}
"""Suffixes of the files a model is made of; its README is not among them."""
_OTHER_RUNTIMES = {"onnx", "openvino"}
_UNLIMITED_TOKENS = 1_000_000
"""What stands for a model that reads a text of any length, as averaged word vectors do."""


class SentenceModel:
    """A sentence-transformers model, with the prompts it has for questions and for passages."""

    def __init__(self, name: str, folder: Path, *, fingerprint: str) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._folder = folder

    @cached_property
    def dim(self) -> int:
        """The length of a vector; loads the model."""
        return len(self.embed_query(""))

    @cached_property
    def max_tokens(self) -> int:
        """What the model reads, special tokens included; loads the model."""
        return int(self._model.get_max_seq_length() or _UNLIMITED_TOKENS)

    def count_tokens(self, text: str) -> int:
        """Exact; at the tokenizer's own speed where it is not an uncased BERT's."""
        if self._word_piece is not None:
            return self._word_piece.count(text)
        return len(self._tokens.encode(without_surrogates(text), add_special_tokens=False).ids)

    def unknown_share(self, text: str) -> float:
        """The share of [UNK] or <unk>; 0 for tokenizers that know every byte."""
        if self._word_piece is not None:
            return self._word_piece.unknown_share(text)
        ids = self._tokens.encode(without_surrogates(text), add_special_tokens=False).ids
        unknown = [self._tokens.token_to_id(token) for token in ("[UNK]", "<unk>")]
        return sum(ids.count(each) for each in unknown if each is not None) / len(ids) if ids else 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (n, dim), in the order of the texts."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        vectors = self._model.encode_document(
            [without_surrogates(text) for text in texts], normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)  # (n, dim)

    def embed_query(self, text: str) -> Vector:
        """Shape (dim,)."""
        vector = self._model.encode_query(without_surrogates(text), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)

    @cached_property
    def _model(self) -> SentenceTransformer:
        before_torch()
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer

        try:
            with without_bars():
                return SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            raise EmbedderUnusable(
                f"{self._folder} cannot be loaded by sentence-transformers ({error}); "
                "fetch the model again, or use 'all-MiniLM-L6-v2'"
            ) from error

    @cached_property
    def _word_piece(self) -> WordPiece | None:
        """The fast count, if the model's tokens are of the kind it knows."""
        path = self._folder / "tokenizer.json"
        return WordPiece(path) if path.is_file() and is_uncased_bert(path) else None

    @cached_property
    def _tokens(self) -> Tokenizer:
        """A tokenizer of our own: to sentence-transformers', truncation is set anew at each call."""
        from tokenizers import Tokenizer

        for path in (self._folder / "tokenizer.json", *sorted(self._folder.glob("*/tokenizer.json"))):
            if path.is_file():
                tokenizer = Tokenizer.from_file(str(path))
                break
        else:
            own = self._model.tokenizer
            if not hasattr(own, "backend_tokenizer"):
                raise EmbedderUnusable(f"{self._folder} has no tokenizer.json, by which its tokens could be counted")
            tokenizer = Tokenizer.from_str(own.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def open_sentence_model(spec: str, *, cache_dir: Path | None) -> SentenceModel:
    """The model in a folder, or by its name in the Hugging Face cache, without asking the network.

    Raises EmbedderUnusable if there is none.
    """
    folder = _find(spec)
    files = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix in _READ and path.is_file() and inner.parts[0] not in _OTHER_RUNTIMES:
            if path.suffix == ".bin" and list(path.parent.glob("*.safetensors")):
                continue  # the same weights in the older format, which is not read
            files.append(f"{inner.as_posix()} {digest(path, cache_dir=cache_dir)}\n")
    whole = hashlib.sha256("".join(files).encode()).hexdigest()
    return SentenceModel(spec, folder, fingerprint=f"sentence-transformers:{whole[:32]}:unit")


def _find(spec: str) -> Path:
    folder = model_folder(spec, family="sentence-transformers")
    if folder is not None and ((folder / "modules.json").is_file() or (folder / "config.json").is_file()):
        return folder
    raise EmbedderUnusable(
        f"no embedding model {spec!r} on this machine; fetch it once with 'hf download {spec}' where there "
        "is a network, give the folder of a sentence-transformers model, or use 'all-MiniLM-L6-v2'"
    )
