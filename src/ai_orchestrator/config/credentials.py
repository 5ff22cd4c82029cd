"""The credential variables that may leave the client's environment, and nothing else of it.

The client picks them for a submission; the server's redactor asks which of them are secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.files import read_small_file
from ai_orchestrator.config.problems import ConfigError, ConfigProblem
from ai_orchestrator.model.task import ResolvedConfig

SECRET_VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CODEX_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "COPILOT_GITHUB_TOKEN",
    "COPILOT_PROVIDER_API_KEY",
    "COPILOT_PROVIDER_BEARER_TOKEN",
    "AI_ORCHESTRATOR_MODEL_KEY",
)
"""Keys and tokens that the vendors' programs and the built-in agent read."""
OPEN_VARIABLES = (
    "ANTHROPIC_BASE_URL",
    "OPENAI_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "COPILOT_OFFLINE",
    "COPILOT_MODEL",
    "COPILOT_PROVIDER_BASE_URL",
    "COPILOT_PROVIDER_TYPE",
    "COPILOT_PROVIDER_WIRE_API",
    "AI_ORCHESTRATOR_MODEL_URL",
    "AI_ORCHESTRATOR_MODEL_API",
)
"""Where a login is valid: they travel with it, and are no secrets."""
SECRET_LIMIT_BYTES = 64 * 1024
"""Longest value; a guess, above any token and below what an environment may hold."""

_FILE = "_FILE"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def pick_credentials(environment: Environment, config: ResolvedConfig) -> dict[str, str]:
    """The allow-listed variables that are set, with those that the configuration's accounts name.

    `NAME_FILE` gives a secret by file, without the line break at its end. Raises `ConfigError`
    when a file cannot be read, or when both are set and differ.
    """
    names = dict.fromkeys((*SECRET_VARIABLES, *OPEN_VARIABLES, *account_variables(config)))
    picked: dict[str, str] = {}
    problems: list[ConfigProblem] = []
    for name in names:
        try:
            value = _value(environment, name)
        except BadInputError as error:
            problems.append(ConfigProblem(str(error), "", f"environment {name}{_FILE}"))
            continue
        if value is not None:
            picked[name] = value
    if problems:
        raise ConfigError(problems)
    return picked


def account_variables(config: ResolvedConfig) -> tuple[str, ...]:
    """The variables that the configuration's accounts name, in order; what is no name is left out.

    The document need not have been checked yet.
    """
    accounts = config.document.get("accounts")
    found: dict[str, None] = {}
    for account in accounts.values() if isinstance(accounts, dict) else ():
        variables = account.get("variables") if isinstance(account, dict) else None
        for name in variables if isinstance(variables, list) else ():
            if isinstance(name, str) and _NAME.fullmatch(name):
                found[name] = None
    return tuple(found)


def is_secret(name: str) -> bool:
    """The variable's value must never be shown. True for every name that is not known as open."""
    return name not in OPEN_VARIABLES


def secret_values(credentials: Mapping[str, str]) -> tuple[str, ...]:
    """The values among picked credentials that must never be shown."""
    return tuple(value for name, value in credentials.items() if is_secret(name))


def _value(environment: Environment, name: str) -> str | None:
    """The variable's value or its file's content; None when neither is set."""
    value = environment.get(name)
    if not is_secret(name):
        return value
    file = environment.get(f"{name}{_FILE}")
    if file is None:
        return value
    content = _file_content(environment.absolute(file))
    if value is not None and value != content:
        raise BadInputError(f"{name} is set to something else. Set one of them only.")
    return content


def _file_content(path: Path) -> str:
    data = read_small_file(path, limit_bytes=SECRET_LIMIT_BYTES)
    try:
        content = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text.") from error
    if not content or "\0" in content:
        raise BadInputError(f"{path} holds no value.")
    return content
