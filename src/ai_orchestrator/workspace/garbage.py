"""What may be removed from the data directory, and what may not: work that nobody has taken yet.

Survey, decide, act: `survey` reads the disk, `plan` is pure, `execute` removes. What the database
knows of a task comes in as `Knowledge`; a task that it does not know is kept unless forced.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ai_orchestrator.model.task import GarbageReport
from ai_orchestrator.workspace.layout import DataLayout
from ai_orchestrator.workspace.locking import free_lock
from ai_orchestrator.workspace.port_range import PortClaims
from ai_orchestrator.workspace.recorded_work import recorded_work
from ai_orchestrator.workspace.removal import Trash, directory_bytes
from ai_orchestrator.workspace.setup_entries import SETUP_LIMIT_BYTES, StoredSetup, unwanted
from ai_orchestrator.workspace.setup_store import discard_setups, remove_broken, stored_setups

MIRROR_REST_S = 14 * 86400.0
"""A guess: a repository that nobody worked on for two weeks can be fetched again."""
_ACCEPTANCE_S = 60.0
"""A guess: between the look for a task's start, which touches the mirror, and the task's row."""


_BESIDE = (".pool", ".snapshots")
"""What belongs to a mirror and goes with it."""
_LASTING = (".git", ".lock", *_BESIDE)
_LEFT_S = 86400.0


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the database says of a task."""

    is_final: bool
    has_changes: bool
    """Its final commit differs from its base."""
    is_applied: bool
    task_attempt: int = 1
    """The last one, which the values before are about."""


@dataclass(frozen=True, slots=True)
class TaskFound:
    """A task on the disk."""

    task_id: str
    total_bytes: int
    trees_bytes: int
    """The part of it that is checkouts: all of a finished task's work is in its commits."""
    unapplied: tuple[int, ...] = ()
    """Task attempts whose work has not reached its repository, as far as refs tell."""


