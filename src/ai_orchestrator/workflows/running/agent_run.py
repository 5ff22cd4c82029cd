"""Asks an agent, and once more where its answer does not parse; sends its events meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import msgspec

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.agent import AgentResult, Usage
from ai_orchestrator.model.events import NewEvent
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths, Containment
from ai_orchestrator.model.review import Finding, Verdict
from ai_orchestrator.model.task import StepView
from ai_orchestrator.model.workflow import AgentSpec, AgentStep
from ai_orchestrator.review.verdict import (
    VerdictProblem,
    parse_rejections,
    parse_suggestions,
    parse_verdict,
)
from ai_orchestrator.workflows.prompts import PromptInputs
from ai_orchestrator.workflows.running.agent_answer import Answer
from ai_orchestrator.workflows.running.attempt_log import AttemptLog
from ai_orchestrator.workflows.running.limits import after_run, within
from ai_orchestrator.workflows.running.progress import Progress
from ai_orchestrator.workflows.running.prompt_inputs import PromptMaker
from ai_orchestrator.workflows.running.world import TaskFacts, World, remaining_s

How = Literal["fresh", "continued", "resumed", "restarted"]


@dataclass(frozen=True, slots=True)
class Beginning:
    """How an attempt starts: `how` as the log says it, and the conversation it continues."""

    how: How
    session: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt whose row says that it runs."""

    key: StepKey
    view: StepView
    beginning: Beginning
    spent: Usage
    """By earlier attempts of the same step."""


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a run needs that does not depend on how it begins."""

    prompt: PromptInputs
    account_env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an agent's text came to."""

    verdict: Verdict | None = None
    suggestions: tuple[Finding, ...] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One attempt's conversation with its agent."""

    world: World
    facts: TaskFacts
    progress: Progress
    step: AgentStep
    paths: AttemptPaths
    extra_env: dict[str, str]
    prompts: PromptMaker

    async def gather(self) -> Supplies:
        """What the run needs beside the attempt's row. Reads commits only, never the tree."""
        account_env = await self.world.archive.account_env(self.facts, self._agent)
        return Supplies(await self.prompts.gather(), account_env)

    def feed(self) -> Feed:
        """The way of the attempt's events into the log."""
        return Feed(self.world, self.facts)

    async def ask(self, begun: Begun, supplies: Supplies, feed: Feed) -> tuple[Answer, StepView]:
        """The answer and the attempt's row with what is known of it by then."""
        log = AttemptLog(begun.key, begun.view, feed.add, feed.row_changed)
        order = self._order(begun, supplies)
        result = await self._run(order, log)
        parsed = parse_answer(self.step, result)
        left = after_run(order.limits, result)
        if parsed.problem is not None and result.session_id is not None and left is not None:
            log.begin_another_run()
            again = self.prompts.again(parsed.problem)
            follow_up = replace(
                order,
                prompt=again,
                limits=left,
                resume_session=result.session_id,
                prior_usage_session=True,
                remaining_s=self._left_s,
            )
            result = await self._run(follow_up, log)
            parsed = parse_answer(self.step, result)
        answer = Answer(
            result=result,
            usage=log.view.usage,
            verdict=parsed.verdict,
            problem=parsed.problem,
            suggestions=parsed.suggestions,
            rejections=parse_rejections(result.final_text) if result.is_success else (),
        )
        return answer, log.view

    async def _run(self, order: AgentOrder, log: AttemptLog) -> AgentResult:
        result = await self.world.agents.run(order, log.see)
        log.settle(result.usage, result.session_id, result.model)
        return result

    @property
    def _agent(self) -> AgentSpec:
        """The step's word counts: its account may be another one than the agent's own."""
        agent = self.facts.spec.agents[self.step.agent]
        return msgspec.structs.replace(agent, account=self.step.account)

    @property
    def _left_s(self) -> float:
        """Of the task's time."""
        return remaining_s(self.facts, self.progress.started_at, self.world.clock)

    def _order(self, begun: Begun, supplies: Supplies) -> AgentOrder:
        spec, step, agent = self.facts.spec, self.step, self._agent
        left_s = self._left_s
        session = begun.beginning.session
        return AgentOrder(
            key=begun.key,
            agent=agent,
            prompt=_checked(self.prompts.first(supplies.prompt, begun.beginning.how)),
            limits=within(step.limits, spec, self.progress.usage, begun.spent, left_s),
            paths=self.paths,
            containment=Containment(spec.sandbox, step.permission, spec.agent_network),
            path_env=self.facts.path_env,
            account_env=supplies.account_env,
            extra_env=self.extra_env,
            model=step.model or agent.model,
            resume_session=session,
            prior_usage_session=session is not None,
            remaining_s=left_s,
        )


def parse_answer(step: AgentStep, result: AgentResult) -> Parsed:
    """What the step asked for, out of the agent's last text. Pure."""
    if not result.is_success or step.asks == "change":
        return Parsed()
    if step.asks == "suggestions":
        suggestions = parse_suggestions(result.final_text)
        if isinstance(suggestions, VerdictProblem):
            return Parsed(problem=suggestions.reason)
        return Parsed(suggestions=suggestions)
    verdict = parse_verdict(result.final_text)
    if isinstance(verdict, VerdictProblem):
        return Parsed(problem=verdict.reason)
    return Parsed(verdict=verdict)


def _checked(prompt: str) -> str:
    """Refuses text that cannot be written as UTF-8, before any agent sees half of it."""
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInputError(
            f"the prompt holds a character that is not valid UTF-8 at position {error.start};",
            hint="remove it from the task's text.",
        ) from error
    return prompt


class Feed:
    """Sends events and row changes in the background, in order; `async with` waits for the last."""

    def __init__(self, world: World, facts: TaskFacts) -> None:
        self._world = world
        self._facts = facts
        self._events = world.batch()
        self._row: StepView | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.end()

    def end(self) -> asyncio.Task[None]:
        """Has what waits written at once; nothing may be added afterwards."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._settle())
        return self._ending

    def add(self, event: NewEvent) -> None:
        """Puts an event on its way."""
        self._events.add(event)

    def row_changed(self, view: StepView) -> None:
        """Has the attempt's row written; of several changes in a row the last one counts."""
        self._row = view
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_row())

    async def _settle(self) -> None:
        if self._writer is not None:
            await self._writer
        await self._events.close()

    async def _write_row(self) -> None:
        while self._row is not None:
            view, self._row = self._row, None
            await self._world.records.update_attempt(
                view, self._facts.task_id, self._facts.task_attempt
            )
