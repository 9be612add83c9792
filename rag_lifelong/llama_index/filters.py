"""LlamaIndex's metadata filters → an SQL condition over the metadata that a vector store keeps.

Rule: what LlamaIndex's own filter (`build_metadata_filter_fn`) says of a node, this says; and of nested filters, which
that refuses. An absent value meets `!=`, `nin` and `is_empty`, and nothing else. Where that would raise in the midst of
a search, since a value is of another type than the filter's, the node is not met.
"""

from __future__ import annotations

import json

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_lifelong.store.nodes import Condition

_NUMBERS = "('integer', 'real', 'true', 'false')"  # SQLite and Python agree that true is 1
_ALWAYS, _NEVER = Condition("1", ()), Condition("0", ())
_ORDERS = {
    FilterOperator.GT: ">",
    FilterOperator.GTE: ">=",
    FilterOperator.LT: "<",
    FilterOperator.LTE: "<=",
}


def condition_of(filters: MetadataFilters | None) -> Condition | None:
    """Which nodes these filters let through; None: all. Raises ValueError for a value an operator cannot take."""
    if filters is None or not filters.filters:
        return None
    parts: list[Condition] = []
    for one in filters.filters:
        inner = condition_of(one) if isinstance(one, MetadataFilters) else _condition(one)
        parts.append(_ALWAYS if inner is None else inner)
    combined = filters.condition or FilterCondition.AND
    if combined == FilterCondition.AND:
        return _joined(parts, "AND")
    either = _joined(parts, "OR")
    return either if combined == FilterCondition.OR else _not(either)  # NOT: none of them is met


def _condition(one: MetadataFilter) -> Condition:
    if any(letter in '"\\' or ord(letter) < 0x20 for letter in one.key):
        raise ValueError(
            f"cannot filter by the key {one.key!r}: keys with quotes, backslashes or line ends are not found"
        )
    path = "'$.\"" + one.key.replace("'", "''") + "\"'"
    kind, value = f"json_type(n.metadata, {path})", f"json_extract(n.metadata, {path})"
    is_absent = Condition(f"coalesce({kind}, 'null') = 'null'", ())
    operator, wanted = one.operator, one.value
    if operator == FilterOperator.IS_EMPTY:
        empty = f"{kind} = 'text' AND {value} = '' OR {kind} = 'array' AND json_array_length(n.metadata, {path}) = 0"
        return _joined([is_absent, Condition(empty, ())], "OR")
    if operator in (FilterOperator.EQ, FilterOperator.NE):
        same = _equal(kind, value, wanted)
        return same if operator == FilterOperator.EQ else _joined([is_absent, _not(same)], "OR")
    if operator in (FilterOperator.IN, FilterOperator.NIN):
        inside = _joined([_equal(kind, value, each) for each in _list(one)], "OR")
        return inside if operator == FilterOperator.IN else _joined([is_absent, _not(inside)], "OR")
    if operator in _ORDERS:
        return _compared(kind, value, _atom(one), _ORDERS[operator])
    if operator == FilterOperator.CONTAINS:
        return _contains(kind, value, path, _atom(one))
    if operator == FilterOperator.ANY:
        return _joined([_contains(kind, value, path, each) for each in _list(one)], "OR")
    if operator == FilterOperator.ALL:
        present = _not(is_absent)
        return _joined([present, *(_contains(kind, value, path, each) for each in _list(one))], "AND")
    if operator == FilterOperator.TEXT_MATCH:
        return _held(kind, value, _text(one))
    if operator == FilterOperator.TEXT_MATCH_INSENSITIVE:
        return _held(kind, f"lowered({value})", _text(one).lower())
    raise ValueError(f"unknown filter operator {operator!r}")


def _equal(kind: str, value: str, wanted: object) -> Condition:
    if wanted is None:
        return _NEVER
    if isinstance(wanted, list):
        return Condition(f"{kind} = 'array' AND {value} = json(?)", (json.dumps(wanted, ensure_ascii=False),))
    return _compared(kind, value, wanted, "=")


def _compared(kind: str, value: str, wanted: object, sign: str) -> Condition:
    """SQLite orders every number before every text, so both must be of one kind."""
    if isinstance(wanted, str):
        return Condition(f"{kind} = 'text' AND {value} {sign} ?", (wanted,))
    assert isinstance(wanted, (int, float))
    return Condition(f"{kind} IN {_NUMBERS} AND {value} {sign} ?", (wanted,))


def _contains(kind: str, value: str, path: str, wanted: object) -> Condition:
    """As Python's `in`: a member of a list, a part of a text."""
    member = _compared("e.type", "e.atom", wanted, "=")
    inside = Condition(
        f"{kind} = 'array' AND EXISTS (SELECT 1 FROM json_each(n.metadata, {path}) e WHERE {member.sql})", member.values
    )
    return _joined([inside, _held(kind, value, wanted)], "OR") if isinstance(wanted, str) else inside


def _held(kind: str, value: str, wanted: str) -> Condition:
    return (
        Condition(f"{kind} = 'text' AND instr({value}, ?) > 0", (wanted,))
        if wanted
        else Condition(f"{kind} = 'text'", ())
    )


def _joined(parts: list[Condition], word: str) -> Condition:
    if not parts:
        return _ALWAYS if word == "AND" else _NEVER
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    return Condition(sql, tuple(value for part in parts for value in part.values))


def _not(condition: Condition) -> Condition:
    # a comparison with what is absent is neither true nor false in SQL
    return Condition(f"NOT coalesce({condition.sql}, 0)", condition.values)


def _list(one: MetadataFilter) -> list[object]:
    if not isinstance(one.value, list):
        raise _unfit(one, "a list")
    return list(one.value)


def _atom(one: MetadataFilter) -> str | float:
    if not isinstance(one.value, (str, int, float)):
        raise _unfit(one, "a number or a string")
    return one.value


def _text(one: MetadataFilter) -> str:
    if not isinstance(one.value, str):
        raise _unfit(one, "a string")
    return one.value


def _unfit(one: MetadataFilter, wanted: str) -> ValueError:
    return ValueError(f"the filter operator {one.operator.value!r} takes {wanted}, not {one.value!r} (key {one.key!r})")
