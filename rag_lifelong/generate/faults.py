"""What goes wrong with a server of language models → one line that says what to do.

Rule: a server's own words are kept short, on one line, and without any key.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_lifelong.errors import ModelUnusable
from rag_lifelong.generate import keys
from rag_lifelong.generate.connection import Address, Reply, Unreachable

WAITS_S = (1.0, 2.0, 4.0)  # before the second, third and fourth try of what may pass
MOST_WAIT_S = 30.0  # a server that asks for longer is not waited for
_PASSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_TOO_LONG = re.compile(r"context.{0,20}(length|size|window)|maximum context|prompt is too long|too many tokens", re.I)
_SPENT = re.compile(r"insufficient_quota|billing|credit", re.I)


@dataclass(frozen=True, slots=True)
class Server:
    """Who is spoken to. kind: "ollama" or "openai". listed: the models it says that it has, perhaps not all."""

    name: str
    kind: str
    address: Address
    model: str
    key: keys.Key | None
    wait_s: float
    listed: Sequence[str] = ()


def wait_before_retry(reply: Reply, tries: int) -> float | None:
    """Seconds until the next try is worth it; None if it is not. tries: how many there were."""
    if reply.status not in _PASSES or tries > len(WAITS_S) or _SPENT.search(_said(reply)):
        return None
    try:
        asked = float(reply.headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        asked = 0.0
    return None if asked > MOST_WAIT_S else max(asked, WAITS_S[tries - 1])


def refused(reply: Reply, server: Server) -> ModelUnusable:
    """Why a request was not answered as asked."""
    said = _said(reply)
    place, url = server.address.place, server.address.url
    if reply.status in (401, 403):
        return ModelUnusable(_about_key(server, said))
    if 300 <= reply.status < 400:
        to = short(reply.headers.get("location", "elsewhere"))
        return ModelUnusable(f"{url} sends on to {to}, which is not followed; name that address if you trust it")
    if reply.status == 404 and server.kind == "ollama":
        return ModelUnusable(
            f"Ollama has no model {server.model!r}; get it with: ollama pull {server.model}{_there(server.listed)}"
        )
    if not is_api(reply) and reply.status < 500:  # in trouble some speak plain text, and what stands before them HTML
        return not_api(server, reply)
    if reply.status == 404:
        return ModelUnusable(f"{url} has no model {server.model!r}: {said}{_there(server.listed)}")
    if reply.status in (400, 413, 422, 500) and _TOO_LONG.search(said):
        return ModelUnusable(
            f"the prompt is longer than {server.name} reads ({said}); set model_context_tokens in lifelong.toml to "
            "what it does read"
        )
    if reply.status == 429:
        later = reply.headers.get("retry-after")
        when = f" in {later} s" if later and later.isdecimal() else " later"
        hint = "see your account there" if _SPENT.search(said) else f"ask again{when}"
        return ModelUnusable(f"{place} takes no more questions now: {said}; {hint}")
    if reply.status >= 500:
        return ModelUnusable(
            f"{place} is in trouble with {short(server.model)!r} ({said}); does it have that model? see its log, or "
            "ask again later"
        )
    return ModelUnusable(f"{server.name} refuses the request: {said}")


def unreachable(error: Exception, server: Server) -> ModelUnusable:
    """Why no answer begins: OSError and http.client.HTTPException of connection.py."""
    url, host = server.address.url, server.address.host
    cause = error.__cause__ if isinstance(error, Unreachable) else error
    if isinstance(cause, TimeoutError) and not isinstance(error, Unreachable):
        return ModelUnusable(
            f"{url} has not begun to answer within {server.wait_s:g} s; see what it does, or raise model_wait_s in "
            "lifelong.toml"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ModelUnusable(f"the certificate of {host} is not trusted here: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return ModelUnusable(f"no secure connection to {url}; is it http:// rather than https://?")
    if isinstance(cause, socket.gaierror):
        return ModelUnusable(f"no machine {host!r} is found; check the address, and the network")
    if isinstance(cause, (http.client.BadStatusLine, http.client.LineTooLong)) and not isinstance(
        cause, http.client.RemoteDisconnected
    ):
        return not_api(server, None)
    if isinstance(error, Unreachable) and server.kind == "ollama":
        return ModelUnusable(f"no Ollama answers at {url}; start it with: ollama serve   (to get it: ollama.com)")
    if isinstance(error, Unreachable):
        hint = "start the server" if server.address.is_here else "is it on, and the address right?"
        return ModelUnusable(f"nothing answers at {url}; {hint}   (what else there is: lifelong models)")
    return ModelUnusable(f"{url} has closed the connection before it answered; see its log, and ask again")


def not_api(server: Server, reply: Reply | None) -> ModelUnusable:
    """It answers, but not as a server of language models."""
    what = "a web page" if reply is not None and _is_html(reply) else "something else"
    hint = "" if server.address.path.endswith("/v1") else "; such addresses mostly end in /v1"
    return ModelUnusable(
        f"{server.address.url} is no OpenAI-compatible server: it answers with {what}{hint}; write openai:NAME@BASE_URL"
    )


def is_api(reply: Reply) -> bool:
    """Whether it speaks JSON, as such servers do for errors too."""
    return isinstance(reply.content, Mapping) and not _is_html(reply)


def said_in(content: object) -> str:
    """The words of an error in JSON, however it is wrapped; "" if there are none."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        for name in ("error", "message", "detail", "msg"):
            found = said_in(content.get(name))
            if found:
                code = content.get("code") if name == "message" else None
                return f"{found} ({code})" if isinstance(code, str) else found
    if isinstance(content, list) and content:
        return said_in(content[0])
    return ""


def short(text: str) -> str:
    """One line, no key, not long."""
    line = " ".join(keys.hidden(text).split())
    return line if len(line) <= 200 else line[:199] + "…"


def _said(reply: Reply) -> str:
    words = short(said_in(reply.content) or ("" if _is_html(reply) else reply.text))
    return f"{words} (status {reply.status})" if words else f"status {reply.status}"


def _is_html(reply: Reply) -> bool:
    return "html" in reply.headers.get("content-type", "") or reply.text.lstrip()[:1] == "<"


def _about_key(server: Server, said: str) -> str:
    place = server.address.place
    keeping = f"keep one with: lifelong models key {place}   (or set {keys.variables_of(place)[-1]})"
    if server.key is None:
        return f"{place} wants a key: {keeping}"
    return f"{place} refuses the key from {server.key.origin}: {said}; {keeping}"


def _there(listed: Sequence[str]) -> str:
    if not listed:
        return ""
    more = f", and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f"; there are: {short(', '.join(listed[:5]))}{more}"
