"""Models behind servers: what is sent, what comes back, and what is said when it does not."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from serving import LoopbackServer, Said, as_json, free_port, read_whole, streamed

from rag_lifelong import open_assistant
from rag_lifelong.errors import AnswerCut, BadSetting, ModelUnusable
from rag_lifelong.generate import DEFAULT_MODEL_SETTINGS, Message, connection, ollama, open_model
from rag_lifelong.generate.connection import Address
from rag_lifelong.generate.server import ServerModel
from rag_lifelong.generate.thoughts import without_thoughts
from rag_lifelong.terminal import as_json as shown_as_json
from rag_lifelong.terminal.render import verdict

ASKED = [Message("system", "Be brief."), Message("user", "Why?")]
LISTED = as_json({"object": "list", "data": [{"id": "m", "max_model_len": 8192}]})
CHAT, MODELS = "/v1/chat/completions", "/v1/models"
HTML = Said(200, "<!doctype html><title>Router</title>", kind="text/html")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OLLAMA_HOST", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackServer]]:
    """Starts servers that end with the test."""
    running: list[LoopbackServer] = []

    def start(chat: Said | list[Said], models: Said | list[Said] = LISTED, **others: Said) -> LoopbackServer:
        replies: dict[str, Said | list[Said]] = {CHAT: chat, MODELS: models}
        running.append(LoopbackServer({**replies, **{f"/{name.replace('__', '/')}": r for name, r in others.items()}}))
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


def opened(server: LoopbackServer, model: str = "m", *, waits: list[float] | None = None) -> ServerModel:
    sleep = (lambda seconds: None) if waits is None else waits.append
    return ServerModel(f"openai:{model}@{server.url}", Address(server.url), model, kind="openai", sleep=sleep)


def test_messages_go_out_and_pieces_come_back(serve: Callable[..., LoopbackServer]) -> None:
    server = serve(streamed("Three ", "attempts", " [1]."))
    model = open_model(f"openai:m@{server.url}")
    assert isinstance(model, ServerModel)
    assert (model.name, model.context_tokens) == (f"openai:m@{server.url}", 8192)
    assert list(model.stream(ASKED, max_tokens=40)) == ["Three ", "attempts", " [1]."]
    assert server.paths() == [MODELS, CHAT]
    assert server.heard[1].sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "stream": True,
        "max_tokens": 40,
        "temperature": 0,
    }
    assert "Authorization" not in server.heard[1].headers


def test_a_limit_is_told_from_an_end(serve: Callable[..., LoopbackServer]) -> None:
    server = serve([streamed("One"), streamed("One", reason="length"), streamed("One", reason=None)])
    model = opened(server)

    ends = [read_whole(model.stream(ASKED, max_tokens=40)) for _ in range(3)]
    assert ends == [("One", None), ("One", "the limit of 40 tokens"), ("One", None)]  # the third says only [DONE]


@pytest.mark.parametrize(
    ("models", "others", "context"),
    [
        ({"data": [{"id": "m", "context_length": 9000}]}, {}, 9000),
        ({"data": [{"id": "n", "context_length": 9000}, {"id": "m", "context_window": 70}]}, {}, 70),
        ({"data": [{"id": "file.gguf", "meta": {"n_ctx_train": 131072}}]},
         {"props": {"default_generation_settings": {"n_ctx": 2048}}}, 2048),  # llama.cpp
        ({"data": [{"id": "m"}]},
         {"api__v0__models": {"data": [{"id": "m", "max_context_length": 32768, "loaded_context_length": 6000}]}}, 6000),
        ({"data": []}, {}, 4096),
    ],
)  # fmt: skip
def test_the_context_is_what_the_server_says(
    serve: Callable[..., LoopbackServer], models: object, others: dict[str, object], context: int
) -> None:
    server = serve(streamed("One"), as_json(models), **{name: as_json(said) for name, said in others.items()})
    assert opened(server).context_tokens == context
    set_by_user = dataclasses.replace(DEFAULT_MODEL_SETTINGS, context_tokens=123)
    model = open_model(f"openai:m@{server.url}", settings=set_by_user)
    assert model is not None
    assert model.context_tokens == 123


# -- what goes wrong, and what to do about it


@pytest.mark.parametrize(
    ("said", "message", "requests"),
    [
        (as_json({"error": {"message": "no key"}}, 401), "wants a key: keep one with: lifelong models key 127.0.0.1:", 1),
        (as_json({"error": {"message": "The model `m` does not exist"}}, 404),
         "has no model 'm': The model `m` does not exist .status 404.; there are: m", 1),
        (as_json({"error": {"message": "Rate limit reached"}}, 429, Retry_After="3600"),
         "takes no more questions now: Rate limit reached .status 429.; ask again in 3600 s", 1),
        (as_json({"error": {"message": "You exceeded it", "code": "insufficient_quota"}}, 429),
         r"You exceeded it \(insufficient_quota\) .*; see your account there", 1),
        (as_json({"detail": "loading"}, 503), r"is in trouble with 'm' \(loading \(status 503\)\)", 4),
        (as_json({"error": {"message": "This model's maximum context length is 512 tokens"}}, 400),
         "the prompt is longer than .* set model_context_tokens in lifelong.toml", 1),
        (as_json({"error": "bad role"}, 422), r"refuses the request: bad role \(status 422\)", 1),
        (Said(500, "Internal Server Error", kind="text/plain"), r"in trouble with 'm' \(Internal Server Error", 4),
        (Said(502, "<html>Bad Gateway", kind="text/html"), r"in trouble with 'm' \(status 502\)", 4),
        (Said(302, headers={"location": "https://elsewhere.example/v1"}),
         "sends on to https://elsewhere.example/v1, which is not followed", 1),
        (Said(404, "<html>nothing</html>", kind="text/html"), "is no OpenAI-compatible server: it answers with a web page", 1),
        (HTML, "is no OpenAI-compatible server: it answers with a web page", 1),
        (streamed(reason=None, is_done=False), "stopped before it answered: the connection was closed", 1),
        (Said(200, 'data: {"error": {"message": "out of memory"}}\n\n', kind="text/event-stream"),
         "stopped before it answered: out of memory", 1),
        (Said(200, 'error: {"code": 500, "message": "no slot"}\n\n', kind="text/event-stream"), "no slot", 1),
        (Said(then="drops"), "has closed the connection before it answered", 2),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_that_says_what_to_do(
    serve: Callable[..., LoopbackServer], said: Said, message: str, requests: int
) -> None:
    server = serve(said)
    model = opened(server)
    with pytest.raises(ModelUnusable, match=message) as raised:
        list(model.stream(ASKED, max_tokens=40))
    assert not isinstance(raised.value, AnswerCut)
    assert "\n" not in str(raised.value)
    assert server.paths().count(CHAT) == requests


@pytest.mark.parametrize("models", [HTML, Said(404, "<html>", kind="text/html"), Said(200, "hello", kind="text/plain")])
def test_another_kind_of_server_is_told_on_opening(serve: Callable[..., LoopbackServer], models: Said) -> None:
    with pytest.raises(ModelUnusable, match="is no OpenAI-compatible server"):
        opened(serve(streamed("One"), models))


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_server_without_a_list_of_models_can_be_asked(serve: Callable[..., LoopbackServer], status: int) -> None:
    server = serve(streamed("One"), as_json({"error": {"message": "not here"}}, status))
    assert list(opened(server).stream(ASKED, max_tokens=40)) == ["One"]


def test_what_passes_is_tried_again_with_longer_pauses(serve: Callable[..., LoopbackServer]) -> None:
    busy = as_json({"error": "busy"}, 503)
    server = serve([busy, busy, as_json({"error": "slow down"}, 429, Retry_After="9"), streamed("One")])
    waits: list[float] = []
    assert list(opened(server, waits=waits).stream(ASKED, max_tokens=40)) == ["One"]
    assert waits == [1.0, 2.0, 9.0]


def test_a_server_being_started_is_waited_for_once() -> None:
    port = free_port()
    address = Address(f"http://127.0.0.1:{port}/v1")
    started: list[LoopbackServer] = []

    def sleep(seconds: float) -> None:
        started.append(LoopbackServer({MODELS: LISTED, CHAT: streamed("One")}, port=port))

    model = ServerModel("openai:m", address, "m", kind="openai", sleep=sleep)
    with started[0]:
        assert list(model.stream(ASKED, max_tokens=40)) == ["One"]
    with pytest.raises(ModelUnusable, match=f"nothing answers at http://127.0.0.1:{port}/v1; start the server"):
        ServerModel("openai:m", address, "m", kind="openai", sleep=lambda seconds: None)


def test_a_parameter_that_a_model_refuses_is_given_as_it_wants_it(serve: Callable[..., LoopbackServer]) -> None:
    no = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    server = serve([as_json({"error": {"message": no, "code": "unsupported_parameter"}}, 400), streamed("One")])
    assert list(opened(server).stream(ASKED, max_tokens=40)) == ["One"]
    sent = server.heard[-1].sent
    assert sent is not None
    assert sent["max_completion_tokens"] == 40
    assert not {"max_tokens", "temperature"} & sent.keys()


def test_a_server_that_does_not_stream_is_read_whole(serve: Callable[..., LoopbackServer]) -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "One."}, "finish_reason": "stop"}]}
    assert list(opened(serve(as_json(whole))).stream(ASKED, max_tokens=40)) == ["One."]


# -- in the middle of an answer


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (streamed("Three ", "attempts", reason=None, then="breaks", is_done=False), "the connection"),
        (streamed("Three ", "attempts", reason=None, is_done=False), "the connection was closed"),
        (Said(200, streamed("Three ", "attempts", reason=None, is_done=False).body + 'data: {"error": "no memory"}\n\n',
              kind="text/event-stream"), "no memory"),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_off_keeps_its_text(serve: Callable[..., LoopbackServer], said: Said, why: str) -> None:
    pieces = opened(serve(said)).stream(ASKED, max_tokens=40)
    assert [next(pieces), next(pieces)] == ["Three ", "attempts"]
    with pytest.raises(AnswerCut, match=f"stopped in the middle of its answer: {why}"):
        next(pieces)


def test_a_cut_answer_is_kept_cited_and_marked(serve: Callable[..., LoopbackServer], tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Retries\n\nThree attempts for retries, then the queue.\n")
    server = serve(streamed("Three attempts [1], th", reason=None, is_done=False))
    with open_assistant(tmp_path / "kb", llm=f"openai:m@{server.url}", embedder="hash") as assistant:
        assistant.add(tmp_path / "a.md")
        answer = assistant.ask("How many attempts are there for retries?")
    why = f"openai:m@{server.url} stopped in the middle of its answer: the connection was closed"
    assert (answer.text, answer.cut, answer.refused) == ("Three attempts [1], th", why, False)
    assert [Path(c.path).name for c in answer.citations] == ["a.md"]
    assert verdict(answer, as_of_time=None).startswith(f"cut off: {why} · ")
    assert json.loads(shown_as_json.written(answer.to_json()))["cut"] == why


def test_silence_is_not_waited_out(serve: Callable[..., LoopbackServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BETWEEN_S", 0.2)
    pieces = opened(serve(streamed("One", reason=None, then="hangs", is_done=False))).stream(ASKED, max_tokens=40)
    assert next(pieces) == "One"
    began = time.monotonic()
    with pytest.raises(AnswerCut, match="went silent in the middle of its answer"):
        next(pieces)
    assert 0.1 < time.monotonic() - began < 5


def test_the_first_piece_may_take_longer_than_the_next(
    serve: Callable[..., LoopbackServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BETWEEN_S", 60.0)
    server = serve(Said(200, ": still reading\n\n", kind="text/event-stream", then="hangs"))
    settings = dataclasses.replace(DEFAULT_MODEL_SETTINGS, wait_s=1)
    model = ServerModel("openai:m", Address(server.url), "m", kind="openai", settings=settings)
    began = time.monotonic()
    with pytest.raises(ModelUnusable, match=r"has not begun to answer within 1 s; .* model_wait_s"):
        next(model.stream(ASKED, max_tokens=40))
    assert 0.9 < time.monotonic() - began < 6


def test_closing_the_iterator_closes_the_connection(serve: Callable[..., LoopbackServer]) -> None:
    server = serve(streamed("One", reason=None, then="hangs", is_done=False))
    pieces = opened(server).stream(ASKED, max_tokens=40)
    assert next(pieces) == "One"
    assert not server.was_left.is_set()
    pieces.close()
    assert server.was_left.wait(5)


# -- who is spoken to


def test_no_proxy_is_used_for_this_machine_nor_without_https(
    serve: Callable[..., LoopbackServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    assert list(opened(serve(streamed("One"))).stream(ASKED, max_tokens=40)) == ["One"]
    by_proxy = connection._connection(Address("https://api.example/v1"))
    assert (by_proxy.host, by_proxy.port, by_proxy._tunnel_host) == ("proxy.example", 3128, "api.example")  # type: ignore[attr-defined]
    here = connection._connection(Address("https://127.0.0.1:8443/v1"))
    assert (here.host, here.port) == ("127.0.0.1", 8443)
    monkeypatch.setenv("no_proxy", "api.example")
    assert connection._connection(Address("https://api.example/v1")).host == "api.example"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openai:", "cannot read model 'openai:'"),
        ("openai:m@localhost:8000", "the address with http:// or https://"),
        ("openai:m@ftp://host/v1", "the address with http:// or https://"),
        ("openai:m@http://", "is no server's address"),
        ("openai:m@http://host:x/v1", "cannot be read"),
        ("openai:m@http://host/v1?key=1", "holds no user, key"),
    ],
)
def test_a_malformed_address_is_told(spec: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        open_model(spec)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("gpu.lan", "http://gpu.lan:11434"),
        ("http://gpu.lan", "http://gpu.lan:80"),
        ("https://gpu.lan/ollama/", "https://gpu.lan:443/ollama"),
        ("[::1]:9", "http://[::1]:9"),
    ],
)
def test_ollama_is_where_its_own_variable_says(monkeypatch: pytest.MonkeyPatch, said: str, url: str) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    assert ollama.address().url == url


@pytest.mark.parametrize(
    ("running", "told", "context"),
    [
        ([{"name": "m:latest", "context_length": 16384}], {"parameters": "num_ctx 8192"}, 16384),
        ([{"name": "other", "context_length": 16384}], {"parameters": 'stop "x"\nnum_ctx                 8192'}, 8192),
        ([], {"model_info": {"llama.context_length": 131072}}, 4096),  # what it is run with unless told otherwise
        ([], {"model_info": {"gpt2.context_length": 1024}}, 1024),
    ],
)
def test_ollama_reads_what_it_is_run_with(
    monkeypatch: pytest.MonkeyPatch, running: object, told: object, context: int
) -> None:
    replies = {"/api/show": as_json(told), "/api/ps": as_json({"models": running}), CHAT: streamed("One")}
    with LoopbackServer(replies) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        model = open_model("ollama:m")
        assert model is not None
        assert (model.name, model.context_tokens) == ("ollama:m", context)
        assert list(model.stream(ASKED, max_tokens=40)) == ["One"]


def test_a_model_that_ollama_has_not_is_to_be_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {
        "/api/show": as_json({"error": "model 'm' not found"}, 404),
        "/api/tags": as_json({"models": [{"name": "qwen3:4b"}]}),
    }
    with LoopbackServer(replies) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        with pytest.raises(ModelUnusable, match="get it with: ollama pull m; there are: qwen3:4b"):
            open_model("ollama:m")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    with pytest.raises(ModelUnusable, match="start it with: ollama serve"):
        open_model("ollama:m")


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["Three", " attempts"], "Three attempts"),
        (["<think>", "Hm. ", "[1]?</th", "ink>\n\n", "Three"], "Three"),
        (["<", "b> bold"], "<b> bold"),
        (["<thi", "s"], "<this"),
        (["\n<think>Hm.</think>"], ""),
        (["<think>never over"], ""),
        (["a <think>b</think>"], "a <think>b</think>"),
    ],
)
def test_what_is_thought_aloud_is_no_answer(pieces: list[str], kept: str) -> None:
    def come() -> Generator[str, None, str | None]:
        yield from pieces
        return "the limit"

    assert read_whole(without_thoughts(come())) == (kept, "the limit")
