"""Reading /proc, whatever a program calls itself."""

from __future__ import annotations

import os

import pytest

from ai_orchestrator.base import descendants
from ai_orchestrator.base.descendants import Entry, parse_stat

REST = b" 10 5 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9 9"


@pytest.mark.parametrize("name", [b"sh", b"a b", b") S 1 1", b"((", b"x) (y", b"\xff\n"])
def test_stat_of_any_name(name: bytes) -> None:
    """A process may be named to look like the fields behind its name."""
    entry = parse_stat(b"77 (" + name + b") R" + REST)
    assert (entry.pid, entry.parent, entry.session, entry.started, entry.state) == (
        *(77, 10, 7, 4242),
        b"R",
    )


def test_below_finds_all_generations_but_the_dead() -> None:
    """Children of a zombie count, the zombie does not."""
    rows = [(2, 1, b"S"), (3, 2, b"Z"), (4, 3, b"R"), (5, 1, b"S"), (6, 5, b"X"), (9, 8, b"S")]
    table = {pid: Entry(pid, parent, 0, 0, state) for pid, parent, state in rows}
    assert [entry.pid for entry in descendants.below(table, 1)] == [2, 5, 4]
    assert descendants.below(table, 4) == []


def test_own_entry_is_this_process() -> None:
    """The parser fits this kernel."""
    entry = descendants.read_entry(os.getpid())
    assert entry is not None
    assert (entry.parent, entry.session) == (os.getppid(), os.getsid(0))
    assert descendants.read_table()[os.getpid()].started == entry.started
