"""Hits and states → what `--json` prints: the keys of the public contract.

Rule: one thing has one name in all of it; docs/commands.md lists those.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from rag_lifelong.config import Setting
from rag_lifelong.conflicts import Conflict
from rag_lifelong.distill.schedule import Due
from rag_lifelong.export import Exported
from rag_lifelong.follow.happenings import Happening
from rag_lifelong.history import Past
from rag_lifelong.memory import Remembered
from rag_lifelong.preferences import Preference
from rag_lifelong.pruning import Pruning
from rag_lifelong.retraction import Erased, UndoPlan
from rag_lifelong.rules import spoken
from rag_lifelong.service import Standing as ServiceStanding
from rag_lifelong.service import Supervisor
from rag_lifelong.status import Folder, PathStatus, RuleInForce, Status
from rag_lifelong.store.backup import Contents, Restored
from rag_lifelong.sync import ReadIn
from rag_lifelong.terminal.render import terms_held
from rag_lifelong.terminal.style import json_safe
from rag_lifelong.types import (
    ChatSummary,
    Failure,
    Finding,
    Hit,
    Json,
    Standing,
    StoredDocument,
    Takeover,
    Turn,
    Version,
)


def written(value: object) -> str:
    """JSON text, readable, ending with a newline; safe to show on a terminal."""
    return json_safe(json.dumps(value, ensure_ascii=False, indent=2)) + "\n"


def chat(found: ChatSummary) -> Json:
    """One entry of the JSON of `chats`."""
    return {
        "chat": found.id,
        "title": found.title,
        "begun": found.begun.isoformat(),
        "last": found.last.isoformat(),
        "turns": found.turns,
    }


def turn(found: Turn) -> Json:
    """One question of the JSON of `chats show`."""
    rating = found.rating
    return {
        "turn": found.number,
        "at": found.at.isoformat(),
        "question": found.question,
        "asked_as": found.asked_as,
        "answer": None if found.removed_at is not None else found.answer.to_json(),
        "removed_at": None if found.removed_at is None else found.removed_at.isoformat(),
        "rating": None if rating is None else ("good" if rating.is_good else "bad"),
        "note": None if rating is None else rating.note,
    }


def hit(found: Hit, *, asked: Sequence[str] | None) -> Json:
    """One entry of the JSON of `search`. asked: the question's terms, to explain how it was found, or None."""
    entry: Json = {
        "path": found.path,
        "label": found.label,
        "line": found.line,
        "page": found.page,
        "start": found.start,
        "end": found.end,
        "text": found.text,
        "score": found.score,
        "version": found.version,
        "document_date": _day(found.document_date),
        **found.standing.to_json(),
    }
    if asked is not None:
        scores = found.scores
        entry["scores"] = {
            "fused": scores.fused,
            "dense": scores.dense,
            "words": scores.words,
            "led_by": scores.led_by,
        }
        entry["terms"] = terms_held(found, asked)
    return entry


def rule(found: RuleInForce) -> Json:
    """One entry of the JSON of `rules`."""
    said = spoken(found.rule)
    return {
        "match": found.rule.match,
        **said,
        "documents": found.documents,
        "stale": found.stale,
        "origin": found.origin,
    }


def conflict(found: Conflict) -> Json:
    """One entry of the JSON of `conflicts`."""
    return asdict(found)


def document(found: StoredDocument, standing: Standing) -> Json:
    """One entry of the JSON of `list`."""
    return {
        "path": found.path,
        "title": found.title,
        "dated": _day(found.dated),
        "document_date": _day(found.document_date),
        "version": found.version,
        "passages": found.passages,
        "without_vectors": found.without_vectors,
        "size_bytes": found.size_bytes,
        **standing.to_json(),
    }


def failure(found: Failure) -> Json:
    """A file that could not be read."""
    return {"path": found.path, "reason": found.reason, "at": found.at.isoformat(), "tries": found.tries}


def version(found: Version) -> Json:
    """One entry of the JSON of `versions`."""
    return {
        "version": found.number,
        "at": found.at.isoformat(),
        "cause": found.cause,
        "source": found.source,
        "undoes": found.undoes,
        "added": found.added,
        "changed": found.changed,
        "moved": found.moved,
        "removed": found.removed,
        "passages_born": found.passages_born,
        "passages_died": found.passages_died,
    }


def read_in(done: ReadIn, *, waiting: int) -> Json:
    """The JSON of `add`. waiting: passages without a vector, now."""
    return {
        "versions": [version(v) for v in done.versions],
        "documents": done.documents,
        "added": done.added,
        "changed": done.changed,
        "moved": done.moved,
        "removed": done.removed,
        "unchanged": done.unchanged,
        "without_vectors": waiting,
        "failures": [failure(f) for f in done.failures],
    }


def path_status(found: PathStatus) -> Json:
    """The JSON of `status PATH`."""
    return {"path": found.path, "state": found.state, "message": found.message, "nearest": list(found.nearest)}


def backed_up(found: Contents, file: str) -> Json:
    """The JSON of `backup`, and of what `restore` found."""
    return {
        "file": file,
        "version": found.version,
        "documents": found.documents,
        "passages": found.passages,
        "program": found.program,
        "created_at": found.created_at.isoformat(),
        "size_bytes": found.size_bytes,
    }


def restored(done: Restored, file: str) -> Json:
    """The JSON of `restore`."""
    kept = [str(path) for path in done.kept]
    return {"kb": str(done.folder), "backup": backed_up(done.contents, file), "kept": kept}


