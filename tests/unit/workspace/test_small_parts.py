"""Overlays, branch names, room on the disk, locks and patterns: the parts without git."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.workflows.running.ports import TaskTree, Trees
from ai_orchestrator.workspace.apply import Result, clashing_branch, sealing_message
from ai_orchestrator.workspace.disk import RESERVE_BYTES, full_disk_explained, require_free
from ai_orchestrator.workspace.environment import check_pattern, exclude_lines
from ai_orchestrator.workspace.git import DiskFullError
from ai_orchestrator.workspace.git_client import parse_version
from ai_orchestrator.workspace.locking import LockTimeoutError, file_lock
from ai_orchestrator.workspace.overlay import checked_path, removals
from ai_orchestrator.workspace.repair import within
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.trees import GitTrees
from ai_orchestrator.workspace.work_tree import listed_bytes


def as_trees(trees: GitTrees) -> Trees:
    """The type checker proves here that the adapter fits its port."""
    return trees


def as_task_tree(tree: GitTaskTree) -> TaskTree:
    """The same for the tree of a task."""
    return tree


def test_the_adapters_fit_their_ports() -> None:
    """By structure; this only keeps the functions above in use."""
    assert {as_trees.__name__, as_task_tree.__name__} <= set(globals())


def test_only_entries_below_the_paths_are_removed() -> None:
    """A name with the same beginning is another name."""
    entry = b"100644 blob " + b"1" * 40 + b"\t"
    listing = b"".join(entry + path + b"\0" for path in (b"ci", b"ci/x", b"cix", b"d/ci"))
    gone = b"0 " + b"0" * 40 + b"\t"
    assert removals(listing, ["ci"], 40) == gone + b"ci\0" + gone + b"ci/x\0"


@pytest.mark.parametrize(("path", "plain"), [("a/", "a"), ("./a/b", "a/b"), ("a//b", "a/b")])
def test_a_path_is_made_plain(path: str, plain: str) -> None:
    """As git writes it."""
    assert checked_path(path) == plain


@pytest.mark.parametrize(
    ("name", "existing", "clash"),
    [
        ("ai/x", ["ai"], "ai"),
        ("ai/x", ["ai/x/y"], "ai/x/y"),
        ("ai/x", ["ai/y", "aix", "ai/xy"], None),
    ],
)
def test_a_branch_cannot_be_the_folder_of_another(
    name: str, existing: list[str], clash: str | None
) -> None:
    """Equal beginnings alone are no clash."""
    assert clashing_branch(name, existing) == clash


def test_a_long_title_becomes_a_short_subject() -> None:
    """The trailers stand apart, so that git finds them."""
    result = Result("t-1", "word " * 50 + "\nmore", Path("b"), "r", "1" * 40, "2" * 40, None)
    lines = sealing_message(result, "3" * 40).splitlines()
    assert len(lines[0]) == 72
    assert lines[1:] == [
        "",
        "AI-Orchestrator-Task: t-1",
        f"AI-Orchestrator-Verified: {'3' * 40}",
    ]


def test_a_disk_without_room_is_refused_before_work_begins(tmp_path: Path) -> None:
    """The directory need not exist yet."""
    free_bytes = shutil.disk_usage(tmp_path).free
    require_free(tmp_path / "not/yet", 0)
    with pytest.raises(DiskFullError, match="MiB are free"):
        require_free(tmp_path / "not/yet", free_bytes + RESERVE_BYTES)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_under_our_own_writing_is_told_the_same_way(number: int) -> None:
    """Other errors stay what they are."""
    with pytest.raises(DiskFullError, match="No room left"), full_disk_explained(Path("/x")):
        raise OSError(number, os.strerror(number))
    with pytest.raises(FileNotFoundError), full_disk_explained(Path("/x")):
        raise FileNotFoundError


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("git version 2.39.5", (2, 39)),
        ("git version 2.50.1 (Apple Git-155)", (2, 50)),
        ("git version 3.0.0.rc1.windows.1", (3, 0)),
    ],
)
def test_the_version_of_git_is_read(said: str, version: tuple[int, int]) -> None:
    """Vendors add to it."""
    assert parse_version(said) == version


def test_a_version_that_cannot_be_read_is_an_error() -> None:
    """Something else is called git here."""
    with pytest.raises(EnvironmentProblemError):
        parse_version("no idea")


def test_the_room_for_a_tree_is_the_size_of_its_files() -> None:
    """Submodules have none."""
    listing = (
        b"100644 blob 1111    12\ta 99\x00"
        b"160000 commit 2222       -\tsub\x00"
        b"120000 blob 3333  1000\tb\x00"
    )
    assert listed_bytes(listing) == 1012


async def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second gives up in time, and succeeds after the first."""
    async with file_lock(tmp_path / "x/lock", timeout_s=5):
        with pytest.raises(LockTimeoutError):
            async with file_lock(tmp_path / "x/lock", timeout_s=0.02):
                pytest.fail("two hold the lock")
    async with file_lock(tmp_path / "x/lock", timeout_s=0):
        pass


@pytest.mark.parametrize(
    "pattern", ["", "/etc/passwd", "../x", "a/../../b", ".git/config", "**", "a\nb", "x/.git"]
)
def test_a_pattern_stays_within_the_checkout(pattern: str) -> None:
    """And out of its repository."""
    with pytest.raises(BadInputError):
        check_pattern(pattern)


def test_paths_are_excluded_literally() -> None:
    """What git would take for a pattern is escaped."""
    assert exclude_lines(["a/b", "x*[1]? #!\\"]) == b"/a/b\n/x\\*\\[1]\\?\\ \\#\\!\\\\\n"


def test_no_link_is_followed_on_the_way_to_a_folder(tmp_path: Path) -> None:
    """Nor a step up."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "a/pipe")
    assert within(tmp_path, "a/b/") == tmp_path / "a/b"
    for path in ("link", "link/b", "a/../a", "none", "a/none/b", "a/pipe", "a/pipe/x"):
        assert within(tmp_path, path) is None
