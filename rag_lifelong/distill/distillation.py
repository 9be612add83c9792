"""A distillation from beginning to end: pairs, lessons, two trainings, gates, and the adapter's state.

Rule: the base's digest is the same afterwards, or nothing is promoted. Whatever is done is kept in the store under the
adapter's number as it is done, so that a run that was broken off goes on; what it may hold of a source goes with that
source.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from rag_lifelong.assistant import Assistant
from rag_lifelong.distill.beginning import begin
from rag_lifelong.distill.curriculum import Curriculum
from rag_lifelong.distill.gates import Exam, Probe, examine
from rag_lifelong.distill.lease import alone
from rag_lifelong.distill.lessons import Lesson, Part, Task, lessons
from rag_lifelong.distill.pairs import Pairs, write_pairs
from rag_lifelong.distill.planning import Plan
from rag_lifelong.distill.probes import general, parted
from rag_lifelong.distill.recipe import Recipe
from rag_lifelong.distill.report import Report
from rag_lifelong.distill.selection import Candidate
from rag_lifelong.distill.training import Trained, train, turns_of
from rag_lifelong.errors import BadSetting, ModelUnusable, NothingToDistil, Stopped
from rag_lifelong.generate.local import TransformersModel, within_memory
from rag_lifelong.store.adapters import OF_OTHERS
from rag_lifelong.types import Adapter

_OWN, _CHECKPOINT = "pairs", "checkpoint"  # parts of the adapter, in the store
_OTHERS, _CONTROL = OF_OTHERS
_ENOUGH = 1_000_000  # epochs: the steps are the limit


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a run is. name: "pairs", "lessons", "training", "control" or "gates". loss: nats per token."""

    name: str
    done: int
    total: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Distilled:
    """The adapter as it was judged, and what it was judged by.

    weights: its file's bytes, also of a rejected one; control: those of the one trained on other documents.
    """

    adapter: Adapter
    report: Report
    weights: bytes
    control: bytes


def distill(
    assistant: Assistant,
    plan: Plan,
    *,
    probe: Sequence[Probe] | None = None,
    tell: Callable[[Stage], None] | None = None,
    is_stopped: Callable[[], bool] | None = None,
) -> Distilled:
    """Carries out a plan. probe: general prompts, for the gates and to keep the adapter in place; None: those that come
    with the program.

    Raises NothingToDistil; ModelUnusable, also where memory runs out; BadSetting where the gates could not tell by so
    few prompts; Stopped where `is_stopped` says so: pairs and checkpoints are kept; SourcesChanged where a source was
    changed meanwhile; DistillingAlready where another process distils here.
    """
    model = assistant.language_model
    if not isinstance(model, TransformersModel):
        raise ModelUnusable(
            "adapters are trained beside a model on this machine; set one: lifelong --model transformers:PATH_OR_NAME"
        )
    if not plan.selection.chosen:
        raise NothingToDistil("no passage is stable and used enough; see why: lifelong distill --dry-run")
    with alone(assistant.knowledge_base.path), within_memory(model.name, model.module.device.type):
        return _Run(assistant, model, plan, probe, tell, is_stopped).carried_out()