def exported(done: Exported) -> Json:
    """The JSON of `export`."""
    return {
        "folder": str(done.folder),
        "version": done.version,
        "documents": done.documents,
        "texts": done.texts,
        "chats": done.chats,
    }


def setting(found: Setting) -> Json:
    """One entry of the JSON of `config`."""
    return {"name": found.name, "value": found.value, "origin": found.origin}


def status(found: Status, due: Due | None) -> Json:
    """The JSON of `status`. due: of distilling, None where no setting asks for it."""
    return {
        "kb": found.path,
        "version": None if found.version is None else found.version.number,
        "at": None if found.version is None else found.version.at.isoformat(),
        "documents": found.documents,
        "passages": found.passages,
        "without_vectors": found.waiting,
        "failures": [failure(f) for f in found.failures],
        "folders": [folder(f) for f in found.folders],
        "embedder": found.embedder,
        "model": found.model,
        "chats": found.chats,
        "turns": found.turns,
        "adapters": {state.value: count for state, count in found.adapters.items()},
        "distilling": None if due is None else due.to_json(),
        "size_bytes": found.size_bytes,
        "is_calibrated": found.is_calibrated,
        "takeover": None if found.takeover is None else takeover(found.takeover),
    }


def takeover(found: Takeover) -> Json:
    """Of `status`: another embedder takes over."""
    return {"before": found.before, "after": found.after, "done": found.done, "waiting": found.waiting}


def folder(found: Folder) -> Json:
    """One entry of the JSON of `folders`."""
    return {
        "path": found.path,
        "documents": found.documents,
        "checked_at": None if found.checked_at is None else found.checked_at.isoformat(),
        "following": found.following,
        "pid": found.pid,
        "way": found.way,
        "blocked": found.blocked,
        "queued": found.queued,
        "held": found.held,
    }


def history(found: Sequence[Past]) -> list[Json]:
    """The JSON of `history`: each state with its whole text."""
    return [_past(past) for past in found]


def differences(found: Sequence[tuple[Past | None, Past | None]]) -> list[Json]:
    """The JSON of `diff`."""
    return [{"before": None if a is None else _past(a), "after": None if b is None else _past(b)} for a, b in found]


def undo_plan(plan: UndoPlan, done: Version | None) -> Json:
    """The JSON of `undo`. done: the version it made, None for a dry run."""
    return {
        "undoes": plan.version.number,
        "documents": [
            {"what": line.what, "path": line.path, "path_then": line.path_then, "obstacle": line.obstacle}
            for line in plan.lines
        ],
        "made": None if done is None else version(done),
    }


def pruning(found: Pruning, *, is_dry: bool) -> Json:
    """The JSON of `prune`."""
    return {
        "dry_run": is_dry,
        "documents": found.documents,
        "revisions": found.revisions,
        "passages": found.passages,
        "vectors": found.vectors,
        "text_bytes": found.text_bytes,
        "answers": found.answers,
        "adapters": found.adapters,
    }


def forgotten(made: Version, paths: Sequence[str]) -> Json:
    """The JSON of `forget`. paths: of the documents taken out."""
    return {"paths": list(paths), "made": version(made)}


def decided(made: Version, settled: Sequence[Conflict]) -> Json:
    """The JSON of `conflicts` with a decision."""
    return {"conflicts": [conflict(one) for one in settled], "made": version(made)}


def remembered(found: Remembered) -> Json:
    """The JSON of `remember`."""
    return {"text": found.text, "path": found.path, "made": version(found.version)}


def preference(found: Preference) -> Json:
    """One entry of the JSON of `remember --list`."""
    return {
        "number": found.number,
        "text": found.text,
        "in": list(found.within),
        "since": None if found.since is None else found.since.isoformat(),
        "path": found.path,
    }


def erased(found: Erased) -> Json:
    """The JSON of `forget --everywhere`."""
    return {
        "documents": found.documents,
        "answers": found.answers,
        "adapters": list(found.adapters),
        "made": None if found.version is None else version(found.version),
        "complete": found.is_complete,
        "left": list(found.left),
    }


def happening(found: Happening) -> Json:
    """One line of `watch --json`."""
    return {
        "at": found.at.isoformat(),
        "kind": found.kind,
        "path": found.path,
        "path_before": found.path_before,
        "born": found.born,
        "died": found.died,
        "kept": found.kept,
        "seconds": round(found.seconds, 3),
        "version": found.version,
        "message": found.message,
    }


def _past(found: Past) -> Json:
    return {
        "version": found.version.number,
        "at": found.version.at.isoformat(),
        "cause": found.version.cause,
        "path": found.path,
        "text": found.text,
        "decisions": [{"old": one.old, "new": one.new, "decision": one.decision} for one in found.decisions],
    }


def finding(found: Finding) -> Json:
    """One entry of the JSON of `check`."""
    return {
        "subject": found.subject,
        "well": found.is_well,
        "message": found.message,
        "remedy": found.remedy,
    }


def service_done(supervisor: Supervisor, *, kb: Path, did: str) -> Json:
    """The JSON of `service install` and `service uninstall`."""
    return {"kb": str(kb), "name": supervisor.name, "file": str(supervisor.path), "did": did}


def service_standing(supervisor: Supervisor, standing: ServiceStanding | None, *, kb: Path) -> Json:
    """The JSON of `service status`. standing: None if it is not installed."""
    return {
        "kb": str(kb),
        "name": supervisor.name,
        "file": str(supervisor.path),
        "installed": standing is not None,
        "running": standing is not None and standing.is_running,
        "state": None if standing is None else standing.state,
        "since": None if standing is None or standing.since is None else standing.since.isoformat(),
    }


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()
