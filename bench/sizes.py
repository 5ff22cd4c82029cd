"""Sizes that break careless programs: a long prompt, a long diff. They work, or fail loudly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.place import Place, timed_s
from tests.support.configuration import APPROVE, request, shell_agent
from tests.support.server import running

from ai_orchestrator.model.task import RunOptions

PROMPT_CHARS = 200_000
DIFF_BYTES = 5_000_000
LIMIT_S = 30.0
"""Only to have one: what counts is that they come to their end."""
COUNTS_PROMPT = f"test ${{#prompt}} -ge {PROMPT_CHARS} && echo yes > out.txt && echo done"
WRITES_MUCH = f"base64 /dev/urandom | head -c {DIFF_BYTES} > big.txt; echo done"
READS_CHANGE = (
    "change=$(printf '%s' \"$prompt\" | grep -o '/[^ ]*change.patch' | head -n 1); "
    f'test "$(wc -c < "$change")" -gt {DIFF_BYTES} && {APPROVE}'
)


def prompt(place: Place) -> list[Figure]:
    """A task of 200 KB reaches the agent whole."""
    agents = {"coder": shell_agent(COUNTS_PROMPT, role="implementation")}
    steps = [{"task": "implement"}]
    took_s = _played_s(place, "prompt", agents, steps, "word " * (PROMPT_CHARS // 5))
    return [Figure("a prompt of 200 KB", took_s, "s", goal=LIMIT_S)]


def diff(place: Place) -> list[Figure]:
    """A reviewer is shown a change of 5 MB in a file."""
    agents = {
        "coder": shell_agent(WRITES_MUCH, role="implementation"),
        "judge": shell_agent(READS_CHANGE, role="review"),
    }
    took_s = _played_s(place, "diff", agents, [{"task": "implement"}, {"task": "review"}], "Fill")
    return [Figure("a diff of 5 MB", took_s, "s", goal=LIMIT_S)]


def _played_s(
    place: Place, name: str, agents: dict[str, Any], steps: list[dict[str, str]], task: str
) -> float:
    document = {
        "workflows": {"big": {"success": "changed+verified", "steps": steps}},
        "verify": [],
    }
    repository: Path = place.repository(10)
    order = request(
        repository,
        agents,
        document,
        workflow="big",
        task=task,
        options=RunOptions(sandbox="off", allow_unverified=True),
    )
    with running(place.root / f"sizes-{name}") as runner:

        def play() -> None:
            task_id = runner.backend.submit(order).summary.id
            for _ in runner.backend.events(task_id, follow=True):
                pass
            summary = runner.backend.task(task_id).summary
            if summary.state != "succeeded":
                raise RuntimeError(f"the task ended {summary.state}: {summary.reason}")

        return timed_s(play)
