"""The bubblewrap command, word by word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from ai_orchestrator.base.errors import InternalError
from ai_orchestrator.base.sandbox import Bind, HostLayout, Sandbox, bubblewrap_argv

HOST = HostLayout(
    directories=(Path("/usr"), Path("/lib64")),
    links=((PurePosixPath("/bin"), "usr/bin"),),
    settings=(Path("/etc/hosts"), Path("/etc/ssl/certs")),
    switches=(Path("/proc/sys"),),
)
BOX = Sandbox(Path("/d/work"), Path("/d/home"), Path("/d/tmp"))


def words(sandbox: Sandbox) -> str:
    """The command line of `sandbox` as one text."""
    argv = bubblewrap_argv(sandbox, ("run", "--flag"), bubblewrap=Path("/usr/bin/bwrap"), host=HOST)
    return " ".join(argv)


def test_whole_command() -> None:
    """In this order: later mounts lie over earlier ones, and the root is closed last."""
    assert words(BOX) == (
        "/usr/bin/bwrap --unshare-pid --unshare-ipc --unshare-uts --unshare-cgroup-try "
        "--unshare-net --die-with-parent --new-session --cap-drop ALL "
        "--ro-bind /usr /usr --ro-bind /lib64 /lib64 --symlink usr/bin /bin "
        "--ro-bind /etc/hosts /etc/hosts --ro-bind /etc/ssl/certs /etc/ssl/certs "
        "--proc /proc --dev /dev --ro-bind /proc/sys /proc/sys "
        "--bind /d/work /work --bind /d/home /home/agent --bind /d/tmp /tmp "
        "--symlink /tmp /var/tmp --remount-ro / --chdir /work -- run --flag"
    )


def test_network_is_shared_only_when_open() -> None:
    """None is what a sandbox has unless it is told otherwise."""
    assert "--unshare-net" in words(BOX)
    assert "--unshare-net" not in words(replace(BOX, network="open"))


def test_work_tree_is_read_only_when_asked() -> None:
    """The same place, another kind of mount."""
    assert "--ro-bind /d/work /work" in words(replace(BOX, is_work_read_only=True))


def test_outer_binds_come_before_inner_ones() -> None:
    """Whatever their kind, and after the places that they may lie in."""
    box = replace(
        BOX,
        read_only_binds=(Bind(Path("/m"), PurePosixPath("/work/a/b")),),
        binds=(Bind(Path("/n"), PurePosixPath("/work/a")),),
    )
    assert "/var/tmp --bind /n /work/a --ro-bind /m /work/a/b --remount-ro /" in words(box)


@pytest.mark.parametrize(
    ("source", "target"),
    [("relative", "/a"), ("/a", "relative"), ("/a/../b", "/a"), ("/a", "/work/../etc")],
)
def test_bind_paths_say_where_they_are(source: str, target: str) -> None:
    """A path that climbs would be another place than it seems."""
    with pytest.raises(InternalError, match="absolute"):
        Bind(Path(source), PurePosixPath(target))


def test_program_prefix_is_where_it_is_on_the_host() -> None:
    """Programs find their own files by the path they were installed at."""
    assert Bind.at_same_path(Path("/opt/node")) == Bind(
        Path("/opt/node"), PurePosixPath("/opt/node")
    )


@pytest.mark.parametrize("target", ["/", "/home", "/home/agent", "/work", "/tmp"])
def test_bind_may_not_hide_the_places(target: str) -> None:
    """A program that sees another /work than the one it was given would do harm in good faith."""
    bind = Bind(Path("/d"), PurePosixPath(target))
    with pytest.raises(InternalError, match="hide"):
        replace(BOX, binds=(bind,))
