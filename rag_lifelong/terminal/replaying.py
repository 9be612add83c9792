"""`lifelong replay`: kept questions asked again → what became of their answers, for people and as JSON."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from rag_lifelong.assistant import Assistant
from rag_lifelong.evaluate import Fate, Replay, Replayed, replay
from rag_lifelong.evaluate.metrics import Share
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.overview import count_of
from rag_lifelong.terminal.progress import metered
from rag_lifelong.terminal.snippet import snippet
from rag_lifelong.terminal.style import Style, safe_line
from rag_lifelong.types import Answer

Json = dict[str, object]

_TOLD = {
    Fate.SAME: "the same",
    Fate.MOVED: "the same, from another place",
    Fate.CHANGED: "changed",
    Fate.REFUSED: "refused now",
    Fate.ANSWERED: "answered now",
    Fate.REMOVED: "without their answer of then",
}
_ORDER = (Fate.REFUSED, Fate.CHANGED, Fate.ANSWERED, Fate.MOVED, Fate.REMOVED)  # the loudest first
_ANSWER_CHARS = 88  # with its name, on a line of a hundred
_ALIKE_CHARS = 24  # shown before what differs
_REASONS = 3


def replaying(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Every kept question, asked again."""
    ratings = [rated for rated, is_given in ((True, options.good), (False, options.bad)) if is_given]
    with metered(options, "Asking again", "{:,}".format) as tell:
        found = replay(assistant, newest=options.k, ratings=ratings, as_of=options.as_of, tell=tell)
    if not found.cases:
        none = "No kept question is rated so." if ratings else "No question is kept yet: lifelong ask, or lifelong chat"
        return Outcome("", as_json(found), NOTHING, none)
    return Outcome("\n".join(_lines(found, style)), as_json(found), DONE, "")


def as_json(found: Replay) -> Json:
    """The JSON of `replay`. Shares are of 1; of nothing they are null."""
    return {
        "version": found.version,
        "model": found.model,
        "questions": len(found.cases),
        "not_asked": found.not_asked,
        **{fate.value: found.count(fate) for fate in Fate},
        "kept_good": _share_json(found.kept(True)),
        "kept_bad": _share_json(found.kept(False)),
        "kept_unrated": _share_json(found.kept(None)),
        "cases": [
            {
                "chat": case.chat_id,
                "turn": case.number,
                "at": case.at.isoformat(),
                "question": case.question,
                "asked_as": case.asked_as,
                "rating": None if case.rating is None else ("good" if case.rating.is_good else "bad"),
                "fate": case.fate.value,
                "before": _answer_json(case.before),
                "now": _answer_json(case.now),
                "reasons": [
                    {"kind": r.kind, "path": r.path, "version": r.version, "message": r.message} for r in case.reasons
                ],
            }
            for case in found.cases
        ],
    }


def _answer_json(answer: Answer) -> Json:
    return {"text": answer.text, "refused": answer.refused, "version": answer.version, "model": answer.model}


def _share_json(share: Share) -> Json:
    interval = None if share.interval is None else list(share.interval)
    return {"count": share.count, "total": share.total, "value": share.value, "interval_95": interval}


def _lines(found: Replay, style: Style) -> Iterator[str]:
    counted = [(found.count(fate), _TOLD[fate]) for fate in Fate]
    told = ", ".join(f"{count:,} {what}" for count, what in counted if count)
    yield style.bold(f"{count_of(len(found.cases), 'question')} asked again of version {found.version:,}: {told}.")
    for name, is_good in (("good", True), ("bad", False)):
        share = found.kept(is_good)
        if share.total and share.interval is not None:
            low, high = share.interval
            yield f"kept {name}: {share.count:,} of {share.total:,}   95 %: {low:.0%} to {high:.0%}"
    if found.not_asked:
        count = count_of(found.not_asked, "question")
        yield style.dim(f"{count} not asked: stopped, or what they lean on is gone, or their version")
    for fate in _ORDER:
        for case in found.cases:
            if case.fate is fate:
                yield ""
                yield from _case(case, style)


def _case(case: Replayed, style: Style) -> Iterator[str]:
    rated = "" if case.rating is None else f" · rated {'good' if case.rating.is_good else 'bad'}"
    yield f"{style.bold(safe_line(case.asked_as))}"
    yield style.dim(f"  {_TOLD[case.fate]} · chat {case.chat_id}, {case.at.astimezone():%Y-%m-%d}{rated}")
    if case.fate is not Fate.MOVED:
        before, after = case.before, case.now
        if before.short and after.short and before.short != after.short:  # the words that answer say it all
            then, now = safe_line(before.short), safe_line(after.short)
        else:
            then, now = _differing(before.text, after.text)
        yield f"  then: {then}"
        yield f"  now:  {now}"
    for reason in case.reasons[:_REASONS]:
        yield f"  {safe_line(reason.message)}"
    if len(case.reasons) > _REASONS:
        yield f"  … and {len(case.reasons) - _REASONS} more: lifelong replay --json"


def _differing(then: str, now: str) -> tuple[str, str]:
    """Both on a line each, from shortly before where they differ, if they begin alike for long."""
    flat = [" ".join(text.split()) for text in (then, now)]
    alike = next((i for i, (a, b) in enumerate(zip(*flat, strict=False)) if a != b), min(map(len, flat)))
    begin = flat[0].rfind(" ", 0, alike - _ALIKE_CHARS) + 1 if alike > _ANSWER_CHARS // 2 else 0
    lead = "…" if begin else ""
    first, second = (lead + snippet(text[begin:], (), limit=_ANSWER_CHARS) for text in flat)
    return first, second
