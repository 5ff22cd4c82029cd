"""The owner's side of one guardian: beats, requests, reports, and what to do when it is lost.

Used by `GuardedSpawner` only, which makes a new link when this one is lost. One thread per link
beats and listens, so that neither depends on an event loop that may be busy; whoever waits for a
tree, in any loop, waits for the `Future`s that this thread resolves.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from ai_orchestrator.base import cgroup, descendants, pipes
from ai_orchestrator.base import guardian_wire as wire
from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.errors import shorten
from ai_orchestrator.base.guardian import LEASE_TICKS
from ai_orchestrator.base.keeper import KILL_LIMIT_S

ENDING_LIMIT_S = KILL_LIMIT_S + 4.0
"""Longer than a guardian takes to end all its trees and itself."""

_BEATS_PER_TICK = 2
_DIAGNOSIS_BYTES = 2000
_BURIAL_ROUNDS = 50
_BURIAL_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Started:
    """The command runs."""

    pid: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The command could not be started."""

    stage: int
    """Index in `guardian_wire.STAGES`."""
    number: int
    """errno."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The tree has ended and its keeper has said how."""

    status: int
    leftovers: int
    is_ownerless: bool
    """It was ended since its guardian went away, though nobody had asked for that."""
    survivors: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The keeper ended without a report; what was left of the tree has been killed by us."""

    why: str
    """What guardian or keepers last wrote to standard error, on one line; often nothing."""


@dataclass(slots=True, eq=False)
class TreeLink:
    """One tree as its owner sees it. Both futures are resolved, by the link, in every case."""

    name: str
    mark: bytes
    control: socket.socket
    started: Future[Started | Failed | Lost] = field(default_factory=Future)
    ended: Future[Ended | Failed | Lost] = field(default_factory=Future)
    is_adopted: bool = False
    """A keeper has taken it: if it does not start now, that is not the guardian's fault."""

    def __post_init__(self) -> None:
        """Make the futures immune to the cancellation of one who waits: others may wait too."""
        self.started.set_running_or_notify_cancel()
        self.ended.set_running_or_notify_cancel()

    def ask_to_stop(self, grace_s: float) -> None:
        """TERM now and KILL after `grace_s`. No effect on a tree that has ended."""
        with contextlib.suppress(OSError):
            self.control.send(wire.pack_stop(grace_s), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def disown(self) -> None:
        """KILL now: the keeper hears that the tree has no owner any more."""
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)


