"""A cross-encoder of our own making reads the best passages again; without the setting, nothing is loaded."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from rag_lifelong import open_assistant
from rag_lifelong.errors import RerankerUnusable
from rag_lifelong.rerank import open_reranker
from rag_lifelong.retrieve import RERANKED, reranked
from rag_lifelong.staleness import PAST_DOWN
from rag_lifelong.types import Scores

WORDS = "retries are capped at five three attempts then the queue of waiting jobs is emptied how many".split()
TEXTS = {
    "a.md": "Retries are capped at five.",
    "b.md": "Three attempts, then the queue.",
    "c.md": "The queue of waiting jobs is emptied at five.",
}
QUESTION = "How many attempts are retries capped at?"


class Longest:
    """Prefers long passages; keeps what it was given."""

    name = "longest"

    def __init__(self) -> None:
        self.read: list[tuple[str, list[str]]] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.read.append((question, list(texts)))
        return [float(len(text)) for text in texts]


def notes(folder: Path) -> Path:
    for name, text in TEXTS.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_best_change_places_and_take_the_scores_of_these() -> None:
    scored = {i: Scores(1 - i / 100, 0.5, None) for i in range(RERANKED + 2)}
    found = reranked(scored, lambda ids: [float(i) for i in ids])
    assert sorted(found) == list(range(RERANKED))  # the two after them were not looked at
    assert found[RERANKED - 1].fused == 1.0
    assert found[0].fused == scored[RERANKED - 1].fused
    assert found[0].dense == 0.5


def test_equal_scores_change_nothing() -> None:
    scored = {i: Scores(1 - i / 100, None, None) for i in (3, 1, 2)}
    assert reranked(scored, lambda ids: [0.0] * len(ids)) == scored


def test_nothing_found_asks_nothing() -> None:
    assert reranked({}, lambda ids: pytest.fail("asked")) == {}


def test_search_and_ask_go_by_it(tmp_path: Path) -> None:
    longest = Longest()
    with open_assistant(tmp_path / "kb", embedder="hash", reranker=longest) as assistant:
        assistant.add(notes(tmp_path / "notes"))
        hits = assistant.search("five attempts", k=3)
        assert [Path(hit.path).name for hit in hits] == ["c.md", "b.md", "a.md"]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert longest.read[0][0] == "five attempts"
        assert set(longest.read[0][1]) == set(TEXTS.values())
        assistant.ask("How many attempts are there?")
        assert longest.read[1][0] == "How many attempts are there?"


def test_age_is_weighed_after_it(tmp_path: Path) -> None:
    os.utime(notes(tmp_path / "notes") / "c.md", (1e9, 1e9))

    def score_of_the_longest() -> float:
        with open_assistant(tmp_path / "kb", embedder="hash", reranker=Longest()) as assistant:
            assistant.add(tmp_path / "notes")
            return next(hit.score for hit in assistant.search("five attempts", k=3) if hit.path.endswith("c.md"))

    first = score_of_the_longest()
    rule = '[[rules]]\nmatch = "**"\ntime_to_live = "30 days"\npast = "down"\n'
    (tmp_path / "kb" / "lifelong.toml").write_text(rule, encoding="utf-8")
    assert score_of_the_longest() == pytest.approx(PAST_DOWN * first)


def test_a_missing_model_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        RerankerUnusable, match=r"no reranker 'no/such-model' on this machine.*hf download no/such-model"
    ):
        open_reranker("no/such-model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RerankerUnusable, match="no reranker"):
        open_assistant(tmp_path / "kb", embedder="hash", reranker=str(tmp_path / "empty"))


def test_none_is_loaded_when_unset(tmp_path: Path) -> None:
    assert open_reranker("") is None
    assert open_reranker(None) is None
    code = (
        "import sys; from rag_lifelong import open_assistant; from pathlib import Path\n"
        f"with open_assistant({str(tmp_path / 'kb')!r}, embedder='hash') as assistant:\n"
        f"    assistant.add({str(notes(tmp_path / 'notes'))!r}); assistant.search('five attempts')\n"
        "print([name for name in ('torch', 'transformers', 'sentence_transformers') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def cross_encoder(folder: Path, *, labels: int = 1, bias: float = 0.0) -> Path:
    """Two small layers with drawn weights, saved as any other. bias: of its last layer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ".", ",", "?"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(6)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=labels,
        initializer_range=1.0,
    )
    model = BertForSequenceClassification(config)
    torch.nn.init.constant_(model.classifier.bias, bias)
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_real_cross_encoder_orders_as_transformers_alone_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = cross_encoder(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    by_hand = {}
    for name, text in TEXTS.items():
        with torch.no_grad():
            by_hand[name] = float(model(**tokenizer(QUESTION, text, return_tensors="pt")).logits[0, 0])
    assert len({round(score, 3) for score in by_hand.values()}) == len(TEXTS)
    order = sorted(by_hand, key=lambda name: -by_hand[name])

    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assistant.add(notes(tmp_path / "notes"))
        plain = [Path(hit.path).name for hit in assistant.search(QUESTION)]
    assert plain != order  # else the next line proves nothing
    monkeypatch.setenv("LIFELONG_RERANKER", str(folder))
    with open_assistant(tmp_path / "kb", embedder="hash") as assistant:
        assert [Path(hit.path).name for hit in assistant.search(QUESTION)] == order


@pytest.mark.slow
def test_a_model_that_does_not_rank_is_refused(tmp_path: Path) -> None:
    classifier = open_reranker(str(cross_encoder(tmp_path / "three", labels=3)))
    assert classifier is not None
    with pytest.raises(RerankerUnusable, match="gives 3 scores a passage, not one"):
        classifier.scores(QUESTION, list(TEXTS.values()))
    damaged = open_reranker(str(cross_encoder(tmp_path / "damaged", bias=math.nan)))
    assert damaged is not None
    with pytest.raises(RerankerUnusable, match=r"scores that are no numbers.*reranker = \"\" in lifelong.toml"):
        damaged.scores(QUESTION, list(TEXTS.values()))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}", encoding="utf-8")
    broken = open_reranker(str(tmp_path / "broken"))
    assert broken is not None
    with pytest.raises(RerankerUnusable, match="cannot be loaded as a cross-encoder"):
        broken.scores(QUESTION, ["x"])
