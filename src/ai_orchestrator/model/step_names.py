"""What people call an execution of a step: `improve/refine #2 attempt 2`, and what they may type.

`tasks show` and `tasks logs` print these names; `--step` of diff, patch, files and logs takes them,
and the short ones of the live output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ai_orchestrator.model.task import StepView

_NAME = re.compile(
    r"(?P<step>[^\s#]+)(?:\s*#(?P<round>[0-9]{1,6}))?(?:\s+attempt (?P<try>[0-9]+))?"
)


def step_name(step: str, iteration: int, attempt: int = 1) -> str:
    """`improve/review`, `improve/review #2` in the second round, with `attempt 2` when repeated."""
    round_told = f" #{iteration}" if iteration > 1 else ""
    return f"{step}{round_told}{f' attempt {attempt}' if attempt > 1 else ''}"


def named_steps(steps: Iterable[StepView], name: str) -> list[StepView]:
    """The executions that the name fits, in their order; none where it fits none.

    A path, or its end where no path is the whole name. Without a round or an attempt: all of them.
    """
    asked = _NAME.fullmatch(name.strip())
    if asked is None:
        return []
    all_steps = list(steps)
    step = asked["step"]
    exact = [one for one in all_steps if one.step == step]
    found = exact or [one for one in all_steps if one.step.endswith(f"/{step}")]
    return [
        one
        for one in found
        if asked["round"] in (None, str(one.iteration)) and asked["try"] in (None, str(one.attempt))
    ]


def step_names(steps: Iterable[StepView]) -> list[str]:
    """The names of the steps, each round once, in their order."""
    return list(dict.fromkeys(step_name(one.step, one.iteration) for one in steps))
