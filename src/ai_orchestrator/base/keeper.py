"""The keeper of one process tree: starts it, and sees to it that all of it ends together.

Forked by the guardian, one per tree, and the parent of the tree's first process. As a child
subreaper it stays the ancestor of everything the tree starts, so that two facts are exact without
any help from the tree: `below` lists it, and `waitpid` saying ECHILD proves that it is empty.
A cgroup, where there is one, makes the kill itself one step; the rest is the same without.

It ends the tree when the first process ends, when the owner says STOP or goes away, and when the
guardian goes away (end of file on the `life` pipe that only the guardian can write to). It never
asks the time: a kernel timer tells it when a limit has passed.
Imported by the guardian, so it imports next to nothing.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import signal
import socket

from ai_orchestrator.base import cgroup, descendants, signal_pipe
from ai_orchestrator.base import guardian_wire as wire
from ai_orchestrator.base.cgroup_start import start_in_cgroup

KILL_LIMIT_S = 10.0
"""A guess: a process that has not gone by then hangs in the kernel (a dead network mount)."""
_KILL_ROUND_MS = 20

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper(name: bytes) -> None:
    """Adopt orphaned descendants from now on, and be called `name` in ps."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"PR_SET_CHILD_SUBREAPER: {os.strerror(number)}")
    _libc.prctl(_PR_SET_NAME, name, 0, 0, 0)


