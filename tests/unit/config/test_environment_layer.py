"""Settings in environment variables, of today and of the past."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.environment_layer import environment_layer
from ai_orchestrator.config.older_names import OLDER_NAMES, OlderName
from ai_orchestrator.config.yaml_source import origins, parse_yaml, plain

BELOW = parse_yaml(
    b"agents: {claude: {command: claude}}\nworkflows: {review-only: {steps: []}}\n", "f"
)


def read(**variables: str) -> tuple[object, list[str]]:
    """The layer's data and its problems as text."""
    environment = Environment(variables, Path("/work"), Path("/home/ada"))
    node, problems = environment_layer(environment, BELOW)
    return plain(node), [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("1.5", 1.5),
        ("true", True),
        ("off", "off"),
        ("'5'", "5"),
        ('["a", 1]', ["a", 1]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_value_is_read_like_yaml(text: str, value: object) -> None:
    """A number is a number, and a list can be written as one."""
    data, problems = read(AI_ORCHESTRATOR_SETTINGS__X=text)
    assert data == {"settings": {"x": value}}
    assert problems == []


def test_name_finds_the_key_that_it_spells() -> None:
    """Variables cannot hold hyphens, so an underscore finds a key with one."""
    data, _ = read(AI_ORCHESTRATOR_WORKFLOWS__REVIEW_ONLY__BAR="high")
    assert data == {"workflows": {"review-only": {"bar": "high"}}}


def test_origin_is_the_variable() -> None:
    """`config show` can say where the value came from."""
    environment = Environment({"AI_ORCHESTRATOR_SETTINGS__BAR": "low"}, Path("/"), Path("/"))
    node, _ = environment_layer(environment, BELOW)
    origin = dict(origins(node))["settings.bar"]
    assert origin.source == "environment AI_ORCHESTRATOR_SETTINGS__BAR"


def test_empty_variable_is_not_set() -> None:
    """Compose files write `NAME=` for what is not given."""
    assert read(AI_ORCHESTRATOR_SETTINGS__BAR="", MAX_ITERATIONS="") == ({}, [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AI_ORCHESTRATOR_CONFG", "Did you mean 'AI_ORCHESTRATOR_CONFIG'?"),
        ("AI_ORCHESTRATOR_FOO", "SECTION__KEY"),
        ("AI_ORCHESTRATOR_SETTINGS__", "no part empty"),
        ("AI_ORCHESTRATOR___BAR", "no part empty"),
    ],
)
def test_unknown_variable_with_our_prefix_is_refused(name: str, words: str) -> None:
    """A mistyped name is told and never ignored."""
    _, problems = read(**{name: "1"})
    assert len(problems) == 1
    assert problems[0].startswith(f"environment {name}: ")
    assert words in problems[0]


@pytest.mark.parametrize("text", ["{a: ", "'open", "[1", "9" * 30])
def test_value_that_cannot_be_read_names_the_variable(text: str) -> None:
    """A broken list in a variable is told with the variable's name."""
    _, problems = read(AI_ORCHESTRATOR_SETTINGS__X=text)
    assert len(problems) == 1
    assert problems[0].startswith("environment AI_ORCHESTRATOR_SETTINGS__X")


@pytest.mark.parametrize(
    "name",
    [
        "AI_ORCHESTRATOR_SERVICE_HOST",
        "AI_ORCHESTRATOR_SERVICE_PORT",
        "AI_ORCHESTRATOR_SERVICE_PORT_HTTP",
        "AI_ORCHESTRATOR_SERVICE_SERVICE_HOST",
        "AI_ORCHESTRATOR_PORT",
        "AI_ORCHESTRATOR_PORT_80_TCP",
        "AI_ORCHESTRATOR_PORT_80_TCP_PROTO",
        "AI_ORCHESTRATOR_STABLE_PORT_9090_TCP_ADDR",
    ],
)
def test_service_links_of_kubernetes_are_left_alone(name: str) -> None:
    """A pod beside a service of our name gets such variables from the cluster."""
    assert read(**{name: "tcp://10.0.0.1:80"}) == ({}, [])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("CODEX_ENABLED", "yes", {"agents": {"codex": {"enabled": True}}}),
        ("CLAUDE_ENABLED", "0", {"agents": {"claude": {"enabled": False}}}),
        ("GEMINI_COMMAND", "gemini --x", {"agents": {"gemini": {"command": "gemini --x"}}}),
        ("COPILOT_TIMEOUT", "300", {"agents": {"copilot": {"timeout": 300}}}),
        ("MAX_ITERATIONS", "5", {"settings": {"max_iterations": 5}}),
        ("DEFAULT_WORKFLOW", "quick", {"settings": {"default_workflow": "quick"}}),
    ],
)
def test_older_names_mean_what_they_meant(name: str, text: str, expected: object) -> None:
    """People's scripts keep working."""
    assert read(**{name: text}) == (expected, [])


