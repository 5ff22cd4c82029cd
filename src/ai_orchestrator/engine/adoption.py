"""What happens at start to unfinished workflows that another release began.

Same epoch: the sequence of steps is the same, so the row is taken over as it is. Older epoch: the
journal no longer fits the code; the workflow begins anew under its own id, and finds every finished
step again by its rows and refs. Newer epoch: left alone, for the release that can finish it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A task attempt that is not final, as our rows tell it."""

    workflow_id: str
    task_id: str
    task_attempt: int
    release: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """What to do with one unfinished workflow."""

    unfinished: Unfinished
    action: Literal["keep", "take-over", "begin-anew", "refuse"]
    reason: str


def plan_adoption(
    unfinished: Sequence[Unfinished], *, release: str, epoch: int
) -> tuple[Adoption, ...]:
    """One decision per workflow, in the order given. Pure."""
    return tuple(_decide(one, release, epoch) for one in unfinished)


def _decide(one: Unfinished, release: str, epoch: int) -> Adoption:
    if one.epoch > epoch:
        return Adoption(
            one,
            "refuse",
            f"task {one.task_id} was begun by release {one.release}, which knows newer steps; "
            f"release {release} cannot finish it. Start release {one.release} or newer.",
        )
    if one.epoch < epoch:
        return Adoption(one, "begin-anew", f"begun by release {one.release} with older steps")
    if one.release != release:
        return Adoption(one, "take-over", f"begun by release {one.release}")
    return Adoption(one, "keep", "begun by this release")


def take_over(connection: sa.Connection, workflow_ids: Sequence[str], release: str) -> None:
    """Gives rows of another release to this one, before launch.

    The library has no public call for it: its queues and its recovery both look at rows of their
    own version only. The contract test of this package holds the two columns in place.
    """
    statement = sa.text(
        "UPDATE workflow_status SET application_version = :release "
        "WHERE workflow_uuid IN :ids AND status IN ('PENDING', 'ENQUEUED', 'DELAYED')"
    ).bindparams(sa.bindparam("ids", expanding=True))
    if workflow_ids:
        connection.execute(statement, {"release": release, "ids": list(workflow_ids)})
