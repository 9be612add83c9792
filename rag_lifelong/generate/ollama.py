"""Where Ollama is, what it has, and how much a model there reads.

Rule: Ollama cuts longer prompts without a word, so its context is what it is run with, not what the model could do.
"""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from rag_lifelong.generate.connection import Address, Reply, ask
from rag_lifelong.generate.language_model import DEFAULT_CONTEXT_TOKENS

PORT = 11434
_SET = re.compile(r"^num_ctx\s+(\d+)\s*$", re.M)


def address() -> Address:
    """From OLLAMA_HOST as Ollama reads it, else this machine. Raises BadSetting."""
    given = os.environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    scheme, found, rest = given.partition("://")
    if not found:
        scheme, rest = "http", given
    place, slash, path = rest.partition("/")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return Address(given)  # says what is wrong with it
    if host in ("0.0.0.0", "::"):  # where it listens: everywhere, so here too
        host = "127.0.0.1"
    if port is None:
        port = PORT if not found else 443 if scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    user = parts.netloc.rpartition("@")[0]  # refused there, and not shown
    return Address(f"{scheme}://{user}{'@' if user else ''}{shown}:{port}{slash}{path}".rstrip("/"))


def models(at: Address, *, wait_s: float) -> tuple[str, ...]:
    """The names of the models it has. Raises OSError or http.client.HTTPException if it is not there."""
    reply = ask(at, "/api/tags", key=None, wait_s=wait_s)
    found = reply.content.get("models") if isinstance(reply.content, Mapping) else None
    if not isinstance(found, list):
        raise http.client.HTTPException("no list of models")
    return tuple(str(entry["name"]) for entry in found if isinstance(entry, Mapping) and "name" in entry)


def shown(at: Address, model: str, *, key: str | None) -> Reply:
    """What Ollama says of a model; status 404 if it has none of that name."""
    return ask(at, "/api/show", key=key, sent={"model": model})


def context_tokens(at: Address, model: str, told: object, *, key: str | None) -> int:
    """What the model reads as it runs, or else will be run with. told: what `shown` has given."""
    running = ask(at, "/api/ps", key=key).content
    entries = running.get("models") if isinstance(running, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and entry.get("name") in (model, f"{model}:latest"):
            length = entry.get("context_length")
            if isinstance(length, int) and length > 0:
                return length
    if not isinstance(told, Mapping):
        return DEFAULT_CONTEXT_TOKENS
    own = _SET.search(str(told.get("parameters") or ""))
    if own is not None:
        return int(own[1])
    facts = told.get("model_info")
    lengths = [
        value
        for name, value in (facts.items() if isinstance(facts, Mapping) else ())
        if str(name).endswith(".context_length") and isinstance(value, int)
    ]
    return min([DEFAULT_CONTEXT_TOKENS, *lengths])
