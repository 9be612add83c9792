"""A server on loopback that fails as it is told to: what cannot be had from a real one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Said:
    """One reply. body: sent as it is. then: "ends" it as HTTP does, "breaks" the connection, or "hangs"."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    then: str = "ends"


@dataclass(frozen=True)
class Heard:
    path: str
    headers: dict[str, str]
    sent: dict[str, object] | None


def as_json(content: object, status: int = 200, **headers: str) -> Said:
    return Said(status, json.dumps(content), {name.replace("_", "-"): value for name, value in headers.items()})


def streamed(*pieces: str, reason: str | None = "stop", then: str = "ends", is_done: bool = True) -> Said:
    """An answer as it comes: each piece an event."""
    events = [json.dumps({"choices": [{"delta": {"content": piece}, "finish_reason": None}]}) for piece in pieces]
    if reason is not None:
        events.append(json.dumps({"choices": [{"delta": {}, "finish_reason": reason}]}))
    lines = [f"data: {event}\n\n" for event in events] + (["data: [DONE]\n\n"] if is_done else [])
    return Said(200, "".join(lines), kind="text/event-stream", then=then)


class LoopbackServer:
    """Replies to each path in turn; the last reply to a path stays. What it was asked is in `heard`."""

    def __init__(self, replies: dict[str, Said | Sequence[Said]], *, port: int = 0) -> None:
        self.replies = {p: [r] if isinstance(r, Said) else list(r) for p, r in replies.items()}
        self.heard: list[Heard] = []
        self.released = threading.Event()
        self.was_left = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words: object) -> None: ...

            def do_GET(self) -> None:
                outer._answer(self)

            def do_POST(self) -> None:
                outer._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [heard.path for heard in self.heard]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.heard.append(Heard(handler.path, dict(handler.headers.items()), json.loads(raw) if raw else None))
        waiting = self.replies.get(handler.path, [as_json({"error": "no such path"}, 404)])
        said = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        handler.close_connection = True
        if said.then == "drops":
            return
        handler.send_response(said.status)
        for name, value in {"content-type": said.kind, "transfer-encoding": "chunked", **said.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        body = said.body.encode()
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) if body else b"")
        handler.wfile.flush()
        if said.then == "hangs":
            handler.connection.settimeout(20)
            try:
                if handler.connection.recv(1) == b"":
                    self.was_left.set()
            except OSError:
                self.was_left.set()
        elif said.then == "ends":
            handler.wfile.write(b"0\r\n\r\n")


def read_whole(pieces: Generator[str, None, str | None]) -> tuple[str, str | None]:
    """All the text, and why it ends early."""
    text = ""
    while True:
        try:
            text += next(pieces)
        except StopIteration as end:
            return text, end.value


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
