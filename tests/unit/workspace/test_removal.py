"""Removing trees that resist."""

from __future__ import annotations

import os
from pathlib import Path

from ai_orchestrator.workspace.removal import Trash, directory_bytes, remove_tree


def names(directory: Path) -> list[str]:
    """What lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


def test_a_link_is_removed_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    """Neither at the top nor below."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "t/sub").mkdir(parents=True)
    (tmp_path / "t/sub/link").symlink_to(kept)
    (tmp_path / "top").symlink_to(kept)
    remove_tree(tmp_path / "t")
    remove_tree(tmp_path / "top")
    remove_tree(tmp_path / "never/there")
    assert names(tmp_path) == ["kept"]
    assert names(kept) == ["file"]


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    """Nothing recurses, and no path grows."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(tmp_path / "deep")
    assert names(tmp_path) == []


def test_what_is_discarded_is_gone_at_once_and_removed_soon(tmp_path: Path) -> None:
    """Files, links, folders, and what is not there."""
    trash = Trash(tmp_path / "trash")
    (tmp_path / "folder/x").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    for name in ("folder", "file", "broken", "none"):
        trash.discard(tmp_path / name)
    assert names(tmp_path) == ["trash"]
    trash.settle()
    assert names(tmp_path / "trash") == []
    trash.close()


def test_a_removal_that_was_killed_is_finished_by_the_next_process(tmp_path: Path) -> None:
    """Whatever it had moved up already."""
    for name in ("0a", "0b/c/d"):
        (tmp_path / "trash" / name).mkdir(parents=True)
    trash = Trash(tmp_path / "trash")
    trash.empty()
    assert names(tmp_path / "trash") == []
    trash.close()


def test_sizes_count_hard_links_once_and_follow_no_link(tmp_path: Path) -> None:
    """As du does."""
    (tmp_path / "a").mkdir()
    empty = directory_bytes(tmp_path / "a")
    (tmp_path / "a/file").write_bytes(b"x" * 100_000)
    once = directory_bytes(tmp_path / "a")
    os.link(tmp_path / "a/file", tmp_path / "a/again")
    (tmp_path / "a/link").symlink_to("/")
    assert once - empty >= 100_000
    assert directory_bytes(tmp_path / "a") - once < 100_000
    assert directory_bytes(tmp_path / "none") == 0