@pytest.mark.parametrize(("name", "text"), [("MAX_ITERATIONS", "many"), ("CODEX_ENABLED", "maybe")])
def test_older_name_with_a_wrong_value_is_told(name: str, text: str) -> None:
    """The value is checked where the name is known."""
    _, problems = read(**{name: text})
    assert len(problems) == 1
    assert f"environment {name}: '{text}'" in problems[0]


def test_old_and_new_name_that_disagree_are_a_problem() -> None:
    """Neither silently wins."""
    _, problems = read(MAX_ITERATIONS="5", AI_ORCHESTRATOR_SETTINGS__MAX_ITERATIONS="6")
    assert len(problems) == 1
    assert "MAX_ITERATIONS" in problems[0]
    assert "AI_ORCHESTRATOR_SETTINGS__MAX_ITERATIONS" in problems[0]


def test_old_and_new_name_that_agree_are_fine() -> None:
    """A script may set both while it moves over."""
    _, problems = read(MAX_ITERATIONS="5", AI_ORCHESTRATOR_SETTINGS__MAX_ITERATIONS="5")
    assert problems == []


REFUSED = [row for row in OLDER_NAMES.values() if row.keys is None and not row.is_shared]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.name)
def test_name_without_a_meaning_is_refused_with_what_to_do(row: OlderName) -> None:
    """A name that is ours alone is not ignored: the way to the same end is told."""
    _, problems = read(**{row.name: "7"})
    assert len(problems) == 1
    assert row.hint in problems[0]


@pytest.mark.parametrize("row", [row for row in REFUSED if row.harmless], ids=lambda row: row.name)
def test_value_that_says_what_is_so_anyway_is_let_pass(row: OlderName) -> None:
    """`ENABLE_AUTO_RECOVERY=true` asks for nothing else than there is."""
    assert read(**{row.name: row.harmless.upper()}) == ({}, [])


SHARED = [row for row in OLDER_NAMES.values() if row.is_shared]


@pytest.mark.parametrize("row", SHARED, ids=lambda row: row.name)
def test_names_of_other_programs_are_left_to_them(row: OlderName) -> None:
    """A developer's `PORT` or `DATABASE_URL` belongs to what is being developed."""
    assert read(**{row.name: "1"}) == ({}, [])


@pytest.mark.parametrize("row", OLDER_NAMES.values(), ids=lambda row: row.name)
def test_every_name_of_the_past_leads_on(row: OlderName) -> None:
    """It sets something, or a sentence says what there is instead."""
    assert (row.keys is None) == row.hint.endswith(".")


def test_names_of_the_past_are_all_in_the_table() -> None:
    """What other releases of the product read is either accepted or refused, never unknown."""
    past = """
        APP_ENV APP_DEBUG ENVIRONMENT VERSION TRACK LOG_LEVEL LOG_FILE UI_BACKEND_PORT PORT WORKERS
        CODEX_ENABLED GEMINI_COMMAND CLAUDE_TIMEOUT COPILOT_ENABLED DEFAULT_WORKFLOW MAX_ITERATIONS
        MAX_RETRIES RETRY_DELAY OUTPUT_DIR WORKSPACE_DIR REPORTS_DIR SESSIONS_DIR ENABLE_CACHING
        CACHE_ENABLED CACHE_TTL CACHE_MAX_SIZE MAX_CONCURRENT_AGENTS MAX_CONCURRENT_TASKS
        REQUEST_TIMEOUT TASK_TIMEOUT SESSION_TIMEOUT ENABLE_METRICS METRICS_PORT METRICS_PATH
        HEALTH_CHECK_PATH READINESS_CHECK_PATH ENABLE_TRACING ENABLE_DISTRIBUTED_TRACING
        ENABLE_RATE_LIMITING RATE_LIMIT_ENABLED RATE_LIMIT_PER_MINUTE RATE_LIMIT_PER_HOUR
        MAX_TASK_LENGTH ENABLE_ASYNC_EXECUTION ENABLE_AUTO_RECOVERY RETRY_MAX_ATTEMPTS
        RETRY_BACKOFF_FACTOR SESSION_TYPE SESSION_FILE_DIR DB_POOL_SIZE DB_POOL_TIMEOUT
        DB_MAX_OVERFLOW SECRET_KEY JWT_SECRET_KEY DATABASE_URL REDIS_URL SLACK_WEBHOOK_URL
    """
    assert set(past.split()) <= set(OLDER_NAMES)
