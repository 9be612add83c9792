"""Keys of language model servers: from the environment, else from the operating system's keyring.

Rule: a key belongs to one place (host, or host:port) and is sent nowhere else. It is in no setting, no file of ours, no
log, no error and no traceback.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from rag_lifelong.errors import BadSetting, KeyringUnusable, ModelUnusable

SERVICE = "lifelong"  # what our entries in the keyring are under
HOSTED = "api.openai.com"
_PREFIX = "LIFELONG_KEY_"
_LEAST_HIDDEN = 4  # shorter ones are words
_KEY = re.compile(r"[!-~]+")
_IN_URL = re.compile(r"(://)[^/\s@]*@")
_seen: set[str] = set()


@dataclass(frozen=True, slots=True)
class Key:
    """A key and where it comes from: the name of a variable, or "the keyring"."""

    secret: str = field(repr=False)
    origin: str


def variable_of(place: str) -> str:
    """ "api.mistral.ai" → "LIFELONG_KEY_API_MISTRAL_AI"."""
    return _PREFIX + re.sub(r"[^A-Z0-9]+", "_", place.upper()).strip("_")


def variables_of(place: str) -> tuple[str, ...]:
    """The variables that are looked at for a place, the first that is set holds."""
    return (variable_of(place), "OPENAI_API_KEY") if place == HOSTED else (variable_of(place),)


def from_environment(place: str) -> Key | None:
    """The key that a variable holds for that place. Raises ModelUnusable if it can be none."""
    for name in variables_of(place):
        secret = os.environ.get(name, "").strip()
        if secret:
            if not _KEY.fullmatch(secret):
                raise ModelUnusable(f"{name} holds what no key does: spaces, or other than ASCII; set it again")
            return _known(Key(secret, name))
    return None


def from_keyring(place: str) -> Key | None:
    """The key kept for that place; None too where this system has no keyring, or it stays locked."""
    try:
        return stored(place)
    except KeyringUnusable:
        return None


def stored(place: str) -> Key | None:
    """The key kept for that place. Raises KeyringUnusable."""
    import keyring
    from keyring.errors import KeyringError

    try:
        secret = keyring.get_password(SERVICE, place)
    except KeyringError as error:
        raise _unusable(place, error) from error
    return _known(Key(secret, "the keyring")) if secret and _KEY.fullmatch(secret) else None


def keep(place: str, secret: str) -> None:
    """Puts a key into the keyring. Raises KeyringUnusable, BadSetting if it can be none."""
    import keyring
    from keyring.errors import KeyringError

    if not _KEY.fullmatch(secret):
        raise BadSetting("that is no key: it is empty, or holds spaces, or other than ASCII; nothing was kept")
    _known(Key(secret, ""))
    try:
        keyring.set_password(SERVICE, place, secret)
    except KeyringError as error:
        raise _unusable(place, error) from error


def forget(place: str) -> bool:
    """Takes a key out of the keyring; False if there was none. Raises KeyringUnusable."""
    import keyring
    from keyring.errors import KeyringError

    if stored(place) is None:
        return False
    try:
        keyring.delete_password(SERVICE, place)
    except KeyringError as error:
        raise _unusable(place, error) from error
    return True


def is_variable(name: str) -> bool:
    """Whether a variable of that name holds a key."""
    return name.startswith(_PREFIX) or name == "OPENAI_API_KEY"


def hidden(text: str) -> str:
    """The text without any key known to this process, and without what stands before "@" in an address."""
    named = {value for name, value in os.environ.items() if is_variable(name)}
    for secret in sorted((s for s in named | _seen if len(s) >= _LEAST_HIDDEN), key=len, reverse=True):
        text = text.replace(secret, "…")
    return _IN_URL.sub(r"\1…@", text)


def _known(key: Key) -> Key:
    _seen.add(key.secret)
    return key


def _unusable(place: str, error: Exception) -> KeyringUnusable:
    from keyring.errors import NoKeyringError

    variable = variables_of(place)[-1]
    if isinstance(error, NoKeyringError):
        return KeyringUnusable(f"this system has no keyring to keep keys in; set {variable} in the environment instead")
    return KeyringUnusable(f"the keyring cannot be used; unlock it, or set {variable} in the environment instead")
