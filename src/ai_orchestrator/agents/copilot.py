"""GitHub Copilot CLI: the platform's binary, prompt on standard input, JSON lines.

See docs/reference/agents.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
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
from ai_orchestrator.agents.copilot_stream import USAGE_FILE, CopilotDialect
from ai_orchestrator.agents.find import look_up, native, node_arch
from ai_orchestrator.agents.stream import JsonStream
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

PROVIDER = "COPILOT_PROVIDER_BASE_URL"
_TOKENS = ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
_PROVIDER_DETAILS = (
    "COPILOT_PROVIDER_TYPE",
    "COPILOT_PROVIDER_API_KEY",
    "COPILOT_PROVIDER_BEARER_TOKEN",
    "COPILOT_PROVIDER_WIRE_API",
    "COPILOT_MODEL",
    "COPILOT_OFFLINE",
)
_SESSIONS = uuid.UUID("5a1f1f0e-3b0c-4c86-9d27-0f3c5c0c2b4e")  # a namespace of our own


class CopilotDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "copilot"
    program: ClassVar[str] = "copilot"
    tested_versions: ClassVar[tuple[str, ...]] = ("1.0.102",)
    version_arguments: ClassVar[tuple[str, ...] | None] = ("--version",)
    preparation: ClassVar[Preparation | None] = Preparation(
        # Unpacks its 190 MB once for all runs, instead of into each run's HOME.
        arguments=("--version",),
        env={"COPILOT_SEA_EXTRACT_ONLY": "1"},
        variable="COPILOT_PKG_CACHE_HOME",
    )
    known_options: ClassVar[frozenset[str]] = frozenset({"effort"})
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {}
    install_command: ClassVar[str] = "npm install -g @github/copilot"
    login: ClassVar[Login] = Login(
        key_variables=(*_TOKENS, PROVIDER, *_PROVIDER_DETAILS),
        sufficient=(*_TOKENS, PROVIDER),
        state_variable="COPILOT_HOME",
        home_folder=".copilot",
        login_files=("config.json",),
        sessions_folder=None,
    )

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """The platform's binary: a signal ends the npm launcher and leaves the program running."""
        package = f"@github/copilot-linux*-{node_arch()}/copilot"
        return native(command, look_up(command, self.program, path_env), (package,))

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        chosen = {
            "--model": model_of(order),
            "--reasoning-effort": order.agent.options.get("effort"),
            "--resume": order.resume_session,
            "--session-id": None if order.resume_session is not None else new_session(order),
        }
        state = seat.conversation if seat.account is None else seat.account
        return Launch(
            argv=(
                *seat.program,
                *("--output-format=json", "--no-auto-update", "--no-ask-user", "--no-color"),
                *("--log-level=error", f"--usage-output-file={seat.tmp / USAGE_FILE}"),
                *_permission(order, seat),
                *(f"{flag}={value}" for flag, value in chosen.items() if value is not None),
            ),
            env={"COPILOT_HOME": str(state), **_traffic(order)},
            stdin=prompt_bytes(order),
            result_files={USAGE_FILE: order.paths.tmp / USAGE_FILE},
        )

    def parser(self, run: Listening) -> StreamParser:
        """See `Driver.parser`."""
        session = run.order.resume_session or new_session(run.order)
        return JsonStream(CopilotDialect(run.earlier, session))


def new_session(order: AgentOrder) -> str:
    """The session id of a new conversation, chosen by us: the stream names it only at its end."""
    return str(uuid.uuid5(_SESSIONS, order.key.ref))


def _permission(order: AgentOrder, seat: Seat) -> tuple[str, ...]:
    if seat.is_sandboxed:
        return ("--allow-all-tools", "--allow-all-paths")
    if order.containment.permission == "read-only":
        return ("--allow-all-tools", "--deny-tool=write", "--deny-tool=shell")
    return ("--allow-tool=write",)


def _traffic(order: AgentOrder) -> dict[str, str]:
    """With a model of one's own nothing else is asked: no GitHub, telemetry, update or web tool."""
    return {"COPILOT_OFFLINE": "true"} if PROVIDER in order.account_env else {}
