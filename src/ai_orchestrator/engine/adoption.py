"""What happens at start to unfinished workflows that another release began.

Same epoch: the sequence of steps is the same, so the row is taken over as it is. Older epoch: the
journal no longer fits the code; the workflow begins anew under its own id, and finds every finished
step again by its rows and refs. So does one whose workflow came to an end that its task was never
told (the disk was full, or it was recovered too often). Newer epoch: left alone, for the release
that can finish it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    unfinished: Sequence[Unfinished], living: Collection[str], *, release: str, epoch: int
) -> tuple[Adoption, ...]:
    """One decision per workflow, in the order given. `living`: ids that the journal has. Pure."""
    return tuple(
        _decide(one, release, epoch, is_living=one.workflow_id in living) for one in unfinished
    )


def _decide(one: Unfinished, release: str, epoch: int, *, is_living: bool) -> Adoption:
    if one.epoch > epoch:
        return Adoption(
            one,
            "refuse",
            f"task {one.task_id} was begun by release {one.release}, which knows newer steps; "
            f"release {release} cannot finish it. Start release {one.release} or newer.",
        )
    if one.epoch < epoch:
        return Adoption(one, "begin-anew", f"begun by release {one.release} with older steps")
    if not is_living:
        return Adoption(one, "begin-anew", "its workflow ended, but the task did not")
    if one.release != release:
        return Adoption(one, "take-over", f"begun by release {one.release}")
    return Adoption(one, "keep", "begun by this release")


def living(connection: sa.Connection, workflow_ids: Sequence[str]) -> frozenset[str]:
    """Those of the workflows that wait or run, as the journal has it."""
    statement = sa.text(
        "SELECT workflow_uuid FROM workflow_status "
        "WHERE workflow_uuid IN :ids AND status IN ('PENDING', 'ENQUEUED', 'DELAYED')"
    ).bindparams(sa.bindparam("ids", expanding=True))
    if not workflow_ids:
        return frozenset()
    return frozenset(connection.execute(statement, {"ids": list(workflow_ids)}).scalars())


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
