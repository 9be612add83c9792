"""`lifelong models`: which language model answers, what else is there, how to get one, and the keys.

Rule: the knowledge base is not opened. A key is read without echo, and never shown. Nobody is asked but Ollama at its
address and the server that the settings name.
"""

from __future__ import annotations

import getpass
import http.client
import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from rag_lifelong import settings_file
from rag_lifelong.config import (
    ENVIRONMENT,
    FILE_NAME,
    Setting,
    is_knowledge_base,
    knowledge_base_path,
    load_config,
    model_settings,
    settings_of,
)
from rag_lifelong.errors import BadSetting, KnowledgeBaseMissing, LifelongError, NotConfirmed
from rag_lifelong.generate import Message, ModelSettings, keys, open_model
from rag_lifelong.generate import ollama as ollama_at
from rag_lifelong.generate.connection import Address
from rag_lifelong.generate.specs import address_of, split_spec
from rag_lifelong.local_models import Cached, cached_language_models, model_folder
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.style import safe_line, short_path

_LOOK_S = 2.0  # for an Ollama that may not be there
_SHOWN = 8

_GET = """\
To get one
  Ollama (ollama.com)         ollama pull qwen3:4b
                              lifelong models default ollama:qwen3:4b
  a folder with weights       lifelong models default transformers:FOLDER
  llama.cpp, vLLM, LM Studio  lifelong models default openai:NAME@http://127.0.0.1:PORT/v1
  a hosted service            lifelong models key HOST
                              lifelong models default openai:NAME@https://HOST/v1
For one question only: lifelong ask -m SPEC "…"   To quote again: lifelong models default quote
Beside a folder with weights, what is stable and used can be distilled: lifelong distill"""


def models(options: Namespace) -> Outcome:
    """Does what `options.action` says: shows, sets the default, or keeps a key."""
    words = options.words
    if len(words) > 1:  # not repeated: it may be a key
        raise BadSetting("one name at a time; a key is never written on the command line, it is asked for")
    if options.action == "key":
        return _key(words[0] if words else "openai", is_leaving=bool(options.delete))
    if options.delete:
        raise BadSetting("--delete takes a key out of the keyring: lifelong models key HOST --delete")
    path = knowledge_base_path(options.kb)
    if options.action == "default":
        if not words:
            raise BadSetting("which model? lifelong models default SPEC; what there is: lifelong models")
        return _default(path, words[0])
    return _shown(path, options.model)


def _shown(path: Path, given: str | None) -> Outcome:
    """given: a SPEC to look at instead of the one set."""
    setting = next(s for s in settings_of(path) if s.name == "model")
    if given is not None:
        setting = Setting("model", given, "-m")
    spec, config = str(setting.value), load_config(path)
    is_usable, said, context = _looked_at(spec, model_settings(config))
    at = ollama_at.address()
    pulled = _pulled(at)
    cached = cached_language_models()
    origin = "default" if setting.origin == "default" else f"from {short_path(setting.origin)}"
    lines = [f"In use: {safe_line(keys.hidden(spec))} ({origin})", f"  {safe_line(said)}", ""]
    lines += ["On this machine", f"  {_about_ollama(at, pulled)}", f"  {_about_cached(cached)}"]
    variables = _variables()
    if variables:
        lines.append(f"  keys in the environment: {', '.join(variables)}")
    found = {
        "model": keys.hidden(spec),
        "origin": setting.origin,
        "is_usable": is_usable,
        "said": said,
        "context_tokens": context,
        "ollama": {"url": at.url, "models": None if pulled is None else list(pulled)},
        "cached": [{"name": model.name, "size_bytes": model.size_bytes} for model in cached],
        "key_variables": list(variables),
    }
    return Outcome("\n".join([*lines, "", _GET]), found, DONE if is_usable else NOTHING, "")


def _looked_at(spec: str, settings: ModelSettings) -> tuple[bool, str, int | None]:
    """Whether it can be used, in words, and how much it reads. A local model is not loaded for that."""
    if spec == "quote":
        return True, "no language model: answers are quoted from your files", None
    try:
        kind, name = split_spec(spec)
        if kind == "transformers":
            folder = model_folder(os.path.expanduser(name), family="")
            if folder is None:
                return False, "not on this machine; it would be fetched from the model hub when first asked", None
            return True, f"on this machine: {short_path(str(folder))}", None
        model = open_model(spec, settings=settings)
    except LifelongError as error:
        return False, str(error), None
    assert model is not None
    address = address_of(spec)
    goes = "" if address is None or address.is_here else f"; questions and the passages found go to {address.host}"
    return True, f"it answers, and reads {model.context_tokens:,} tokens{goes}", model.context_tokens


