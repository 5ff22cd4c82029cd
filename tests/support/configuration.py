"""Configurations for tests: agents that are one line of shell, and the requests that use them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.resolve import ResolveRequest, resolve
from ai_orchestrator.model.task import RepositorySource, RunOptions, TaskRequest
from ai_orchestrator.workflows.loading.built_in import built_in_text

APPROVE = """echo '{"verdict": "approve", "findings": []}'"""
FLAW = {"severity": "medium", "file": "out.txt", "line": 1, "claim": "it says too little"}
ASK_FOR_MORE = "echo '" + json.dumps({"verdict": "request_changes", "findings": [FLAW]}) + "'"


def shell_agent(script: str, **more: Any) -> dict[str, Any]:
    """An agent that swallows its prompt and runs the script; `$prompt` holds the prompt."""
    return {"driver": "command", "command": ["sh", "-c", f"prompt=$(cat); {script}"], **more}


def request(
    repository: Path,
    agents: dict[str, Any],
    document: dict[str, Any] | None = None,
    **more: Any,
) -> TaskRequest:
    """A task for these agents alone, under the built-in workflows or those of the document."""
    home = repository.parent
    config = home / f"agents-{len(list(home.glob('agents-*.yaml')))}.yaml"
    off = {name: {"enabled": False} for name in ("claude", "codex", "gemini", "copilot")}
    config.write_text(json.dumps({"agents": {**off, **agents}, **(document or {})}))
    resolution = resolve(
        ResolveRequest(
            environment=Environment({"PATH": os.environ["PATH"]}, home, home),
            built_in=built_in_text(),
            config_file=config,
        )
    )
    fields: dict[str, Any] = {
        "task": "Say hello in out.txt",
        "repository": RepositorySource(path=str(repository)),
        "config": resolution.config,
        "options": RunOptions(),
        "path": os.environ["PATH"],
        "home": str(home),
    }
    return TaskRequest(**(fields | more))
