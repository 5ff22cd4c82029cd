"""SIGINT and SIGTERM while a command waits for a task.

`run` and `tasks watch` hold an `Interrupts`. Ctrl-C becomes KeyboardInterrupt, SIGTERM becomes
`DetachRequestedError`, both raised in the main thread at the point where it waits; while a request
that must not be torn is under way the first of them is kept for later.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType


class DetachRequestedError(BaseException):
    """SIGTERM: leave, and let the task go on. Not an `Exception`, as KeyboardInterrupt is none."""


class Interrupts:
    """Owns both signals between enter and exit; does nothing outside the main thread.

    A SIGINT that was ignored at the start (a background job of a shell) stays ignored.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._kept: type[BaseException] | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # it came from getsignal
        self._before.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The first signal waits for `raise_kept`; a second one is raised at once."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def raise_kept(self) -> None:
        """Raises what came while signals were held, once."""
        kept, self._kept = self._kept, None
        if kept is not None:
            raise kept

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # signal's signature
        kind = KeyboardInterrupt if number == signal.SIGINT else DetachRequestedError
        if self._is_held and self._kept is None:
            self._kept = kind
            return
        raise kind
