"""What every test may rely on: no network but loopback, no home folder, small real parts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_lifelong.embed import HashEmbedder
from rag_lifelong.knowledge_base import KnowledgeBase

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting anywhere but to this machine raises."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The home folder is an empty one; no setting leaks in."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    own = ("LIFELONG_KB", "LIFELONG_MODEL", "LIFELONG_EMBEDDER", "LIFELONG_RERANKER")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", *own):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shared() -> Path:
    """The folder of real data beside the checkout."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real data (shared/data beside the checkout) is not here")
    return SHARED / "data"


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """A clock that goes on by a minute each time it is read."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def tick() -> datetime:
        nonlocal now
        now += timedelta(minutes=1)
        return now

    return tick


@pytest.fixture
def base(tmp_path: Path, clock: Callable[[], datetime]) -> Iterator[KnowledgeBase]:
    """An empty knowledge base with an embedder that needs no weights."""
    with KnowledgeBase(tmp_path / "kb", embedder=HashEmbedder(64), now=clock) as opened:
        yield opened
