"""Every environment variable of the past, in one table: what it means now, or why it is refused.

`environment_layer` acts by it, and the reference is generated from it. A name that other programs
use too is only looked at when a server starts, where the environment was made for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ai_orchestrator.config.yaml_source import Scalar, scalar

Program = Literal["client", "server"]
"""client: a command that a person typed; server: `serve`."""
Meaning = Literal["text", "number", "truth"]

_TRUTHS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class OlderName:
    """A variable of the past. `keys` is None exactly when it is refused."""

    name: str
    keys: tuple[str, ...] | None
    hint: str = ""
    """What to do instead of a refused one."""
    harmless: str = ""
    """The one value of a refused one that says what is so anyway; it is let pass."""
    meaning: Meaning = "text"
    readers: tuple[Program, ...] = ("client", "server")
    """The programs that look at it; the others leave it alone."""

    def read(self, text: str) -> Scalar:
        """The value; raises `ValueError` with what is expected instead."""
        return _READERS[self.meaning](text)


def _number(text: str) -> Scalar:
    value = scalar(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is expected")  # noqa: TRY004 - the caller handles ValueError
    return value


def _truth(text: str) -> Scalar:
    if text.lower() not in _TRUTHS:
        raise ValueError("true or false is expected")
    return _TRUTHS[text.lower()]


def _text(text: str) -> Scalar:
    return text


_READERS: dict[Meaning, Callable[[str], Scalar]] = {
    "text": _text,
    "number": _number,
    "truth": _truth,
}


def _accepted() -> Iterator[OlderName]:
    for agent in ("codex", "gemini", "claude", "copilot"):
        name = agent.upper()
        yield OlderName(f"{name}_ENABLED", ("agents", agent, "enabled"), meaning="truth")
        yield OlderName(f"{name}_COMMAND", ("agents", agent, "command"))
        yield OlderName(f"{name}_TIMEOUT", ("agents", agent, "timeout"), meaning="number")
    yield OlderName("DEFAULT_WORKFLOW", ("settings", "default_workflow"))
    yield OlderName("MAX_ITERATIONS", ("settings", "max_iterations"), meaning="number")
    for name in ("MAX_RETRIES", "RETRY_MAX_ATTEMPTS"):
        yield _for_server(name, ("settings", "step_retries"), "number")
    yield _for_server("TASK_TIMEOUT", ("settings", "max_duration"), "number")
    yield _for_server("LOG_LEVEL", ("settings", "log_level"), "text")
    for name in ("PORT", "UI_BACKEND_PORT"):
        yield _for_server(name, ("server", "port"), "number")
    yield _for_server("MAX_TASK_LENGTH", ("server", "max_task_bytes"), "number")


def _for_server(name: str, keys: tuple[str, ...], meaning: Meaning) -> OlderName:
    return OlderName(name, keys, meaning=meaning, readers=("server",))


def _refused() -> Iterator[OlderName]:
    for words, hint in _REFUSED.items():
        for word in words.split():
            name, _, harmless = word.partition("=")
            yield OlderName(name, None, hint=hint, harmless=harmless, readers=("server",))


# Names that are refused, with `=VALUE` where that value says what is so anyway, and what to do.
_REFUSED = {
    "OUTPUT_DIR": "Give `run --output DIR`, or use `ai-orchestrator apply`.",
    "WORKSPACE_DIR SESSIONS_DIR SESSION_FILE_DIR": (
        "Everything is kept in the data directory; AI_ORCHESTRATOR_HOME moves it."
    ),
    "LOG_FILE": "Logs are written to `logs/` in the data directory.",
    "REPORTS_DIR": "Every task keeps its record: `ai-orchestrator tasks show ID`.",
    "APP_ENV ENVIRONMENT APP_DEBUG=false": (
        "There is one way to run and no debug mode; LOG_LEVEL=debug tells more."
    ),
    "VERSION TRACK": "The server tells its own release; no label is taken from outside.",
    "WORKERS=1": "One process runs all tasks of a data directory. For more, add replicas.",
    "RETRY_DELAY RETRY_BACKOFF_FACTOR": (
        "The time between tries follows what the agent's vendor says; the number of tries is "
        "`settings.step_retries`."
    ),
    "ENABLE_CACHING=false CACHE_ENABLED=false CACHE_TTL CACHE_MAX_SIZE": (
        "There is no response cache."
    ),
    "ENABLE_ASYNC_EXECUTION=true ENABLE_AUTO_RECOVERY=true": (
        "Tasks always run in the background and are always taken up again after a crash."
    ),
    "MAX_CONCURRENT_AGENTS": "Steps that may run side by side are named by `parallel`.",
    "MAX_CONCURRENT_TASKS": "The number of tasks at a time cannot be set.",
    "REQUEST_TIMEOUT SESSION_TIMEOUT SESSION_TYPE": (
        "Requests return at once and tasks run on; there is no session to time out."
    ),
    "ENABLE_METRICS METRICS_PORT METRICS_PATH HEALTH_CHECK_PATH READINESS_CHECK_PATH": (
        "Addresses of health and metrics are fixed."
    ),
    "ENABLE_TRACING=false ENABLE_DISTRIBUTED_TRACING=false": "There is no tracing to switch on.",
    (
        "ENABLE_RATE_LIMITING=false RATE_LIMIT_ENABLED=false RATE_LIMIT_PER_MINUTE "
        "RATE_LIMIT_PER_HOUR"
    ): "Limit requests in the load balancer in front of the server.",
    "DATABASE_URL DB_POOL_SIZE DB_POOL_TIMEOUT DB_MAX_OVERFLOW": (
        "This release keeps its data in SQLite in the data directory."
    ),
    "REDIS_URL": "This release needs no Redis.",
    "SECRET_KEY JWT_SECRET_KEY": (
        "The program makes its key itself: `secret.key` in the data directory."
    ),
    "SLACK_WEBHOOK_URL": "This release sends no notifications.",
}

OLDER_NAMES: dict[str, OlderName] = {row.name: row for row in (*_accepted(), *_refused())}
"""Name -> its row."""


def reference_table() -> str:
    """The table of the reference, in Markdown."""
    lines = ["| variable | read by | meaning now |", "| --- | --- | --- |"]
    for row in OLDER_NAMES.values():
        readers = "every command" if "client" in row.readers else "`serve`"
        lines.append(f"| `{row.name}` | {readers} | {_meaning_now(row)} |")
    return "\n".join(lines)


def _meaning_now(row: OlderName) -> str:
    if row.keys is not None:
        return f"`{'.'.join(row.keys)}`"
    unless = f" unless it is `{row.harmless}`" if row.harmless else ""
    return f"refused{unless}. {row.hint}"
