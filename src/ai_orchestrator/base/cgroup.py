"""Cgroup 2 directories that hold process trees, so that the kernel kills a whole tree at once.

    <own cgroup>/ai-orchestrator.<token>/      one per guardian, locked while it or a keeper lives
        tree-<name>/                           one per tree, removed when the tree has ended

They are made below our own cgroup, never beside it: limits and the stop of the service we run in
go on holding for agents. No controller is switched on. A directory whose lock is free belongs to
a guardian that was killed: `sweep` ends what is in it. The lock is on the directory itself, which
holds across PID namespaces, where a pid in the name would not.
Imported by the guardian, so it imports next to nothing.
"""

# ruff: noqa: PTH102, PTH106, PTH110, PTH123, PTH208
from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select

from ai_orchestrator.base import cgroup_start

HOME_PREFIX = "ai-orchestrator."
_HOME_TRIES = 20
_REMOVE_TRIES = 200
_REMOVE_PAUSE_MS = 5


class Finding:
    """Where cgroups can be made for trees, or why nowhere."""

    __slots__ = ("path", "reason")

    def __init__(self, path: str | None, reason: str) -> None:
        self.path = path
        self.reason = reason


def find() -> Finding:
    """The cgroup 2 directory below which trees may get theirs, tried out."""
    path = own_directory(_text("/proc/self/mountinfo"), _text("/proc/self/cgroup"))
    if path is None:
        return Finding(None, "No cgroup 2 hierarchy is mounted that holds this process.")
    problem = _problem_of(path)
    if problem:
        return Finding(None, problem)
    return Finding(path, f"Cgroups can be made in {path}.")


def own_directory(mountinfo: str, membership: str) -> str | None:
    """Our own directory in the cgroup 2 hierarchy, from /proc/self/mountinfo and .../cgroup.

    On a machine with cgroup 2 alone it is below /sys/fs/cgroup, on one with both versions below
    /sys/fs/cgroup/unified. None when there is no such mount or it does not show our cgroup.
    """
    own = next((line[3:] for line in membership.splitlines() if line.startswith("0::/")), None)
    if own is None:
        return None
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if "-" in fields[6:] and fields[fields.index("-", 6) + 1] == "cgroup2":
            shown = _below(own, fields[3])
            if shown is not None:
                return os.path.normpath(_unescape(fields[4]) + "/" + shown)
    return None


def _below(path: str, top: str) -> str | None:
    """`path` relative to `top`, or None when it is elsewhere (or in another namespace: '/..')."""
    if "/.." in path or "/.." in top:
        return None
    if top == "/":
        return path
    if path == top or path.startswith(top + "/"):
        return path[len(top) :]
    return None


def _unescape(field: str) -> str:
    for code, text in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, text)
    return field


def _problem_of(path: str) -> str:
    """Why no tree can live below `path`, empty when one can."""
    if not os.access(f"{path}/cgroup.procs", os.W_OK):
        return f"{path} is not writable for this user (no delegated cgroup)."
    trial = f"{path}/{HOME_PREFIX}{os.urandom(8).hex()}"
    try:
        lock = make_home(trial)
    except OSError as error:
        return f"No cgroup can be made in {path}: {error.strerror}."
    try:
        if not os.access(f"{trial}/cgroup.kill", os.W_OK):
            return f"{path} has no cgroup.kill (Linux 5.14 brings it)."
        if _text(f"{trial}/cgroup.type").strip() != "domain":
            return f"{path} is a threaded cgroup, which can't hold processes."
        if why := cgroup_start.problem():
            return f"No process can be started in {path}: {why}"
    finally:
        remove_if_empty(trial)
        os.close(lock)
    return ""


def make_home(path: str) -> int:
    """A new home directory `path`, locked; the descriptor that holds the lock.

    Between making and locking, the sweep of another guardian may take it for a dead one's.
    """
    for _ in range(_HOME_TRIES):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        lock = _lock(path)
        if lock is not None and os.path.exists(path):
            return lock
        if lock is not None:
            os.close(lock)
        _pause()
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)


def _lock(path: str) -> int | None:
    """A descriptor of the directory that holds its lock, None when it is gone or held."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno == errno.EWOULDBLOCK:
            return None
        raise
    return fd


def tree_directory(home: str, name: str) -> str:
    """Where the tree `name` lives; the prefix keeps names like `..` harmless."""
    return f"{home}/tree-{name}"


def make_tree(path: str) -> None:
    """A new, empty cgroup at `path`; what a stray predecessor left there is ended first."""
    try:
        os.mkdir(path)
    except FileExistsError:
        remove(path)
        os.mkdir(path)


def kill(path: str) -> None:
    """KILL to all in the cgroup and below it, in one go (forks in flight included)."""
    try:
        fd = os.open(f"{path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.write(fd, b"1")
    except OSError as error:
        if error.errno != errno.ENODEV:  # removed meanwhile
            raise
    finally:
        os.close(fd)


def remove_if_empty(path: str) -> bool:
    """Remove the cgroup; False when something is in it."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(path: str) -> bool:
    """End all in the cgroup and below it and remove it; False when something survives 1 s."""
    for _ in range(_REMOVE_TRIES):
        if remove_if_empty(path):
            return True
        kill(path)
        for below in _children(path):
            remove_if_empty(below)
        _pause()
    return remove_if_empty(path)


def _children(path: str) -> list[str]:
    """The cgroups below `path`, deepest first."""
    found = [where for where, _, _ in os.walk(path, topdown=False)]
    return found[:-1]


def sweep(parent: str) -> int:
    """End and remove the homes in `parent` that no guardian holds any more; how many."""
    homes = [name for name in os.listdir(parent) if name.startswith(HOME_PREFIX)]
    return sum(_sweep_one(f"{parent}/{name}") for name in homes)


def _sweep_one(home: str) -> bool:
    try:
        lock = _lock(home)
        if lock is None:  # its guardian lives
            return False
        try:
            return remove(home)
        finally:
            os.close(lock)
    except PermissionError:  # another user's, who will sweep it
        return False


def _pause() -> None:
    select.select((), (), (), _REMOVE_PAUSE_MS / 1000)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
