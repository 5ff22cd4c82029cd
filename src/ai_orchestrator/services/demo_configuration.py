"""The demo's configuration: the default workflow, played by agents that ask a scripted model."""

from __future__ import annotations

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.workflows.load import built_in_text

_VENDORS = ("claude", "codex", "gemini", "copilot")
_ROLES = ("implementation", "review", "refinement")
_KEY = "scripted-no-key"


def demo_document(url: str, agents: tuple[str, ...]) -> str:
    """The built-in document with the demo's agents in place of the built-in ones.

    Without agents the built-in one plays all parts; else the named ones take the parts in turn.
    """
    unknown = [name for name in agents if name not in _VENDORS]
    if unknown:
        raise BadInputError(
            f"--agents: the demo has no part for {', '.join(unknown)}.",
            hint=f"Known: {', '.join(_VENDORS)}.",
        )
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
    for index, role in enumerate(_ROLES):
        name = agents[index % len(agents)]
        lines += [f"  {role}:", f"    driver: {name}", f"    role: {role}"]
        lines += [f"    model: {_MODELS[name]}"]
    return "\n".join(lines) + "\n\n"


_MODELS = {
    "claude": "claude-sonnet-4-5",
    "codex": "gpt-5.5",
    "gemini": "gemini-2.5-flash",
    "copilot": "scripted-1",
}


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
