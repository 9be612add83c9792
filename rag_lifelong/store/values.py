"""What flows (frozen dataclasses) ⇄ JSON text, as the store keeps it.

Rule: `read(written(value), type(value)) == value`. A field that the text lacks, since an older program wrote it, has
its default; one that this program does not know is left out.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import date, datetime
from functools import cache
from typing import TypeVar, cast

_T = TypeVar("_T")


def written(value: object) -> str:
    """One line of JSON."""
    plain = _plain(value)
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of a name that are no text
        return json.dumps(plain, separators=(",", ":"))
    return text


def read(text: str, kind: type[_T]) -> _T:
    """What was written as a `kind`. Raises ValueError if it was not."""
    try:
        return cast(_T, _made(kind, json.loads(text)))
    except (TypeError, KeyError) as error:
        raise ValueError(f"damaged {kind.__name__} in the store: {error}") from error


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"cannot keep a {type(value).__name__}")


def _made(kind: object, value: object) -> object:
    """kind: a type, or what stands for one in an annotation."""
    if value is None:
        return None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _made(next(one for one in arguments if _fits(one, value)), value)
    if origin is tuple:
        entries = cast("list[object]", value)
        if arguments[-1] is Ellipsis:
            return tuple(_made(arguments[0], entry) for entry in entries)
        return tuple(_made(one, entry) for one, entry in zip(arguments, entries, strict=True))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        given = cast("dict[str, object]", value)
        return kind(**{name: _made(of, given[name]) for name, of in _fields(kind).items() if name in given})
    if isinstance(kind, type) and issubclass(kind, date):
        return kind.fromisoformat(cast(str, value))
    return value


def _fits(kind: object, value: object) -> bool:
    if kind is type(None):
        return False
    if isinstance(value, dict):
        return dataclasses.is_dataclass(kind)
    if isinstance(value, list):
        return typing.get_origin(kind) is tuple
    if isinstance(value, str):
        return kind in (str, date, datetime)
    return kind in (int, float, bool)


@cache
def _fields(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)
