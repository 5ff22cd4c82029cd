"""Finding and signalling the processes of a tree in /proc, by parentage or by their mark.

The keeper of a tree is a child subreaper: whatever its children do (setsid, double fork), all that
they start stays below it, so parentage is exact. The mark, a variable in the environment, is for
whoever is not their ancestor: the owner that has lost guardian and keepers.
Imported by the guardian, so it imports next to nothing.
"""

from __future__ import annotations

import os
import signal

MARK = b"AI_ORCHESTRATOR_TREE"
"""Variable that every process of a tree inherits; its value is the tree's id."""

DEAD = b"ZX"


class Entry:
    """A line of /proc/<pid>/stat: who it is, whose child, and since when."""

    __slots__ = ("parent", "pid", "session", "started", "state")

    def __init__(self, pid: int, parent: int, session: int, started: int, state: bytes) -> None:
        self.pid = pid
        self.parent = parent
        self.session = session
        self.started = started
        """Clock ticks since boot: with the pid, an identity that is not reused."""
        self.state = state


def parse_stat(line: bytes) -> Entry:
    """The entry in a line of /proc/<pid>/stat (proc(5)); the name in it may hold anything."""
    pid, _, rest = line.partition(b" (")
    fields = rest[rest.rindex(b")") + 2 :].split()
    return Entry(int(pid), int(fields[1]), int(fields[3]), int(fields[19]), fields[0])


def read_entry(pid: int) -> Entry | None:
    """The entry of `pid`, or None when it is gone."""
    data = _read(b"/proc/%d/stat" % pid)
    return parse_stat(data) if data else None


def read_table() -> dict[int, Entry]:
    """All processes that can be seen now, by pid. About 10 microseconds for each."""
    names = os.listdir("/proc")  # noqa: PTH208  pathlib is slow to import
    found = (read_entry(int(name)) for name in names if name.isdigit())
    return {entry.pid: entry for entry in found if entry is not None}


def below(table: dict[int, Entry], ancestor: int) -> list[Entry]:
    """The living descendants of `ancestor` in `table`, parents before children."""
    children: dict[int, list[Entry]] = {}
    for entry in table.values():
        children.setdefault(entry.parent, []).append(entry)
    found = list(children.get(ancestor, ()))
    for entry in found:  # grows while it is read: breadth first
        found.extend(children.get(entry.pid, ()))
    return [entry for entry in found if entry.state not in DEAD]


def without_launchers(entries: list[Entry]) -> list[Entry]:
    """`entries` less those that only wait for a PID namespace of their own.

    The monitor of bubblewrap dies of TERM, and with it, at once and by KILL, the whole sandbox
    that was to get its grace. It ends by itself when what is inside has ended.
    """
    launchers = {entry.parent for entry in entries if _is_first_of_namespace(entry)}
    return [entry for entry in entries if entry.pid not in launchers]


def at_work(entries: list[Entry]) -> list[Entry]:
    """Those of `entries` that still live and are more than the first of a PID namespace.

    That one, of bubblewrap, ends a moment after its monitor and is nobody's leftover.
    """
    return [e for e in entries if _status(e) and not _is_first_of_namespace(e)]


def _is_first_of_namespace(entry: Entry) -> bool:
    numbers = _status(entry).get(b"NSpid", b"").split()
    return len(numbers) > 1 and numbers[-1] == b"1"


def _status(entry: Entry) -> dict[bytes, bytes]:
    """/proc/<pid>/status by name; empty when it has ended."""
    lines = (line.partition(b":") for line in _read(b"/proc/%d/status" % entry.pid).splitlines())
    status = {name: value.strip() for name, _, value in lines}
    return {} if status.get(b"State", b"Z")[:1] in DEAD else status


def send(entries: list[Entry], number: signal.Signals) -> int:
    """Send the signal to those of `entries` that still are who they were; how many got it."""
    return sum(_send_one(entry, number) for entry in entries)


def _send_one(entry: Entry, number: signal.Signals) -> bool:
    try:
        handle = os.pidfd_open(entry.pid)
    except OSError:
        return False
    try:
        now = read_entry(entry.pid)  # after opening: from here on the handle can't change hands
        if now is None or now.started != entry.started or now.state in DEAD:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:  # ended meanwhile, or of another user: the caller's next look will tell
        return False
    finally:
        os.close(handle)
    return True


def in_session(session: int) -> list[Entry]:
    """The living processes of a session, its leader included."""
    table = read_table().values()
    return [entry for entry in table if entry.session == session and entry.state not in DEAD]


def marked(tree: bytes) -> list[Entry]:
    """The living processes that carry the mark of `tree`, of those whose mark we may read."""
    wanted = b"\0" + MARK + b"=" + tree + b"\0"
    living = [entry for entry in read_table().values() if entry.state not in DEAD]
    return [e for e in living if wanted in b"\0" + _read(b"/proc/%d/environ" % e.pid) + b"\0"]


def _read(path: bytes) -> bytes:
    """The file's content, empty when it is gone or not ours to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"".join(parts)
