"""The commands about what still holds: rules about age, and documents that supersede others.

Rule: as in `commands`: prints nothing itself.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rag_lifelong.assistant import Assistant
from rag_lifelong.conflicts import Conflict
from rag_lifelong.rules import checked, spoken
from rag_lifelong.status import RuleInForce
from rag_lifelong.terminal import as_json
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.progress import metered
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import Version

_SAYS = ("time_to_live", "past", "half_life", "age", "keep_last", "keep_for")
SHOWN = 20
_PAST_TOLD = {"mark": "then marked", "down": "then ranked down", "hide": "then hidden"}


def rules(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The rules about age; or one of them set, or dropped."""
    said = {name: value for name in _SAYS if (value := getattr(options, name)) is not None}
    if (said or options.drop) and options.match is None:
        sys.stderr.write("lifelong: say for which documents: lifelong rules 'news/*' …\n")
        raise Usage
    if options.drop:
        assistant.drop_rule(options.match)
    elif said:
        assistant.set_rule(checked(options.match, said, "lifelong rules"))
    found = [r for r in assistant.rules() if options.match in (None, r.rule.match) or options.drop]
    code, remark = DONE, ""
    if not found and not options.drop:
        code = NOTHING if options.match else DONE
        remark = (
            "No such rule."
            if options.match
            else "No rule yet; for one: lifelong rules 'news/*' --time-to-live '90 days'"
        )
    return Outcome("\n".join(rule(one, style) for one in found), [as_json.rule(one) for one in found], code, remark)


def rule(found: RuleInForce, style: Style) -> str:
    """One line: what it says, what it concerns, and where it stands."""
    own = found.rule
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
    count = f"{found.documents:,} document{'' if found.documents == 1 else 's'}"
    stale = f", {found.stale:,} stale" if found.stale else ""
    says = " · ".join(parts) or "says nothing"
    return f"{style.bold(safe_line(own.match))}   {says}   {count}{stale}   {style.dim(short_path(found.origin))}"


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
    entry = {"version": as_json.version(version), "conflicts": [as_json.conflict(one) for one in settled]}
    return Outcome("\n".join(lines), entry, DONE, "")
