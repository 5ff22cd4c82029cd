"""The tasks that steps can name: what each asks for, what it may do, and who does it best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ai_orchestrator.model.agent import Permission
from ai_orchestrator.model.workflow import StepRole
from ai_orchestrator.workflows.loading.document import AgentRole, PromptKind


@dataclass(frozen=True, slots=True)
class Task:
    """What a step with this task is."""

    asks: PromptKind
    agent_roles: tuple[AgentRole, ...]
    """Roles of the agent that takes it, best first."""

    @property
    def permission(self) -> Permission:
        """What it may do unless it is said otherwise."""
        return "write" if self.asks == "change" else "read-only"

    @property
    def role(self) -> StepRole:
        """Whose conversation it continues."""
        return "implementer" if self.asks == "change" else "reviewer"


BUILT_IN_TASKS: Mapping[str, Task] = {
    "implement": Task("change", ("implementation",)),
    "refine": Task("change", ("refinement", "implementation")),
    "test": Task("change", ("implementation",)),
    "document": Task("change", ("implementation",)),
    "review": Task("verdict", ("review",)),
    "security_review": Task("verdict", ("review",)),
    "suggestions": Task("suggestions", ("suggestions", "review")),
}
"""Each has a built-in prompt of its name."""

TASK_OF_KIND: Mapping[PromptKind, Task] = {
    "change": Task("change", ("implementation",)),
    "verdict": Task("verdict", ("review",)),
    "suggestions": Task("suggestions", ("suggestions", "review")),
}
"""What a task of one's own is, by the kind of its prompt."""

REFINE = "refine"
FIRST_ROUND_ONLY = frozenset({"implement", "test", "document"})
"""In the older forms, tasks that are done once, in the first round."""
