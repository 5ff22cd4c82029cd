"""The guardian: a process of its own that starts every process tree and ends those without owner.

`python -c "... main(argv)"`, started by `base/process.py`, one per owner. It is single-threaded
(bubblewrap's --die-with-parent and PDEATHSIG hang on the THREAD that forked), leads a session of
its own (Ctrl-C in the owner's terminal is not for it), and forks one keeper per tree. Keepers do
the work; the guardian's life is what they hang on:

- the owner's socket ends (kill -9 of the owner), or no beat comes for the lease time (SIGSTOP):
  the guardian lets go of the `life` pipe, every keeper ends its tree, then the guardian exits;
- the guardian itself is killed: the same, since the kernel closes the pipe;
- a keeper is killed: its tree falls to the guardian as the next subreaper, which ends it. Any
  child of the guardian that is not a keeper belongs to such a tree.

The lease is counted in ticks without a word from the owner, not by a clock: when both were frozen
(a paused container, a closed lid) the guardian must not find an old date and kill at once.
It imports next to nothing: quick to start, small, and little to copy for each fork.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import struct
import sys

from ai_orchestrator.base import cgroup, descendants, signal_pipe
from ai_orchestrator.base import guardian_wire as wire
from ai_orchestrator.base.keeper import KILL_LIMIT_S, Keeper, become_subreaper

LEASE_TICKS = 5
"""The lease is this many silent ticks; the owner beats twice per tick."""
_ENDING_LIMIT_S = KILL_LIMIT_S + 2.0
_FDS_LIMIT = 253
_FD = struct.Struct("i")
_ORPHAN_ROUNDS = 100
_ORPHAN_PAUSE_MS = 20


def main(arguments: list[str]) -> None:
    """Serve the owner on descriptor `arguments[0]`, lease `[1]` in ms, cgroup home `[2]` or ''."""
    owner = socket.socket(fileno=int(arguments[0]))
    owner.set_inheritable(False)
    guardian = Guardian(owner, int(arguments[1]) // LEASE_TICKS, arguments[2] or None)
    try:
        guardian.serve()
    finally:
        guardian.end()


class Guardian:
    """Forks keepers on request until the owner goes away."""

    def __init__(self, owner: socket.socket, tick_ms: int, home: str | None) -> None:
        become_subreaper(b"aio-guardian")
        self._owner = owner
        self._tick_ms = tick_ms
        self._home = home
        self._signals = signal_pipe.SignalPipe()
        self._life_read, self._life_write = os.pipe2(os.O_CLOEXEC)
        self._keepers: dict[int, str] = {}
        self._lock = cgroup.make_home(home) if home else None
        if home:
            cgroup.sweep(os.path.dirname(home))  # noqa: PTH120  pathlib is slow to import
        gc.disable()  # forks share more pages when no collector touches them
        gc.freeze()

    def serve(self) -> None:
        """Return when the owner has gone, is silent for the lease, or SIGTERM came."""
        poll = select.poll()
        poll.register(self._owner, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        silent_ticks = 0
        while silent_ticks < LEASE_TICKS:
            ready = [fd for fd, _ in poll.poll(self._tick_ms)]
            if self._signals.fileno() in ready and not self._heed_signals():
                return
            if self._owner.fileno() in ready:
                silent_ticks = 0
                if not self._heed_owner():
                    return
            elif not ready:
                silent_ticks += 1

    def _heed_signals(self) -> bool:
        numbers = self._signals.drain()
        for tree in self._reap():
            self._bury(tree)
        return signal.SIGTERM not in numbers

    def _heed_owner(self) -> bool:
        """Take one message; False when the owner is gone."""
        try:
            message, fds = _receive(self._owner)
        except ConnectionError:
            return False
        if message == wire.SPAWN:
            self._fork_keeper(fds)
        return bool(message)

    def _fork_keeper(self, fds: list[int]) -> None:
        """One keeper for the request; where it can't be made, the tree's socket tells why."""
        try:
            if len(fds) <= wire.REQUEST_FDS:
                return  # no descriptor was left for them: the socket closes, the owner sees that
            payload, control, *child_fds = fds
            request = wire.decode_request(wire.read_whole(payload))
            if len(child_fds) != len(request.numbers):
                os.write(control, _failure("descriptors", errno.EMFILE))
                return
            fds.remove(payload)
            os.close(payload)
            self._fork(request, control, child_fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self, request: wire.Request, control: int, child_fds: list[int]) -> None:
        name = request.tree.rpartition(b"/")[2].decode()
        try:
            pid = os.fork()
        except OSError as error:
            os.write(control, _failure("containment", error.errno or 0))
            return
        if pid == 0:
            self._become_keeper(request, name, control, child_fds)
        self._keepers[pid] = name

    def _become_keeper(
        self, request: wire.Request, name: str, control: int, child_fds: list[int]
    ) -> None:
        """Be a keeper until its tree has ended, then exit. Never returns."""
        status = 70
        try:
            self._owner.close()
            self._signals.close()
            os.close(self._life_write)
            path = cgroup.tree_directory(self._home, name) if self._home else None
            tree = socket.socket(fileno=control)
            is_ended = Keeper(request, tree, child_fds, self._life_read, path).run()
            status = 0 if is_ended else 71
        except BaseException:  # noqa: BLE001  the owner reads it when the tree is reported lost
            sys.excepthook(*sys.exc_info())  # built in, where `traceback` costs 5 ms
        finally:
            os._exit(status)

    def _reap(self) -> list[str]:
        """Collect the dead; the trees whose keeper ended without having done its work."""
        lost = []
        for pid, status in _dead_children():
            tree = self._keepers.pop(pid, None)
            if tree is not None and status != 0:
                lost.append(tree)
        return lost

    def _bury(self, tree: str) -> None:
        """End what a lost keeper left."""
        if self._home:
            cgroup.remove(cgroup.tree_directory(self._home, tree))
        self._end_orphans()

    def _end_orphans(self) -> None:
        for _ in range(_ORPHAN_ROUNDS):
            orphans = self._orphans()
            if not descendants.send(orphans, signal.SIGKILL):
                return
            select.select((), (), (), _ORPHAN_PAUSE_MS / 1000)

    def _orphans(self) -> list[descendants.Entry]:
        """Children that are no keepers, and all below them."""
        table = descendants.read_table()
        keepers = [pid for pid in self._keepers if pid in table]
        kept = {entry.pid for pid in keepers for entry in descendants.below(table, pid)}
        everything = descendants.below(table, os.getpid())
        return [entry for entry in everything if entry.pid not in kept and entry.pid not in keepers]

    def end(self) -> None:
        """End all trees and wait for it, bounded."""
        os.close(self._life_write)
        self._signals.drain()
        signal.setitimer(signal.ITIMER_REAL, _ENDING_LIMIT_S)
        while self._keepers:
            self._reap()
            if not self._keepers:
                break
            select.select((self._signals,), (), ())
            if signal.SIGALRM in self._signals.drain():
                descendants.send(self._keeper_entries(), signal.SIGKILL)
                self._keepers.clear()
        self._end_orphans()
        if self._home and self._lock is not None:
            cgroup.remove(self._home)
            os.close(self._lock)

    def _keeper_entries(self) -> list[descendants.Entry]:
        found = (descendants.read_entry(pid) for pid in self._keepers)
        return [entry for entry in found if entry is not None]


def _receive(owner: socket.socket) -> tuple[bytes, list[int]]:
    """A message and its descriptors, closed on exec.

    `socket.recv_fds` drops the flag that does so (seen in Python 3.11): programs would inherit
    the socket of their tree, and its end would never be seen.
    """
    room = socket.CMSG_SPACE(_FDS_LIMIT * _FD.size)
    message, extra, _, _ = owner.recvmsg(wire.MESSAGE_LIMIT_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = data[: len(data) - len(data) % _FD.size]
            fds += [fd for (fd,) in _FD.iter_unpack(whole)]
    return message, fds


def _failure(stage: str, number: int) -> bytes:
    return wire.pack_report(wire.FAILED, wire.STAGES.index(stage), number)


def _dead_children() -> list[tuple[int, int]]:
    dead: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        dead.append((pid, status))


if __name__ == "__main__":
    main(sys.argv[1:])
