"""Keys go to their own server and nowhere else: no file, no log, no error, no traceback."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError
from serving import LoopbackServer, as_json, streamed

from rag_lifelong.cli import main
from rag_lifelong.errors import BadSetting, KeyringUnusable, ModelUnusable
from rag_lifelong.generate import Message, keys, open_model
from rag_lifelong.terminal.crash import write_log
from rag_lifelong.terminal.logs import log_to

SECRET = "sk-never-to-be-seen-0123456789"
ASKED = [Message("user", "Why?")]
LISTED = as_json({"data": [{"id": "m", "max_model_len": 4096}]})


class Drawer(KeyringBackend):
    """A keyring in memory, at the border to the operating system."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append(username)
        if self.is_locked:
            raise KeyringLocked("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError(username)
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    before = keyring.get_keyring()
    made = Drawer()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def no_keyring() -> Iterator[None]:
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    yield
    keyring.set_keyring(before)


def closed_server(**replies: object) -> LoopbackServer:
    """It wants SECRET."""
    return LoopbackServer({"/v1/models": LISTED, "/v1/chat/completions": streamed("One"), **replies})  # type: ignore[dict-item]


def test_a_variable_is_named_by_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.variable_of("api.mistral.ai") == "LIFELONG_KEY_API_MISTRAL_AI"
    assert keys.variable_of("127.0.0.1:8000") == "LIFELONG_KEY_127_0_0_1_8000"
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRET}\n")
    found = keys.from_environment("api.openai.com")
    assert found is not None
    assert (found.secret, found.origin) == (SECRET, "OPENAI_API_KEY")
    assert keys.from_environment("api.mistral.ai") is None, "another's key is sent to nobody else"
    monkeypatch.setenv("LIFELONG_KEY_API_OPENAI_COM", "another-key")
    assert keys.from_environment("api.openai.com") == keys.Key("another-key", "LIFELONG_KEY_API_OPENAI_COM")


def test_a_key_goes_to_its_own_server_and_to_no_other(monkeypatch: pytest.MonkeyPatch, no_keyring: None) -> None:
    with closed_server() as own, closed_server() as other:
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        monkeypatch.setenv(keys.variable_of(f"127.0.0.1:{own.port}"), "its-own-key")
        for server in (own, other):
            model = open_model(f"openai:m@{server.url}")
            assert model is not None
            assert list(model.stream(ASKED, max_tokens=9)) == ["One"]
        assert [h.headers.get("Authorization") for h in own.heard] == ["Bearer its-own-key"] * 2
        assert [h.headers.get("Authorization") for h in other.heard] == [None, None]


def test_the_keyring_is_asked_only_when_a_server_here_wants_a_key(drawer: Drawer) -> None:
    with closed_server() as server:
        open_model(f"openai:m@{server.url}")
        assert drawer.asked == []
        server.replies["/v1/models"] = [as_json({"error": "no key"}, 401), LISTED]
        drawer.kept["lifelong", f"127.0.0.1:{server.port}"] = SECRET
        model = open_model(f"openai:m@{server.url}")
        assert model is not None
        assert list(model.stream(ASKED, max_tokens=9)) == ["One"]
        assert [h.headers.get("Authorization") for h in server.heard[-2:]] == [f"Bearer {SECRET}"] * 2


def test_a_key_that_can_be_none_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, drawer: Drawer) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\nX-Injected: 1")
    with pytest.raises(ModelUnusable, match="OPENAI_API_KEY holds what no key does") as raised:
        keys.from_environment("api.openai.com")
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    with pytest.raises(BadSetting, match="that is no key"):
        keys.keep("api.openai.com", "schlüssel-mit-umlaut")
    assert drawer.kept == {}


# -- where it must not be


@pytest.mark.parametrize("status", [401, 403, 400, 429, 500])
def test_no_error_holds_a_key_even_if_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, no_keyring: None, status: int
) -> None:
    with closed_server() as server:
        monkeypatch.setenv(keys.variable_of(f"127.0.0.1:{server.port}"), SECRET)
        model = open_model(f"openai:m@{server.url}")
        assert model is not None
        monkeypatch.setattr(model, "_sleep", lambda seconds: None)
        said = {"error": {"message": f"Incorrect API key provided: {SECRET}."}}
        server.replies["/v1/chat/completions"] = [as_json(said, status)]
        with pytest.raises(ModelUnusable, match=r"Incorrect API key provided: …\.") as raised:
            list(model.stream(ASKED, max_tokens=9))
    found = raised.value
    shown = "".join(traceback.TracebackException.from_exception(found, capture_locals=False).format())
    assert SECRET not in f"{found!r} {found} {shown} {model!r} {model._server!r}"  # type: ignore[attr-defined]
    if status in (401, 403):
        assert f"refuses the key from LIFELONG_KEY_127_0_0_1_{server.port}: " in str(found)


def test_no_log_holds_a_key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), closed_server() as server:
        monkeypatch.setenv(keys.variable_of(f"127.0.0.1:{server.port}"), SECRET)
        model = open_model(f"openai:m@{server.url}")
        assert model is not None
        list(model.stream(ASKED, max_tokens=9))
    assert SECRET not in caplog.text
    stream, root = io.StringIO(), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    log_to(stream, is_verbose=False)
    logging.getLogger("another").warning("header: Bearer %s", SECRET)
    assert stream.getvalue() == "lifelong: header: Bearer …\n"


