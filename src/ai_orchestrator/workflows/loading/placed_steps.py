"""The steps of a document with their places, and the older forms made into today's.

A workflow written as a list, or as a map that bounds rounds without a loop of its own, is one
loop: what implements runs in the first round, what refines when there is something to refine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.workflows.loading.compile_prompts import Prompt
from ai_orchestrator.workflows.loading.document import StepDoc, WorkflowDoc
from ai_orchestrator.workflows.loading.tasks import FIRST_ROUND_ONLY, REFINE

IN_FIRST_ROUND = "iteration == 1"
SOMETHING_TO_REFINE = "not verified or open_findings > 0"


@dataclass(frozen=True, slots=True)
class PlacedStep:
    """A step with its place in the document."""

    keys: Keys
    doc: StepDoc
    children: tuple[PlacedStep, ...] = ()
    """Those of `iterate` or `parallel`."""


def placed_steps(
    name: str, workflow: Sequence[StepDoc] | WorkflowDoc, prompts: Mapping[str, Prompt]
) -> tuple[PlacedStep, ...]:
    """The steps of the named workflow, in today's form."""
    keys: Keys = ("workflows", name)
    if isinstance(workflow, WorkflowDoc):
        steps = _placed((*keys, "steps"), workflow.steps)
        is_one_loop = workflow.max_iterations is not None or _has_refine(steps)
        rounds = workflow.max_iterations
    else:
        steps, is_one_loop, rounds = _placed(keys, workflow), True, None
    has_own_loop = any(step.doc.iterate is not None for step in steps)
    if has_own_loop or not is_one_loop or not any(_may_write(step, prompts) for step in steps):
        return tuple(_bounded(step, rounds) for step in steps)
    children = tuple(_in_one_loop(step) for step in steps)
    loop = StepDoc(iterate=[child.doc for child in children], max_iterations=rounds)
    return (PlacedStep(keys, loop, children),)


def uses(workflow: Sequence[StepDoc] | WorkflowDoc) -> tuple[str, ...]:
    """The workflows whose steps it brings in by `use`, in order."""
    steps = workflow.steps if isinstance(workflow, WorkflowDoc) else workflow
    found: list[str] = []
    for step in steps:
        if step.use is not None:
            found.append(step.use)
        found.extend(uses([*(step.iterate or ()), *(step.parallel or ())]))
    return tuple(found)


def _placed(keys: Keys, steps: Sequence[StepDoc]) -> tuple[PlacedStep, ...]:
    return tuple(_place((*keys, index), step) for index, step in enumerate(steps))


def _place(keys: Keys, step: StepDoc) -> PlacedStep:
    if step.iterate is not None:
        return PlacedStep(keys, step, _placed((*keys, "iterate"), step.iterate))
    if step.parallel is not None:
        return PlacedStep(keys, step, _placed((*keys, "parallel"), step.parallel))
    return PlacedStep(keys, step)


def _has_refine(steps: Sequence[PlacedStep]) -> bool:
    return any(step.doc.task == REFINE for step in steps)


def _may_write(step: PlacedStep, prompts: Mapping[str, Prompt]) -> bool:
    """What it is not known for sure is taken to write."""
    if step.doc.task is not None and step.doc.task in prompts:
        return prompts[step.doc.task].task.asks == "change"
    return step.doc.parallel is None


def _bounded(step: PlacedStep, rounds: int | None) -> PlacedStep:
    """The step with the workflow's rounds, where it is a loop that does not say its own."""
    if step.doc.iterate is None or step.doc.max_iterations is not None:
        return step
    return replace(step, doc=msgspec.structs.replace(step.doc, max_iterations=rounds))


def _in_one_loop(step: PlacedStep) -> PlacedStep:
    """The step with the condition that its task has in the older forms, unless it has its own."""
    if step.doc.when is not None or step.doc.task is None:
        return step
    if step.doc.task in FIRST_ROUND_ONLY:
        return replace(step, doc=msgspec.structs.replace(step.doc, when=IN_FIRST_ROUND))
    if step.doc.task == REFINE:
        return replace(step, doc=msgspec.structs.replace(step.doc, when=SOMETHING_TO_REFINE))
    return step
