"""By what a set-up is found again, and which of them make room."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ai_orchestrator.workspace.setup_entries import (
    SETUP_REST_S,
    SetupEntry,
    StoredSetup,
    evictions,
    of_key,
    unwanted,
)
from ai_orchestrator.workspace.setup_key import (
    Circumstances,
    Tool,
    TreeFile,
    files_that_count,
    parse_blobs,
    setup_key,
    telling_files,
    words_of,
)
from ai_orchestrator.workspace.setup_tools import find_tools, furnished_state
from ai_orchestrator.workspace.untracked import partition, without

AROUND = Circumstances(
    commands=(("npm", "ci"),),
    seen_at="/work",
    machine="Linux x86_64 glibc",
    tools=(Tool("npm", "/usr/bin/npm", 1, 2),),
    furnished=(".env: 1 2 100644",),
)
FILE = TreeFile("package-lock.json", "100644", "a" * 40)


def files(*paths: str) -> tuple[TreeFile, ...]:
    """Files with these paths."""
    return tuple(TreeFile(path, "100644", "b" * 40) for path in paths)


@pytest.mark.parametrize(
    "other",
    [
        (replace(AROUND, commands=(("npm", "ci", "-q"),)), FILE),
        (replace(AROUND, commands=(("npm", "ci"), ())), FILE),
        (replace(AROUND, commands=(("npmci",),)), FILE),
        (replace(AROUND, seen_at="/elsewhere"), FILE),
        (replace(AROUND, machine="Linux aarch64 glibc"), FILE),
        (replace(AROUND, tools=()), FILE),
        (replace(AROUND, tools=(Tool("npm", "/usr/bin/npm", 2, 2),)), FILE),
        (replace(AROUND, furnished=()), FILE),
        (AROUND, replace(FILE, blob="c" * 40)),
        (AROUND, replace(FILE, path="web/package-lock.json")),
        (AROUND, replace(FILE, mode="120000")),
    ],
    ids=[
        *("an option", "an empty command", "joined words", "the place", "the processor"),
        *("no tool", "a newer tool", "nothing furnished", "content", "path", "mode"),
    ],
)
def test_everything_that_counts_is_in_the_key(other: tuple[Circumstances, TreeFile]) -> None:
    """A single difference makes another key."""
    around, file = other
    assert setup_key(around, [file]) != setup_key(AROUND, [FILE])


@pytest.mark.parametrize(
    ("commands", "declared", "expected"),
    [
        ((("npm", "ci"),), None, ["package.json"]),
        ((("npm", "ci"), ("sh", "scripts/dep.sh")), None, "all"),
        ((("scripts/dep.sh",),), None, "all"),
        ((("./scripts/dep.sh",),), (), ["package.json", "scripts/dep.sh"]),
        ((("sh", "-c", "cd x && scripts/dep.sh"),), (), ["package.json", "scripts/dep.sh"]),
        ((("make", "deps"),), ("*.py",), ["package.json", "src/a.py"]),
        ((("npm", "ci"),), ("/src",), ["package.json", "src/a.py"]),
    ],
    ids=[
        "known",
        "one of two is not known",
        "a program of the repository",
        "named and declared",
        "named in a shell command",
        "declared by pattern",
        "declared folder",
    ],
)
def test_files_count_by_the_commands(
    commands: tuple[tuple[str, ...], ...], declared: tuple[str, ...] | None, expected: object
) -> None:
    """Lock files and manifests always do, and what a command names."""
    tree = files("package.json", "scripts/dep.sh", "src/a.py")
    counted = [file.path for file in files_that_count(commands, tree, declared, [])]
    assert counted == ([file.path for file in tree] if expected == "all" else expected)


def test_all_files_count_where_npm_would_compile() -> None:
    """It does so without being told."""
    tree = files("package.json", "binding.gyp", "src/a.cc")
    assert files_that_count((("npm", "ci"),), tree, None, []) == tree
    assert telling_files((("npm", "ci"),), tree, None) == tree[:1]
    assert telling_files((("npm", "ci"),), tree, ()) == ()
    assert telling_files((("make",),), tree, None) == ()


def test_blobs_are_read_whatever_is_in_them() -> None:
    """Also an empty one, and one that looks like the next head."""
    contents = [b"", b"x blob 3\nabc", b"\n\n"]
    output = b"".join(b"%s blob %d\n%s\n" % (b"a" * 40, len(one), one) for one in contents)
    assert parse_blobs(output) == [one.decode() for one in contents]
    assert parse_blobs(b"") == []


def test_words_of_shell_commands_are_words_too() -> None:
    """For the programs and files that they name; a broken quote names nothing."""
    assert words_of((("sh", "-c", "npm ci&&node x.js; it's"),)) >= {"sh", "-c"}
    assert words_of((("sh", "-c", "npm ci&&(node x.js)"),)) >= {"npm", "ci", "node", "x.js"}


def test_tools_are_those_on_the_path_with_their_links_followed(tmp_path: Path) -> None:
    """A relative entry of the PATH would be the repository's."""
    (tmp_path / "real").write_text("#!/bin/sh\n")
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "node").symlink_to("real")
    found = find_tools(f"{tmp_path}:.", (("sh", "-c", "real x"),))
    assert [(tool.name, tool.place) for tool in found] == [
        ("node", str(tmp_path / "real")),
        ("real", str(tmp_path / "real")),
    ]
    assert find_tools(os.path.relpath(tmp_path), (("real",),)) == ()