class GuardianLink:
    """A running guardian with the trees it was asked for. Usable from any thread."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        owner: socket.socket,
        diagnosis_fd: int,
        home: str | None,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self._process = process
        self._owner = owner
        self._diagnosis_fd = diagnosis_fd
        self._home = home
        self._beat_s = lease_s / (LEASE_TICKS * _BEATS_PER_TICK)
        self._clock = clock
        self._trees: dict[int, TreeLink] = {}
        self._lock = threading.Lock()
        self._is_open = True
        self._is_closing = False
        self._burials: list[threading.Thread] = []
        self._pause = threading.Event()
        self._poll = select.epoll()
        self._poll.register(owner, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="guardian-link", daemon=True)
        self._thread.start()

    @property
    def is_usable(self) -> bool:
        """Whether requests can still be made."""
        return self._is_open and not self._is_closing

    def request(self, request: wire.Request, child_fds: Sequence[int], name: str) -> TreeLink:
        """Ask for a tree; its future `started` tells what became of it.

        Raises `BlockingIOError` or ETOOMANYREFS while the guardian has enough to do, other
        `OSError`s when there are no descriptors or the guardian is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        tree = TreeLink(name, request.tree, ours)
        with theirs:
            self._register(tree)
            try:
                self._send_request(request, theirs, child_fds)
            except OSError:
                self._forget(tree)
                raise
        return tree

    def _send_request(
        self, request: wire.Request, control: socket.socket, child_fds: Sequence[int]
    ) -> None:
        payload = os.memfd_create("request", os.MFD_CLOEXEC)
        try:
            pipes.write_whole(payload, wire.encode_request(request))
            fds = [payload, control.fileno(), *child_fds]
            flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
            socket.send_fds(self._owner, [wire.SPAWN], fds, flags)
        finally:
            os.close(payload)

    def give_up(self, tree: TreeLink) -> None:
        """End a tree that does not start, and the guardian when that is who does not answer."""
        tree.disown()
        if not tree.is_adopted:
            self._kill_guardian()

    def _kill_guardian(self) -> None:
        """The rest follows as if somebody else had done it."""
        self._process.kill()

    def close(self) -> None:
        """End all trees and the guardian, and wait for it, bounded. Idempotent."""
        self._is_closing = True
        with contextlib.suppress(OSError):
            self._owner.shutdown(socket.SHUT_WR)
        self._thread.join(ENDING_LIMIT_S)
        if self._thread.is_alive():
            self._kill_guardian()
            self._thread.join(ENDING_LIMIT_S)

    # The thread

    def _run(self) -> None:
        """Beat and listen while the guardian lives, then see all trees to their end."""
        next_beat = self._clock.monotonic_s()
        try:
            while self._is_open:
                if self._clock.monotonic_s() >= next_beat:
                    next_beat = self._clock.monotonic_s() + self._beat_s
                    self._beat()
                self._listen(self._beat_s)
        finally:  # whatever happens, nobody waits for ever
            self._refuse_requests()
            self._end_after_guardian()

    def _beat(self) -> None:
        with contextlib.suppress(OSError):  # busy: a message waits already; gone: poll tells
            self._owner.send(wire.BEAT, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _listen(self, limit_s: float) -> None:
        for fd, _ in self._poll.poll(limit_s):
            tree = self._trees.get(fd)
            if tree is not None:
                self._heed(tree)
            elif fd == self._owner.fileno():
                self._refuse_requests()
                self._poll.unregister(fd)

    def _refuse_requests(self) -> None:
        with self._lock:
            self._is_open = False

    def _heed(self, tree: TreeLink) -> None:
        try:
            message = tree.control.recv(wire.MESSAGE_LIMIT_BYTES, socket.MSG_DONTWAIT)
        except ConnectionResetError:
            return  # it closed with a STOP unread; told once, and before what it had sent
        except BlockingIOError:
            return  # the event was for one that had this number before
        if not message:
            self._forget(tree)
            self._start_burial(tree)
            return
        kind, a, b, c, d = wire.unpack_report(message)
        if kind == wire.ADOPTED:
            tree.is_adopted = True
            return
        if kind == wire.STARTED:
            tree.started.set_result(Started(a))
            return
        self._forget(tree)
        if kind == wire.FAILED:
            tree.ended.set_result(Failed(a, b))
            tree.started.set_result(Failed(a, b))
        else:
            is_ownerless = c == wire.OWNERLESS and not self._is_closing
            tree.ended.set_result(Ended(a, b, is_ownerless, d))

    def _start_burial(self, tree: TreeLink) -> None:
        """In a thread of its own: it takes longer than a beat may wait."""
        thread = threading.Thread(target=self._bury, args=(tree,), name="burial", daemon=True)
        self._burials = [*(other for other in self._burials if other.is_alive()), thread]
        thread.start()

    def _end_after_guardian(self) -> None:
        """Keepers end their trees by themselves; this waits for them, and kills where one fails."""
        deadline = self._clock.monotonic_s() + ENDING_LIMIT_S
        while self._trees and self._clock.monotonic_s() < deadline:
            self._listen(self._beat_s)
        for tree in tuple(self._trees.values()):
            self._forget(tree)
            self._start_burial(tree)
        for burial in self._burials:
            burial.join()
        self._reap()
        if self._home:
            cgroup.remove(self._home)
        self._poll.close()
        self._owner.close()
        os.close(self._diagnosis_fd)

    def _diagnosis(self) -> str:
        start = max(0, os.fstat(self._diagnosis_fd).st_size - _DIAGNOSIS_BYTES)
        return shorten(
            os.pread(self._diagnosis_fd, _DIAGNOSIS_BYTES, start).decode(errors="replace")
        )

    def _reap(self) -> None:
        try:
            self._process.wait(ENDING_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _bury(self, tree: TreeLink) -> None:
        """KILL what is left of a tree whose keeper ended without a report, then say so."""
        if self._home:
            cgroup.remove(cgroup.tree_directory(self._home, tree.name))
        for _ in range(_BURIAL_ROUNDS):
            if not descendants.send(descendants.marked(tree.mark), signal.SIGKILL):
                break
            self._pause.wait(_BURIAL_PAUSE_S)
        lost = Lost(self._diagnosis())
        tree.ended.set_result(lost)
        if not tree.started.done():
            tree.started.set_result(lost)

    # Registry

    def _register(self, tree: TreeLink) -> None:
        fd = tree.control.fileno()
        with self._lock:
            if not self._is_open:
                tree.control.close()
                raise BrokenPipeError(errno.EPIPE, "the guardian has gone")
            self._trees[fd] = tree
            self._poll.register(fd, select.EPOLLIN)

    def _forget(self, tree: TreeLink) -> None:
        """Take the tree off the list and close its socket. Idempotent."""
        with self._lock:
            fd = tree.control.fileno()
            if self._trees.pop(fd, None) is None:
                return
            self._poll.unregister(fd)
            tree.control.close()
