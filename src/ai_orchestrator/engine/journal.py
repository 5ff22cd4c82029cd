"""Points of the journal that an observer may see: before a step, after its action, after record.

In production the observer writes debug lines; the fault tests pass one that kills the process at
a chosen point, which is how "killed at every journal point" is made real.
"""

from __future__ import annotations

from typing import Literal, Protocol

JournalPoint = Literal["enqueued", "started", "before", "acted", "recorded", "ended"]


class JournalObserver(Protocol):
    """Called synchronously, in the order in which things happen to one workflow."""

    def __call__(self, point: JournalPoint, workflow_id: str, step: str) -> None:
        """Notes that the workflow reached the point; `step` is empty outside of steps."""
        ...


def ignore_journal(point: JournalPoint, workflow_id: str, step: str) -> None:
    """Observes nothing."""
    del point, workflow_id, step
