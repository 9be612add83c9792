"""A real OpenAI-compatible server (`transformers serve`) on loopback, serving the tiny model from its folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from serving import free_port, read_whole
from tiny_model import save_tiny_model

from rag_lifelong import open_assistant
from rag_lifelong.cli import main
from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate import LanguageModel, LlamaIndexModel, Message, open_model, prompt_tokens
from rag_lifelong.generate.connection import Address, ask

pytestmark = [pytest.mark.model, pytest.mark.slow]

ASKED = [Message("system", "Be brief."), Message("user", "three attempts of the question ?")]
QUESTION = "How many attempts are there for retries?"
START_S = 180


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), context_tokens=4_096)


def start_server(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server that is ready, and its base URL."""
    port = free_port()
    command = [
        sys.executable, "-c", "from transformers.cli.transformers import main; main()",
        "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    address = Address(f"http://127.0.0.1:{port}")
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            if ask(address, "/health", key=None).status == 200:
                return process, f"{address.url}/v1"
        time.sleep(0.2)
    process.kill()
    raise RuntimeError((home / "log").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process, url = start_server(tmp_path_factory.mktemp("server"))
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(params=["transformers", "openai", "llama_index"])
def model(request: pytest.FixtureRequest, tiny: Path) -> LanguageModel:
    """Every kind of language model there is."""
    if request.param == "llama_index":
        from llama_index.core.llms.mock import MockLLM

        return LlamaIndexModel(MockLLM())  # it repeats what it is told
    where = f"@{request.getfixturevalue('server')}" if request.param == "openai" else ""
    found = open_model(f"{request.param}:{tiny}{where}")
    assert found is not None
    return found


def test_every_kind_keeps_the_protocol(model: LanguageModel, request: pytest.FixtureRequest) -> None:
    assert request.node.callspec.params["model"] in model.name
    assert model.context_tokens >= 2_000
    assert model.count_tokens("") <= 1
    assert model.count_tokens("three attempts of the question") >= 5
    assert prompt_tokens(model, ASKED) > sum(model.count_tokens(message.content) for message in ASKED)
    pieces = list(model.stream(ASKED, max_tokens=12))
    assert len(pieces) > 1, "it comes in pieces"
    assert list(model.stream(ASKED, max_tokens=12)) == pieces
    shorter = "".join(model.stream(ASKED, max_tokens=4))
    assert shorter
    assert "".join(pieces).startswith(shorter.rstrip())


def test_the_server_says_what_the_same_weights_say_here(server: str, tiny: Path) -> None:
    here, there = open_model(f"transformers:{tiny}"), open_model(f"openai:{tiny}@{server}")
    assert here is not None
    assert there is not None
    texts = [read_whole(model.stream(ASKED, max_tokens=24)) for model in (here, there)]  # type: ignore[arg-type]
    assert texts[0][0].split() == texts[1][0].split()
    assert texts[0][0]
    assert texts[0][1] == texts[1][1]


def test_the_assistant_answers_through_the_server(server: str, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Retries\n\nThree attempts for retries, then the queue.\n")
    with open_assistant(tmp_path / "kb", llm=f"openai:{tiny}@{server}", embedder="hash") as assistant:
        assistant.add(tmp_path / "a.md")
        pieces = list(assistant.stream(QUESTION))
        answer = assistant.last_answer
    assert answer is not None
    assert answer.model == f"openai:{tiny}@{server}"
    assert "".join(pieces).strip()


def test_a_model_that_the_server_cannot_find_is_told(server: str) -> None:
    model = open_model(f"openai:/no/such/model@{server}")
    assert model is not None
    with pytest.raises(ModelUnusable) as raised:
        list(model.stream(ASKED, max_tokens=4))
    assert "\n" not in str(raised.value)
    assert "no/such/model" in str(raised.value)


def test_a_server_that_dies_is_told_and_the_next_start_found(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFELONG_KB", str(tmp_path / "kb"))
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    (tmp_path / "a.md").write_text("# Retries\n\nThree attempts for retries, then the queue.\n")
    process, url = start_server(tmp_path)
    words: Sequence[str] = ["ask", "-m", f"openai:{tiny}@{url}", QUESTION]
    assert main(["add", "-q", str(tmp_path / "a.md")]) == 0
    assert main(words) == 0
    process.kill()
    process.wait(30)
    capsys.readouterr()
    assert main(words) == 1
    assert capsys.readouterr().err == (
        f"lifelong: nothing answers at {url}; start the server   (what else there is: lifelong models)\n"
    )
