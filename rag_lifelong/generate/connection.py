"""HTTP to one named server: JSON asked for, or lines as they come.

Rule: nobody but the server named is spoken to: no redirect is followed, and a proxy from the environment serves only
for https to another machine. The key stands in a header and nowhere else, in no error either.

Python's own client rather than another: the time-out can be changed in mid-answer, its errors hold no headers, it
looks for no proxy by itself, and it is there at once.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from rag_lifelong.errors import BadSetting

CONNECT_S = 5.0
BETWEEN_S = 60.0  # from one piece of an answer to the next
ASK_S = 10.0  # for a small question about the server itself
MOST_ERROR_BYTES = 65_536
MOST_JSON_BYTES = 16_000_000  # a list of some thousand models is a few megabytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer read whole. content: JSON, or None if it is none. text: how it begins, for messages."""

    status: int
    headers: Mapping[str, str]
    content: object
    text: str


class Unreachable(OSError):
    """No connection came about; `__cause__` is why."""


class Address:
    """Where a server is: scheme, host, port and the path before each call. Raises BadSetting if it cannot be read."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadSetting(
                "the server's address cannot be read; it is written like http://127.0.0.1:8000/v1"
            ) from None
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise BadSetting(  # what is not shown may be a key
                "a server's address holds no user, key, ? or #; keep its key with: lifelong models key HOST"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadSetting(f"{url!r} is no server's address; it is written like http://127.0.0.1:8000/v1")
        self.is_secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or (443 if self.is_secure else 80)
        self.path = parts.path.rstrip("/")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.place = shown if port is None else f"{shown}:{port}"
        """host, or host:port where a port is named: what its key goes by."""
        self.url = f"{parts.scheme}://{self.place}{self.path}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def beside(self, path: str) -> Address:
        """The same server under another path."""
        return Address(f"{'https' if self.is_secure else 'http'}://{self.place}{path}")


def ask(address: Address, path: str, *, key: str | None, sent: object | None = None, wait_s: float = ASK_S) -> Reply:
    """One request, answered whole. sent: JSON to post; None gets. Raises what `Exchange` does."""
    with Exchange(address, path, key=key, sent=sent, wait_s=wait_s) as exchange:
        return exchange.read()


class Exchange:
    """One request and its answer as it comes. Closing it closes the connection, whatever has been read.

    wait_s: until the answer begins. Raises Unreachable, and in the middle OSError or http.client.HTTPException.
    """

    def __init__(self, address: Address, path: str, *, key: str | None, sent: object | None, wait_s: float) -> None:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "User-Agent": "rag-lifelong",
        }
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        body = None
        if sent is not None:
            body = json.dumps(sent).encode("ascii")
            headers["Content-Type"] = "application/json"
        self._connection = _connection(address)
        try:
            self._connection.connect()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(str(error)) from error
        self._socket = self._connection.sock  # the connection lets go of it where the server will close it
        try:
            self._socket.settimeout(wait_s)
            self._connection.request("GET" if body is None else "POST", address.path + path, body=body, headers=headers)
            self._response = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def read(self) -> Reply:
        """The whole answer, of an error its beginning."""
        raw = self._response.read(MOST_JSON_BYTES if self.status == 200 else MOST_ERROR_BYTES)
        text = raw.decode("utf-8", "replace")
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        return Reply(self.status, self.headers, content, text[:MOST_ERROR_BYTES])

    def lines(self) -> Iterator[str]:
        """Line by line, each without its end; the time a line may take is `wait_s`, and BETWEEN_S after `hurry`."""
        while raw := self._response.readline(MOST_JSON_BYTES):
            yield raw.decode("utf-8", "replace").rstrip("\r\n")

    def hurry(self) -> None:
        """From now on a line may take no longer than BETWEEN_S."""
        self._socket.settimeout(BETWEEN_S)

    def close(self) -> None:
        """Also in the middle of an answer; the server sees that nobody reads on."""
        with contextlib.suppress(OSError):
            self._response.close()
        self._connection.close()


def _connection(address: Address) -> http.client.HTTPConnection:
    """Not opened yet; by the environment's proxy where that is meant."""
    import ssl
    from urllib.request import getproxies, proxy_bypass

    if not address.is_secure:
        return http.client.HTTPConnection(address.host, address.port, timeout=CONNECT_S)
    context = ssl.create_default_context()
    named = None if address.is_here or proxy_bypass(address.host) else getproxies().get("https")
    if not named:
        return http.client.HTTPSConnection(address.host, address.port, timeout=CONNECT_S, context=context)
    proxy = urlsplit(named if "//" in named else f"//{named}")
    headers = {}
    if proxy.username is not None:
        word = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(word.encode()).decode("ascii")
    tunnel = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 8080, timeout=CONNECT_S, context=context)
    tunnel.set_tunnel(address.host, address.port, headers)
    return tunnel
