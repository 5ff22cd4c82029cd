"""The steps of a workflow: from what the document says to what is frozen in a task.

Called by `compile_workflow`. Faults are gathered, never raised: a step with a fault is still made
as well as it can be, so that the rest can be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from ai_orchestrator.config.document_path import Keys
from ai_orchestrator.config.problems import known_names
from ai_orchestrator.model.ids import is_step_path
from ai_orchestrator.model.workflow import AgentStep, LoopStep, ParallelStep, ScriptStep, Step
from ai_orchestrator.workflows.condition import ConditionError, parse
from ai_orchestrator.workflows.graph import find_cycle
from ai_orchestrator.workflows.loading.compile_agent_step import AgentStepCompiler
from ai_orchestrator.workflows.loading.compile_prompts import Prompt
from ai_orchestrator.workflows.loading.document import Document, StepDoc
from ai_orchestrator.workflows.loading.faults import Faults, read_argv, read_duration_s
from ai_orchestrator.workflows.loading.placed_steps import PlacedStep, placed_steps, uses
from ai_orchestrator.workflows.loading.words import numbered, slug

MAX_STEPS = 200
"""In one workflow, with those that `use` brings in; a guess, far above any real one."""
MAX_USE_DEPTH = 20
"""How deep steps may stand inside each other, `use` included."""
SCRIPT_TIMEOUT_S = 600.0

Kind = Literal["task", "run", "parallel", "iterate", "use"]

KEYS_OF_KIND: Mapping[Kind, frozenset[str]] = {
    "task": frozenset(
        {
            *("id", "agent", "role", "when", "optional", "model", "account", "permission"),
            *("timeout", "max_turns", "max_tokens", "max_cost_usd", "prompt", "description"),
        }
    ),
    "run": frozenset({"id", "when", "optional", "timeout", "network", "description"}),
    "parallel": frozenset({"id", "when"}),
    "iterate": frozenset({"id", "until", "max_iterations"}),
    "use": frozenset({"id"}),
}
"""The keys that mean something beside the one that says what the step is."""

_DEFAULT_IDS: Mapping[Kind, str] = {"run": "run", "parallel": "parallel", "iterate": "improve"}


@dataclass(frozen=True, slots=True)
class LoopDefaults:
    """What a loop has when it does not say otherwise."""

    max_iterations: int
    forced_iterations: int | None = None
    """Rounds that a flag said, which beats what the loop says."""


@dataclass(frozen=True, slots=True)
class StepCompiler:
    """Makes the steps of one workflow out of those of the document."""

    document: Document
    prompts: Mapping[str, Prompt]
    agent_step: AgentStepCompiler
    loop: LoopDefaults
    faults: Faults

    def workflow(self, name: str) -> tuple[Step, ...]:
        """The steps of the workflow of that name, with all that they bring in.

        A loop that does not say when it ends has an empty `until`.
        """
        placed = placed_steps(name, self.document.workflows[name], self.prompts)
        size = self._size(placed)
        if size > MAX_STEPS:
            self.faults.add(
                ("workflows", name),
                f"more than {MAX_STEPS} steps, or {MAX_USE_DEPTH} deep, with those of `use`.",
            )
            return ()
        return tuple(self._steps(placed, ""))

    def asks_for_verdict(self, name: str) -> bool:
        """Some step of the workflow as it is written asks for a verdict."""
        placed = placed_steps(name, self.document.workflows[name], self.prompts)
        return self._size(placed) <= MAX_STEPS and self._asks_for_verdict(placed)

    def _asks_for_verdict(self, placed: Sequence[PlacedStep]) -> bool:
        for step in placed:
            task = self.prompts.get(step.doc.task or "")
            if task is not None and task.task.asks == "verdict":
                return True
            if self._asks_for_verdict(self._used(step) or step.children):
                return True
        return False

    def _size(self, placed: Sequence[PlacedStep], depth: int = 0) -> int:
        """Number of steps with `use` put in; it stops counting soon after the limit."""
        total = MAX_STEPS if depth > MAX_USE_DEPTH else 0
        for step in placed:
            used = self._used(step)
            if total >= MAX_STEPS:
                return MAX_STEPS + 1
            total += 1 + self._size(step.children if used is None else used, depth + 1)
        return total

    def _used(self, step: PlacedStep) -> tuple[PlacedStep, ...] | None:
        """The steps that a `use` brings in; None for another step, or where it cannot."""
        target = step.doc.use
        if target is None or target not in self.document.workflows:
            return None
        if self._cycle(target) is not None:
            return None
        return placed_steps(target, self.document.workflows[target], self.prompts)

    def _cycle(self, name: str) -> tuple[str, ...] | None:
        """A circle of workflows that use each other, where one can be reached from `name`."""
        workflows = self.document.workflows
        return find_cycle({one: uses(workflow) for one, workflow in workflows.items()}, name)

    def _steps(
        self, placed: Sequence[PlacedStep], prefix: str, *, is_in_loop: bool = False
    ) -> list[Step]:
        steps: list[Step] = []
        kinds = [self._kind(step) for step in placed]
        ids = self._ids(placed, kinds)
        for step, kind, identifier in zip(placed, kinds, ids, strict=True):
            path = f"{prefix}{identifier}"
            if kind is None:
                continue
            if not is_step_path(path):
                self.faults.add(step.keys, f"'{path}' cannot be a step's path.")
            steps.extend(self._made(step, kind, path, is_in_loop=is_in_loop))
        return steps

    def _made(self, step: PlacedStep, kind: Kind, path: str, *, is_in_loop: bool) -> Sequence[Step]:
        """The steps that one of the document becomes: one, none, or those of a `use`."""
        self._check_keys(step, kind)
        self._check_condition(step, "when", step.doc.when)
        match kind:
            case "task":
                made = self.agent_step.make(step, path)
                return () if made is None else (made,)
            case "run":
                return (self._script(step, path),)
            case "parallel":
                return self._parallel(step, path)
            case "iterate":
                if is_in_loop:
                    self.faults.add(step.keys, "a loop cannot stand inside a loop.")
                    return ()
                return self._loop(step, path)
            case "use":
                return self._use(step, path, is_in_loop=is_in_loop)
            case _:
                assert_never(kind)

    def _script(self, step: PlacedStep, path: str) -> ScriptStep:
        doc = step.doc
        return ScriptStep(
            path=path,
            argv=read_argv((*step.keys, "run"), doc.run or "", self.faults),
            timeout_s=read_duration_s(
                (*step.keys, "timeout"), doc.timeout, SCRIPT_TIMEOUT_S, self.faults
            ),
            network=doc.network is True,
            when=doc.when,
            is_optional=doc.optional,
            description=doc.description,
        )

    def _parallel(self, step: PlacedStep, path: str) -> Sequence[ParallelStep]:
        for child in step.children:
            self._check_member(child)
        tasks = [child for child in step.children if child.doc.task is not None]
        members = tuple(
            member for member in self._steps(tasks, f"{path}/") if isinstance(member, AgentStep)
        )
        return (ParallelStep(path, members, step.doc.when),) if members else ()

    def _check_member(self, step: PlacedStep) -> None:
        """A step of a group is an agent's, changes nothing, and runs whenever the group does."""
        if step.doc.task is None:
            self.faults.add(step.keys, "only agents' tasks can run side by side.")
        elif self.agent_step.permission(step) == "write":
            self.faults.add(
                step.keys, "steps that run side by side may not write: they would collide."
            )
        if step.doc.when is not None:
            self.faults.add((*step.keys, "when"), "write the condition at the whole group.")

    def _loop(self, step: PlacedStep, path: str) -> Sequence[LoopStep]:
        doc = step.doc
        self._check_condition(step, "until", doc.until)
        inner = self._steps(step.children, f"{path}/", is_in_loop=True)
        steps = tuple(one for one in inner if not isinstance(one, LoopStep))
        rounds = self.loop.forced_iterations or doc.max_iterations or self.loop.max_iterations
        loop = LoopStep(path, steps, until=doc.until or "", max_iterations=rounds)
        return (loop,) if steps else ()

    def _use(self, step: PlacedStep, path: str, *, is_in_loop: bool) -> Sequence[Step]:
        target = step.doc.use or ""
        keys = (*step.keys, "use")
        if target not in self.document.workflows:
            known = known_names(self.document.workflows, target)
            self.faults.add(keys, f"no workflow '{target}'. {known}")
            return ()
        used = self._used(step)
        if used is None:
            cycle = " -> ".join(self._cycle(target) or ())
            self.faults.add(keys, f"workflows use each other in a circle: {cycle}.")
            return ()
        return self._steps(used, f"{path}/", is_in_loop=is_in_loop)

    def _kind(self, step: PlacedStep) -> Kind | None:
        kinds: tuple[Kind, ...] = tuple(KEYS_OF_KIND)
        given = [kind for kind in kinds if getattr(step.doc, kind) is not None]
        if len(given) == 1:
            return given[0]
        said = " and ".join(f"`{kind}`" for kind in given) or "none"
        wanted = ", ".join(f"`{kind}`" for kind in kinds)
        self.faults.add(step.keys, f"a step has exactly one of {wanted}; this one has {said}.")
        return None

    def _check_keys(self, step: PlacedStep, kind: Kind) -> None:
        """Adds a fault for every key that would have no effect."""
        for field in msgspec.structs.fields(StepDoc):
            is_set = getattr(step.doc, field.name) != field.default
            if is_set and field.name != kind and field.name not in KEYS_OF_KIND[kind]:
                self.faults.add(
                    (*step.keys, field.name), f"it means nothing at a step with `{kind}`."
                )

    def _check_condition(self, step: PlacedStep, key: str, text: str | None) -> None:
        if text is None:
            return
        try:
            parse(text)
        except ConditionError as error:
            self.faults.add((*step.keys, key), f"{error}.")

    def _ids(self, placed: Sequence[PlacedStep], kinds: Sequence[Kind | None]) -> list[str]:
        """The last part of each step's path, unique among its neighbours.

        Ids that are written stand; the others take what is left, numbered from 2.
        """
        written: dict[str, Keys] = {}
        for step in placed:
            identifier = step.doc.id
            if identifier is not None and identifier in written:
                self.faults.add((*step.keys, "id"), f"the id '{identifier}' stands twice here.")
            if identifier is not None:
                written[identifier] = step.keys
        derived = [_derived_id(step.doc, kind) for step, kind in zip(placed, kinds, strict=True)]
        free = iter(
            numbered(
                [name for step, name in zip(placed, derived, strict=True) if step.doc.id is None],
                written,
                mark=".",
            )
        )
        return [step.doc.id or next(free) for step in placed]


def _derived_id(doc: StepDoc, kind: Kind | None) -> str:
    if kind is not None and kind in _DEFAULT_IDS:
        return _DEFAULT_IDS[kind]
    return slug(doc.task or doc.use or "step", "step")
