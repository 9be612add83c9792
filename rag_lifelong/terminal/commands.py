"""The commands that ask or change an open knowledge base: options → what to print, as text and as JSON.

Rule: prints nothing itself; `cli` does. Each function gives an `Outcome`.
"""

from __future__ import annotations

import fnmatch
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from ingest.scan import Rules
from rag_lifelong.assistant import Assistant, Narrowing, restore
from rag_lifelong.errors import NoSuchPath, TooManyGone
from rag_lifelong.evaluate import SAMPLES, evaluate
from rag_lifelong.knowledge_base import utc_now
from rag_lifelong.places import file_on_disk
from rag_lifelong.sync import ReadIn
from rag_lifelong.terminal import (
    adapters,
    as_json,
    distilling,
    evaluation,
    holding,
    overview,
    remembering,
    render,
    replaying,
    talks,
)
from rag_lifelong.terminal.agreement import ask_first
from rag_lifelong.terminal.outcome import DONE, ERROR, NOTHING, Command, Outcome
from rag_lifelong.terminal.parser import Usage, globs_of
from rag_lifelong.terminal.progress import Bars, Lines, Stopped, Unseen, Watched, metered
from rag_lifelong.terminal.style import Style, safe, short_path
from rag_lifelong.terms import query_terms
from rag_lifelong.types import Failure, Version


