"""`lifelong models`: what answers, what else there is, and the default, set only where it opens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import LoopbackServer, as_json, free_port, streamed

from rag_lifelong.cli import main

Run = Callable[..., tuple[int, str, str]]
SERVED = {
    "/v1/models": as_json({"data": [{"id": "m", "max_model_len": 4096}]}),
    "/v1/chat/completions": streamed("Yes."),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command on a knowledge base, with no Ollama, no cache and no key here."""
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "a.md").write_text("# Retries\n\nThree attempts for retries, then the queue.\n")
    assert main(["add", "-q", str(tmp_path / "a.md")]) == 0
    capsys.readouterr()

    def running(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return running


def test_without_a_model_it_says_how_to_get_one(run: Run) -> None:
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "In use: quote (default)",
        "  no language model: answers are quoted from your files",
    ]
    assert "Ollama: none at http://127.0.0.1:" in out
    assert "ollama pull" in out
    assert "lifelong models default SPEC" not in out


def test_what_ollama_has_is_listed_as_it_is_to_be_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-never-shown")
    with LoopbackServer({"/api/tags": as_json({"models": [{"name": "qwen3:4b"}, {"name": "llama3.1:8b"}]})}) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        code, out, _ = run("models")
        found = json.loads(run("models", "--json")[1])
    assert code == 0
    assert f"Ollama at http://127.0.0.1:{server.port}: ollama:qwen3:4b, ollama:llama3.1:8b" in out
    assert "keys in the environment: OPENAI_API_KEY" in out
    assert "sk-secret" not in out
    assert found == {
        "model": "quote",
        "origin": "default",
        "is_usable": True,
        "said": "no language model: answers are quoted from your files",
        "context_tokens": None,
        "ollama": {"url": f"http://127.0.0.1:{server.port}", "models": ["qwen3:4b", "llama3.1:8b"]},
        "cached": [],
        "key_variables": ["OPENAI_API_KEY"],
    }


def test_a_default_is_written_beside_what_stands_there(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "kb" / "lifelong.toml"
    settings.write_text('# mine\nk = 5  # few\n\n[[rules]]\nmatch = "news/*"\nkeep_last = 3\n')
    with LoopbackServer(SERVED) as server:
        spec = f"openai:m@{server.url}"
        code, out, err = run("models", "default", spec)
        assert (code, err) == (0, "")
        assert out.startswith(f"{spec} words the answers from now on: set in ")
        assert server.paths() == ["/v1/models", "/v1/chat/completions"], "it was asked once"
        assert settings.read_text() == (
            f'# mine\nk = 5  # few\nmodel = "{spec}"\n\n[[rules]]\nmatch = "news/*"\nkeep_last = 3\n'
        )
        assert run("models")[1].splitlines()[:2] == [
            f"In use: {spec} (from {settings})",
            "  it answers, and reads 4,096 tokens",
        ]
        found = json.loads(run("ask", "--json", "How many attempts are there for retries?")[1])
        assert (found["text"], found["model"]) == ("Yes.", spec)
    code, out, _ = run("models")
    assert code == 4
    assert f"  nothing answers at {server.url}; start the server" in out
    assert run("models", "default", "quote")[0] == 0
    assert settings.read_text().startswith('# mine\nk = 5  # few\nmodel = "quote"\n\n[[rules]]')


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ollama:m", "no Ollama answers at"),
        ("transformers:/nowhere/at/all", "no model folder at /nowhere/at/all"),
        ("nonsense", "cannot read model 'nonsense'"),
    ],
)
def test_a_default_that_does_not_open_is_not_set(run: Run, tmp_path: Path, spec: str, message: str) -> None:
    code, out, err = run("models", "default", spec)
    assert (code, out) == (1, "")
    assert message in err
    assert not (tmp_path / "kb" / "lifelong.toml").exists()


def test_a_model_that_opens_and_does_not_answer_is_no_default(run: Run, tmp_path: Path) -> None:
    with LoopbackServer({**SERVED, "/v1/chat/completions": as_json({"error": "no such model"}, 404)}) as server:
        code, _, err = run("models", "default", f"openai:m@{server.url}")
    assert code == 1
    assert "has no model 'm': no such model (status 404); there are: m" in err
    assert not (tmp_path / "kb" / "lifelong.toml").exists()


def test_what_goes_before_the_default_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELONG_MODEL", "ollama:other")
    assert run("models", "default", "quote")[2] == "LIFELONG_MODEL is set to ollama:other, and goes before it\n"


def test_what_is_missing_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run("models", "default")[2] == (
        "lifelong: which model? lifelong models default SPEC; what there is: lifelong models\n"
    )
    assert run("models", "default", "quote", "--delete")[0] == 1
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "none"))
    assert "begin with: lifelong add FOLDER" in run("models", "default", "quote")[2]
    assert run("models")[0] == 0


def test_the_note_about_quoting_leads_here(run: Run) -> None:
    assert run("ask", "How many attempts are there for retries?")[2] == (
        "Quoting from your files, no language model is set. To add one: lifelong models\n"
    )


@pytest.mark.model
def test_models_in_the_hub_cache_are_listed_by_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants
    from tiny_model import save_tiny_model

    for name, has_weights in (("models--some--model", True), ("models--some--half", False)):
        snapshot = tmp_path / "hub" / name / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
        save_tiny_model(snapshot)
        (snapshot.parents[1] / "refs").mkdir()
        (snapshot.parents[1] / "refs" / "main").write_text(snapshot.name)
        if not has_weights:
            (snapshot / "model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "  transformers: transformers:some/model (0.0 GB)\n" in run("models")[1]
    code, out, _ = run("models", "-m", "transformers:some/other")
    assert code == 4
    assert "not on this machine; it would be fetched from the model hub when first asked" in out