def test_a_report_of_a_bug_holds_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drawer: Drawer) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    drawer.kept["lifelong", "api.example"] = "kept-in-the-keyring"
    keys.from_keyring("api.example")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    words = ["ask", "-m", "openai:m@https://user:pass-word@api.example/v1", SECRET]
    try:
        raise RuntimeError(f"a bug with {SECRET} and kept-in-the-keyring")
    except RuntimeError as error:
        text = write_log(error, words, now=datetime(2026, 1, 1, tzinfo=UTC)).read_text()
    assert "a bug with … and …" in text
    for secret in (SECRET, "kept-in-the-keyring", "pass-word"):
        assert secret not in text


def test_no_file_holds_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("# Retries\n\nThree attempts for retries, then the queue.\n")
    kb = tmp_path / "kb"
    monkeypatch.setenv("LIFELONG_EMBEDDER", "hash")
    with closed_server() as server:
        monkeypatch.setenv(keys.variable_of(f"127.0.0.1:{server.port}"), SECRET)
        spec = f"openai:m@{server.url}"
        assert main(["--kb", str(kb), "add", str(tmp_path / "a.md")]) == 0
        assert main(["--kb", str(kb), "models", "default", spec]) == 0
        assert main(["--kb", str(kb), "ask", "How many attempts are there for retries?"]) == 0
        assert main(["--kb", str(kb), "ask", "-v", "--json", "How many attempts are there for retries?"]) == 0
        assert main(["--kb", str(kb), "models", "--json"]) == 0
    assert server.heard[-1].headers["Authorization"] == f"Bearer {SECRET}"
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kb / "lifelong.toml" in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


# -- lifelong models key


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_key_is_read_from_a_pipe_kept_and_deleted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawer: Drawer
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    kept = (
        "The key for api.openai.com is in the keyring. Take it out again: lifelong models key api.openai.com --delete\n"
    )
    assert run(capsys, "models", "key", "openai") == (0, kept, "")
    assert drawer.kept == {("lifelong", "api.openai.com"): SECRET}
    code, out, _ = run(capsys, "models", "key", "api.openai.com", "--delete", "--json")
    assert (code, json.loads(out)) == (0, {"place": "api.openai.com", "did": "deleted"})
    assert drawer.kept == {}
    assert run(capsys, "models", "key", "openai", "--delete")[:2] == (
        4, "The keyring holds no key for api.openai.com.\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("openai", "api.openai.com"),
        ("openai:gpt-5", "api.openai.com"),
        ("api.mistral.ai", "api.mistral.ai"),
        ("https://api.mistral.ai/v1", "api.mistral.ai"),
        ("openai:m@http://gpu.lan:8000/v1", "gpu.lan:8000"),
        ("localhost:8000", "localhost:8000"),
    ],
)
def test_whose_key_it_is_can_be_said_in_many_ways(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawer: Drawer, name: str, place: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    assert run(capsys, "models", "key", name)[0] == 0
    assert drawer.kept == {("lifelong", place): SECRET}


def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], drawer: Drawer
) -> None:
    code, out, err = run(capsys, "models", "key", "openai", SECRET)
    assert (code, out) == (1, "")
    assert "a key is never written on the command line" in err
    assert SECRET not in err
    assert drawer.kept == {}


def test_without_a_keyring_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_keyring: None
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    said = "lifelong: this system has no keyring to keep keys in; set LIFELONG_KEY_API_MISTRAL_AI in the environment instead\n"
    assert run(capsys, "models", "key", "api.mistral.ai") == (1, "", said)
    assert keys.from_keyring("api.mistral.ai") is None


def test_a_locked_keyring_is_told_when_a_key_is_kept_and_no_fault_when_one_is_looked_for(drawer: Drawer) -> None:
    drawer.is_locked = True
    with pytest.raises(KeyringUnusable, match="unlock it, or set LIFELONG_KEY_API_MISTRAL_AI"):
        keys.stored("api.mistral.ai")
    assert keys.from_keyring("api.mistral.ai") is None


def test_a_key_is_typed_without_echo(tmp_path: Path) -> None:
    import os
    import sys

    import pexpect

    program = (
        "import sys, keyring; from keyring.backend import KeyringBackend\n"
        "class Drawer(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, s, u): return None\n"
        f"    def set_password(self, s, u, p): open({str(tmp_path / 'kept')!r}, 'w').write(p)\n"
        "    def delete_password(self, s, u): pass\n"
        "keyring.set_keyring(Drawer())\n"
        "from rag_lifelong.cli import main\n"
        "sys.exit(main(['models', 'key', 'openai']))"
    )
    child = pexpect.spawn(sys.executable, ["-c", program], encoding="utf-8", timeout=60, env=dict(os.environ))
    child.expect("Key for api.openai.com .not shown.: ")
    child.sendline(SECRET)
    child.expect("is in the keyring")
    before = child.before or ""
    child.expect(pexpect.EOF)
    assert (tmp_path / "kept").read_text() == SECRET
    assert SECRET not in before + (child.before or "")
