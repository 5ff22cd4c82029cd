"""Reading what git says about a difference."""

from __future__ import annotations

import pytest

from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.model.task import FileChange
from ai_orchestrator.workspace.diff import Totals, parse_changes, shown, stat_line, totals

IDS = b"1" * 40 + b" " + b"2" * 40


def raw(letter: bytes, *paths: bytes) -> bytes:
    """One raw record."""
    return b":100644 100644 " + IDS + b" " + letter + b"\0" + b"".join(p + b"\0" for p in paths)


@pytest.mark.parametrize(
    ("output", "change"),
    [
        (raw(b"M", b"a") + b"1\t2\ta\0", FileChange("a", "modified", 1, 2)),
        (raw(b"A", b"a\tb") + b"1\t0\ta\tb\0", FileChange("a\tb", "added", 1, 0)),
        (raw(b"D", b"a") + b"0\t3\ta\0", FileChange("a", "deleted", 0, 3)),
        (raw(b"T", b"a") + b"1\t1\ta\0", FileChange("a", "type-changed", 1, 1)),
        (raw(b"A", b"a") + b"-\t-\ta\0", FileChange("a", "added", None, None)),
        (raw(b"R095", b"o", b"n") + b"1\t1\t\0o\0n\0", FileChange("n", "renamed", 1, 1, "o")),
        (raw(b"A", b":1") + b"0\t0\t:1\0", FileChange(":1", "added", 0, 0)),
        (raw(b"A", b"1\n2") + b"0\t0\t1\n2\0", FileChange("1\n2", "added", 0, 0)),
    ],
    ids=["modified", "tab", "deleted", "type", "binary", "renamed", "colon", "newline"],
)
def test_records_become_changes(output: bytes, change: FileChange) -> None:
    """Raw and numstat records of one file belong together."""
    assert parse_changes(output) == [change]


def test_no_output_is_no_change() -> None:
    """Two equal commits."""
    assert parse_changes(b"") == []


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    """Better than a change that is silently missing."""
    with pytest.raises(InternalError):
        parse_changes(raw(b"Q", b"a") + b"1\t2\ta\0")


def test_stray_bytes_are_spelled_out() -> None:
    """What is no UTF-8 cannot stand in JSON."""
    assert shown(b"caf\xe9") == "caf\\xe9"
    assert shown("café".encode()) == "café"


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        (Totals(0, 0, 0), "no change"),
        (Totals(1, 1, 1), "1 file changed, 1 insertion(+), 1 deletion(-)"),
        (Totals(2, 0, 30), "2 files changed, 0 insertions(+), 30 deletions(-)"),
    ],
)
def test_the_stat_is_one_sentence(numbers: Totals, line: str) -> None:
    """As git words it."""
    assert stat_line(numbers) == line


def test_binary_files_count_as_files() -> None:
    """They have no lines."""
    changes = [FileChange("a", "added", 3, 1), FileChange("b", "added")]
    assert totals(changes) == Totals(2, 3, 1)
