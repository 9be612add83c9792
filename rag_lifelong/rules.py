"""The rules in `lifelong.toml`: read, and written by command.

    [[rules]]
    match = "news/*"            # a glob, or a folder
    time_to_live = "90 days"    # of that age a document is stale
    past = "down"               # then: "mark" it (the default), rank it "down", or "hide" it
    half_life = "1 year"        # newer before older among what answers alike
    age = "dated"               # the document's own date before its file's; or "changed": its file's
    keep_last = 5               # what `lifelong prune` keeps of former texts …
    keep_for = "2 years"        # … and for how long

Rule: the file is the user's: comments and order stay, and it is replaced whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from rag_lifelong import settings_file
from rag_lifelong.errors import BadSetting
from rag_lifelong.staleness import AGES, PAST, Rule
from rag_lifelong.when import span

_SPANS = ("time_to_live", "half_life", "keep_for")
_CHOICES = {"past": PAST, "age": AGES}
_KEEP_MOST = 1_000_000


def parse(values: object, path: Path) -> tuple[Rule, ...]:
    """The rules that stand under `rules` in the settings file `path`, in order. Raises BadSetting."""
    if not isinstance(values, list) or not all(isinstance(entry, Mapping) for entry in values):
        raise BadSetting(f"{path}: rules are written as [[rules]], each with match = …")
    return tuple(_rule(entry, number, path) for number, entry in enumerate(values, start=1))


def write(path: Path, rule: Rule, *, unset: Collection[str] = ()) -> None:
    """What `rule` says goes into the entry of its `match`, a new one at the end if there is none. Raises BadSetting.

    unset: the names of what goes out of it; an entry that then says nothing goes itself.
    """
    import tomlkit

    document = settings_file.document(path)
    entries = document.setdefault("rules", tomlkit.aot())
    entry = next((entry for entry in entries if entry.get("match") == rule.match), None)
    missing = [name for name in unset if entry is None or name not in entry]
    if missing:
        raise BadSetting(f"the rule for {rule.match!r} in {path} says no {missing[0]}; see: lifelong rules")
    if entry is None:
        is_inline = isinstance(entries, tomlkit.items.Array)  # rules = [{match = "news/*"}]
        entry = tomlkit.inline_table() if is_inline else tomlkit.table()
        entry["match"] = rule.match
        if not is_inline:
            entry.trivia.indent = "\n" if path.exists() else ""
        entries.append(entry)
    for name, value in spoken(rule).items():
        entry[name] = value
    for name in unset:
        del entry[name]
    if entry.keys() == {"match"}:
        drop(path, rule.match)
    else:
        settings_file.replace(path, tomlkit.dumps(document))


def check_effect(rule: Rule, *, unset: Collection[str], own: Sequence[Rule], others: Sequence[Rule]) -> None:
    """Raises BadSetting if a rule would say what has no effect, once `write` has written it among `own`.

    others: the rules of other files.
    """
    before = next((known for known in own if known.match == rule.match), None)
    said = {} if before is None else {f.name: getattr(before, f.name) for f in fields(before)}
    said |= {f.name: value for f in fields(rule) if (value := getattr(rule, f.name)) is not None}
    made = Rule(**(said | dict.fromkeys(unset)))
    after = [made, *others, *(known for known in own if known is not before)]
    has_life = any(known.time_to_live is not None for known in after)
    has_age = has_life or any(known.half_life is not None for known in after)
    if made.past is not None and not has_life:
        raise BadSetting(
            f"{made.match!r}: past says what is done with stale documents, and no rule says when these are stale; "
            "give a time to live too"
        )
    if made.age is not None and not has_age:
        raise BadSetting(
            f"{made.match!r}: age says what ages are counted from, and no rule goes by age; give a time to live or a "
            "half-life too"
        )


def drop(path: Path, match: str) -> bool:
    """The entry of a `match` goes; False if there was none. Raises BadSetting."""
    import tomlkit

    document = settings_file.document(path)
    entries = document.get("rules", [])
    going = [i for i, entry in enumerate(entries) if entry.get("match") == match]
    if not going:
        return False
    for i in reversed(going):
        del entries[i]
    if not entries:
        del document["rules"]
    settings_file.replace(path, f"{tomlkit.dumps(document).rstrip()}\n")
    return True


def spoken(rule: Rule) -> dict[str, str | int]:
    """What a rule says besides `match`, as it is written: {"time_to_live": "90 days", "keep_last": 5}."""
    found: dict[str, str | int] = {}
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name != "match" and value is not None:
            found[field.name] = spoken_span(value) if isinstance(value, timedelta) else value
    return found


def spoken_span(length: timedelta) -> str:
    """ "90 days", "1 year", "36 hours": the largest unit that says it exactly."""
    seconds = int(length.total_seconds())
    for size, unit in ((31_536_000, "year"), (604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def checked(match: str, values: Mapping[str, object], where: str) -> Rule:
    """A rule of these values, spans as text. where: for messages. Raises BadSetting."""
    if not match.strip():
        raise BadSetting(f"{where}: match must be a glob or a folder, such as 'news/*'")
    said: dict[str, Any] = {}
    for name, value in values.items():
        if name in _SPANS:
            said[name] = _length(name, value, where)
        elif name in _CHOICES:
            if value not in _CHOICES[name]:
                raise BadSetting(f"{where}: {name} must be one of {', '.join(_CHOICES[name])}, not {value!r}")
            said[name] = value
        elif name == "keep_last":
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _KEEP_MOST:
                raise BadSetting(f"{where}: keep_last must be a whole number from 0 on, not {value!r}")
            said[name] = int(value)
        else:
            known = ", ".join(field.name for field in fields(Rule))
            raise BadSetting(f"{where}: unknown {name!r} in a rule; there are {known}")
    return Rule(match, **said)


def _rule(entry: Mapping[str, object], number: int, path: Path) -> Rule:
    match = entry.get("match")
    if not isinstance(match, str):
        raise BadSetting(f'{path}: rule {number} has no match = "GLOB"')
    rest = {name: value for name, value in entry.items() if name != "match"}
    return checked(match, rest, f"{path}: rule {number} ({match})")


def _length(name: str, value: object, where: str) -> timedelta:
    if not isinstance(value, str):
        raise BadSetting(f'{where}: {name} must be a length of time in quotes, such as "90 days", not {value!r}')
    try:
        found = span(value)
    except ValueError as error:
        raise BadSetting(f"{where}: {name}: {error}") from error
    if not found:
        raise BadSetting(f"{where}: {name} must be longer than nothing")
    return found
