"""What Tab offers in a chat: commands, stored paths, versions, models.

Rule: looked up when Tab is pressed, so that it is what is there then; a name that could drive a terminal is made safe.
"""

from __future__ import annotations

from collections.abc import Iterator

from rag_lifelong.session.guide import HELP
from rag_lifelong.session.naming import shortest
from rag_lifelong.session.state import Session
from rag_lifelong.terminal.prompting import MOST, Offers
from rag_lifelong.terminal.style import safe_line, short_path


def offers(session: Session) -> Offers:
    """For one chat."""

    def stored() -> list[str]:
        return [short_path(document.path) for document in session.assistant.documents()]

    def named() -> list[str]:
        paths = [document.path for document in session.assistant.documents()]
        tails = [shortest(path, paths) for path in paths] if len(paths) <= MOST else [short_path(p) for p in paths]
        return [safe_line(tail) for tail in tails]

    def versions() -> Iterator[tuple[str, str]]:
        for version in session.assistant.versions(MOST):
            yield str(version.number), f"{version.at.astimezone():%Y-%m-%d %H:%M} {safe_line(version.cause)}"

    def numbers() -> Iterator[tuple[str, str]]:
        for number, found in enumerate(session.shown, start=1):
            yield str(number), short_path(found.path)

    def chats() -> Iterator[tuple[str, str]]:
        for chat in session.assistant.chats():
            yield str(chat.id), safe_line(chat.title)

    def models() -> list[tuple[str, str]]:
        return [("quote", "from your files, without a model"), ("transformers:", "a local folder, or a name")]

    return Offers(
        commands=HELP,
        words={
            "/asof": versions,
            "/diff": versions,
            "/open": numbers,
            "/why": numbers,
            "/model": models,
            "/retry": models,
            "/resume": chats,
            "/help": lambda: [(typed.partition(" ")[0], purpose) for typed, purpose in HELP],
        },
        paths=dict.fromkeys(("/forget", "/status", "/history", "/in"), stored),
        named=named,
        on_disk=frozenset({"/add", "/save"}),
    )
