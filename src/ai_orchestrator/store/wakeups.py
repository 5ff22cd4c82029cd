"""Wakes readers of the event log after a commit. The log is the source; a signal only wakes.

`records` and the services signal after their transactions; the API's streams subscribe. A reader
subscribes, then reads, then waits: what is committed in between makes the wait return at once.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self


class Wakeups:
    """Subscriptions by task. Signals may come from any thread, waits from any event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: dict[str, set[Subscription]] = {}

    def subscribe(self, task_id: str) -> Subscription:
        """A subscription to one task, to be closed by its reader."""
        subscription = Subscription(self, task_id)
        with self._lock:
            self._subscriptions.setdefault(task_id, set()).add(subscription)
        return subscription

    def signal(self, task_id: str) -> None:
        """Wakes everybody who is subscribed to the task. Never blocks."""
        with self._lock:
            woken = tuple(self._subscriptions.get(task_id, ()))
        for subscription in woken:
            subscription.wake()

    def forget(self, subscription: Subscription) -> None:
        """Ends a subscription; again is no error."""
        with self._lock:
            others = self._subscriptions.get(subscription.task_id, set())
            others.discard(subscription)
            if not others:
                self._subscriptions.pop(subscription.task_id, None)

    @property
    def count(self) -> int:
        """Subscriptions that are open."""
        with self._lock:
            return sum(len(some) for some in self._subscriptions.values())


class Subscription:
    """One reader's place to wait. For one waiting coroutine at a time."""

    def __init__(self, wakeups: Wakeups, task_id: str) -> None:
        self.task_id = task_id
        self._wakeups = wakeups
        self._lock = threading.Lock()
        self._is_woken = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gets no more signals."""
        self._wakeups.forget(self)

    async def wait(self, timeout_s: float) -> bool:
        """True as soon as there was a signal since the last wait, False after the time."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            if self._is_woken:
                self._is_woken = False
                return True
            self._waiting = (loop, future)
        try:
            await asyncio.wait((future,), timeout=timeout_s)
        finally:
            with self._lock:
                self._waiting = None
                is_woken, self._is_woken = self._is_woken, False
        return is_woken

    def wake(self) -> None:
        """Ends the wait, or the next one. From any thread."""
        with self._lock:
            self._is_woken = True
            if self._waiting is None:
                return
            loop, future = self._waiting
            try:
                loop.call_soon_threadsafe(_complete, future)
            except RuntimeError:  # the reader's event loop has ended, and its wait with it
                self._waiting = None


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
