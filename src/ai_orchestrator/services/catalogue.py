"""The workflows that `run -w` accepts, each checked and with the place it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_orchestrator.model.task import ResolvedConfig
from ai_orchestrator.model.workflow import WorkflowSpec
from ai_orchestrator.workflows.loading.load import (
    NoAgentError,
    default_workflow,
    freeze,
    preview,
    workflow_names,
)


@dataclass(frozen=True, slots=True)
class WorkflowListing:
    """One workflow."""

    spec: WorkflowSpec
    origin: str
    is_default: bool
    lack: str
    """Why no run could take it here, a sentence; empty where one could."""


def catalogue(config: ResolvedConfig) -> Sequence[WorkflowListing]:
    """All workflows, the default first, with the agents that a run would choose.

    Where none could take it, with those that would if they were installed. Raises `ConfigError`
    where one of them is wrong.
    """
    default = default_workflow(config)
    names = sorted(workflow_names(config), key=lambda name: (name != default, name))
    return [_listing(config, name, is_default=name == default) for name in names]


def _listing(config: ResolvedConfig, name: str, *, is_default: bool) -> WorkflowListing:
    try:
        spec, lack = freeze(config, name), ""
    except NoAgentError as error:
        spec, lack = preview(config, name), str(error)
    return WorkflowListing(spec, _origin(config, name), is_default, lack)


def _origin(config: ResolvedConfig, name: str) -> str:
    origin = config.origins.get(f"workflows.{name}")
    if origin is None:
        return ""
    return origin.source if origin.line is None else f"{origin.source}:{origin.line}"
