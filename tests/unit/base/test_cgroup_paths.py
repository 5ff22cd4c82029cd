"""Where our own cgroup is, on every kind of machine."""

from __future__ import annotations

import pytest

from ai_orchestrator.base import cgroup

HYBRID = "33 32 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
PURE = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1 = "34 32 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
CONTAINER = "700 690 0:26 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
SPACE = "29 23 0:26 / /mnt/my\\040groups rw - cgroup2 none rw\n"


@pytest.mark.parametrize(
    ("mountinfo", "membership", "expected"),
    [
        (HYBRID + VERSION_1, "8:cpu:/x\n0::/\n", "/sys/fs/cgroup/unified"),
        (PURE, "0::/user.slice/a.service\n", "/sys/fs/cgroup/user.slice/a.service"),
        (CONTAINER, "0::/docker/abc\n", "/sys/fs/cgroup"),
        (CONTAINER, "0::/docker/abc/inner\n", "/sys/fs/cgroup/inner"),
        (CONTAINER, "0::/docker/abcd\n", None),
        (PURE, "0::/../other\n", None),
        (SPACE, "0::/a\n", "/mnt/my groups/a"),
        (VERSION_1, "0::/\n", None),
        (PURE, "8:cpu:/x\n", None),
        ("", "", None),
    ],
    ids=[
        *("hybrid", "pure", "container", "below container", "other container", "namespace"),
        *("escaped", "only version 1", "not a member", "nothing"),
    ],
)
def test_own_directory(mountinfo: str, membership: str, expected: str | None) -> None:
    """Below the mount that shows it, or nowhere."""
    assert cgroup.own_directory(mountinfo, membership) == expected


def test_tree_named_like_a_parent_stays_below_its_home() -> None:
    """A name is never a path."""
    assert cgroup.tree_directory("/cg/home", "..") == "/cg/home/tree-.."
