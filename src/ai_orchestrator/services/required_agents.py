"""Whether the agents that would work on a task are installed; asked by `run` before it hands over.

Apart from `planning`, which brings the database with it: every `run` pays for this import.
"""

from __future__ import annotations

from ai_orchestrator.agents.base import AgentMissingError
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.model.task import TaskRequest
from ai_orchestrator.workflows.graph import agents_used
from ai_orchestrator.workflows.loading.load import NoAgentError, freeze


def require_agents(request: TaskRequest) -> None:
    """Nothing, where the programs of all agents that would work are on the request's PATH.

    What `freeze` raises, and `NoAgentError` with the command to type for each that is missing. The
    runner looks again when it starts one. Blocking; looks at the disk only.
    """
    spec = freeze(request.config, request.workflow, request.options)
    missing: list[str] = []
    remedies: list[str] = []
    for name in agents_used(spec.steps):
        agent = spec.agents[name]
        try:
            driver(agent.driver).find(agent.command, request.path)
        except AgentMissingError as error:
            missing.append(f"The agent '{name}' is not installed: {error.message}")
            remedies.append(driver(agent.driver).install_command or error.hint)
    if missing:
        raise NoAgentError(
            " ".join(missing),
            hint=f"Nothing was started. Next: {'; '.join(dict.fromkeys(remedies))}",
        )
