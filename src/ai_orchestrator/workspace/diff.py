"""What git says about the difference of two commits, as values. Pure but for `read_diff`.

One call gives both forms: `diff-tree -r -z --raw --numstat -M` prints the raw records first, then
one numstat record for each, both ended by NUL, so that any byte may stand in a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.model.task import Diff, FileChange
from ai_orchestrator.workspace.git import Call, Place
from ai_orchestrator.workspace.git_client import GitClient

Status = Literal["added", "modified", "deleted", "renamed", "type-changed"]

GITLINK_MODE = "160000"

_STATUS: dict[str, Status] = {
    "A": "added",
    "M": "modified",
    "D": "deleted",
    "R": "renamed",
    "T": "type-changed",
}

DIFF_ARGUMENTS = (
    *("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-abbrev"),
    *("-M", "-l1000", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"),
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of a difference; binary files count as files only."""

    files: int
    insertions: int
    deletions: int


async def read_changes(git: GitClient, place: Place, base: str, other: str) -> list[FileChange]:
    """The changed files between two commits or trees, by path as git sorts them."""
    return parse_changes(await git.expect(place, Call((*DIFF_ARGUMENTS, base, other))))


async def read_diff(git: GitClient, place: Place, base: str, commit: str) -> Diff:
    """The changes between two commits with the one-line stat."""
    changes = await read_changes(git, place, base, commit)
    return Diff(base=base, commit=commit, files=tuple(changes), stat=stat_line(totals(changes)))


def parse_changes(output: bytes) -> list[FileChange]:
    """The changes in the output of `DIFF_ARGUMENTS`."""
    fields = iter(output.split(b"\0")[:-1])
    raw: list[tuple[Status, bytes, bytes | None]] = []
    numbers: dict[bytes, tuple[int | None, int | None]] = {}
    for field in fields:
        if field.startswith(b":"):
            raw.append(_raw_record(field, fields))
        else:
            path, counts = _numstat_record(field, fields)
            numbers[path] = counts
    return [
        FileChange(
            path=shown(path),
            status=status,
            insertions=numbers[path][0],
            deletions=numbers[path][1],
            old_path=None if old is None else shown(old),
        )
        for status, path, old in raw
    ]


def _raw_record(head: bytes, rest: Iterator[bytes]) -> tuple[Status, bytes, bytes | None]:
    """`:old-mode new-mode old-id new-id STATUS`, then the path, for a rename old and new path."""
    letter = head.rsplit(b" ", 1)[-1][:1].decode()
    if letter not in _STATUS:
        raise InternalError(f"git diff-tree gave a record of unknown kind: {head[:200]!r}")
    first = next(rest)
    if letter == "R":
        return "renamed", next(rest), first
    return _STATUS[letter], first, None


def _numstat_record(
    head: bytes, rest: Iterator[bytes]
) -> tuple[bytes, tuple[int | None, int | None]]:
    """`insertions TAB deletions TAB path`; for a rename no path here, then old and new path."""
    insertions, deletions, path = head.split(b"\t", 2)
    if not path:
        next(rest)
        path = next(rest)
    return path, (_count(insertions), _count(deletions))


def _count(field: bytes) -> int | None:
    return None if field == b"-" else int(field)


def shown(path: bytes) -> str:
    r"""A path as text; bytes that are no UTF-8 as `\xNN`, since JSON can carry nothing else."""
    return path.decode(errors="backslashreplace")


def totals(changes: list[FileChange]) -> Totals:
    """The numbers of all changes together."""
    return Totals(
        files=len(changes),
        insertions=sum(change.insertions or 0 for change in changes),
        deletions=sum(change.deletions or 0 for change in changes),
    )


def stat_line(numbers: Totals) -> str:
    """`3 files changed, 10 insertions(+), 2 deletions(-)`; says `no change` for none."""
    if numbers.files == 0:
        return "no change"
    return (
        f"{_counted(numbers.files, 'file')} changed, "
        f"{_counted(numbers.insertions, 'insertion')}(+), "
        f"{_counted(numbers.deletions, 'deletion')}(-)"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