class Keeper:
    """One tree, from its start to the report of its end."""

    def __init__(
        self,
        request: wire.Request,
        control: socket.socket,
        child_fds: list[int],
        life: int,
        cgroup_path: str | None,
    ) -> None:
        self._request = request
        self._control = control
        self._child_fds = child_fds
        self._life = life
        self._cgroup = cgroup_path
        self._signals = signal_pipe.SignalPipe()
        self._root = 0
        self._status: int | None = None
        self._has_children = False
        self._is_stopping = False

    def run(self) -> bool:
        """Start the tree, wait for its end, end what is left of it, report. Never raises late.

        False: some of it outlived even that, and falls to the guardian.
        """
        self._report(wire.pack_report(wire.ADOPTED))
        become_subreaper(b"aio-keeper")
        failure = self._launch()
        if failure is not None:
            self._remove_cgroup()
            self._report(wire.pack_report(wire.FAILED, *failure))
            return True
        self._report(wire.pack_report(wire.STARTED, self._root))
        why = self._watch()
        leftovers = self._count_leftovers()
        survivors = self._end_all()
        self._remove_cgroup()
        status = signal.SIGKILL if self._status is None else self._status
        self._report(wire.pack_report(wire.ENDED, status, leftovers, why, survivors))
        return survivors == 0

    # Starting

    def _launch(self) -> tuple[int, int] | None:
        """Start the first process; the stage and errno where that failed, else None."""
        stage = "containment"
        try:
            if self._cgroup:
                cgroup.make_tree(self._cgroup)
            stage = "descriptors"
            placing = self._placing()
            stage = "directory"
            os.chdir(self._request.cwd)
            stage = "program"
            self._spawn(placing)
        except OSError as error:
            if error.errno == errno.EBADF:  # a number above the limit of open files
                stage = "descriptors"
            return wire.STAGES.index(stage), error.errno or 0
        finally:
            self._step_back()
        return None

    def _placing(self) -> list[tuple[int, int]]:
        """Each descriptor with the number it gets, by way of numbers no one wants."""
        wanted = self._request.numbers
        floor = max(wanted) + 1
        safe = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor) for fd in self._child_fds]
        self._child_fds += safe
        return list(zip(safe, wanted, strict=True))

    def _spawn(self, placing: list[tuple[int, int]]) -> None:
        """Start the program, looked for on the command's own PATH; raise the telling error.

        An empty entry of PATH would mean the current directory, which an agent writes: left out.
        """
        name, env = self._request.argv[0], self._request.env
        env[descendants.MARK] = self._request.tree
        if b"/" in name:
            self._spawn_file(name, placing)
            return
        telling: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        for directory in filter(None, env.get(b"PATH", b"").split(b":")):
            try:
                self._spawn_file(directory + b"/" + name, placing)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                telling = error  # one that is there but can't be run tells more
                continue
            return
        raise telling

    def _spawn_file(self, path: bytes, placing: list[tuple[int, int]]) -> None:
        argv, env = self._request.argv, self._request.env
        reset = signal_pipe.IGNORED_BY_US_OR_OTHERS
        if self._cgroup:
            self._root = start_in_cgroup(self._cgroup, path, argv, env, placing, reset)
            return
        self._root = os.posix_spawn(  # half a millisecond faster than fork and exec
            path,
            argv,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for fd, number in placing],
            setsid=True,
            setsigmask=(),
            setsigdef=reset,
        )

    def _step_back(self) -> None:
        """Leave the tree's directory and descriptors to the tree."""
        os.chdir("/")
        for fd in self._child_fds:
            os.close(fd)

    # Waiting

    def _watch(self) -> int:
        """Return when the tree has to end or has ended, with the reason."""
        poll = select.poll()
        for source in (self._signals, self._control, self._life):
            poll.register(source, select.POLLIN)
        while not self._has_ended():
            for fd, _ in poll.poll():
                why = self._heed(fd)
                if why is not None:
                    return why
        return wire.STOPPED if self._is_stopping else wire.ON_ITS_OWN

    def _has_ended(self) -> bool:
        """The first process has ended; while stopping, the others have their grace too."""
        self._reap()
        if self._is_stopping:
            return not self._has_children
        return self._status is not None

    def _heed(self, fd: int) -> int | None:
        """Act on what `fd` has to say; the reason when the tree has to end now."""
        if fd == self._life:
            return wire.OWNERLESS
        if fd == self._signals.fileno():
            return self._heed_signals(self._signals.drain())
        try:
            message = self._control.recv(wire.MESSAGE_LIMIT_BYTES)
        except OSError:
            message = b""
        if not message:
            return wire.OWNERLESS
        return self._begin_stop(wire.unpack_stop(message))

    def _heed_signals(self, numbers: bytes) -> int | None:
        if signal.SIGTERM in numbers:
            return wire.OWNERLESS
        if signal.SIGALRM in numbers:
            return wire.STOPPED
        return None

    def _begin_stop(self, grace_s: float) -> int | None:
        """TERM to all, and a timer for the KILL; a later STOP can only bring it nearer."""
        left_s, _ = signal.getitimer(signal.ITIMER_REAL)
        if grace_s <= 0:
            return wire.STOPPED
        if not self._is_stopping or grace_s < left_s:
            signal.setitimer(signal.ITIMER_REAL, grace_s)
        if not self._is_stopping:
            self._is_stopping = True
            descendants.send(descendants.without_launchers(self._living()), signal.SIGTERM)
        return None

    # Ending

    def _living(self) -> list[descendants.Entry]:
        return descendants.below(descendants.read_table(), os.getpid())

    def _count_leftovers(self) -> int:
        self._reap()
        if not self._has_children:
            return 0
        working = descendants.at_work(self._living())
        return sum(entry.pid != self._root for entry in working)

    def _end_all(self) -> int:
        """KILL until none is left or the limit has passed; how many outlived it."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._signals.drain()  # the alarm of the grace may have come at the last moment
        signal.setitimer(signal.ITIMER_REAL, KILL_LIMIT_S)
        has_time = True
        is_first = True
        while self._reap() and has_time:
            if self._cgroup:
                cgroup.kill(self._cgroup)
            if not (self._cgroup and is_first):  # those who left the cgroup are still below us
                descendants.send(self._living(), signal.SIGKILL)
            is_first = False
            select.select((self._signals,), (), (), _KILL_ROUND_MS / 1000)
            has_time = signal.SIGALRM not in self._signals.drain()
        return len(self._living()) if self._has_children else 0

    def _reap(self) -> bool:
        """Collect the dead; whether any child, living or stuck, is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    self._has_children = True
                    break
                if pid == self._root:
                    self._status = status
        except ChildProcessError:
            self._has_children = False
        return self._has_children

    def _remove_cgroup(self) -> None:
        """Removed before the end is reported: the name is free again when the owner hears of it."""
        if self._cgroup and not cgroup.remove_if_empty(self._cgroup):
            cgroup.remove(self._cgroup)

    def _report(self, message: bytes) -> None:
        try:
            self._control.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:  # no owner left to tell
            return
