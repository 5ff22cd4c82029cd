"""The executions of steps that a person asked for by name. Used for diffs, patches and logs."""

from __future__ import annotations

from collections.abc import Sequence

from ai_orchestrator.base.errors import BadInputError, NotFoundError, shorten
from ai_orchestrator.model.step_names import named_steps, step_names
from ai_orchestrator.model.task import StepView, TaskView


def asked_steps(view: TaskView, name: str | None) -> Sequence[StepView]:
    """Those that the name fits, all for None.

    Raises `NotFoundError` with the known ones, `BadInputError` where different steps fit.
    """
    if name is None:
        return view.steps
    found = named_steps(view.steps, name)
    told = f"task {view.summary.id}: "
    if not found:
        known = ", ".join(step_names(view.steps))
        hint = f"Known: {known}." if known else "None of its steps has begun."
        raise NotFoundError(f"{told}no step {shorten(name)!r}.", hint=hint)
    paths = list(dict.fromkeys(one.step for one in found))
    if len(paths) > 1:
        raise BadInputError(
            f"{told}{shorten(name)!r} fits several steps.", hint=f"Name one: {', '.join(paths)}."
        )
    return found