def add(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Reads folders and files in. A KeyboardInterrupt leaves as `Stopped`, which says what is kept."""
    rules = rules_of(options)

    def work(bars: Watched, may_retire: bool) -> ReadIn:
        return assistant.add(
            *options.paths, wait=not options.no_wait, progress=bars, rules=rules, may_retire=may_retire
        )

    return _brought(assistant, options, "lifelong add", options.paths, work)


def sync(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Makes the knowledge base equal to folders, once."""

    def work(bars: Watched, may_retire: bool) -> ReadIn:
        return assistant.sync(*options.folders, progress=bars, may_retire=may_retire)

    return _brought(assistant, options, "lifelong sync", options.folders, work)


def _brought(
    assistant: Assistant,
    options: Namespace,
    name: str,
    paths: Sequence[str],
    work: Callable[[Watched, bool], ReadIn],
) -> Outcome:
    bars = watched(is_quiet=options.quiet, is_verbose=options.verbose)
    try:
        try:
            done = work(bars, options.yes)
        except TooManyGone as error:
            bars.close()
            if not _agreed(str(error)):
                raise TooManyGone(
                    f"{error}. If they are gone for good: {overview.command(name, paths)} --yes"
                ) from error
            bars = watched(is_quiet=options.quiet, is_verbose=options.verbose)
            done = work(bars, True)
    except KeyboardInterrupt:
        bars.close()
        raise Stopped(what_is_kept(assistant, bars, name, paths)) from None
    finally:
        bars.close()
    waiting = assistant.knowledge_base.lag().passages
    remark = ""
    if waiting:
        waits = f"{overview.count_of(waiting, 'passage')} {render.plural(waiting, 'waits', 'wait')} for vectors"
        remark = f"All answer by words; {waits}. Go on with: {overview.command(name, paths)}"
    return Outcome(overview.read_in(done), as_json.read_in(done, waiting=waiting), DONE, remark)


def _agreed(question: str) -> bool:
    """Asks on a terminal; elsewhere nobody agrees."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{safe(question)}.\nAre they gone for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def rules_of(options: Namespace) -> Rules | None:
    """--gitignore and --follow-links; None if neither is given, which leaves what was set."""
    if not (options.gitignore or options.follow_links):
        return None
    return Rules(uses_gitignore=options.gitignore, follows_links=options.follow_links)


def history(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Every state of a document."""
    found = assistant.history(options.path)
    return Outcome(overview.history(found, style), as_json.history(found), DONE, "")


def diff(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """What changed between two versions."""
    found = assistant.changed_between(options.first, options.last or "now")
    shown = overview.differing(found) if options.files else overview.differences(found, style)
    return Outcome(shown, as_json.differences(found), DONE, "" if found else "Nothing differs.")


def undo(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Takes a version back, after showing what that means."""
    plan = assistant.undo_plan(options.version)
    if options.dry_run:
        return Outcome(overview.undo_plan(plan), as_json.undo_plan(plan, None), DONE, "")
    done = assistant.undo(plan.version.number)
    shown = f"{overview.undo_plan(plan)}\n{overview.undone(plan, done)}"
    return Outcome(shown, as_json.undo_plan(plan, done), DONE, "")


def folders(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The folders known, or one that has moved."""
    if options.move:
        assistant.move_folder(*options.move)
    found = assistant.folders()
    text = "\n".join(overview.folder(one, now=utc_now()) for one in found)
    return Outcome(text, [as_json.folder(one) for one in found], DONE, "" if found else "No folder yet.")


def unfollow(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """A folder is compared no longer."""
    assistant.unfollow(options.folder)
    folder = os.path.abspath(os.path.expanduser(options.folder))
    place = short_path(folder)
    text = f"{place} is no longer compared; its documents still answer. To follow it again: lifelong watch {place}"
    return Outcome(text, {"path": folder, "following": "left"}, DONE, "")


def search(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The passages found."""
    query = question_of(options.query)
    hits = assistant.search(query, options.k, **scope_of(options))
    if options.files:
        paths = list(dict.fromkeys(hit.path for hit in hits))
        shown = [safe(path) for path in paths] if sys.stdout.isatty() else paths  # exact for the next program
        return Outcome("\n".join(shown), paths, DONE if hits else NOTHING, "")
    asked = query_terms(query)
    lines = [render.hit(hit, i, asked, style, explain=options.explain) for i, hit in enumerate(hits, start=1)]
    found = [as_json.hit(hit, asked=asked if options.explain else None) for hit in hits]
    return Outcome("\n".join(lines), found, DONE if hits else NOTHING, "" if hits else "Nothing found.")


def status(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The knowledge base at a glance, or all about one file."""
    if options.path is None:
        # opened without its model, which only questions need
        found = replace(assistant.status(), model=options.model or assistant.config.model)
        from rag_lifelong.terminal.service import advice  # which imports this module

        due = distilling.when(assistant, model=options.model)
        text = overview.status(found, style, now=utc_now(), due=due)
        return Outcome(text, as_json.status(found, due), DONE, advice(found))
    one = assistant.status_of(options.path)
    code = NOTHING if one.state == "unknown" else DONE
    return Outcome(overview.path_status(one), as_json.path_status(one), code, "")


def listing(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The documents stored, or the files that could not be read."""
    within = globs_of(options)
    if options.failed:
        if options.as_of is not None or options.dated is not None:
            sys.stderr.write(
                "lifelong: --failed is about now, and about files without a date; see: lifelong list --help\n"
            )
            raise Usage
        failed = [f for f in assistant.failures() if options.pattern is None or _is_like(f, options.pattern)]
        failed = [f for f in failed if not within or any(_is_like(f, glob) for glob in within)]
        code, remark = (DONE, "") if failed else (NOTHING, "No file failed to be read.")
        return Outcome(overview.failed_files(failed), [as_json.failure(f) for f in failed], code, remark)
    with assistant.knowledge_base.reading():  # others may add and remove meanwhile
        found = assistant.list(options.pattern, **scope_of(options))
        standings = assistant.standings(as_of=options.as_of)
    none = "No such document."
    if options.pending:
        found, none = tuple(document for document in found if document.without_vectors), "Nothing waits."
    if options.stale:
        found = tuple(document for document in found if not standings[document.document_id].holds)
        none = "Every document holds: none is past its time to live, superseded, or retired by its own header."
    code, remark = (DONE, "") if found else (NOTHING, none)
    entries = [as_json.document(d, standings[d.document_id]) for d in found]
    return Outcome(overview.documents(found, standings, style), entries, code, remark)


def show(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """A document's stored text, from a line on if one is named."""
    path, line = path_and_line(options.path)
    text = assistant.show(path, as_of=options.as_of)
    lines = text.split("\n")
    if line is not None and line > len(lines):
        return Outcome("", None, ERROR, f"lifelong: the document has {overview.count_of(len(lines), 'line')}")
    shown = "\n".join(lines[line - 1 :]) if line is not None else text
    shown = safe(shown) if sys.stdout.isatty() else shown  # exact for the next program
    return Outcome(
        shown.removesuffix("\n"), {"path": os.path.abspath(os.path.expanduser(path)), "text": text}, DONE, ""
    )


def forget(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Takes documents out of answers about now."""
    if options.everywhere:
        places = ", ".join(short_path(os.path.abspath(os.path.expanduser(path))) for path in options.paths)
        answers = assistant.answers_from(*options.paths)
        what = f", and {overview.count_of(answers, 'answer')} of chats that rests on it" if answers else ""
        adapters = assistant.adapters_from(*options.paths)
        what += f", and {overview.made_from_it(adapters)}" if adapters else ""
        ask_first(options, f"This removes {places} from every version{what.removesuffix(',')}, for good")
        gone = assistant.forget_everywhere(*options.paths)
        return Outcome(overview.erased(gone), as_json.erased(gone), DONE, "")
    version, paths = forgotten(assistant, options.paths)
    return Outcome(overview.forgotten(version, paths), as_json.forgotten(version, paths), DONE, "")


def prune(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Lets go of former texts, after showing what."""
    limits = (options.keep_for, options.keep_last, *((r.rule.keep_for, r.rule.keep_last) for r in assistant.rules()))
    if all(limit in (None, (None, None)) for limit in limits):
        sys.stderr.write(
            "lifelong: say what to keep: --keep-for '1 year', or --keep-last 3; or for good, by a rule: "
            "lifelong rules '*' --keep-for '1 year'\n"
        )
        raise Usage
    within = globs_of(options)
    found = assistant.pruning_plan(keep_for=options.keep_for, keep_last=options.keep_last, within=within)
    if options.dry_run or not found.lives:
        return Outcome(overview.pruning(found, is_dry=True), as_json.pruning(found, is_dry=True), DONE, "")
    ask_first(options, overview.pruning(found, is_dry=True))
    found = assistant.prune(found)
    return Outcome(overview.pruning(found, is_dry=False), as_json.pruning(found, is_dry=False), DONE, "")


def versions(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The versions, newest first."""
    found = assistant.versions(options.k or 20)
    text = "\n".join(overview.version(v) for v in found)
    return Outcome(text, [as_json.version(v) for v in found], DONE, "" if found else "No version yet.")


def check(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Is everything well?"""
    found = assistant.check()
    text = "\n".join(overview.finding(f, style) for f in found)
    code = DONE if all(f.is_well for f in found) else ERROR
    return Outcome(text, [as_json.finding(f) for f in found], code, "")


def rebuild(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Makes the indexes again, and checks them."""
    bars = watched(is_quiet=options.quiet, is_verbose=options.verbose)
    try:
        assistant.rebuild(progress=bars)
    except KeyboardInterrupt:
        bars.close()
        raise Stopped("Stopped. Nothing is lost. Go on with: lifelong rebuild") from None
    finally:
        bars.close()
    found = assistant.check()
    is_well = all(f.is_well for f in found)
    text = "Rebuilt; everything is well." if is_well else "Rebuilt, but not everything is well: lifelong check"
    if assistant.rescued is not None:
        kept = short_path(str(assistant.rescued.kept))
        documents = overview.count_of(len(assistant.documents()), "document")
        text += (
            f"\nThe store was damaged and is kept as {kept}; {documents} were read in again as they are on disk now. "
            "Earlier versions are in the damaged file only."
        )
        if not assistant.rescued.folders and not assistant.rescued.files:
            text += "\nWhich folders it held could not be read from it; name them: lifelong add FOLDER"
    return Outcome(text, [as_json.finding(f) for f in found], DONE if is_well else ERROR, "")


def backup(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The whole knowledge base as one file."""
    file = os.path.abspath(os.path.expanduser(options.file))
    with metered(options, "Backing up", overview.size) as tell:
        found = assistant.backup(file, force=options.force, tell=tell)
    root = assistant.folder_that_reads(file)
    remark = ""
    if root is not None:
        remark = f"It lies in {short_path(root.path)}, which it is a backup of; better keep it on another disk."
    return Outcome(overview.backed_up(found, file), as_json.backed_up(found, file), DONE, remark)


def restoring(options: Namespace) -> Outcome:
    """A knowledge base from a backup; none is open meanwhile."""
    file = os.path.abspath(os.path.expanduser(options.file))
    with metered(options, "Restoring", overview.size) as tell:
        done = restore(file, options.kb, force=options.force, tell=tell)
    return Outcome(overview.restored(done), as_json.restored(done, file), DONE, "")


def export(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Texts, versions and history as plain files."""
    with metered(options, "Exporting", "{:,}".format) as tell:
        done = assistant.export(options.folder, tell=tell)
    return Outcome(overview.exported(done), as_json.exported(done), DONE, "")


def evaluating(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """The knowledge base measured on its own history."""
    with metered(options, "Evaluating", "{:,}".format) as tell:
        found = evaluate(assistant, samples=options.k or SAMPLES, tell=tell)
    code = DONE if found.is_well else ERROR
    return Outcome(evaluation.as_text(found, style), evaluation.as_json(found), code, "")


COMMANDS: dict[str, Command] = {
    "add": add,
    "search": search,
    "status": status,
    "list": listing,
    "show": show,
    "remember": remembering.remember,
    "forget": forget,
    "versions": versions,
    "check": check,
    "doctor": check,
    "rebuild": rebuild,
    "sync": sync,
    "history": history,
    "diff": diff,
    "undo": undo,
    "prune": prune,
    "folders": folders,
    "unfollow": unfollow,
    "rules": holding.rules,
    "conflicts": holding.conflicts,
    "backup": backup,
    "export": export,
    "evaluate": evaluating,
    "chats": talks.chats,
    "replay": replaying.replaying,
    "distill": distilling.distilling,
    "adapters": adapters.adapters,
}


def watched(*, is_quiet: bool, is_verbose: bool) -> Watched:
    """Who shows progress on standard error; with --verbose lines, since bars and log lines do not mix."""
    if is_quiet:
        return Unseen()
    is_plain = is_verbose or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"
    return Lines(sys.stderr) if is_plain else Bars(sys.stderr)


def what_is_kept(assistant: Assistant, bars: Watched, name: str, paths: Sequence[str]) -> str:
    """After ^C: how much of the work is done, and the command that goes on."""
    done = bars.done
    told = overview.stopped(
        files=done.files,
        total_files=done.total_files,
        is_readable=done.is_readable,
        documents=len(assistant.documents()),
        waiting=assistant.knowledge_base.lag().passages,
    )
    return f"{told}\nGo on with: {overview.command(name, paths)}"


def forgotten(assistant: Assistant, paths: Sequence[str]) -> tuple[Version, list[str]]:
    """Forgets, and gives the version with the paths of the documents it took out."""
    before = [document.path for document in assistant.documents()]
    version = assistant.forget(*paths)
    after = {document.path for document in assistant.documents()}
    return version, [path for path in before if path not in after]


def missing(paths: Sequence[str]) -> None:
    """Raises NoSuchPath for a path that is not there, nor in a file that is."""
    for path in paths:
        place = os.path.abspath(os.path.expanduser(path))
        if not os.path.lexists(place) and file_on_disk(Path(place)) is None:
            raise NoSuchPath(f"no file or folder at {place}; check the spelling")


def question_of(words: list[str]) -> str:
    """The words given, or standard input for "-", and for none unless it is a terminal; raises `Usage` if empty."""
    is_piped = words == ["-"] or (not words and not sys.stdin.isatty())
    question = (sys.stdin.read() if is_piped else " ".join(words)).strip()
    if not question:
        is_left_out = not words and not is_piped
        sys.stderr.write(f"lifelong: {'say what to look for' if is_left_out else 'the question is empty'}\n")
        raise Usage
    return question


def scope_of(options: Namespace) -> Narrowing:
    """--as-of, --in and --dated."""
    return {"as_of": options.as_of, "within": globs_of(options), "dated": dates_of(options.dated)}


def dates_of(text: str | None) -> tuple[date | None, date | None] | None:
    """FROM..TO, either open; one day alone means that day. Raises `Usage`."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        begin = date.fromisoformat(first) if first else None
        end = date.fromisoformat(last) if last else None
        is_fine = begin is None or end is None or begin <= end
    except ValueError:
        is_fine = False
    if not is_fine or text in ("", ".."):
        sys.stderr.write(
            f"lifelong: cannot read --dated {safe(text)!r}; give FROM..TO, such as 2026-01-01..2026-03-31\n"
        )
        raise Usage
    return begin, (end if dots else begin)


def path_and_line(text: str) -> tuple[str, int | None]:
    """PATH[:LINE], as printed with citations; a file that has a colon in its name goes first."""
    path, colon, line = text.rpartition(":")
    if not colon or not path or not line.isdecimal() or int(line) < 1 or os.path.exists(os.path.expanduser(text)):
        return text, None
    return path, int(line)


def _is_like(found: Failure, pattern: str) -> bool:
    wanted = os.path.expanduser(pattern).rstrip("/")
    path = found.path
    return any(fnmatch.fnmatchcase(path, like) for like in (wanted, f"{wanted}/*", f"*/{wanted}", f"*/{wanted}/*"))
