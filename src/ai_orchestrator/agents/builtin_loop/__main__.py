"""`python -m ai_orchestrator.agents.builtin_loop`: prompt on standard input, events on output.

Flags, each `--name=value`: --state DIR (where conversations are kept), --resume SESSION, --model
NAME, --max-turns N, --url URL, --api openai|anthropic, --read-only (no tool that writes), --no-run
(no shell command: where no sandbox makes the tree read-only). Without --url:
AI_ORCHESTRATOR_MODEL_URL, else what OPENAI_API_KEY or ANTHROPIC_API_KEY points to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ai_orchestrator.agents.builtin_loop.conversation import (
    Conversation,
    UnknownSessionError,
    load,
    new_conversation,
)
from ai_orchestrator.agents.builtin_loop.dialects import Model
from ai_orchestrator.agents.builtin_loop.loop import Bench, work
from ai_orchestrator.agents.builtin_loop.say import VERSION, say
from ai_orchestrator.agents.builtin_loop.tools import offered

FLAGS = ("state", "resume", "model", "max-turns", "url", "api", "read-only", "no-run")
APIS = ("openai", "anthropic")
_OPENAI = "https://api.openai.com/v1"
_ANTHROPIC = "https://api.anthropic.com"
_DEFAULT_MODEL = {"openai": "gpt-5.5", "anthropic": "claude-sonnet-4-5"}
USAGE_ERROR = 2


class UsageError(Exception):
    """The command line or the environment does not say what to do."""


def main() -> int:
    """Runs the agent; the exit code: 0 success, 1 failure, 2 wrong use."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"{VERSION} (built-in agent)\n")
        return 0
    try:
        flags = parse(sys.argv[1:])
        model = choose_model(flags, os.environ)
        conversation = _conversation(flags)
    except (UsageError, UnknownSessionError) as error:
        say("end", error_kind="agent", message=str(error))
        return USAGE_ERROR
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    say("session", session_id=conversation.id, model=model.name, version=VERSION)
    is_read_only = "read-only" in flags
    bench = Bench(
        model=model,
        tools=offered(is_read_only=is_read_only, may_run="no-run" not in flags),
        root=Path.cwd().resolve(),
        state=Path(flags["state"]),
        max_turns=int(flags["max-turns"]),
        is_read_only=is_read_only,
    )
    return work(bench, conversation, prompt)


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """The flags by name. Raises `UsageError`. By hand: argparse takes 8 ms to import."""
    flags = {"state": ".", "max-turns": "100"}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name not in FLAGS or not argument.startswith("--"):
            raise UsageError(f"no flag {argument!r}. Known: {', '.join(FLAGS)}")
        flags[name] = value
    if not flags["max-turns"].isdecimal():
        raise UsageError(f"--max-turns is a number, not {flags['max-turns']!r}")
    return flags


def choose_model(flags: Mapping[str, str], env: Mapping[str, str]) -> Model:
    """Where to ask, by flags, else by the environment. Raises `UsageError`."""
    url = flags.get("url") or env.get("AI_ORCHESTRATOR_MODEL_URL")
    api = flags.get("api") or env.get("AI_ORCHESTRATOR_MODEL_API") or _api_of(url, env)
    if api not in APIS:
        raise UsageError(f"no model API {api!r}. Known: {', '.join(APIS)}")
    vendor = "OPENAI" if api == "openai" else "ANTHROPIC"
    own = _OPENAI if api == "openai" else _ANTHROPIC
    return Model(
        api=api,
        url=(url or env.get(f"{vendor}_BASE_URL") or own).rstrip("/"),
        name=flags.get("model") or _DEFAULT_MODEL[api],
        key=env.get("AI_ORCHESTRATOR_MODEL_KEY") or env.get(f"{vendor}_API_KEY") or "",
    )


def _api_of(url: str | None, env: Mapping[str, str]) -> str:
    if url is not None or "OPENAI_API_KEY" in env:
        return "openai"
    if "ANTHROPIC_API_KEY" in env:
        return "anthropic"
    raise UsageError(
        "no model to ask: set AI_ORCHESTRATOR_MODEL_URL, OPENAI_API_KEY or ANTHROPIC_API_KEY"
    )


def _conversation(flags: Mapping[str, str]) -> Conversation:
    if "resume" in flags:
        return load(Path(flags["state"]), flags["resume"])
    return new_conversation()


if __name__ == "__main__":
    sys.exit(main())