class _Run:
    """One distillation, and what it has so far."""

    def __init__(
        self,
        assistant: Assistant,
        model: TransformersModel,
        plan: Plan,
        probe: Sequence[Probe] | None,
        tell: Callable[[Stage], None] | None,
        is_stopped: Callable[[], bool] | None,
    ) -> None:
        self.base = assistant.knowledge_base
        self.assistant = assistant
        self.model = model
        self.plan = plan
        self.recipe = plan.recipe
        self.seconds: dict[str, float] = {}
        self._tell = tell
        self._is_stopped = is_stopped or (lambda: False)
        self.probes = general() if probe is None else tuple(probe)

    def carried_out(self) -> Distilled:
        """The whole, step by step."""
        self._refuse_too_few_probes()
        begun = begin(self.assistant, self.model, self.plan)
        adapter, chosen, others = begun.adapter, begun.chosen, begun.others
        strangers = {one.document_id for one in others}
        with self._timed("pairs"):
            own = self._pairs(adapter.id, _OWN, chosen, of=())
            other = self._pairs(adapter.id, _OTHERS, others, of=strangers)
        curriculum = Curriculum(
            self.base,
            self.model,
            self.recipe,
            texts={one.passage_id: one for one in (*begun.sources, *others)},
            others=other.pairs,
            probes=self.probes,
            titles=self._titles(begun.sources),
        )
        exam = curriculum.exam(own.pairs)
        self._give_up_if_too_few(adapter, own, exam)
        with self._timed("lessons"):
            taught = [*curriculum.know(Part.KNOW, own.pairs), *curriculum.know(Part.REPLAY, begun.former)]
            about = [*curriculum.swapped(own.pairs), *curriculum.absent(own.pairs)]
            kept = [*curriculum.stay(), *about, *curriculum.general()]
            mine = self._lessons([*taught, *curriculum.beside(own.pairs), *kept])
            alike = [*curriculum.know(Part.KNOW, other.pairs), *curriculum.beside(other.pairs), *curriculum.general()]
            theirs = self._lessons(alike)
        with self._timed("training"):
            asked = _asked(exam)
            weights, trained = self._trained(adapter.id, _CHECKPOINT, "training", mine, self.recipe, asked, of=())
        with self._timed("control"):  # as many steps, whatever there is to learn
            as_long = replace(self.recipe, steps=trained.steps, epochs=_ENOUGH)
            control, _ = self._trained(adapter.id, _CONTROL, "control", theirs, as_long, asked, of=strangers)
        with self._timed("gates"):
            gates, arms = examine(
                self.model,
                self.model.adapted(weights),  # what is examined is what will be used
                self.model.adapted(control),
                exam,
                thresholds=self.recipe.thresholds,
                max_tokens=self.recipe.answer_tokens,
                seed=self.recipe.seed,
                tell=lambda done, total: self._say(Stage("gates", done, total)),
            )
        if self.model.digest() != adapter.base_digest:
            raise ModelUnusable("the model's own weights have changed; nothing was promoted")
        tenth = max(1, len(trained.losses) // 10)
        report = Report(
            gates=gates,
            arms=arms,
            writer="templates" if own.by_templates else self.model.name,
            notes=own.notes,
            passages=len(chosen),
            facts=len({pair.fact for pair in own.pairs}),
            pairs=len(own.pairs),
            held_out=sum(pair.is_held_out for pair in own.pairs),
            refused=own.refused,
            others=len(others),
            lessons={part.value: sum(one.part is part for one in mine) for part in Part},
            steps=trained.steps,
            loss=(_mean(trained.losses[:tenth]), _mean(trained.losses[-tenth:])),
            seconds={name: round(spent, 2) for name, spent in self.seconds.items()},
            peak_bytes=_peak_bytes(),
            weights_digest=hashlib.sha256(weights).hexdigest(),
        )
        failed = [gate.name for gate in report.failed]
        judged = self.base.adapters.judge(
            adapter.id,
            report=report.to_json(),
            weights=weights,
            passed=not failed,
            reason="all gates hold" if not failed else f"rejected by {', '.join(failed)}",
            settings=self._settings(own, other, mine),
        )
        return Distilled(judged, report, weights, control)

    def _titles(self, sources: Sequence[Candidate]) -> dict[int, str]:
        """Of the documents that are none of theirs."""
        own = {one.document_id for one in sources}
        return {one.document_id: one.title for one in self.base.documents() if one.document_id not in own}

    def _refuse_too_few_probes(self) -> None:
        """Where no adapter could be let in, however good, nothing is trained."""
        _, asked = parted(self.probes, self.recipe.seed)
        least = self.recipe.thresholds.min_items
        known = sum(probe.answer is not None for probe in asked)
        if known < least:
            raise BadSetting(
                f"of {len(self.probes):,} general prompts {known:,} with an answer are kept for the gates, which "
                f"cannot tell by fewer than {least:,}; give more, with their answers"
            )

    def _give_up_if_too_few(self, adapter: Adapter, own: Pairs, exam: Exam) -> None:
        """The gates cannot tell by so few, so nothing is trained; its passages are not tried again by themselves."""
        least = self.recipe.thresholds.min_items
        facts = len({question.fact for question in exam.held_out})
        if not any(pair.is_held_out for pair in own.pairs):
            why = "the model wrote no questions about these passages that it can answer"
        elif facts < least:
            why = f"questions about {facts:,} facts were written, and the gates cannot tell by fewer than {least:,}"
        elif len(exam.neighbours) < least:
            why = (
                f"about other passages {len(exam.neighbours):,} questions are kept for the gates, which cannot tell by "
                f"fewer than {least:,}"
            )
        else:
            return
        self.base.adapters.give_up(adapter.id, f"rejected, since {why}")
        raise NothingToDistil(why)

    def _pairs(self, adapter_id: int, name: str, candidates: Sequence[Candidate], *, of: Collection[int]) -> Pairs:
        """Written passage by passage, and kept so. of: their documents, where these are no sources."""
        before = self.base.adapters.part(adapter_id, name)

        def keep(pairs: Pairs) -> None:
            self.base.adapters.keep(adapter_id, name, pairs.to_json().encode(), of=of)

        found = write_pairs(
            candidates,
            model=self.model,
            recipe=self.recipe,
            progress=lambda done, total: self._say(Stage("pairs", done, total)),
            done=None if before is None else Pairs.from_json(before.decode()),
            keep=keep,
        )
        keep(found)
        return found

    def _lessons(self, tasks: Sequence[Task]) -> list[Lesson]:
        """Of no more tasks than will have their turn, drawn with the seed."""
        counts = Counter(task.part for task in tasks)
        turns = turns_of(counts, self.recipe)
        kept: set[int] = set()
        for part, count in counts.items():
            numbers = [i for i, task in enumerate(tasks) if task.part is part]
            rng = random.Random(f"tasks {self.recipe.seed} {part.value}")
            kept.update(rng.sample(numbers, min(count, turns.get(part, 0))))
        return lessons(
            self.model,
            [task for i, task in enumerate(tasks) if i in kept],
            top_k=self.recipe.top_k,
            max_tokens=self.recipe.answer_tokens,
            tell=lambda done, total: self._say(Stage("lessons", done, total)),
        )

    def _trained(
        self,
        adapter_id: int,
        part: str,
        stage: str,
        learned: Sequence[Lesson],
        recipe: Recipe,
        asked: bytes,
        *,
        of: Collection[int],
    ) -> tuple[bytes, Trained]:
        """The weights, from where the run was broken off, if the same is asked at the gates as was to be then.

        asked: tells that. Otherwise, as with another probe, what was trained on before might be asked now.
        """
        student = self.model.grown(rank=recipe.rank, alpha=recipe.alpha, layers=recipe.layers, seed=recipe.seed)
        kept = self.base.adapters.part(adapter_id, part)
        trained = train(
            student,
            learned,
            recipe,
            checkpoint=kept[len(asked) :] if kept is not None and kept.startswith(asked) else None,
            keep=lambda data: self.base.adapters.keep(adapter_id, part, asked + data, of=of),
            tell=lambda done, total, loss: self._say(Stage(stage, done, total, loss)),
            is_stopped=self._is_stopped,
        )
        return student.adapter_weights(), trained

    def _settings(self, own: Pairs, other: Pairs, learned: Sequence[Lesson]) -> str:
        """What it takes to make the same again."""
        import torch

        order = [[one.part.value, one.prompt, one.answer] for one in learned]
        return json.dumps(
            {
                "recipe": asdict(self.recipe),
                "pairs": _digest(own.to_json()),
                "others": _digest(other.to_json()),
                "lessons": _digest(json.dumps(order)),
                "program": version("rag-lifelong"),
                "torch": torch.__version__,
                "peft": version("peft"),
                "threads": torch.get_num_threads(),
            },
            sort_keys=True,
        )

    def _say(self, stage: Stage) -> None:
        if self._tell is not None:
            self._tell(stage)
        if self._is_stopped() and stage.name not in ("training", "control"):  # these stop at a checkpoint
            raise Stopped("stopped; pairs and checkpoints are kept, and the next run goes on from them")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - began


def _asked(exam: Exam) -> bytes:
    """Tells what is asked at the gates and never trained on, whatever is found beside it: 16 bytes."""
    held_out = [question.closed for question in exam.held_out]
    prompts = [*held_out, *exam.neighbours, *(prompt for prompt, _ in exam.unrelated)]
    return bytes.fromhex(_digest(json.dumps([[message.content for message in prompt] for prompt in prompts])))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _peak_bytes() -> int | None:
    """The most memory the process has had; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
