"""`lifelong adapters`: those made, as a list; one of them in full; one enabled, disabled or deleted.

Rule: prints nothing itself. What cannot be undone is asked for first, or needs --yes.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.report import Report
from rag_lifelong.terminal import gates
from rag_lifelong.terminal.agreement import ask_first
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.overview import ago, count_of, size, unfinished
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.render import standing
from rag_lifelong.terminal.style import Style, safe_line, short_path
from rag_lifelong.types import Adapter, AdapterEvent, AdapterState

NONE_YET = """\
No adapter yet. To begin:
  lifelong distill --dry-run   what would be distilled, and why not the rest
  lifelong distill             makes an adapter of it
An adapter is made of what is stable and used; it stands beside retrieval."""
_STATES = max(len(state.value) for state in AdapterState)


@dataclass(frozen=True, slots=True)
class _Document:
    """One that an adapter was made of. path: None if it is gone, and its place with it. says: how it stands now."""

    path: str | None
    passages: int
    says: str


def adapters(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """All of them; or what is to be done with one."""
    if options.action is None:
        if options.values:
            raise _misused(f"say what is to be done with it: lifelong adapters show {safe_line(options.values[0])}")
        return _listed(assistant, style)
    if options.action == "show":
        return _shown(assistant, _only(options), style)
    if options.action == "delete":
        return _deleted(assistant, options)
    if options.action == "enable":
        found = assistant.enable_adapter(_only(options))
        said = "words answers again to questions about what it was made of. Take it back: lifelong adapters disable"
    else:
        found = assistant.disable_adapter(_only(options))
        said = "words no answer until it is enabled. Take it back: lifelong adapters enable"
    return Outcome(f"Adapter {found.id} {said} {found.id}", found.to_json(), DONE, "")


def namespace(found: Adapter) -> str:
    """The documents it is of."""
    return safe_line(found.namespace) or "all documents"


def made_of(found: Adapter) -> str:
    """ "42 passages of 7 documents"."""
    documents = {source.document_id for source in found.sources}
    return f"{count_of(len(found.sources), 'passage')} of {count_of(len(documents), 'document')}"


# -- inside


def _listed(assistant: Assistant, style: Style) -> Outcome:
    found = sorted(assistant.adapters(), key=lambda one: -one.id)
    now = assistant.knowledge_base.now()
    widths = (
        max((len(made_of(one)) for one in found), default=0),
        max((len(_ago(one, now)) for one in found), default=0),
    )
    lines = [line for one in found for line in _row(one, style, now=now, widths=widths)]
    remark = "All about one: lifelong adapters show ID" if found else NONE_YET
    return Outcome("\n".join(lines), [one.to_json() for one in found], DONE if found else NOTHING, remark)


def _row(found: Adapter, style: Style, *, now: datetime, widths: tuple[int, int]) -> Iterator[str]:
    state = f"{found.state.value:<{_STATES}}"
    shown = style.bold(state) if found.state is AdapterState.ACTIVE else state
    report = _report(found)
    figure = "" if report is None else gates.gain(report)
    made = f"{made_of(found):<{widths[0]}}   {_ago(found, now):<{widths[1]}}"
    yield f"{found.id:>3}  {shown}  {made}   {figure}".rstrip()
    yield from gates.below(" · ".join(part for part in (namespace(found), found.model, found.reason) if part), style)


def _ago(found: Adapter, now: datetime) -> str:
    return ago(found.made_at, now)


def _shown(assistant: Assistant, adapter_id: int, style: Style) -> Outcome:
    found, events = assistant.adapter(adapter_id)
    documents = _documents(assistant, found)
    text = "\n".join(_in_full(found, events, documents, style))
    whole = {
        **found.to_json(),
        "events": [event.to_json() for event in events],
        "documents": [asdict(one) for one in documents],
    }
    return Outcome(text, whole, DONE, "")


def _in_full(
    found: Adapter, events: tuple[AdapterEvent, ...], documents: Sequence[_Document], style: Style
) -> Iterator[str]:
    why = safe_line(found.reason)
    told = why if why.startswith(found.state.value) else f"{found.state.value}, {why}"
    yield style.bold(f"Adapter {found.id}: {told}")
    yield f"  {made_of(found)}, chosen from {namespace(found)} as of version {found.version:,}"
    weights = size(found.size_bytes) if found.size_bytes else "no weights"
    yield f"  for {safe_line(found.model)} · base {safe_line(found.base_digest[:16])} · {weights}"
    yield from ("", style.bold("What became of it"))
    for event in events:
        when = f"{event.at.astimezone():%Y-%m-%d %H:%M}  version {event.version:<4,}"
        yield f"  {when}  {event.state.value:<{_STATES}}  {safe_line(event.reason)}".rstrip()
    yield from ("", style.bold("What it was made of"))
    for one in documents:
        place = "a document that is gone" if one.path is None else short_path(one.path)
        yield f"  {count_of(one.passages, 'passage'):<12}  {place}   {one.says}"
    report = _report(found)
    yield from ("", style.bold("Its gates"))
    if found.report is None:
        is_open = found.state is AdapterState.CANDIDATE
        yield "  not judged yet; the command that began it goes on with it" if is_open else "  not judged"
    elif report is None:
        yield "  another version of this program has judged it; its report: --json"
    else:
        yield from gates.table(report.gates, style)
        yield from ("", style.bold("The held-out wordings, answered by"))
        yield from gates.arms(report.arms, style)
        yield from ("", style.bold("How it was made"), *_making(report, style))
    yield from gates.below(_recipe(found), style)


def _making(report: Report, style: Style) -> Iterator[str]:
    """Pairs, steps and loss, time and memory."""
    refused = f"; {report.refused:,} more were not reproduced" if report.refused else ""
    pairs = f"{count_of(report.pairs, 'pair')} of {count_of(report.facts, 'fact')}"
    yield f"  {pairs}, {report.held_out:,} held out{refused}"
    yield f"  written by {safe_line(report.writer)}"
    first, last = report.loss
    yield f"  {count_of(report.steps, 'step')}, loss {first:.3f} at first, {last:.3f} at last"
    peak = "" if report.peak_bytes is None else f" · {size(report.peak_bytes)} of memory at most"
    yield f"  {gates.took(report)}{peak}"
    for note in report.notes:
        yield from gates.below(note, style)


def _recipe(found: Adapter) -> str:
    """What decided the run, but for the thresholds, which the gates show."""
    recipe = json.loads(found.settings).get("recipe", {})
    return "recipe: " + " · ".join(f"{name} {value}" for name, value in recipe.items() if not isinstance(value, dict))


def _documents(assistant: Assistant, found: Adapter) -> list[_Document]:
    """Each document that it was made of, how many of its passages, and how it stands now."""
    counts = Counter(source.document_id for source in found.sources)
    with assistant.knowledge_base.reading():  # others may add and remove meanwhile
        then = {document.document_id: document for document in assistant.documents(as_of=found.version)}
        now = {document.document_id: document for document in assistant.documents()}
        standings = assistant.standings()
    told = []
    for document_id, passages in counts.most_common():
        document = now.get(document_id) or then.get(document_id)
        path = None if document is None else document.path
        if document_id not in now:
            says = "gone"
        elif now[document_id].version > found.version:
            says = f"changed in version {now[document_id].version:,}"
        else:
            says = standing(standings[document_id]) or "holds"
        told.append(_Document(path, passages, says))
    return told


def _deleted(assistant: Assistant, options: Namespace) -> Outcome:
    found, _ = assistant.adapter(_only(options))  # before it asks
    ask_first(options, f"This removes {found.name} ({found.state.value}), its weights and its pairs, for good")
    done = assistant.delete_adapter(found.id)
    lines = [f"Removed for good: {found.name}.", *unfinished(done)]
    if assistant.config.distill_every_days or assistant.config.distill_after_passages:
        lines.append("As the settings have it, lifelong watch may distil the same again; see: lifelong config")
    return Outcome(
        "\n".join(lines), {"deleted": done.id, "complete": done.is_complete, "left": list(done.left)}, DONE, ""
    )


def _report(found: Adapter) -> Report | None:
    """None before it was judged, and where another version of this program has written it."""
    try:
        return None if found.report is None else Report.from_json(found.report)
    except (KeyError, TypeError, ValueError):
        return None


def _only(options: Namespace) -> int:
    if len(options.values) != 1:
        raise _misused(f"say which: lifelong adapters {options.action} ID")
    text = options.values[0]
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise _misused(f"{safe_line(text)!r} is no adapter's number; see: lifelong adapters")
    return int(text)


def _misused(what: str) -> Usage:
    sys.stderr.write(f"lifelong: {what}\n")
    return Usage()
