"""Claude Code: `claude -p`, prompt on standard input, stream-json. See docs/reference/agents.md."""

from __future__ import annotations

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
    option,
    prompt_bytes,
)
from ai_orchestrator.agents.claude_stream import ClaudeDialect
from ai_orchestrator.agents.find import look_up, native, node_arch
from ai_orchestrator.agents.stream import JsonStream
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

_ENV: Mapping[str, str] = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",  # telemetry, updates, error reports
    "DISABLE_AUTOUPDATER": "1",
    # CLAUDE.md of the work tree, which `--setting-sources=user` leaves out with the rest.
    "CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # nothing that goes on after the answer
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
}


class ClaudeDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "claude"
    program: ClassVar[str] = "claude"
    tested_versions: ClassVar[tuple[str, ...]] = ("2.1.330",)
    version_arguments: ClassVar[tuple[str, ...] | None] = ("--version",)
    preparation: ClassVar[Preparation | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset({"effort", "max_retries"})
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {}
    install_command: ClassVar[str] = "npm install -g @anthropic-ai/claude-code"
    login: ClassVar[Login] = Login(
        key_variables=(
            "ANTHROPIC_API_KEY",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
        ),
        sufficient=("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"),
        state_variable="CLAUDE_CONFIG_DIR",
        home_folder=".claude",
        login_files=(".credentials.json",),
        login_command="claude auth login",
        login_arguments=("auth", "login"),
        sessions_folder="projects",
    )

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """The vendor's binary; the npm package's launcher is a stub where scripts were not run."""
        package = f"@anthropic-ai/claude-code-linux-{node_arch()}*/claude"
        return native(command, look_up(command, self.program, path_env), (package,))

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        state = seat.conversation if seat.account is None else seat.account
        return Launch(
            argv=(
                *seat.program,
                *("-p", "--verbose", "--include-partial-messages"),
                *("--output-format=stream-json", "--strict-mcp-config"),
                # Hooks, servers and variables of the repository's settings are not loaded.
                *("--setting-sources=user", f"--add-dir={seat.work}"),
                *_permission(order, seat),
                *_choices(order),
            ),
            env={
                **_ENV,
                "CLAUDE_CONFIG_DIR": str(state),
                "CLAUDE_CODE_MAX_RETRIES": option(order, "max_retries", "2"),
                **({"IS_SANDBOX": "1"} if seat.is_sandboxed else {}),
            },
            stdin=_not_a_command(prompt_bytes(order)),
        )

    def parser(self, run: Listening) -> StreamParser:
        """See `Driver.parser`."""
        return JsonStream(ClaudeDialect(run.clock, run.earlier))


def _permission(order: AgentOrder, seat: Seat) -> tuple[str, ...]:
    if seat.is_sandboxed:
        return ("--permission-mode=bypassPermissions",)
    if order.containment.permission == "read-only":
        return ("--permission-mode=dontAsk", "--disallowedTools=Edit,Write,NotebookEdit")
    return ("--permission-mode=acceptEdits",)


def _choices(order: AgentOrder) -> tuple[str, ...]:
    limits = order.limits
    chosen = {
        "--model": model_of(order),
        "--effort": order.agent.options.get("effort"),
        "--max-turns": limits.max_turns,
        "--max-budget-usd": limits.max_cost_usd,
        "--resume": order.resume_session,
    }
    return tuple(f"{flag}={value}" for flag, value in chosen.items() if value is not None)


def _not_a_command(prompt: bytes) -> bytes:
    """A prompt that begins with a slash would be a command of the program, answered by itself."""
    return b"\n" + prompt if prompt.startswith(b"/") else prompt
