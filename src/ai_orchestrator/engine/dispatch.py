"""The one thread that claims queued workflows, woken by our own enqueues.

The library polls its queues once a second. A person who typed `run` would wait for that, and a
shorter interval costs CPU for ever (2.9 % at 0.1 s). So its poller does not listen to our queue;
this thread does, with the library's own claim, and with an event that acceptance sets.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbos._core import execute_dequeued_workflow
from dbos._utils import GlobalParams

if TYPE_CHECKING:
    from dbos import DBOS, Queue

POLL_S = 1.0
log = logging.getLogger(__name__)


class Dispatcher:
    """Claims from one queue until stopped."""

    def __init__(self, dbos: DBOS, queue: Queue, is_open: Callable[[], bool]) -> None:
        self._dbos = dbos
        self._queue = queue
        self._is_open = is_open
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begins to claim."""
        self._thread.start()

    def wake(self) -> None:
        """Looks for work at once. From any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Claims nothing more; returns when the thread has ended."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(timeout=POLL_S)
            self._wake.clear()
            if self._stopping.is_set() or not self._is_open():
                continue
            try:
                self._claim()
            except Exception:
                log.exception("claiming failed; trying again in %s s", POLL_S)

    def _claim(self) -> None:
        """Claims what the limits allow and starts it. One thread claims, so limits hold."""
        system = self._dbos._sys_db  # noqa: SLF001  # no public call claims; see the contract test
        active = self._dbos._active_workflows_set  # noqa: SLF001  # the same
        running = active.count_for_queue(self._queue.name)
        owner = uuid.uuid4().hex
        claimed, _ = system.start_queued_workflows(
            self._queue,
            GlobalParams.executor_id,
            GlobalParams.app_version,
            None,
            running,
            owner_xid=owner,
        )
        for status in system.get_workflow_statuses(claimed):
            execute_dequeued_workflow(self._dbos, status, owner)
