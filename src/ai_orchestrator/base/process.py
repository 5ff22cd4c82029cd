"""The one way to run a program: what is asked for, what comes back, and who owns the children.

Callers describe a `Command` and hand it to a `Spawner`. Every command belongs to a named process
tree; when its first process ends, or its owner does, the whole tree ends with it. Runners and
workers use `GuardedSpawner`; the command line, for the short commands it runs itself on a person's
machine, `DirectSpawner`. Nothing else in the package starts a process.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, Self

from ai_orchestrator.base import cgroup, descendants
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.command import (
    STAGES,
    Command,
    Completed,
    Containment,
    Exit,
    GuardianLostError,
    Process,
    Spawner,
    SpawnError,
    Stage,
    StuckTreeError,
    spawn_error,
)
from ai_orchestrator.base.errors import EnvironmentProblemError, InternalError
from ai_orchestrator.base.guarded_process import GuardedProcess, encoded, guardian_lost, stuck
from ai_orchestrator.base.guardian_link import Failed, GuardianLink, Lost, Started, TreeLink
from ai_orchestrator.base.keeper import KILL_LIMIT_S
from ai_orchestrator.base.pipes import Streams, readable
from ai_orchestrator.base.running import STOP_GRACE_S, run, run_on, watch

__all__ = [
    "STOP_GRACE_S",
    "Command",
    "Completed",
    "Containment",
    "DirectSpawner",
    "Exit",
    "GuardedSpawner",
    "GuardianLostError",
    "Process",
    "SpawnError",
    "Spawner",
    "StuckTreeError",
    "describe_containment",
    "run",
    "run_on",
    "watch",
]

Choice = Literal["auto", "cgroup", "walk"]

DEFAULT_LEASE_S = 5.0
"""A guess between two wrongs: far below the 12 s after which another worker takes a silent one's
tasks, and longer than a busy disk or a long call that holds the interpreter keeps us from beating.
"""

LEASE_MINIMUM_S = 0.5
"""Below this a thread that merely waits its turn on a busy machine would cost all trees."""

START_LIMIT_S = 30.0
"""A guardian that has not answered by then is stopped or broken: it is killed and replaced."""

_BUSY = (errno.EAGAIN, errno.ETOOMANYREFS)
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)
_BUSY_PAUSE_S = 0.005
_START_TRIES = 3
_KILL_PAUSE_S = 0.005
_KILL_ROUNDS = round(KILL_LIMIT_S / _KILL_PAUSE_S)

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ai_orchestrator.base.guardian import main; main(sys.argv[2:])"
)
"""Not `-m`, which costs 10 ms more; with -I and -S, which keep the site's packages out."""


def describe_containment() -> Containment:
    """How trees are held together on this machine, tried out now (for `doctor`)."""
    found = cgroup.find()
    if found.path is None:
        return Containment("walk", None, found.reason)
    return Containment("cgroup", Path(found.path), found.reason)