def _pulled(at: Address) -> tuple[str, ...] | None:
    """What Ollama has; None if it is not there."""
    try:
        return ollama_at.models(at, wait_s=_LOOK_S)
    except (OSError, http.client.HTTPException):
        return None


def _about_ollama(at: Address, pulled: tuple[str, ...] | None) -> str:
    if pulled is None:
        return f"Ollama: none at {at.url}"
    if not pulled:
        return f"Ollama at {at.url}: no model yet"
    return f"Ollama at {at.url}: {_some(tuple(f'ollama:{name}' for name in pulled))}"


def _about_cached(cached: tuple[Cached, ...]) -> str:
    if not cached:
        return "transformers: none in the Hugging Face cache"
    return f"transformers: {_some(tuple(f'transformers:{m.name} ({m.size_bytes / 1e9:.1f} GB)' for m in cached))}"


def _some(names: tuple[str, ...]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return safe_line(", ".join(names[:_SHOWN]) + more)


def _variables() -> tuple[str, ...]:
    """The variables that hold keys."""
    return tuple(sorted(name for name, value in os.environ.items() if value and keys.is_variable(name)))


def _default(path: Path, spec: str) -> Outcome:
    """Set only where it opens, and a server has answered."""
    if not is_knowledge_base(path):
        raise KnowledgeBaseMissing(f"no knowledge base at {short_path(str(path))}; begin with: lifelong add FOLDER")
    settings = model_settings(load_config(path))
    began = time.monotonic()
    model = open_model(spec, settings=settings)
    if model is not None:
        for _ in model.stream([Message("user", "Say yes.")], max_tokens=8):
            break
    took = time.monotonic() - began
    settings_file.put(path / FILE_NAME, "model", spec)
    address = address_of(spec)
    said = "Answers are quoted from your files" if model is None else f"{safe_line(model.name)} words the answers"
    text = f"{said} from now on: set in {short_path(str(path / FILE_NAME))}."
    if model is not None:
        text += (
            f"\nIt was asked once, and began to answer after {took:.1f} s. It reads {model.context_tokens:,} tokens."
        )
    if address is not None and not address.is_here:
        text += f"\nQuestions and the passages found for them go to {address.host} with each question."
    shadow = os.environ.get(ENVIRONMENT["model"])
    remark = f"{ENVIRONMENT['model']} is set to {safe_line(shadow)}, and goes before it" if shadow else ""
    found = {"model": spec, "file": str(path / FILE_NAME), "seconds": round(took, 3)}
    return Outcome(text, found, DONE, remark)


def _key(name: str, *, is_leaving: bool) -> Outcome:
    place = _place(name)
    if is_leaving:
        if keys.forget(place):
            return Outcome(f"The key for {place} is out of the keyring.", {"place": place, "did": "deleted"}, DONE, "")
        return Outcome(f"The keyring holds no key for {place}.", {"place": place, "did": "absent"}, NOTHING, "")
    keys.stored(place)  # a keyring that cannot be used is said before anything is typed
    if sys.stdin.isatty():
        secret = getpass.getpass(f"Key for {place} (not shown): ").strip()
    else:
        secret = sys.stdin.readline().strip()
    if not secret:
        raise NotConfirmed(f"no key was given for {place}; nothing was kept")
    keys.keep(place, secret)
    shadow = next((variable for variable in keys.variables_of(place) if os.environ.get(variable)), None)
    remark = f"{shadow} is set, and goes before it" if shadow else ""
    text = f"The key for {place} is in the keyring. Take it out again: lifelong models key {place} --delete"
    return Outcome(text, {"place": place, "did": "kept"}, DONE, remark)


def _place(name: str) -> str:
    """Whose key is meant: "openai", a host, an address, or a SPEC. Raises BadSetting."""
    if name == "openai":
        return keys.HOSTED
    if name.startswith(("http://", "https://")):
        return Address(name).place
    if name.partition(":")[0] in ("ollama", "openai", "transformers"):
        address = address_of(name)
        if address is None:
            raise BadSetting(f"{safe_line(keys.hidden(name))} is on this machine, and needs no key")
        return address.place
    return Address(f"https://{name}").place
