"""A server's problem document as an error of ours."""

from __future__ import annotations

from ai_orchestrator.base.errors import OrchestratorError
from ai_orchestrator.model.task import Problem


class RemoteError(OrchestratorError):
    """What the server answered; code, exit code and status are the server's."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title, hint=problem.hint)
        self.code = problem.code
        self.exit_code = problem.exit_code
        self.http_status = problem.status
        self.details = problem.errors
