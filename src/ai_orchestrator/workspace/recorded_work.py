"""What each attempt of a task committed, as its repository tells it; asked before any of it may go.

A task's row knows the end of its last attempt only. The refs know them all, also of attempts that
were broken off. Read as files: the task's own repository never packs its refs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ai_orchestrator.model.ids import REF_PREFIX, applied_ref, base_ref, final_ref, verified_ref

_INTERRUPTED = "-interrupted"
"""Such a ref keeps a tree in mid-step; whoever goes on with the step takes it up, nobody else."""
_ATTEMPT = re.compile(r"a([0-9]+)")


@dataclass(frozen=True, slots=True)
class RecordedWork:
    """Commits of one task attempt that its base does not have."""

    attempt: int
    commit: str
    """What it ended with; the last one of a step where it was broken off."""
    is_ended: bool
    """`commit` has the attempt's final ref."""
    verified_tree: str | None
    is_applied: bool
    """That commit reached its repository."""


def recorded_work(repository: Path, task_id: str) -> tuple[RecordedWork, ...]:
    """The attempts that have work, by rising number. Reads a few files for each."""
    folders = repository.glob(f"{REF_PREFIX}/{task_id}/a*")
    numbers = [int(found[1]) for path in folders if (found := _ATTEMPT.fullmatch(path.name))]
    works = (_work(repository, task_id, number) for number in sorted(numbers))
    return tuple(work for work in works if work is not None)


def _work(repository: Path, task_id: str, number: int) -> RecordedWork | None:
    final = _read(repository / final_ref(task_id, number))
    commit = final or _last_of_steps(repository, task_id, number)
    if commit is None:
        return None
    return RecordedWork(
        attempt=number,
        commit=commit,
        is_ended=final is not None,
        verified_tree=_read(repository / verified_ref(task_id, number)),
        is_applied=_read(repository / applied_ref(task_id, number)) == commit,
    )


def _last_of_steps(repository: Path, task_id: str, number: int) -> str | None:
    """The youngest commit of a step: steps record one after the other on the same line."""
    base = _read(repository / base_ref(task_id, number))
    found = [
        (path.stat().st_mtime_ns, str(path), commit)
        for path in (repository / base_ref(task_id, number)).parent.glob("*/**/*")
        if path.is_file()
        and not path.name.endswith((_INTERRUPTED, ".lock"))
        and (commit := _read(path)) not in (None, base)
    ]
    return max(found)[2] if found else None


def _read(ref: Path) -> str | None:
    try:
        return ref.read_text().strip() or None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
