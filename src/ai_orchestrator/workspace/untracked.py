"""Reads git's list of what it does not track, apart from what `copy:` and `link:` brought. Pure.

With `--directory` git names a folder in which it tracks nothing by one line, so a folder that holds
something furnished and something else has to be listed once more, file by file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath


def partition(
    listed: Iterable[str], furnished: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths with nothing furnished at, above or below them, and folders with some of it below.

    `listed`: as `ls-files --others --directory` has it, a slash at the end of folders.
    """
    paths = without(listed, furnished)
    above = {str(parent) for path in furnished for parent in PurePosixPath(path).parents}
    whole = tuple(path for path in paths if path not in above)
    return whole, tuple(path for path in paths if path in above)


def without(listed: Iterable[str], furnished: Iterable[str]) -> tuple[str, ...]:
    """The paths that are neither furnished nor below what is, without slashes at their ends."""
    brought = frozenset(furnished)
    paths = [path.rstrip("/") for path in listed]
    return tuple(
        path
        for path in paths
        if path not in brought and not brought.intersection(map(str, PurePosixPath(path).parents))
    )
