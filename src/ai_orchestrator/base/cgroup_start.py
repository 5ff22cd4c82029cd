"""Starts a program as the first process of a cgroup: born in it, not moved into it.

Moving a process makes the kernel wait until no fork is under way anywhere: 10-20 ms, unless
somebody was moved just before. Measured for /bin/true from request to start, 30 ms after the one
before it: moved 12.5 ms, born there 2.9 ms. `posix_spawn` of glibc knows it since 2.39, Python has
no name for it, so the system call is made here. For the keeper, which has one thread only.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence

_CLONE3 = 435
"""The same number on every architecture."""
_CLONE_INTO_CGROUP = 0x200000000
_HANDLED = (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM)
_libc = ctypes.PyDLL(None, use_errno=True)
"""Keeps the interpreter locked: the child is the only thread there is, and must hold the lock."""


class _CloneArgs(ctypes.Structure):
    """`struct clone_args` of linux/sched.h in its third version."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size"),
            *("tls", "set_tid", "set_tid_size", "cgroup"),
        )
    ]


def problem() -> str:
    """Why this machine lets nobody be born into a cgroup (old kernels, filters); empty: it does.

    A request without content is refused as malformed (EINVAL) where the call itself is allowed.
    """
    _libc.syscall(_CLONE3, None, 0)
    number = ctypes.get_errno()
    return "" if number == errno.EINVAL else f"clone3: {os.strerror(number)}."


def start_in_cgroup(
    cgroup: str,
    path: bytes,
    argv: Sequence[bytes],
    env: Mapping[bytes, bytes],
    placing: Sequence[tuple[int, int]],
    reset: Sequence[signal.Signals],
) -> int:
    """Process id of the program at `path`, in a session of its own; it has been executed.

    `placing`: descriptors and the numbers they get, all below every descriptor in it. `reset`:
    signals that are set back to their default. Raises `OSError`: what kept the child from running.
    """
    told, tell = _pipe_above(max(number for _, number in placing))
    try:
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        try:
            pid = _fork_into(cgroup)
            if pid == 0:
                _become(path, argv, env, placing, (*reset, *_HANDLED), tell)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        os.close(tell)
        failure = os.read(told, 16)  # end of file as soon as the program runs
        os.close(told)
    if failure:
        os.waitpid(pid, 0)
        number = int(failure)
        raise OSError(number, os.strerror(number), path)
    return pid


def _pipe_above(floor: int) -> tuple[int, int]:
    """A pipe whose write end has a number that no descriptor of the program gets."""
    told, low = os.pipe2(os.O_CLOEXEC)
    try:
        return told, fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, floor + 1)
    finally:
        os.close(low)


def _fork_into(cgroup: str) -> int:
    """As `os.fork`, with the child in the cgroup."""
    directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        request = _CloneArgs(flags=_CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=directory)
        pid = _libc.syscall(_CLONE3, ctypes.byref(request), ctypes.sizeof(request))
    finally:
        os.close(directory)
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), cgroup)
    return int(pid)


def _become(
    path: bytes,
    argv: Sequence[bytes],
    env: Mapping[bytes, bytes],
    placing: Sequence[tuple[int, int]],
    reset: Sequence[signal.Signals],
    tell: int,
) -> None:
    """In the child: be the program, or say why not and end. Never returns."""
    try:
        os.setsid()
        for descriptor, number in placing:
            os.dup2(descriptor, number)
        for one in reset:
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(path, list(argv), env)  # noqa: S606  # no shell is the point
    except OSError as error:
        os.write(tell, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)
