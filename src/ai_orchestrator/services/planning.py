"""What `run` would do with a request: nothing is started for it, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.agents.accounts import LoginPlaces
from ai_orchestrator.agents.survey import AgentStatus
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.review import Verifier
from ai_orchestrator.model.task import TaskRequest
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.services.acceptance import check_task_text
from ai_orchestrator.services.agents import survey_spec
from ai_orchestrator.services.repeat import repository_name
from ai_orchestrator.workflows.graph import agents_used
from ai_orchestrator.workflows.loading.load import freeze
from ai_orchestrator.workspace.git_client import GitClient
from ai_orchestrator.workspace.source import inspect, require_clean, resolve_name


@dataclass(frozen=True, slots=True)
class Plan:
    """The workflow with the flags applied, and what it would start from."""

    spec: WorkflowSpec
    repository: str
    base_commit: str | None
    verifiers: Sequence[Verifier] | None
    agents: Sequence[AgentStatus]


async def plan(request: TaskRequest, places: LoginPlaces) -> Plan:
    """The plan, with the accounts of those places. Raises what acceptance would raise."""
    check_task_text(request.task)
    spec = freeze(request.config, request.workflow, request.options)
    used = agents_used(spec.steps)
    return Plan(
        spec=spec,
        repository=repository_name(request.repository),
        base_commit=await _base(request),
        verifiers=spec.verifiers,
        agents=await survey_spec(spec, used, request, places),
    )


async def _base(request: TaskRequest) -> str | None:
    source = request.repository
    if source.path is None:
        return None
    git = GitClient(DirectSpawner(), path_env=request.path)
    state = await inspect(git, Path(source.path))
    if not source.include_dirty:
        require_clean(state)
    return await resolve_name(git, state.place(), source.ref or "HEAD")
