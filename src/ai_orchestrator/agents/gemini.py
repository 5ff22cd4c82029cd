"""Gemini CLI: run by node without its relauncher, prompt on standard input.

See docs/reference/agents.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ai_orchestrator.agents.base import (
    FoundProgram,
    Launch,
    Listening,
    Login,
    Preparation,
    Seat,
    StreamParser,
    model_of,
    prompt_bytes,
)
from ai_orchestrator.agents.find import look_up
from ai_orchestrator.agents.gemini_stream import GeminiDialect
from ai_orchestrator.agents.stream import JsonStream
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

SETTINGS_FILE = Path(".gemini", "settings.json")
_PRELOAD_FILE = "gemini-stdout.cjs"
_PRELOAD = b"""\
for (const stream of [process.stdout, process.stderr]) {
  stream._handle?.setBlocking?.(true);
}
"""
"""The program ends without waiting for what it wrote to a full pipe: the end of a long stream was
lost in every second run, its terminal event with it. With blocking writes nothing is."""
_VERTEX = "GOOGLE_GENAI_USE_VERTEXAI"
_PACKAGE = "gemini-cli"


class GeminiDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "gemini"
    program: ClassVar[str] = "gemini"
    tested_versions: ClassVar[tuple[str, ...]] = ("0.61.0",)
    version_arguments: ClassVar[tuple[str, ...] | None] = ("--version",)
    preparation: ClassVar[Preparation | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset()
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {
        41: "auth",
        42: "agent",  # an input it refuses, for instance a session that does not exist
        53: "limit",
        145: "auth",
    }
    install_command: ClassVar[str] = "npm install -g @google/gemini-cli"
    login: ClassVar[Login] = Login(
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", _VERTEX),
        sufficient=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        state_variable="GEMINI_CLI_HOME",
        home_folder="",
        login_files=(".gemini/oauth_creds.json",),
        sessions_folder=None,
    )

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """Its script and the node that runs it, so that no launcher stands in between."""
        named = look_up(command, self.program, path_env)
        script = named.resolve()
        node = look_up((), "node", path_env).resolve()
        package = next((p for p in script.parents if p.name == _PACKAGE), script.parent)
        argv = (str(node), str(script), *command[1:])
        return FoundProgram(argv, (node, package), str(named))

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        chosen = {
            "--approval-mode": _approval_mode(order, seat),
            "--model": model_of(order),
            "--resume": order.resume_session,
        }
        flags = [f"{flag}={value}" for flag, value in chosen.items() if value is not None]
        settings = json.dumps(_settings(order)).encode()
        is_ours = seat.account is None
        node, *script = seat.program
        return Launch(
            # Skipping trust, unlike granting it, keeps the repository's settings out: no hooks,
            # no servers (measured).
            argv=(
                node,
                f"--require={seat.home / _PRELOAD_FILE}",
                *script,
                *("--output-format=stream-json", "--skip-trust", *flags),
            ),
            env={
                "GEMINI_CLI_NO_RELAUNCH": "true",
                "TERM": "xterm-256color",  # else it fills standard error with warnings
                "COLORTERM": "truecolor",
                "GEMINI_CLI_HOME": str(seat.conversation if seat.account is None else seat.account),
                **_key(order),
            },
            stdin=prompt_bytes(order),
            home_files={Path(_PRELOAD_FILE): _PRELOAD},
            state_files={SETTINGS_FILE: settings} if is_ours else {},
        )

    def parser(self, run: Listening) -> StreamParser:  # noqa: ARG002  it needs nothing
        """See `Driver.parser`."""
        return JsonStream(GeminiDialect())


def _approval_mode(order: AgentOrder, seat: Seat) -> str:
    if seat.is_sandboxed:
        return "yolo"
    return "plan" if order.containment.permission == "read-only" else "auto_edit"


def _settings(order: AgentOrder) -> dict[str, object]:
    """The user's settings of this conversation. Not the system's: those must belong to root."""
    auth = "vertex-ai" if order.account_env.get(_VERTEX) == "true" else "gemini-api-key"
    turns = order.limits.max_turns
    return {
        "security": {"auth": {"selectedType": auth}, "folderTrust": {"enabled": True}},
        "advanced": {"ignoreLocalEnv": True},  # a `.env` of the work tree could redirect the key
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {
            "enableAutoUpdate": False,
            "enableAutoUpdateNotification": False,
            "maxAttempts": 3,
        },
        "model": {"maxSessionTurns": -1 if turns is None else turns},
        # What a repository brings along runs only where the user trusted it.
        "hooksConfig": {"enabled": False},
        "mcp": {"allowed": []},
    }


def _key(order: AgentOrder) -> dict[str, str]:
    """`GOOGLE_API_KEY` is read for Vertex only; people set it for both."""
    env = order.account_env
    if "GEMINI_API_KEY" in env or "GOOGLE_API_KEY" not in env or env.get(_VERTEX) == "true":
        return {}
    return {"GEMINI_API_KEY": env["GOOGLE_API_KEY"]}