def test_the_state_of_what_was_furnished_shows_changes(tmp_path: Path) -> None:
    """Of files within folders too, and of where links lead; without reading a file."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_text("1")
    (tmp_path / "link").symlink_to("/x")
    paths = ("link", "a", "gone")
    before = furnished_state(tmp_path, paths)
    assert before == furnished_state(tmp_path, reversed_paths(paths))
    assert "link -> /x" in before
    assert "gone: nothing" in before
    (tmp_path / "a/b/c").write_text("12")
    assert furnished_state(tmp_path, paths) != before


def reversed_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The order in which they are named does not matter."""
    return tuple(reversed(paths))


def stored(name: str, size: int, used_s: float) -> StoredSetup:
    """A set-up of that size."""
    return StoredSetup(SetupEntry(name, "c" * 40, (("npm", "ci"),), 1, size, size), used_s)


def test_the_longest_unused_go_first_and_only_as_many_as_needed() -> None:
    """The rest stays."""
    old, middle, new = stored("a", 40, 1.0), stored("b", 40, 2.0), stored("c", 20, 3.0)
    kept = [new, old, middle]
    assert evictions(kept, incoming_bytes=0, limit_bytes=100) == ()
    assert evictions(kept, incoming_bytes=30, limit_bytes=100) == (old,)
    assert evictions(kept, incoming_bytes=100, limit_bytes=100) == (old, middle, new)
    assert evictions(kept, incoming_bytes=101, limit_bytes=100) is None


def test_of_those_with_a_key_the_one_used_last_comes_first() -> None:
    """Another one may be of a base that the task does not descend from."""
    first, second, other = stored("a", 1, 1.0), stored("a", 1, 2.0), stored("b", 1, 3.0)
    assert of_key([first, second, other], "a") == (second, first)


def test_garbage_is_what_rested_long_and_what_is_beyond_the_limit() -> None:
    """By force all of it."""
    old, young, newest = stored("a", 40, 0.0), stored("b", 60, 9.0), stored("c", 60, 10.0)
    kept, now_s = [old, young, newest], SETUP_REST_S + 1.0
    assert unwanted(kept, now_s=now_s, limit_bytes=1000, force=False) == (old,)
    assert unwanted(kept, now_s=now_s, limit_bytes=100, force=False) == (old, young)
    assert set(unwanted(kept, now_s=1.0, limit_bytes=1000, force=True)) == set(kept)


def test_furnished_paths_are_left_out_and_mixed_folders_are_found() -> None:
    """A folder with both has to be listed once more."""
    listed = ["deps/", "conf/", ".env", "x", "data/", "src/new/"]
    furnished = (".env", "conf/local", "data")
    assert partition(listed, furnished) == (("deps", "x", "src/new"), ("conf",))
    below = ["conf/local", "conf/other", "data/x", "data2/x"]
    assert without(below, furnished) == ("conf/other", "data2/x")
