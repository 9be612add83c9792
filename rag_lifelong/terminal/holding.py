"""The commands about what still holds: rules about age, and documents that supersede others.

Rule: as in `commands`: prints nothing itself.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence

from rag_lifelong.assistant import Assistant
from rag_lifelong.conflicts import Conflict
from rag_lifelong.errors import BadSetting
from rag_lifelong.rules import checked, spoken
from rag_lifelong.staleness import Rule
from rag_lifelong.status import RuleInForce
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.progress import metered
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import Version

_SAYS = ("time_to_live", "past", "half_life", "age", "keep_last", "keep_for")
SHOWN = 20
_COLUMN = 60  # what is longer is not padded, nor cut
_PAST_TOLD = {"mark": "then marked", "down": "then ranked down", "hide": "then hidden"}


def rules(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The rules about age; or one of them set, or dropped."""
    said = {name: value for name in _SAYS if (value := getattr(options, name)) is not None}
    unset = [name.replace("-", "_") for name in options.unset or ()]
    if (said or unset or options.drop) and options.match is None:
        raise _misused("say for which documents: lifelong rules 'news/*' …")
    if options.drop and (said or unset):
        raise _misused("--drop takes the whole rule; to take one option of it: --unset OPTION")
    if both := said.keys() & unset:
        raise _misused(f"{min(both).replace('_', '-')} cannot be both set and unset")
    match = None if options.match is None else _match(assistant, options.match)
    if options.drop:
        assistant.drop_rule(str(match))
        found = assistant.rules()
        head = f"Dropped: {safe_line(str(match))}. {'There are left:' if found else 'No rule is left.'}"
        return Outcome("\n".join([head, *_table(found, style)]), [as_json.rule(one) for one in found], DONE, "")
    if said or unset:
        assistant.set_rule(_checked(str(match), said), unset=unset)
    found = tuple(one for one in assistant.rules() if match in (None, one.rule.match))
    code, remark = DONE, ""
    if not found and match is None:
        remark = "No rule yet; for one: lifelong rules 'news/*' --time-to-live '90 days'"
    elif not found and unset:
        remark = f"The rule for {match!r} said nothing else, and is gone."
    elif not found:
        code, remark = NOTHING, "No such rule."
    elif said and not found[-1].documents:
        remark = f"No document matches {match!r} now; a glob is of whole paths, or of paths below a folder added."
    return Outcome("\n".join(_table(found, style)), [as_json.rule(one) for one in found], code, safe_line(remark))


def _misused(what: str) -> Usage:
    sys.stderr.write(f"lifelong: {what}\n")
    return Usage()


def _match(assistant: Assistant, text: str) -> str:
    """What is meant: a rule there is, a file or folder from here, a glob; a glob from here where nothing else is."""
    known = {one.rule.match for one in assistant.rules()}
    here = os.path.abspath(os.path.expanduser(text))
    if not text.strip() or text in known or os.path.isabs(text):
        return text
    is_from_here = here in known or text in (".", "..") or text.startswith(("./", "../", "~"))
    is_place = os.path.exists(here) and bool(assistant.list(here))
    return here if is_from_here or is_place or (not assistant.list(text) and assistant.list(here)) else text


def _checked(match: str, said: Mapping[str, object]) -> Rule:
    try:
        return checked(match, said, "lifelong rules")
    except BadSetting as error:  # of a command line, not of a file
        sys.stderr.write(f"{safe_line(str(error))}\n")
        raise Usage from error


def _table(found: Sequence[RuleInForce], style: Style) -> list[str]:
    """A line each: for which documents, what it says, how many these are, and where it stands."""
    rows = []
    for one in found:
        count = f"{one.documents:,} document{'' if one.documents == 1 else 's'}"
        stale = f", {one.stale:,} stale" if one.stale else ""
        rows.append((safe_line(one.rule.match), _says(one.rule), count + stale))
    widths = [min(max(map(len, column)), _COLUMN) for column in zip(*rows, strict=True)]
    lines = []
    for (match, says, count), one in zip(rows, found, strict=True):
        head = style.bold(match) + " " * (widths[0] - len(match))
        origin = style.dim(short_path(one.origin))
        lines.append(f"{head}   {says:<{widths[1]}}   {count:<{widths[2]}}   {origin}")
    return lines


def _says(own: Rule) -> str:
    said = dict(spoken(own))
    parts = []
    if own.time_to_live is not None:
        parts.append(f"holds for {said['time_to_live']}, {_PAST_TOLD[own.past or 'mark']}")
    elif own.past is not None:
        parts.append(_PAST_TOLD[own.past])
    if own.half_life is not None:
        parts.append(f"half-life {said['half_life']}")
    if own.age is not None:
        parts.append("age from " + ("its own date" if own.age == "dated" else "the file's last change"))
    if own.keep_for is not None:
        parts.append(f"former texts kept for {said['keep_for']}")
    if own.keep_last is not None:
        parts.append(f"the last {own.keep_last} former texts kept")
    return " · ".join(parts) or "says nothing"


def conflicts(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """What is likely to be superseded; or decisions about it."""
    if options.supersede:
        version, settled = assistant.supersede(*options.supersede)
        return _decided(version, settled)
    if options.confirm or options.reject:
        version, settled = assistant.decide(confirm=options.confirm or (), reject=options.reject or ())
        return _decided(version, settled)
    if options.settled:
        found = assistant.conflicts(settled=True)
        return Outcome(
            "\n".join(f"{_decision(one)}" for one in found),
            [as_json.conflict(one) for one in found],
            DONE if found else NOTHING,
            "" if found else "Nothing is decided yet.",
        )
    with metered(options, "Comparing", "{:,}".format) as tell:
        found = assistant.conflicts(tell=tell)
    shown = found[: options.k or SHOWN]
    lines = [conflict(one, style) for one in shown]
    if len(found) > len(shown):
        lines.append(f"… and {len(found) - len(shown):,} more: lifelong conflicts -k {len(found)}")
    remark = "No document seems to be superseded by another."
    if found:
        code = shown[0].code
        remark = f"It does: lifelong conflicts --confirm {code}   It does not: lifelong conflicts --reject {code}"
    return Outcome("\n".join(lines), [as_json.conflict(one) for one in found], DONE if found else NOTHING, remark)


def conflict(found: Conflict, style: Style) -> str:
    """Two lines: which may supersede which, and why."""
    head = f"{found.code:<9} {short_path(found.old)} → {short_path(found.new)}"
    why = f"{found.score:.2f}  {found.evidence}"
    return f"{style.bold(safe_line(head))}\n{' ' * 10}{style.dim(safe_line(why))}"


def _decision(found: Conflict) -> str:
    verb = "superseded by" if found.decision == "confirmed" else "not superseded by"
    pair = f"{short_path(found.old)} {verb} {short_path(found.new)}"
    return safe_line(f"{found.code:<9} {pair}   version {found.version}: {found.evidence}")


def _decided(version: Version, settled: Sequence[Conflict]) -> Outcome:
    lines = [f"Version {version.number}:", *(f"  {_decision(one)}" for one in settled), "Take it back: lifelong undo"]
    return Outcome("\n".join(lines), as_json.decided(version, settled), DONE, "")
