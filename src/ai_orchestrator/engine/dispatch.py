"""The one thread that claims queued workflows, woken by our own enqueues.

The library polls its queues once a second. A person who typed `run` would wait for that, and a
shorter interval costs CPU for ever (2.9 % at 0.1 s). So its poller does not listen to our queue;
this thread does, with the library's own claim, and with an event that acceptance sets.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
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
        self._unstarted: dict[str, str] = {}
        """Claimed but not started yet: id of the workflow -> token of the claim."""
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
        self._start(dict(self._unstarted))
        running = active.count_for_queue(self._queue.name) + len(self._unstarted)
        owner = uuid.uuid4().hex
        claimed, _ = system.start_queued_workflows(
            self._queue,
            GlobalParams.executor_id,
            GlobalParams.app_version,
            None,
            running,
            owner_xid=owner,
        )
        claims = dict.fromkeys(claimed, owner)
        self._unstarted |= claims
        self._start(claims)

    def _start(self, claims: Mapping[str, str]) -> None:
        """Starts what was claimed; one that fails keeps no other from it, and its turn comes again.

        The claim is committed by now: the database says that these run, and nobody else will
        start them before the next process does.
        """
        statuses = self._dbos._sys_db.get_workflow_statuses(list(claims))  # noqa: SLF001  # as above
        for gone in claims.keys() - {status["workflow_uuid"] for status in statuses}:
            del self._unstarted[gone]
        for status in statuses:
            id_ = status["workflow_uuid"]
            try:
                execute_dequeued_workflow(self._dbos, status, claims[id_])
            except Exception:
                log.exception("starting %s failed; trying again in %s s", id_, POLL_S)
            else:
                del self._unstarted[id_]
