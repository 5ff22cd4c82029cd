"""Turns what an agent's stream shows into events of the log and the attempt's running row.

One per run of an agent. Event ids are counted, so a batch that is sent twice is stored once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
    WaitSeen,
)
from ai_orchestrator.model.events import (
    AgentRetryData,
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    AgentWaitData,
    EventData,
    NewEvent,
)
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.task import StepView


def event_for(key: StepKey, name: str, data: EventData) -> NewEvent:
    """An event of a step's execution; `name` makes its id unique within the execution."""
    return NewEvent(
        id=f"{key.task}/a{key.task_attempt}/{key.step}/i{key.iteration}/a{key.attempt}/{name}",
        task=key.task,
        task_attempt=key.task_attempt,
        data=data,
        iteration=key.iteration,
        step=key.step,
        attempt=key.attempt,
    )


class AttemptLog:
    """Collects one agent run; `add` puts an event on its way, `changed` says the row changed."""

    def __init__(
        self,
        key: StepKey,
        view: StepView,
        add: Callable[[NewEvent], None],
        changed: Callable[[StepView], None],
    ) -> None:
        self._key = key
        self._view = view
        self._prior = view.usage
        self._is_first_run = True
        self._add = add
        self._changed = changed
        self._count = 0

    @property
    def view(self) -> StepView:
        """The attempt as it is known now."""
        return self._view

    def begin_another_run(self) -> None:
        """The agent is asked again within the attempt: what it uses comes on top."""
        self._prior = self._view.usage.as_ended()
        self._is_first_run = False

    def see(self, event: AgentEvent) -> None:
        """Takes one event of the stream."""
        match event:
            case SessionSeen():
                self._update(session=event.session_id, model=event.model or self._view.model)
            case TextSeen():
                self._emit(AgentTextData(event.text, event.is_delta))
            case ToolSeen():
                self._emit(AgentToolData(event.id, event.name, event.phase, event.summary))
            case UsageSeen():
                usage = self._prior.plus(event.usage)
                self._update(usage=usage)
                self._emit(AgentUsageData(usage, event.turns))
            case RetrySeen():
                self._emit(AgentRetryData(event.message, event.status, event.delay_s))
            case WaitSeen():
                self._emit(AgentWaitData(event.account, event.is_over))
            case EndSeen():
                pass  # the result carries it
            case _:
                assert_never(event)

    def settle(self, usage: Usage, session: str | None, model: str | None) -> None:
        """The run's final figures. What a second run does not tell is lacking in the sum."""
        usage = usage if self._is_first_run else usage.as_ended()
        self._view = msgspec.structs.replace(
            self._view,
            usage=self._prior.plus(usage),
            session=session or self._view.session,
            model=model or self._view.model,
        )

    def _update(self, **fields: object) -> None:
        self._view = msgspec.structs.replace(self._view, **fields)
        self._changed(self._view)

    def _emit(self, data: EventData) -> None:
        self._count += 1
        self._add(event_for(self._key, f"e{self._count}", data))