@dataclass(frozen=True, slots=True)
class MirrorFound:
    """A mirror on the disk, with its pool and its snapshots."""

    name: str
    total_bytes: int
    rest_s: float
    """Since it was last fetched into, or looked at for a task."""
    users: frozenset[str]
    """Tasks that borrow from it; a task that has not begun is not among them yet."""
    touched_ns: int = 0
    """The same as the time of that, by the file system."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in the data directory."""

    tasks: tuple[TaskFound, ...]
    mirrors: tuple[MirrorFound, ...]
    leftovers: tuple[str, ...] = ()
    """Names beside the mirrors that a killed process left half-made, a day ago or longer."""
    setups: tuple[StoredSetup, ...] = ()
    now_s: float = 0.0
    """When it was surveyed, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes and what stays; `kept` gives the reason for each task."""

    tasks: tuple[TaskFound, ...]
    trees: tuple[TaskFound, ...]
    mirrors: tuple[MirrorFound, ...]
    kept: Mapping[str, str]
    leftovers: tuple[str, ...] = ()
    setups: tuple[StoredSetup, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """Bytes on the disk that removing gives back; what hard links share is counted too."""
        return (
            sum(task.total_bytes for task in self.tasks)
            + sum(task.trees_bytes for task in self.trees)
            + sum(mirror.total_bytes for mirror in self.mirrors)
            + sum(setup.entry.disk_bytes for setup in self.setups)
        )


def plan(
    survey: Survey,
    known: Mapping[str, Knowledge],
    *,
    force: bool,
    setup_limit_bytes: int = SETUP_LIMIT_BYTES,
    needed_mirrors: Collection[str] = (),
) -> Plan:
    """What may go. `force` adds finished work that was not applied, unknown tasks, all set-ups.

    A task that is not finished always stays, and with it its mirror: `needed_mirrors` names those
    of all such tasks, since one that waits for its turn has nothing on the disk yet.
    """
    kept = {
        task.task_id: reason
        for task in survey.tasks
        if (reason := _reason_to_keep(task, known.get(task.task_id), force=force))
    }
    return Plan(
        tasks=tuple(task for task in survey.tasks if task.task_id not in kept),
        trees=tuple(task for task in survey.tasks if _has_idle_trees(task, known, kept)),
        mirrors=tuple(
            mirror
            for mirror in survey.mirrors
            if mirror.name not in needed_mirrors and _is_idle(mirror, kept, force=force)
        ),
        kept=kept,
        leftovers=survey.leftovers,
        setups=unwanted(
            survey.setups, now_s=survey.now_s, limit_bytes=setup_limit_bytes, force=force
        ),
    )


def _reason_to_keep(task: TaskFound, known: Knowledge | None, *, force: bool) -> str:
    """One sentence, or nothing when the task may go."""
    if known is None:
        return "" if force else "is not in the database; its work may be wanted."
    if not known.is_final:
        return "is not finished."
    if force:
        return ""
    if known.has_changes and not known.is_applied:
        return "has changes that were not applied."
    others = [number for number in task.unapplied if not _is_told_of(known, number)]
    if others:
        return f"has work of attempt {', '.join(map(str, others))} that was not applied."
    return ""


def _is_told_of(known: Knowledge, attempt: int) -> bool:
    """The row itself says what became of the attempt's work."""
    return attempt == known.task_attempt and (known.has_changes or known.is_applied)


def _has_idle_trees(
    task: TaskFound, known: Mapping[str, Knowledge], kept: Mapping[str, str]
) -> bool:
    knowledge = known.get(task.task_id)
    is_final = knowledge is not None and knowledge.is_final
    return task.task_id in kept and is_final and task.trees_bytes > 0


def _is_idle(mirror: MirrorFound, kept: Mapping[str, str], *, force: bool) -> bool:
    is_used = any(task in kept for task in mirror.users)
    return not is_used and mirror.rest_s > (_ACCEPTANCE_S if force else MIRROR_REST_S)


def survey(layout: DataLayout, now_s: float) -> Survey:
    """What lies in the data directory. Walks all of it: run it in a thread.

    `now_s`: the wall clock, in seconds since 1970.
    """
    tasks = [path for path in _folders(layout.tasks) if not path.name.startswith(".")]
    users = _borrowers(tasks)
    return Survey(
        tasks=tuple(_task_found(layout, path) for path in tasks),
        mirrors=tuple(
            _mirror_found(path, now_s, users.get(str(path / "objects"), ()))
            for path in _folders(layout.mirrors)
            if path.suffix == ".git"
        ),
        leftovers=tuple(
            path.name
            for path in sorted(layout.mirrors.glob("*"))
            if path.suffix not in _LASTING and now_s - path.lstat().st_mtime > _LEFT_S
        ),
        setups=tuple(stored_setups(layout.setups)),
        now_s=now_s,
    )


def _mirror_found(path: Path, now_s: float, users: Iterable[str]) -> MirrorFound:
    touched_ns = path.stat().st_mtime_ns
    return MirrorFound(
        name=path.name,
        total_bytes=sum(directory_bytes(one) for one in (path, *_beside(path))),
        rest_s=now_s - touched_ns / 1e9,
        users=frozenset(users),
        touched_ns=touched_ns,
    )


def _task_found(layout: DataLayout, path: Path) -> TaskFound:
    trees = sum(directory_bytes(tree) for tree in _trees(path))
    total = directory_bytes(path) + directory_bytes(layout.conversations / path.name)
    works = recorded_work(path / "repo.git", path.name)
    unapplied = tuple(work.attempt for work in works if not work.is_applied)
    return TaskFound(path.name, total, trees, unapplied)


def _trees(task: Path) -> list[Path]:
    """Checkouts with the marks that call them whole, of all attempts of a task."""
    names = ("tree", "clean", "index.made", "clean.index.made")
    return [path for name in names for path in task.glob(f"a[0-9]*/{name}")]


def _borrowers(tasks: Iterable[Path]) -> dict[str, list[str]]:
    """Object directory of a mirror -> tasks that borrow from it."""
    users: dict[str, list[str]] = {}
    for task in tasks:
        alternates = task / "repo.git/objects/info/alternates"
        if alternates.is_file():
            for line in os.fsdecode(alternates.read_bytes()).splitlines():
                users.setdefault(line, []).append(task.name)
    return users


def _folders(directory: Path) -> Sequence[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.is_dir())


def execute(plan: Plan, layout: DataLayout, trash: Trash) -> GarbageReport:
    """What was removed. Each removal is a rename first, so that nothing is left half there.

    The caller makes sure that none of these tasks is started meanwhile.
    """
    for task in plan.trees:
        for path in reversed(_trees(layout.task(task.task_id))):
            trash.discard(path)  # marks go before the trees that they call whole
    for task in plan.tasks:
        trash.discard(layout.task(task.task_id))
        trash.discard(layout.conversations / task.task_id)
    mirrors = tuple(one for one in plan.mirrors if _is_discarded(layout.mirrors, one, trash))
    for name in plan.leftovers:
        trash.discard(layout.mirrors / name)
    discard_setups(layout.setups, plan.setups, trash)
    remove_broken(layout.setups, trash)
    PortClaims(layout.port_claims).keep_only(plan.kept)
    trash.empty()
    return report(replace(plan, mirrors=mirrors), is_dry_run=False)


def _is_discarded(mirrors: Path, mirror: MirrorFound, trash: Trash) -> bool:
    """Whether the mirror is gone: not when somebody fetches into it, or has looked at it since.

    It is moved aside first, under its lock: who looks touches it before, so that shows now; and who
    looks later finds none, waits for the lock, and makes it anew where it has not come back.
    """
    path = mirrors / mirror.name
    aside = path.with_suffix(".gone")
    with free_lock(path.with_suffix(".lock")) as is_ours:
        if not is_ours or not path.exists():
            return False
        trash.discard(aside)
        path.rename(aside)
        if aside.stat().st_mtime_ns != mirror.touched_ns:
            aside.rename(path)
            return False
        trash.discard(aside)
        for one in _beside(path):
            trash.discard(one)
    return True


def _beside(mirror: Path) -> list[Path]:
    return [mirror.with_suffix(suffix) for suffix in _BESIDE]


def report(plan: Plan, *, is_dry_run: bool) -> GarbageReport:
    """The plan as it is shown."""
    return GarbageReport(
        removed=(
            *(task.task_id for task in plan.tasks),
            *(f"{task.task_id} (checkouts)" for task in plan.trees),
            *(f"mirror {mirror.name}" for mirror in plan.mirrors),
            *(f"setup {setup.entry.shown}" for setup in plan.setups),
        ),
        kept=tuple(f"{task_id} {reason}" for task_id, reason in plan.kept.items()),
        freed_bytes=plan.freed_bytes,
        is_dry_run=is_dry_run,
    )
