"""Every environment variable of the past, in one table: what it means now, or what replaces it.

`environment_layer` acts by it, and the reference is generated from it. A command runs in the
environment of a project that it does not know: a name that other programs use as well is left to
them, whatever it meant here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ai_orchestrator.config.yaml_source import Scalar, scalar

Meaning = Literal["text", "number", "truth"]

_TRUTHS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


@dataclass(frozen=True, slots=True)
class OlderName:
    """A variable of the past. `keys` is None exactly when it sets nothing any more."""

    name: str
    keys: tuple[str, ...] | None
    hint: str = ""
    """What there is instead of one that sets nothing."""
    harmless: str = ""
    """The one value of a refused one that says what is so anyway; it is let pass."""
    meaning: Meaning = "text"
    is_shared: bool = False
    """Other programs use the name too: it is neither read nor refused."""

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


def _without_meaning() -> Iterator[OlderName]:
    for table, is_shared in ((_REFUSED, False), (_SHARED, True)):
        for words, hint in table.items():
            for word in words.split():
                name, _, harmless = word.partition("=")
                yield OlderName(name, None, hint=hint, harmless=harmless, is_shared=is_shared)


# Names that only this program had, with `=VALUE` where that value says what is so anyway, and what
# there is instead.
_REFUSED = {
    "MAX_TASK_LENGTH": (
        "A task may have 256 KB; put longer material into the repository and name its path."
    ),
    "UI_BACKEND_PORT": "There is no port to choose: commands reach their runner by a socket.",
    "MAX_CONCURRENT_AGENTS": "Steps that may run side by side are named by `parallel`.",
    "ENABLE_ASYNC_EXECUTION=true ENABLE_AUTO_RECOVERY=true": (
        "Tasks always run in the background and are always taken up again after a crash."
    ),
}

# Names that belong to whatever project a command is typed in, and what there is instead.
_SHARED = {
    "LOG_LEVEL LOG_FILE": "The runner writes to `logs/runner.log` in the data directory.",
    "PORT": "There is no port to choose: commands reach their runner by a socket.",
    "MAX_RETRIES RETRY_MAX_ATTEMPTS": "Set `settings.step_retries`.",
    "TASK_TIMEOUT": "Set `settings.max_duration`.",
    "OUTPUT_DIR": "Give `run --output DIR`, or use `ai-orchestrator tasks apply`.",
    "WORKSPACE_DIR SESSIONS_DIR SESSION_FILE_DIR": (
        "Everything is kept in the data directory; AI_ORCHESTRATOR_HOME moves it."
    ),
    "REPORTS_DIR": "Every task keeps its record: `ai-orchestrator tasks show ID`.",
    "APP_ENV ENVIRONMENT APP_DEBUG": "There is one way to run and no debug mode.",
    "VERSION TRACK": "The program tells its own release.",
    "WORKERS MAX_CONCURRENT_TASKS": "One runner runs four tasks of a data directory at a time.",
    "RETRY_DELAY RETRY_BACKOFF_FACTOR": (
        "The time between tries follows what the agent's vendor says; the number of tries is "
        "`settings.step_retries`."
    ),
    "ENABLE_CACHING CACHE_ENABLED CACHE_TTL CACHE_MAX_SIZE": "There is no response cache.",
    "REQUEST_TIMEOUT SESSION_TIMEOUT SESSION_TYPE": (
        "Requests return at once and tasks run on; there is no session to time out."
    ),
    "ENABLE_METRICS METRICS_PORT METRICS_PATH HEALTH_CHECK_PATH READINESS_CHECK_PATH": (
        "There is no server to be watched; `ai-orchestrator doctor` says what is wrong."
    ),
    "ENABLE_TRACING ENABLE_DISTRIBUTED_TRACING": "There is no tracing to switch on.",
    "ENABLE_RATE_LIMITING RATE_LIMIT_ENABLED RATE_LIMIT_PER_MINUTE RATE_LIMIT_PER_HOUR": (
        "Spending is bounded by `settings.max_cost_usd` and `settings.max_tokens`."
    ),
    "DATABASE_URL DB_POOL_SIZE DB_POOL_TIMEOUT DB_MAX_OVERFLOW": (
        "This release keeps its data in SQLite in the data directory."
    ),
    "REDIS_URL": "This release needs no Redis.",
    "SECRET_KEY JWT_SECRET_KEY": (
        "The program makes its key itself: `secret.key` in the data directory."
    ),
    "SLACK_WEBHOOK_URL": "This release sends no notifications.",
}

OLDER_NAMES: dict[str, OlderName] = {row.name: row for row in (*_accepted(), *_without_meaning())}
"""Name -> its row."""


def reference_table() -> str:
    """The table of the reference, in Markdown."""
    lines = ["| variable | now | instead |", "| --- | --- | --- |"]
    lines += [f"| `{row.name}` | {_standing(row)} | {row.hint} |" for row in OLDER_NAMES.values()]
    return "\n".join(lines)


def _standing(row: OlderName) -> str:
    if row.keys is not None:
        return f"sets `{'.'.join(row.keys)}`"
    if row.is_shared:
        return "not read"
    return f"refused unless it is `{row.harmless}`" if row.harmless else "refused"
