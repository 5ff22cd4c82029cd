"""The drivers by name. A new agent is one file and one line here (docs/howto/add-an-agent.md)."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import cast

from ai_orchestrator.agents.base import Driver
from ai_orchestrator.base.errors import NotFoundError

DRIVERS: Mapping[str, str] = {
    "builtin": "ai_orchestrator.agents.builtin:BuiltinDriver",
    "claude": "ai_orchestrator.agents.claude:ClaudeDriver",
    "codex": "ai_orchestrator.agents.codex:CodexDriver",
    "command": "ai_orchestrator.agents.command:CommandDriver",
    "copilot": "ai_orchestrator.agents.copilot:CopilotDriver",
    "gemini": "ai_orchestrator.agents.gemini:GeminiDriver",
}


def driver(name: str) -> Driver:
    """The driver of that name, imported now. Raises `NotFoundError` that lists the known ones."""
    if name not in DRIVERS:
        close = difflib.get_close_matches(name, DRIVERS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(DRIVERS)
        raise NotFoundError(f"no agent driver {name!r}. Known: {known}.", hint=hint)
    module, _, attribute = DRIVERS[name].partition(":")
    made = getattr(importlib.import_module(module), attribute)()
    return cast("Driver", made)  # the type checker proves the fit in tests/unit/agents
