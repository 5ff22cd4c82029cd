"""Waits for a task: its events go to a presenter until it ends, waits, or the person leaves.

Used by `run`, `demo` and `tasks watch`. The stream of a backend ends when the task is final or
waits; whether to go on is decided here from the task itself, not from the last event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ai_orchestrator.cli.interrupts import DetachRequestedError
from ai_orchestrator.cli.lines import Line, Span, line
from ai_orchestrator.model.states import ExitCode, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ai_orchestrator.cli.interrupts import Interrupts
    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.events import Event
    from ai_orchestrator.model.states import TaskState
    from ai_orchestrator.model.task import TaskView

WAIT_POLL_S = 2.0
REOPEN_S = 0.2
"""Pause before a stream that broke off is opened again; a guess."""

Answer = Literal["detach", "cancel"]


class Presenter(Protocol):
    """Shows what happens."""

    def show(self, event: Event) -> None:
        """One event."""
        ...

    def say(self, a_line: Line) -> None:
        """A remark of the command itself."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """The terminal is free for a question."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the waiting ended; the exit code follows from it."""

    view: TaskView
    kind: Literal["final", "waits", "detached", "cancelling"]
    """cancelling: the person asked to cancel and did not wait for the end."""

    @property
    def is_left(self) -> bool:
        """The task goes on without this command."""
        return self.kind in ("detached", "cancelling")

    @property
    def exit_code(self) -> int:
        """0 after detaching, else what the task's state and outcome mean."""
        if self.kind == "detached":
            return ExitCode.SUCCESS
        if self.kind == "cancelling":
            return ExitCode.CANCELLED
        return exit_code(self.view.summary.state, self.view.summary.outcome)


@dataclass(frozen=True, slots=True)
class Manners:
    """How to wait."""

    is_leaving_when_it_waits: bool
    """`--no-wait`: return as soon as the task needs a person, a budget or a quota."""
    on_interrupt: Callable[[], Answer]
    """Asked at Ctrl-C; raises KeyboardInterrupt when the person presses it again."""
    sleep: Callable[[float], None]


class Follower:
    """Follows one task to an `Ending`."""

    def __init__(
        self, backend: Backend, presenter: Presenter, interrupts: Interrupts, manners: Manners
    ) -> None:
        self._backend = backend
        self._presenter = presenter
        self._interrupts = interrupts
        self._manners = manners
        self._last_seq = 0
        self._is_cancelling = False
        self._waits_in: TaskState | None = None

    def follow(self, task_id: str) -> Ending:
        """Shows all events from the first on, and returns how the waiting ended."""
        ending: Ending | None = None
        while ending is None:
            try:
                self._interrupts.raise_kept()
                ending = self._watch(task_id)
            except KeyboardInterrupt:
                ending = self._interrupted(task_id)
            except DetachRequestedError:
                ending = self._detached(task_id)
        return ending

    def _watch(self, task_id: str) -> Ending | None:
        if self._waits_in is None:
            for event in self._backend.events(task_id, after_seq=self._last_seq, follow=True):
                self._presenter.show(event)
                self._last_seq = event.seq
        view = self._backend.task(task_id)
        state = view.summary.state
        if state.is_final:
            return Ending(view, "final") if self._is_told(view) else None
        if not state.is_waiting:
            self._waits_in = None
            self._manners.sleep(REOPEN_S)
            return None
        if self._manners.is_leaving_when_it_waits:
            return Ending(view, "waits")
        self._wait_on(state)
        return None

    def _is_told(self, view: TaskView) -> bool:
        """Its last event was shown; after a wait there is a stream to read first."""
        if self._waits_in is None or view.last_seq <= self._last_seq:
            return True
        self._waits_in = None
        return False

    def _wait_on(self, state: TaskState) -> None:
        if self._waits_in is not state:
            name = state.value.replace("_", " ")
            self._presenter.say(
                line(Span(f"{name}; this command waits on. Ctrl-C leaves it.", "warn"))
            )
            self._waits_in = state
        self._manners.sleep(WAIT_POLL_S)

    def _interrupted(self, task_id: str) -> Ending | None:
        if self._is_cancelling:
            return self._detached(task_id)
        if self._ask() == "detach":
            return self._detached(task_id)
        self._is_cancelling = True
        with self._interrupts.held():
            self._backend.cancel(task_id)
        self._presenter.say(line(Span("cancelling; Ctrl-C once more does not wait for it", "warn")))
        self._waits_in = None
        return None

    def _ask(self) -> Answer:
        try:
            with self._presenter.paused():
                return self._manners.on_interrupt()
        except KeyboardInterrupt:
            return "cancel"
        except DetachRequestedError:
            return "detach"

    def _detached(self, task_id: str) -> Ending:
        with self._interrupts.held():
            view = self._backend.task(task_id)
        return Ending(view, "cancelling" if self._is_cancelling else "detached")
