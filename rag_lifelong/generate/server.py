"""A language model behind an OpenAI-compatible server: Ollama, llama.cpp, vLLM, LM Studio, or a hosted one.

Rule: what may pass is tried again, with pauses, until the first piece of the answer is there, and never after it. An
answer that breaks off is told from a whole one.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace

from rag_lifelong.errors import AnswerCut, ModelUnusable
from rag_lifelong.generate import faults, keys, ollama
from rag_lifelong.generate.connection import Address, Exchange, Reply, Unreachable, ask
from rag_lifelong.generate.language_model import (
    DEFAULT_CONTEXT_TOKENS,
    DEFAULT_MODEL_SETTINGS,
    Message,
    ModelSettings,
    estimated_tokens,
)
from rag_lifelong.generate.thoughts import without_thoughts

_CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")  # vLLM; others, hosted
_UNLISTED = (403, 404, 405)  # a server without a list of models, or a key that may only ask
_REFUSED_WAIT_S = 1.0  # a server that is being started again


class ServerModel:
    """A model of a server, asked over HTTP.

    Opening it asks the server what it has; where it is away, refuses the key, or has no such model, that raises
    ModelUnusable.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        model: str,
        *,
        kind: str,
        settings: ModelSettings = DEFAULT_MODEL_SETTINGS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._sleep = sleep
        self._is_newer = address.host == keys.HOSTED  # its names for parameters
        place = address.place
        key = keys.from_environment(place)
        self._may_ask_keyring = key is None
        if key is None and not address.is_here:  # a server here seldom wants one, and a keyring may ask its user
            key = self._from_keyring(place)
        self._server = faults.Server(name, kind, address, model, key, float(settings.wait_s))
        self.context_tokens = self._looked_up(settings.context_tokens)

    def count_tokens(self, text: str) -> int:
        """An estimate: there is no common way to ask."""
        return estimated_tokens(text)

    def stream(self, messages: Sequence[Message], *, max_tokens: int) -> Generator[str, None, str | None]:
        """The answer as the server sends it, decoded greedily where the model allows it."""
        return without_thoughts(self._streamed(messages, max_tokens))

    def _streamed(self, messages: Sequence[Message], max_tokens: int) -> Generator[str, None, str | None]:
        has_begun = False
        end: str | None = None
        with self._begun(messages, max_tokens) as exchange:
            if "html" in exchange.headers.get("content-type", ""):
                raise faults.not_api(self._server, self._whole(exchange))
            try:
                for event in _events(exchange):
                    if "error" in event:
                        raise self._broken(has_begun, faults.short(faults.said_in(event)))
                    piece, is_alive, reason = _read(event)
                    end = end or reason  # [DONE] comes after it
                    if is_alive and not has_begun:
                        exchange.hurry()
                    if piece:
                        has_begun = True
                        yield piece
            except TimeoutError as error:
                if has_begun:
                    raise AnswerCut(f"{self.name} went silent in the middle of its answer") from error
                raise faults.unreachable(error, self._server) from error
            except (OSError, http.client.HTTPException) as error:
                raise self._broken(has_begun, "the connection broke") from error
        if end is None:
            raise self._broken(has_begun, "the connection was closed")
        if end == "length":
            return f"the limit of {max_tokens} tokens"
        return "the service's filter" if end == "content_filter" else None

    def _broken(self, has_begun: bool, why: str) -> ModelUnusable:
        if has_begun:
            return AnswerCut(f"{self.name} stopped in the middle of its answer: {why}")
        return ModelUnusable(f"{self.name} stopped before it answered: {why}; see its log, and ask again")

    def _begun(self, messages: Sequence[Message], max_tokens: int) -> Exchange:
        """The exchange at the beginning of an answer."""

        def post() -> Exchange:
            sent: dict[str, object] = {
                "model": self._server.model,
                "messages": [{"role": message.role, "content": message.content} for message in messages],
                "stream": True,
            }
            sent |= {"max_completion_tokens": max_tokens} if self._is_newer else {"max_tokens": max_tokens}
            if not self._is_newer:
                sent["temperature"] = 0
            return Exchange(
                self._server.address,
                "/chat/completions",
                key=self._secret(),
                sent=sent,
                wait_s=self._server.wait_s,
            )

        return self._tried(post)

    def _tried(self, request: Callable[[], Exchange], *, accepted: Collection[int] = (200,)) -> Exchange:
        """The exchange of a request that is answered with such a status, after as many tries as are worth it."""
        tries = broken = 0
        while True:
            try:
                exchange = request()
            except (OSError, http.client.HTTPException) as error:
                broken += 1
                if broken > 1 or not _may_pass(error):
                    raise faults.unreachable(error, self._server) from error
                self._sleep(_REFUSED_WAIT_S)
                continue
            if exchange.status in accepted:
                return exchange
            with exchange:
                reply = self._whole(exchange)
            if reply.status == 401 and self._may_ask_keyring:
                key = self._from_keyring(self._server.address.place)
                if key is not None:
                    self._server = replace(self._server, key=key)
                    continue
            if reply.status == 400 and not self._is_newer and _wants_newer(reply):
                self._is_newer = True
                continue
            tries += 1
            wait = faults.wait_before_retry(reply, tries)
            if wait is None:
                raise faults.refused(reply, self._server)
            self._sleep(wait)

    def _whole(self, exchange: Exchange) -> Reply:
        try:
            return exchange.read()
        except (OSError, http.client.HTTPException):  # the status says enough
            return Reply(exchange.status, exchange.headers, None, "")

    # -- what the server says of itself

    def _looked_up(self, given: int) -> int:
        """How much the model reads. given: what the settings say, 0 for nothing."""
        if self._server.kind == "ollama":
            found = self._looked_up_of_ollama()
        else:
            found = self._looked_up_of_others()
        return given or found

    def _looked_up_of_ollama(self) -> int:
        root = self._server.address.beside(self._server.address.path.removesuffix("/v1"))
        try:
            reply = ollama.shown(root, self._server.model, key=self._secret())
            if reply.status == 404:
                self._server = replace(self._server, listed=ollama.models(root, wait_s=5.0))
            if reply.status == 200:
                return ollama.context_tokens(root, self._server.model, reply.content, key=self._secret())
        except (OSError, http.client.HTTPException) as error:
            raise faults.unreachable(error, self._server) from error
        raise faults.refused(reply, self._server)

    def _looked_up_of_others(self) -> int:
        def get() -> Exchange:
            return Exchange(
                self._server.address, "/models", key=self._secret(), sent=None, wait_s=min(30.0, self._server.wait_s)
            )

        try:
            with self._tried(get, accepted=(200, *_UNLISTED)) as exchange:
                reply = exchange.read()
        except (OSError, http.client.HTTPException) as error:
            raise faults.unreachable(error, self._server) from error
        if not faults.is_api(reply):
            raise faults.not_api(self._server, reply)
        data = reply.content.get("data") if isinstance(reply.content, Mapping) else None
        entries = [entry for entry in data if isinstance(entry, Mapping)] if isinstance(data, list) else []
        self._server = replace(self._server, listed=tuple(str(entry.get("id")) for entry in entries))
        own = [entry for entry in entries if entry.get("id") == self._server.model]
        for entry in own or entries if len(entries) == 1 else own:  # llama.cpp has one, and takes any name for it
            for name in _CONTEXT_NAMES:
                length = entry.get(name)
                if isinstance(length, int) and length > 0:
                    return length
        return DEFAULT_CONTEXT_TOKENS if self._server.address.is_secure else self._asked_aside()

    def _asked_aside(self) -> int:
        """As llama.cpp and LM Studio say it, beside the common interface."""
        root = self._server.address.beside(self._server.address.path.removesuffix("/v1"))
        try:
            props = ask(root, "/props", key=self._secret()).content
            here = props.get("default_generation_settings") if isinstance(props, Mapping) else None
            length = here.get("n_ctx") if isinstance(here, Mapping) else None
            if isinstance(length, int) and length > 0:
                return length
            listed = ask(root, "/api/v0/models", key=self._secret()).content
            data = listed.get("data") if isinstance(listed, Mapping) else None
            for entry in data if isinstance(data, list) else []:
                if isinstance(entry, Mapping) and entry.get("id") == self._server.model:
                    length = entry.get("loaded_context_length")  # what it could do tells nothing
                    if isinstance(length, int) and length > 0:
                        return length
        except (OSError, http.client.HTTPException):
            pass  # it speaks the common interface, and that is all that is needed
        return DEFAULT_CONTEXT_TOKENS

    def _secret(self) -> str | None:
        return None if self._server.key is None else self._server.key.secret

    def _from_keyring(self, place: str) -> keys.Key | None:
        self._may_ask_keyring = False
        return keys.from_keyring(place)


