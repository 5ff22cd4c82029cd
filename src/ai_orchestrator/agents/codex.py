"""Codex: `codex exec --json -`, prompt on standard input. See docs/reference/agents.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from ai_orchestrator.agents.codex_stream import CodexDialect
from ai_orchestrator.agents.find import look_up, native, node_arch
from ai_orchestrator.agents.stream import JsonStream
from ai_orchestrator.model.agent import ErrorKind
from ai_orchestrator.model.orders import AgentOrder

BASE_URL = "OPENAI_BASE_URL"
_KEY = "OPENAI_API_KEY"
_PROVIDER = "model_providers.orchestrator"


class CodexDriver:
    """See `base.Driver`."""

    name: ClassVar[str] = "codex"
    program: ClassVar[str] = "codex"
    tested_versions: ClassVar[tuple[str, ...]] = ("0.169.0",)
    version_arguments: ClassVar[tuple[str, ...] | None] = ("--version",)
    preparation: ClassVar[Preparation | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset({"effort"})
    exit_kinds: ClassVar[Mapping[int, ErrorKind]] = {}
    install_command: ClassVar[str] = "npm install -g @openai/codex"
    login: ClassVar[Login] = Login(
        key_variables=(_KEY, "CODEX_API_KEY", BASE_URL),
        sufficient=(_KEY, "CODEX_API_KEY"),
        state_variable="CODEX_HOME",
        home_folder=".codex",
        login_files=("auth.json",),
        login_command="codex login",
        login_arguments=("login",),
        sessions_folder="sessions",
    )

    def find(self, command: tuple[str, ...], path_env: str) -> FoundProgram:
        """The vendor's binary, whose package holds the tools it brings along."""
        package = f"@openai/codex-linux-{node_arch()}/vendor/*/bin/codex"
        named = look_up(command, self.program, path_env)
        found = native(command, named, (package,))
        binary = found.prefixes[0]
        if binary.parent.name == "bin" and binary.parents[2].name == "vendor":
            return FoundProgram(found.argv, (binary.parents[1],), found.named)
        return found

    def launch(self, order: AgentOrder, seat: Seat) -> Launch:
        """See `Driver.launch`."""
        resumed = order.resume_session
        state = seat.conversation if seat.account is None else seat.account
        settings = {**_settings(order, seat), **_provider(order, seat)}
        return Launch(
            argv=(
                *seat.program,
                *(("exec",) if resumed is None else ("exec", "resume")),
                *("--json", "--skip-git-repo-check", "--disable", "plugins", "--disable", "apps"),
                *_flags(settings),
                *(("-m", model) if (model := model_of(order)) is not None else ()),
                *((resumed,) if resumed is not None else ()),
                "-",
            ),
            env={
                "CODEX_HOME": str(state),
                "CODEX_SQLITE_HOME": str(seat.conversation),
                **_key(order),
            },
            stdin=prompt_bytes(order),
        )

    def parser(self, run: Listening) -> StreamParser:
        """See `Driver.parser`."""
        return JsonStream(CodexDialect(run.earlier))


def _settings(order: AgentOrder, seat: Seat) -> dict[str, str | int | bool]:
    """Settings by `-c`, since `exec resume` knows no `-s` and forgets the first run's."""
    settings: dict[str, str | int | bool] = {
        "sandbox_mode": _sandbox_mode(order, seat),
        "approval_policy": "never",
        "analytics.enabled": False,
        "check_for_update_on_startup": False,
        "otel.exporter": "none",
    }
    if "effort" in order.agent.options:
        settings["model_reasoning_effort"] = order.agent.options["effort"]
    return settings


def _sandbox_mode(order: AgentOrder, seat: Seat) -> str:
    if seat.is_sandboxed:
        return "danger-full-access"
    return "read-only" if order.containment.permission == "read-only" else "workspace-write"


def _provider(order: AgentOrder, seat: Seat) -> dict[str, str | int | bool]:
    """Another endpoint than the vendor's: its own variable for that is ignored by the program.

    With the key that was sent, else with the login in the account's directory.
    """
    url = order.account_env.get(BASE_URL)
    if url is None:
        return {}
    by_login = seat.account is not None and _KEY not in order.account_env
    return {
        "model_provider": "orchestrator",
        f"{_PROVIDER}.name": "orchestrator",
        f"{_PROVIDER}.base_url": url,
        **({f"{_PROVIDER}.requires_openai_auth": True} if by_login else {}),
        **({} if by_login else {f"{_PROVIDER}.env_key": _KEY}),
        f"{_PROVIDER}.wire_api": "responses",
        f"{_PROVIDER}.request_max_retries": 2,
        f"{_PROVIDER}.stream_max_retries": 2,
    }


def _flags(settings: Mapping[str, str | int | bool]) -> Iterator[str]:
    for name, value in settings.items():
        yield "-c"
        yield f"{name}={json.dumps(value)}"  # a JSON string, number or boolean is TOML too


def _key(order: AgentOrder) -> dict[str, str]:
    """`codex exec` takes a key from `CODEX_API_KEY` alone."""
    key = order.account_env.get(_KEY)
    return {} if key is None or "CODEX_API_KEY" in order.account_env else {"CODEX_API_KEY": key}
