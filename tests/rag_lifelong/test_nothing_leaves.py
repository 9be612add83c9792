"""Nothing leaves the machine: what the program asks of the network, as the interpreter and the kernel see it.

Every Python process of a run, children too, writes down each look-up and each connection (audit hooks, which no library
can go around from Python). Where `strace` is there, the kernel's own account covers native code as well.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import LoopbackServer, as_json, streamed

ROOT = Path(__file__).resolve().parents[2]

HOOK = """
import os, sys
_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto",
           "socket.sendmsg", "socket.getnameinfo", "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect")

def _hook(event, arguments):
    if event in _EVENTS:
        address = arguments[1] if event.startswith("socket.") and event.endswith(("connect", "sendto", "sendmsg")) else arguments
        with open(os.environ["SEEN"], "a") as file:
            file.write(f"{event} {address!r}\\n")

sys.addaudithook(_hook)
"""

EVERYTHING = """
import io, sys, time
from pathlib import Path
from rag_lifelong import open_assistant
from rag_lifelong.assistant import restore
from rag_lifelong.cli import main
from rag_lifelong.evaluate import replay
from rag_lifelong.staleness import Rule

notes, work = Path(sys.argv[1]), Path(sys.argv[2])
kb = work / "kb"
with open_assistant(kb, embedder=EMBEDDER) as assistant:
    assistant.add(notes)
    assert not assistant.ask("How many attempts are there for retries?").refused
    assert assistant.ask("Who is the queen of the moon?").refused
    assert assistant.search("retries")
    watcher = assistant.watch(notes, settle_ms=10)
    (notes / "new.md").write_text("The new limit is five attempts.")
    deadline = time.monotonic() + 30
    while len(assistant.versions()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    watcher.stop()
    assert len(assistant.versions()) == 2, "it was watched"
    (notes / "a.md").write_text("There are four attempts for retries.")
    assistant.sync(notes)
    assistant.ask("How many attempts are there for retries?", as_of=1)
    assistant.undo()
    assistant.forget(notes / "new.md")
    assistant.conflicts()
    assistant.check(), assistant.status(), assistant.folders(), assistant.rules()
    assistant.backup(work / "copy.lifelong")
    assistant.export(work / "export")
    assistant.rebuild()
    assistant.pruning_plan(keep_last=1)
    with assistant.chat() as talk:
        talk.ask("How many attempts are there for retries?")
        talk.ask("And for it?")
        talk.rate(True, "yes")
    assistant.remember("Retries are decided until the audit.")
    assistant.remember("answer in German", always=True)
    replay(assistant)
    assistant.as_query_engine().query("How many attempts are there for retries?")
    assistant.export_chat(1), assistant.delete_chat(1)
restore(work / "copy.lifelong", work / "second")
for words in (["ask", "attempts for retries?"], ["search", "--explain", "retries"], ["status"], ["check"], ["list"],
              ["versions"], ["diff", "1", "2"], ["config"], ["evaluate"], ["chat"], ["chats"], ["replay"], ["remember", "x"], ["remember", "--list"], ["--version"]):
    sys.stdin = io.StringIO("How many attempts are there for retries?\\n/why\\n/status\\n/quit\\n")
    code = main(words if words == ["--version"] else ["--kb", str(kb), *words])
    assert code in (0, 1, 4), (words, code)
"""

HUBS = """
import huggingface_hub, sentence_transformers, tokenizers, torch, transformers
import llama_index.core
from huggingface_hub import constants
"""


def run(code: str, tmp_path: Path, *, arguments: list[str], strace: bool = False) -> list[str]:
    """The network events of a run of `code`, child processes included, in order."""
    hooks = tmp_path / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(HOOK)
    seen = tmp_path / "seen"
    seen.touch()
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LIFELONG", "TRANSFORMERS"))
    }
    environment = kept | {"PYTHONPATH": f"{hooks}{os.pathsep}{ROOT}", "SEEN": str(seen), "HOME": str(home)}
    command = [sys.executable, "-c", code, *arguments]
    trace = tmp_path / "trace"
    if strace:
        command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace), *command]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    events = seen.read_text().splitlines()
    if strace:
        events += [line for line in trace.read_text().splitlines() if re.search(r"AF_INET6?\b", line)]
    return events


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Retries\n\nThere are three attempts for retries. ![x](http://192.0.2.7/x.png)\n")
    (folder / "b.html").write_text('<html><img src="http://192.0.2.7/x.png"><link rel=stylesheet href="http://192.0.2.7/s.css">'
                                   "<p>Retries back off.</p></html>")  # fmt: skip
    return folder


def test_the_recorder_records(tmp_path: Path) -> None:
    """A look-up and a connection, in a child of the process too: else the tests below could not fail."""
    code = """
import socket, subprocess, sys
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError:
    pass
if len(sys.argv) == 1:
    subprocess.run([sys.executable, "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))"])
"""
    events = run(code, tmp_path, arguments=[])
    assert [event.split()[0] for event in events] == ["socket.getaddrinfo", "socket.connect", "socket.sendto"]


def test_nothing_leaves_whatever_is_done(tmp_path: Path, notes: Path) -> None:
    code = EVERYTHING.replace("EMBEDDER", '"hash"')
    assert run(code, tmp_path, arguments=[str(notes), str(tmp_path)]) == []


@pytest.mark.slow
def test_the_kernel_sees_nothing_leave(tmp_path: Path, notes: Path) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not here, or may not trace")
    probe = run("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", tmp_path, arguments=[], strace=True)
    assert [line for line in probe if "connect(" in line and "AF_INET" in line], "it sees what is done"
    (tmp_path / "seen").unlink()
    code = EVERYTHING.replace("EMBEDDER", '"hash"')
    assert run(code, tmp_path, arguments=[str(notes), str(tmp_path)], strace=True) == []


@pytest.mark.model
def test_nothing_leaves_with_real_weights_and_the_hubs_libraries(tmp_path: Path, notes: Path) -> None:
    code = HUBS + EVERYTHING.replace("EMBEDDER", "None")
    assert run(code, tmp_path, arguments=[str(notes), str(tmp_path)]) == []


WITH_A_SERVER = """
import sys
from pathlib import Path
from rag_lifelong import open_assistant

notes, work, spec = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with open_assistant(work / "kb", llm=spec, embedder="hash") as assistant:
    assistant.add(notes)
    answer = assistant.ask("How many attempts are there for retries?")
    assert answer.model == spec
    assert answer.unsupported == ("See http://192.0.2.7/x for 99 more [1].",), answer
    assert assistant.ask("Who is the queen of the moon?").refused
"""


def test_of_all_machines_only_the_server_named_is_contacted(tmp_path: Path, notes: Path) -> None:
    """Though the documents and the model's answer hold addresses of others."""
    said = streamed("There are three attempts [1].", " See http://192.0.2.7/x for 99 more [1].")
    listed = as_json({"object": "list", "data": [{"id": "m", "max_model_len": 8192}]})
    with LoopbackServer({"/v1/chat/completions": said, "/v1/models": listed}) as server:
        arguments = [str(notes), str(tmp_path), f"openai:m@{server.url}"]
        events = run(WITH_A_SERVER, tmp_path, arguments=arguments)
        asked = [heard for heard in server.heard if heard.path == "/v1/chat/completions"]
    assert len(asked) == 1, "a question that the sources do not answer is not sent"
    reached = [event for event in events if event.startswith("socket.connect ")]
    assert reached and all(f"('127.0.0.1', {server.port})" in event for event in reached)
    others = [event for event in events if str(server.port) not in event]
    assert others == []