def _may_pass(error: Exception) -> bool:
    """Refused, or dropped before an answer: as while it is started again."""
    return isinstance(error, ConnectionError) or (
        isinstance(error, Unreachable) and isinstance(error.__cause__, ConnectionRefusedError)
    )


def _wants_newer(reply: Reply) -> bool:
    """Whether the model refuses one of the older parameters, as hosted reasoning models do."""
    said = faults.said_in(reply.content)
    return "unsupported" in said.lower() and ("max_tokens" in said or "temperature" in said)


def _events(exchange: Exchange) -> Iterator[Mapping[str, object]]:
    """The JSON of each event until the last; of a server that does not stream, its one answer."""
    if "json" in exchange.headers.get("content-type", ""):
        whole = exchange.read().content
        if isinstance(whole, Mapping):
            yield whole
        return
    for line in exchange.lines():
        name, colon, value = line.partition(":")
        if not colon or name not in ("data", "error"):  # comments keep the line open; event:, id: say nothing here
            continue
        if value.strip() == "[DONE]":
            yield {"choices": [{"finish_reason": "stop"}]}
            return
        try:
            event = json.loads(value)
        except ValueError:
            continue
        if isinstance(event, Mapping):
            yield {"error": event} if name == "error" else event


def _read(event: Mapping[str, object]) -> tuple[str, bool, str | None]:
    """The piece of text, whether the model is at work, and why it ended, None while it goes on."""
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping):
        return "", False, None
    delta = first.get("delta") or first.get("message")
    parts = delta if isinstance(delta, Mapping) else {}
    piece, reason = parts.get("content"), first.get("finish_reason")
    is_alive = bool(piece or parts.get("reasoning_content") or parts.get("reasoning"))
    return piece if isinstance(piece, str) else "", is_alive, reason if isinstance(reason, str) else None
