"""The demo's configuration: the default workflow, played by agents that ask a scripted model."""

from __future__ import annotations

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.config.agents_found import find_program
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.workflows.loading.built_in import built_in_text

MODELS = {
    "claude": "claude-sonnet-4-5",
    "codex": "gpt-5.5",
    "gemini": "gemini-2.5-flash",
    "copilot": "scripted-1",
}
"""The agents that can play in the demo, and the model that each of them has to know."""
_ROLES = ("implementation", "review", "refinement", "suggestions")
_KEY = "scripted-no-key"


def check_agents(agents: tuple[str, ...], environment: Environment) -> None:
    """Nothing, where all of them can play: nobody steps in for one that was named.

    Raises `BadInputError` for those that the demo has no part for, `EnvironmentProblemError` for
    those that are not installed.
    """
    unknown = [name for name in agents if name not in MODELS]
    if unknown:
        raise BadInputError(
            f"--agents: the demo has no part for {', '.join(unknown)}.",
            hint=f"Known: {', '.join(MODELS)}.",
        )
    missing = [name for name in agents if find_program(name, environment) is None]
    if missing:
        raise EnvironmentProblemError(
            f"--agents: {', '.join(missing)} is not on the PATH.",
            hint="Install it, or leave it out: without --agents the demo needs none.",
        )


def demo_document(url: str, agents: tuple[str, ...]) -> str:
    """The built-in document with the demo's agents in place of the built-in ones.

    Without agents the built-in one plays all parts. Else the first implements, the second reviews
    and the third refines; where there are fewer, the first takes what is left.
    """
    document = built_in_text()
    start = document.index("\nagents:\n") + 1
    end = document.index("\nworkflows:\n", start) + 1
    return document[:start] + _agents(url, agents) + document[end:]


def _agents(url: str, agents: tuple[str, ...]) -> str:
    if not agents:
        return (
            "agents:\n  builtin:\n    driver: builtin\n    model: scripted-1\n"
            f"    options:\n      url: {url}/v1\n      api: openai\n\n"
        )
    lines = ["agents:"]
    for name, role in zip(agents, _ROLES, strict=False):
        lines += [f"  {name}:", f"    role: {role}", f"    model: {MODELS[name]}"]
    return "\n".join(lines) + "\n\n"


def vendor_variables(url: str) -> dict[str, str]:
    """Variables that lead each vendor's program to the scripted model, with a key that is none."""
    return {
        "AI_ORCHESTRATOR_MODEL_KEY": _KEY,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": _KEY,
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": _KEY,
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": _KEY,
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": _KEY,
    }
