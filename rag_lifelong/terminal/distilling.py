"""`lifelong distill`: what is chosen, then the adapter made of it, step by step, and what its gates say.

Rule: nothing is trained or written by --dry-run. On a terminal it asks before it begins, elsewhere it begins; ^C stops
at a checkpoint, and the same command goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rag_lifelong.adapters import stands
from rag_lifelong.assistant import Assistant
from rag_lifelong.distill import distillation, planning, probes
from rag_lifelong.distill.distillation import Distilled
from rag_lifelong.distill.gates import Probe
from rag_lifelong.distill.planning import Plan
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.report import Report
from rag_lifelong.distill.schedule import Due, due
from rag_lifelong.errors import DistillingAlready, ModelUnusable, NothingToDistil
from rag_lifelong.errors import Stopped as AtCheckpoint
from rag_lifelong.generate.keys import hidden
from rag_lifelong.terminal import choosing, gates
from rag_lifelong.terminal.agreement import ask_to_begin
from rag_lifelong.terminal.outcome import DONE, NOTHING, Outcome
from rag_lifelong.terminal.overview import command, shell_path
from rag_lifelong.terminal.parser import Usage
from rag_lifelong.terminal.progress import Stopped
from rag_lifelong.terminal.render import plural
from rag_lifelong.terminal.stages import Stages
from rag_lifelong.terminal.style import Style, safe_line
from rag_lifelong.types import AdapterState, Json

_KIND = "transformers:"  # of models that adapters can stand beside
_NONE = (
    "Chosen is what has not changed for long, and was found and cited by answers, or\n"
    "called /good. To ask for less: --min-age DAYS, --min-uses N"
)
_EMPTY = "Nothing is stored yet. To read files in: lifelong add PATH"
_AT_ONCE = b"\nStopping at a checkpoint. ^C again leaves at once.\n"


def distilling(assistant: Assistant, options: Namespace, style: Style) -> Outcome:
    """Shows what would be distilled, or distils it. A ^C leaves as `Stopped`, which says how to go on."""
    if options.dry_run and options.if_due:
        sys.stderr.write("lifelong: --dry-run shows what there is, due or not; leave out --if-due\n")
        raise Usage
    namespace = _namespace(assistant, options.globs)
    recipe = _recipe(options)
    probe = None if options.probe is None else probes.read(Path(options.probe).expanduser())
    spec = options.model or assistant.config.model
    is_due: Due | None = None
    if options.if_due:
        is_due = _due(assistant, spec, namespace, recipe)
        if not is_due.is_due:
            return Outcome(f"Not due: {is_due.why}.", _json(None, is_due, None), DONE, "")
    if not options.dry_run and not spec.startswith(_KIND):
        raise ModelUnusable(
            f"an adapter stands beside a model on this machine, and {hidden(spec)} is set; to set one: lifelong models "
            "default transformers:FOLDER, or for this run: lifelong distill -m transformers:FOLDER"
        )
    assistant.use_model(spec)
    planned = planning.plan(assistant, namespace=namespace, recipe=recipe)
    where = ", ".join(safe_line(glob) for glob in namespace) or "all documents"
    if options.dry_run or not planned.selection.chosen:
        now = assistant.knowledge_base.now()
        lines = list(choosing.in_full(planned, style, where=where, now=now, shows_all=options.verbose))
        code = DONE if planned.selection.chosen else NOTHING
        if planned.selection.chosen:
            again = _again(options) if spec.startswith(_KIND) else f"{_again(options, but='-m')} -m transformers:FOLDER"
            remark = f"Nothing was trained. To do it: {again}"
        elif planned.selection.considered:
            remark = _NONE
        else:
            remark = f"Nothing is stored in {where}; see: lifelong list" if namespace else _EMPTY
        return Outcome("\n".join(lines), _json(planned, is_due, None), code, remark)
    try:
        done = _distilled(assistant, planned, options, probe=probe, where=where, again=_again(options))
    except DistillingAlready as error:
        if is_due is None:
            raise
        return Outcome(f"Not now: {error}.", _json(planned, is_due, None), DONE, "")
    except NothingToDistil as error:
        return Outcome(
            f"Nothing was distilled: {error}.", _json(planned, is_due, None, why_not=str(error)), NOTHING, ""
        )
    code = DONE if _is_promoted(done) else NOTHING
    return Outcome("\n".join(_told(done, style)), _json(planned, is_due, done), code, "")


def when(assistant: Assistant, *, model: str | None) -> Due | None:
    """Whether something is to be distilled now, as the settings have it; None where none asks for it.

    model: a SPEC in place of the one set.
    """
    config = assistant.config
    if not config.distill_every_days and not config.distill_after_passages:
        return None
    return _due(assistant, model or config.model, _namespace(assistant, ()), Recipe())


# -- inside


def _namespace(assistant: Assistant, globs: Sequence[str]) -> tuple[str, ...]:
    """The documents named, else those of the setting; () is all."""
    within = assistant.config.distill_within
    return tuple(globs) or ((within,) if within else ())


def _due(assistant: Assistant, model: str, namespace: Sequence[str], recipe: Recipe) -> Due:
    return due(
        assistant,
        model=model,
        every_days=assistant.config.distill_every_days,
        after_passages=assistant.config.distill_after_passages,
        namespace=namespace,
        recipe=recipe,
    )


def _recipe(options: Namespace) -> Recipe:
    given = {
        "min_age_days": options.min_age,
        "min_uses": options.min_uses,
        "max_passages": options.max_passages,
        "steps": options.steps,
        "seed": options.seed,
    }
    return replace(Recipe(), **{name: value for name, value in given.items() if value is not None})


def _distilled(
    assistant: Assistant, planned: Plan, options: Namespace, *, probe: Sequence[Probe] | None, where: str, again: str
) -> Distilled:
    ask_to_begin(options, choosing.in_short(planned, where=where))
    is_drawn = sys.stderr.isatty() and not options.verbose and os.environ.get("TERM") != "dumb"
    stages = Stages(sys.stderr, is_drawn=is_drawn)
    kept = f"Stopped. What was done up to the last checkpoint is kept.\nRun it again to go on: {again}"
    try:
        with _stoppable() as is_stopped:
            tell = None if options.quiet else stages.tell
            return distillation.distill(assistant, planned, probe=probe, tell=tell, is_stopped=is_stopped)
    except (AtCheckpoint, KeyboardInterrupt):
        stages.close()
        raise Stopped(kept) from None
    finally:
        stages.close()


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Whether ^C was pressed, or the process was asked to end; a second ^C is a KeyboardInterrupt."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        if number == signal.SIGINT:
            os.write(2, _AT_ONCE)  # nothing buffered: it may interrupt a line that is being written

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(done: Distilled, style: Style) -> Iterator[str]:
    """What became of it."""
    number = done.adapter.id
    if _is_promoted(done):
        yield style.bold(f"Adapter {number} is active: all its gates hold.")
    elif done.adapter.state is AdapterState.REJECTED:
        yield style.bold(f"Adapter {number} is rejected by {_gates(done.report)}.")
    else:
        yield style.bold(f"Adapter {number} is {safe_line(stands(done.adapter))}")
    yield from gates.table(done.report.gates, style)
    yield style.dim(gates.took(done.report))
    if _is_promoted(done):
        yield "It words answers to questions about what it was made of."
        yield f"Take it out: lifelong adapters disable {number}"
    else:
        yield "It words no answer, and the model is as it was."
        yield f"All about it: lifelong adapters show {number}"


def _is_promoted(done: Distilled) -> bool:
    return done.adapter.state is AdapterState.ACTIVE


def _gates(report: Report) -> str:
    names = [safe_line(gate.name) for gate in report.failed]
    return f"its {plural(len(names), 'gate', 'gates')} {', '.join(names)}"


def _again(options: Namespace, *, but: str = "") -> str:
    """The same command, with what decides a run: only with the same does it go on where it was broken off.

    but: an option to leave out.
    """
    given = [
        ("--min-age", options.min_age),
        ("--min-uses", options.min_uses),
        ("--max-passages", options.max_passages),
        ("--steps", options.steps),
        ("--seed", options.seed),
        ("--probe", options.probe),
        ("-m", options.model),
    ]
    words = [str(word) for name, value in given if value is not None and name != but for word in (name, value)]
    return " ".join([command("lifelong distill", options.globs), *(shell_path(word) for word in words)])


def _json(planned: Plan | None, is_due: Due | None, done: Distilled | None, *, why_not: str | None = None) -> Json:
    return {
        "due": None if is_due is None else is_due.to_json(),
        "plan": None if planned is None else choosing.as_json(planned),
        "adapter": None if done is None else done.adapter.to_json(),
        "promoted": None if done is None else _is_promoted(done),
        "failed_gates": None if done is None else [gate.name for gate in done.report.failed],
        "why_not": why_not,
    }
