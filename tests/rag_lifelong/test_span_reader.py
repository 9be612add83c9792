"""The reader that comes with the package: its weights put together, read beside transformers, spans and windows."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from rag_lifelong.embed.weights import find_minilm, read_tensors
from rag_lifelong.errors import EmbedderUnusable
from rag_lifelong.span_reader import SpanReader, open_span_reader
from rag_lifelong.span_reader.changes import FILE, put_together, read_changes

QUESTION = "Who owns the dead-letter queue?"
NOTE = "Retries are capped. Ana Ruiz owns the dead-letter queue since March."


@pytest.fixture(scope="module")
def reader() -> SpanReader:
    found = open_span_reader(cache_dir=None)
    assert found is not None
    return found


def test_a_matrix_gets_its_product_beside_it_and_the_frozen_ones_stay() -> None:
    frozen = {"a.weight": np.eye(2, dtype=np.float32), "a.bias": np.zeros(2, dtype=np.float32)}
    own = {
        "bert.a.down": np.array([[1.0, 2.0]], dtype=np.float32),
        "bert.a.up": np.array([[1.0], [3.0]], dtype=np.float32),
        "bert.a.bias": np.array([5.0, 6.0], dtype=np.float32),
        "ends.weight": np.zeros((2, 2), dtype=np.float32),
    }
    found = put_together(frozen, own)
    assert found["a.weight"].tolist() == [[2.0, 2.0], [3.0, 7.0]]  # I + [1, 3]ᵀ [1, 2]
    assert found["a.bias"].tolist() == [5.0, 6.0]
    assert set(found) == set(frozen)
    assert frozen["a.weight"].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_the_weights_are_small_and_change_every_layer() -> None:
    assert FILE.stat().st_size < 5_000_000
    own = read_changes(FILE)
    assert sum(name.endswith(".up") for name in own) == 36  # six matrices in each of six layers
    assert own["ends.weight"].shape == (2, 384)


def test_what_answers_is_exact_text_and_surer_than_what_does_not(reader: SpanReader) -> None:
    (found, other) = reader.read(QUESTION, [("", NOTE), ("", "The cafeteria serves soup on Mondays.")])
    assert NOTE[found[0].start : found[0].end] == "Ana Ruiz"
    assert found[0].log_odds > 0 > other[0].log_odds
    assert all(0 <= reading.share <= 1 for reading in (*found, *other))
    ends = sorted((reading.start, reading.end) for reading in found)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))  # they do not overlap


def test_a_passage_is_read_by_itself(reader: SpanReader) -> None:
    alone = reader.read(QUESTION, [("", NOTE)])[0]
    beside = reader.read(QUESTION, [("", "Soup. " * 150), ("", NOTE), ("", "More soup.")])[1]
    assert [(r.start, r.end) for r in alone] == [(r.start, r.end) for r in beside]
    assert [r.log_odds for r in alone] == pytest.approx([r.log_odds for r in beside], abs=1e-3)


def test_what_stands_beyond_one_window_is_found(reader: SpanReader) -> None:
    text = "The cafeteria serves soup on Mondays. " * 60 + NOTE
    best = reader.read(QUESTION, [("", text)])[0][0]
    assert text[best.start : best.end] == "Ana Ruiz"


def test_passages_without_words_give_none(reader: SpanReader) -> None:
    assert reader.read(QUESTION, [("", ""), ("", " \n ")]) == [(), ()]
    assert reader.read(QUESTION, []) == []


def test_half_a_surrogate_pair_and_special_tokens_do_no_harm(reader: SpanReader) -> None:
    text = f"\ud83d [SEP] {NOTE} [CLS]"
    best = reader.read(QUESTION, [("[MASK]", text)])[0][0]
    assert text[best.start : best.end] == "Ana Ruiz"


@pytest.mark.parametrize(
    ("question", "is_read"),
    [
        (QUESTION, True),
        ("Which airport is home to the busiest single runway?", True),
        ("Wem gehört die Warteschlange für unzustellbare Nachrichten?", False),
        ("长城有多长？", False),
    ],
)
def test_only_english_is_read(reader: SpanReader, question: str, is_read: bool) -> None:
    assert reader.reads(question) is is_read


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_bytes((find_minilm() / "tokenizer.json").read_bytes())
    with pytest.raises(EmbedderUnusable, match="is not that of all-MiniLM-L6-v2"):
        SpanReader(tmp_path, cache_dir=None).read(QUESTION, [("", NOTE)])


def test_reading_changes_no_weights(reader: SpanReader) -> None:
    def digests() -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in (find_minilm() / "model.safetensors", FILE)]

    before, kept = digests(), {name: tensor.copy() for name, tensor in read_changes(FILE).items()}
    reader.read(QUESTION, [("", NOTE)])
    assert digests() == before
    assert all(np.array_equal(tensor, kept[name]) for name, tensor in reader._own.items())


@pytest.mark.model
def test_it_scores_as_transformers_does(reader: SpanReader) -> None:
    """The same matrices in transformers' BERT, on a pair of texts."""
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(find_minilm(), add_pooling_layer=False)
    whole = put_together(read_tensors(find_minilm() / "model.safetensors"), read_changes(FILE))
    model.load_state_dict({name: torch.from_numpy(tensor.copy()) for name, tensor in whole.items()}, strict=False)
    model.eval()
    (window,) = reader._windows(reader._tokens.pieces(QUESTION)[0], "On call", NOTE)
    ids = torch.tensor([window.ids])
    types = torch.zeros_like(ids)
    types[0, window.ids.index(102) + 1 : -1] = 1
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types).last_hidden_state[0]
    own = read_changes(FILE)
    expected = states.numpy() @ own["ends.weight"].T + own["ends.bias"]
    (found,) = reader._scores([window])
    assert np.abs(found - expected).max() < 1e-3
