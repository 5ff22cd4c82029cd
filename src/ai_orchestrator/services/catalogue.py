"""The workflows that `run -w` accepts, each checked and with the place it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.workflows.loading.load import default_workflow, preview, workflow_names


@dataclass(frozen=True, slots=True)
class WorkflowListing:
    """One workflow."""

    spec: WorkflowSpec
    origin: str
    is_default: bool


def catalogue(config: ResolvedConfig) -> Sequence[WorkflowListing]:
    """All workflows, the default first. Raises `ConfigError` where one of them is wrong."""
    default = default_workflow(config)
    names = sorted(workflow_names(config), key=lambda name: (name != default, name))
    return [
        WorkflowListing(
            spec=preview(config, name),
            origin=_origin(config, name),
            is_default=name == default,
        )
        for name in names
    ]


def _origin(config: ResolvedConfig, name: str) -> str:
    origin = config.origins.get(f"workflows.{name}")
    if origin is None:
        return ""
    return origin.source if origin.line is None else f"{origin.source}:{origin.line}"