class GuardedSpawner:
    """Starts commands through a guardian process, so that nothing outlives this process.

    The guardian is started with the first command, and again when it was lost. Close the spawner:
    that ends all its trees. When this process is killed, or is silent for `lease_s`, the guardian
    does it. `containment` other than auto insists on one kind (`cgroup` raises
    `EnvironmentProblemError` at the first start where there is none).
    """

    def __init__(self, *, lease_s: float = DEFAULT_LEASE_S, containment: Choice = "auto") -> None:
        if lease_s < LEASE_MINIMUM_S:
            raise InternalError(f"a lease of {lease_s} s is below {LEASE_MINIMUM_S} s")
        self._lease_s = lease_s
        self._choice: Choice = containment
        self._token = os.urandom(6).hex()
        self._generation = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._link: GuardianLink | None = None
        self._names: set[str] = set()

    async def start(self, command: Command) -> Process:
        """The running command; its program has been found and executed.

        Raises `SpawnError` where it cannot be started, `GuardianLostError` when the guardian
        ended while it was starting (nothing runs then; the next call starts a new one).
        """
        why = ""
        for _ in range(_START_TRIES):
            link, tree, streams = await self._request(command)
            match await self._answer(link, tree):
                case Started(pid):
                    return GuardedProcess(pid, tree, streams)
                case Failed(stage, number):
                    raise spawn_error(command, STAGES[stage], number)
                case Lost(why) if tree.is_adopted:
                    raise guardian_lost(command.tree, why)
                case Lost(why):  # it ended with the request unread: nothing of it has run
                    continue
        raise guardian_lost(command.tree, f"{_START_TRIES} guardians ended at once. {why}")

    async def _answer(self, link: GuardianLink, tree: TreeLink) -> Started | Failed | Lost:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                return await asyncio.wrap_future(tree.started)
        except TimeoutError as error:
            link.give_up(tree)
            raise guardian_lost(tree.name, f"no start within {START_LIMIT_S:g} s") from error
        except asyncio.CancelledError:
            tree.disown()
            raise

    def trees(self) -> tuple[str, ...]:
        """Names of the trees that are alive, sorted."""
        with self._lock:
            return tuple(sorted(self._names))

    def close(self) -> None:
        """End all trees and the guardian; blocks until that is done, bounded. Idempotent."""
        with self._lock:
            self._is_closed = True
            link = self._link
        if link is not None:
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _request(self, command: Command) -> tuple[GuardianLink, TreeLink, Streams]:
        """Hand the command to the guardian, waiting while that one has enough to do."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_LIMIT_S
        self._reserve(command.tree)
        try:
            while True:
                try:
                    return self._try_request(command)
                except OSError as error:
                    if error.errno not in (*_BUSY, *_GONE) or loop.time() >= deadline:
                        raise spawn_error(command, "descriptors", error.errno or 0) from error
                await asyncio.sleep(_BUSY_PAUSE_S)
        except BaseException:
            self._release(command.tree)
            raise

    def _try_request(self, command: Command) -> tuple[GuardianLink, TreeLink, Streams]:
        link = self._usable_link()
        streams = Streams(command.stdin, is_output_private=command.is_output_private)
        try:
            fds = [*streams.child_fds, *command.pass_fds.values()]
            tree = link.request(encoded(command, self._token), fds, command.tree)
        finally:
            streams.close_child_ends()
        tree.ended.add_done_callback(lambda _: self._release(command.tree))
        return link, tree, streams

    def _reserve(self, name: str) -> None:
        with self._lock:
            if name in self._names:
                raise InternalError(f"a process tree named {name!r} is alive already")
            self._names.add(name)

    def _release(self, name: str) -> None:
        with self._lock:
            self._names.discard(name)

    def _usable_link(self) -> GuardianLink:
        with self._lock:
            if self._is_closed:
                raise InternalError("the spawner has been closed")
            if self._link is None or not self._link.is_usable:
                self._generation += 1
                self._link = self._boot()
            return self._link

    def _boot(self) -> GuardianLink:
        """Start a guardian. It answers when it is up; requests wait in its socket till then."""
        home = self._cgroup_home()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        diagnosis = os.memfd_create("guardian-stderr", os.MFD_CLOEXEC)
        try:
            with theirs:
                process = _popen_guardian(theirs, diagnosis, self._lease_s, home)
        except BaseException:
            ours.close()
            os.close(diagnosis)
            raise
        return GuardianLink(process, ours, diagnosis, home, self._lease_s, SystemClock())

    def _cgroup_home(self) -> str | None:
        if self._choice == "walk":
            return None
        found = cgroup.find()
        if found.path is None:
            if self._choice == "cgroup":
                raise EnvironmentProblemError(found.reason, hint="Use containment 'walk' or auto.")
            return None
        return f"{found.path}/{cgroup.HOME_PREFIX}{self._token}-{self._generation}"


def _popen_guardian(
    socket_of_owner: socket.socket, diagnosis: int, lease_s: float, home: str | None
) -> subprocess.Popen[bytes]:
    package_root = str(Path(__file__).resolve().parents[2])
    arguments = (str(socket_of_owner.fileno()), str(round(lease_s * 1000)), home or "")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, package_root, *arguments],
        pass_fds=(socket_of_owner.fileno(),),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=diagnosis,
        cwd="/",
        env={},
    )


class DirectSpawner:
    """Starts commands as children of this process: for short ones, on a person's machine.

    No guardian: what has a session of its own (setsid) is not found at the end, and when this
    process is killed the command goes on. Agents and verifiers run under `GuardedSpawner`, and so
    does everything in bubblewrap: its --die-with-parent hangs on the thread that started it.
    """

    async def start(self, command: Command) -> Process:
        """The running command. Raises `SpawnError` where it cannot be started.

        Descriptors are passed under their own numbers only (`InternalError` otherwise).
        """
        if any(theirs != ours for theirs, ours in command.pass_fds.items()):
            raise InternalError(f"tree {command.tree!r}: DirectSpawner cannot renumber descriptors")
        try:
            streams = Streams(command.stdin, is_output_private=command.is_output_private)
            try:
                return _DirectProcess(_popen(command, streams), streams)
            finally:
                streams.close_child_ends()
        except OSError as error:
            is_directory = str(error.filename) == str(command.cwd)  # subprocess says which it was
            stage: Stage = "directory" if is_directory else "program"
            raise spawn_error(command, stage, error.errno or 0) from error


def _popen(command: Command, streams: Streams) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = streams.child_fds
    return subprocess.Popen(
        list(command.argv),
        cwd=command.cwd,
        env=dict(command.env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(command.pass_fds),
        start_new_session=True,
    )


class _DirectProcess:
    """A child of this process, leader of a session that ends with it."""

    def __init__(self, popen: subprocess.Popen[bytes], streams: Streams) -> None:
        self._popen = popen
        self._streams = streams
        try:
            self._handle = os.pidfd_open(popen.pid)
        except OSError:  # no descriptor is left: nobody could wait for it
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
            raise
        self._lock = threading.Lock()
        self._killed: set[int] = set()
        self._exit: Exit | None = None

    @property
    def pid(self) -> int:
        """Process id of the command, which is its session's as well."""
        return self._popen.pid

    def stdout(self) -> AsyncIterator[bytes]:
        """Chunks of standard output as they come, until end of file. To be iterated once."""
        return self._streams.stdout.chunks()

    def stderr(self) -> AsyncIterator[bytes]:
        """Chunks of standard error as they come, until end of file. To be iterated once."""
        return self._streams.stderr.chunks()

    async def wait(self) -> Exit:
        """How the command ended; by then no process of its session is left."""
        await self._first_has_ended()
        for _ in range(_KILL_ROUNDS):
            leftovers = self._living()
            if not leftovers:
                return self._collect()
            self._killed.update(entry.pid for entry in leftovers)
            descendants.send(leftovers, signal.SIGKILL)
            await asyncio.sleep(_KILL_PAUSE_S)
        raise stuck(f"session {self.pid}", f"{len(self._killed)} processes outlived SIGKILL")

    async def stop(self, grace_s: float) -> Exit:
        """TERM to the whole session, KILL to what is left after `grace_s`, reaped. Idempotent."""
        descendants.send(descendants.without_launchers(self._living()), signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self._first_has_ended()
        except TimeoutError:
            descendants.send(self._living(), signal.SIGKILL)
        try:
            async with asyncio.timeout(KILL_LIMIT_S):
                return await self.wait()
        except TimeoutError as error:
            raise stuck(f"session {self.pid}", "it outlived SIGKILL") from error

    async def _first_has_ended(self) -> None:
        """Return when the command is a zombie or collected; each waiter watches its own handle."""
        with self._lock:
            if self._exit is not None:
                return
            handle = os.dup(self._handle)
        try:
            await readable(handle)
        finally:
            os.close(handle)

    def _living(self) -> list[descendants.Entry]:
        """Of the session; none once collected, since its number may be another's then."""
        with self._lock:
            return descendants.in_session(self.pid) if self._exit is None else []

    def _collect(self) -> Exit:
        with self._lock:
            if self._exit is None:
                code = self._popen.wait()
                os.close(self._handle)
                self._exit = Exit.of_returncode(code, len(self._killed))
            return self._exit
