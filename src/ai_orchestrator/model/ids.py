"""Ids and refs, and the only functions that build or take them apart.

Frozen: other programs, other releases and people's branches depend on these shapes.
"""

from __future__ import annotations

import os
import re
from datetime import datetime

import msgspec

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"  # base 32 without i, l, o, u (the ULID alphabet)
_TASK_ID = re.compile(r"t-[0-7][0-9a-hjkmnp-tv-z]{25}")
_END_OF_TASK_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{1,26}")
_STEP_PATH = re.compile(r"[a-z0-9-]+(?:\.[0-9]+)?(?:/[a-z0-9-]+(?:\.[0-9]+)?)*")
REF_PREFIX = "refs/ai-orchestrator"
SHORT_CHARS = 8


def new_task_id(now: datetime) -> str:
    """`t-` and a lower-case ULID: 48 bits of milliseconds, 80 random bits; sorts by time."""
    value = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "t-" + "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_task_id(text: str) -> bool:
    """The text is a whole task id (not a short form)."""
    return _TASK_ID.fullmatch(text) is not None


def may_name_task(text: str) -> bool:
    """The text is a whole task id or the end of one, in either case."""
    wanted = text.strip().lower()
    return is_task_id(wanted) or _END_OF_TASK_ID.fullmatch(wanted) is not None


def is_step_path(text: str) -> bool:
    """The text may stand as a step path in a ref."""
    return _STEP_PATH.fullmatch(text) is not None


def short_id(task_id: str) -> str:
    """The last characters of a task id, the form shown to people."""
    return task_id[-SHORT_CHARS:]


def workflow_id(task_id: str, task_attempt: int) -> str:
    """The durable engine's name for one run of the task."""
    return f"{task_id}-a{task_attempt}"


class StepKey(msgspec.Struct, frozen=True):
    """One execution of one step: where in the workflow, which round, which try."""

    task: str
    task_attempt: int
    step: str
    iteration: int
    attempt: int

    @property
    def ref(self) -> str:
        """The git ref that holds this execution's commit, in the task's own repository."""
        return (
            f"{REF_PREFIX}/{self.task}/a{self.task_attempt}/{self.step}"
            f"/i{self.iteration}/a{self.attempt}"
        )

    @property
    def tree(self) -> str:
        """Name of the process tree of this execution, unique among all tasks."""
        step = self.step.replace("/", ".")
        return (
            f"{short_id(self.task)}.a{self.task_attempt}.{step}.i{self.iteration}.a{self.attempt}"
        )


def base_ref(task_id: str, task_attempt: int) -> str:
    """The ref that keeps the commit a task attempt started from."""
    return f"{REF_PREFIX}/{task_id}/a{task_attempt}/base"


def final_ref(task_id: str, task_attempt: int) -> str:
    """The ref that keeps the commit a task attempt ended with."""
    return f"{REF_PREFIX}/{task_id}/a{task_attempt}/final"


def applied_ref(task_id: str, task_attempt: int) -> str:
    """The ref that says which commit of a task attempt reached its repository.

    No step has an underscore in its name, so neither this nor the next one meets a step's ref.
    """
    return f"{REF_PREFIX}/{task_id}/a{task_attempt}/_applied"


def verified_ref(task_id: str, task_attempt: int) -> str:
    """The ref that keeps which tree was verified, of a task attempt that is not the last one."""
    return f"{REF_PREFIX}/{task_id}/a{task_attempt}/_verified"


def branch_name(task_id: str, title: str) -> str:
    """The branch that people see: `ai/<short>-<slug of the title>`, safe as a ref."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-")
    return f"ai/{short_id(task_id)}-{slug or 'task'}"
