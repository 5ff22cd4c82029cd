"""Laws of the setup cache: keys, evictions, listings, and copies of any tree."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.workspace.copying import Total, copy_paths, measure
from ai_orchestrator.workspace.setup_entries import (
    SetupEntry,
    StoredSetup,
    evictions,
    unwanted,
)
from ai_orchestrator.workspace.setup_key import (
    Circumstances,
    Tool,
    TreeFile,
    files_that_count,
    parse_listing,
    setup_key,
)
from ai_orchestrator.workspace.untracked import partition, without

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
PATH = st.binary(min_size=1, max_size=8).filter(lambda path: not set(path) & {0, 9})
FILES = st.lists(
    st.builds(TreeFile, PATH.map(os.fsdecode), st.just("100644"), st.sampled_from(["a", "b"])),
    unique_by=lambda file: file.path,
    max_size=5,
)
AROUND = st.builds(
    Circumstances,
    commands=st.lists(st.lists(TEXT, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple),
    seen_at=TEXT,
    machine=TEXT,
    tools=st.lists(st.builds(Tool, TEXT, TEXT, st.integers(0), st.integers(0)), max_size=2).map(
        tuple
    ),
    furnished=st.lists(TEXT, max_size=2).map(tuple),
)


@given(AROUND, AROUND, FILES, FILES)
def test_two_keys_are_equal_only_for_the_same(
    one: Circumstances, other: Circumstances, first: list[TreeFile], second: list[TreeFile]
) -> None:
    """However words and lists are cut; the order in which files and tools are listed is nothing."""
    is_same = (
        one.commands == other.commands
        and (one.seen_at, one.machine) == (other.seen_at, other.machine)
        and sorted(map(repr, one.tools)) == sorted(map(repr, other.tools))
        and one.furnished == other.furnished
        and sorted(map(repr, first)) == sorted(map(repr, second))
    )
    assert (setup_key(one, first) == setup_key(other, second)) is is_same
    assert setup_key(one, first) == setup_key(one, first[::-1])


@given(st.lists(st.tuples(st.sampled_from([b"100644", b"160000"]), PATH), max_size=6))
def test_any_listing_is_read(entries: list[tuple[bytes, bytes]]) -> None:
    """Names of any bytes."""
    listing = b"".join(mode + b" " + b"a" * 40 + b" 0\t" + path + b"\0" for mode, path in entries)
    read = parse_listing(listing)
    assert [(file.mode.encode(), os.fsencode(file.path)) for file in read] == entries
    assert [file.is_submodule for file in read] == [mode == b"160000" for mode, _ in entries]


WORDS = st.sampled_from(["npm", "ci", "sh", "-c", "make deps", "pip", "install", ".", "-r", "a"])


@given(st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=3), FILES)
def test_declaring_files_never_makes_more_of_them_count(
    commands: list[list[str]], files: list[TreeFile]
) -> None:
    """Without a word from the user, in doubt, all files count."""
    found = set(files_that_count(commands, files, None, []))
    assert set(files_that_count(commands, files, (), [])) <= found <= set(files)


STORED = st.lists(st.tuples(st.integers(0, 50), st.floats(0, 100)), max_size=8).map(
    lambda rows: [
        StoredSetup(SetupEntry(str(number), "c", (), 1, size, size), used_s)
        for number, (size, used_s) in enumerate(rows)
    ]
)


@given(STORED, st.integers(0, 200), st.integers(0, 200))
def test_what_stays_fits_and_nothing_goes_that_need_not(
    stored: list[StoredSetup], incoming: int, limit: int
) -> None:
    """And whatever stays was used at least as lately as whatever goes."""
    gone = evictions(stored, incoming_bytes=incoming, limit_bytes=limit)
    if gone is None:
        assert incoming > limit
        return
    left = [one for one in stored if one not in gone]
    room = limit - incoming - sum(one.entry.disk_bytes for one in left)
    assert room >= 0
    assert not gone or room < gone[-1].entry.disk_bytes
    assert all(one.used_s <= other.used_s for one in gone for other in left)


@given(STORED, st.floats(0, 10**7), st.integers(0, 200), st.booleans())
def test_a_collection_leaves_no_more_than_the_limit(
    stored: list[StoredSetup],
    now_s: float,
    limit: int,
    force: bool,  # noqa: FBT001  # drawn
) -> None:
    """Nothing goes twice."""
    gone = unwanted(stored, now_s=now_s, limit_bytes=limit, force=force)
    assert len({one.name for one in gone}) == len(gone)
    assert sum(one.entry.disk_bytes for one in stored if one not in gone) <= limit
    assert not (force and len(gone) < len(stored))


NAME = st.sampled_from("abc")
WHERE = st.lists(NAME, min_size=1, max_size=3).map("/".join)


@given(st.lists(WHERE, unique=True), st.lists(WHERE, unique=True), st.data())
def test_no_furnished_path_is_ever_taken(
    listed: list[str], furnished: list[str], data: st.DataObject
) -> None:
    """Neither whole nor below, nor as part of a folder."""
    lines = [path + data.draw(st.sampled_from(["", "/"])) for path in listed]
    whole, mixed = partition(lines, furnished)
    for path in whole:
        assert not any(
            path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/")
            for one in furnished
        )
    assert set(whole) | set(mixed) == set(without(lines, furnished))


TREES = st.dictionaries(WHERE, st.one_of(st.none(), st.binary(max_size=9), TEXT), max_size=6)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_any_tree_is_copied_as_it_is(tree: dict[str, bytes | str | None]) -> None:
    """Files (bytes), links (text) and folders; what is measured is what is copied."""
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory, "source"), Path(directory, "target")
        source.mkdir()
        target.mkdir()
        for path, content in tree.items():
            _put(source / path, content)
        paths = sorted(path.name for path in source.iterdir())
        copied = copy_paths(source, target, paths, threading.Event())
        found = measure(source, paths)
        assert _look(source) == _look(target)
        assert (copied.files, copied.size_bytes) == (found.files, found.size_bytes)
        assert copied.plus(Total()) == copied


def _put(place: Path, content: bytes | str | None) -> None:
    above = [one for one in place.parents if os.path.lexists(one)]
    if os.path.lexists(place) or not above[0].is_dir() or above[0].is_symlink():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        place.mkdir()
    elif isinstance(content, bytes):
        place.write_bytes(content)
    elif content:
        place.symlink_to(content)


def _look(root: Path) -> dict[str, tuple[int, int, object]]:
    found: dict[str, tuple[int, int, object]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = (
            path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        )
        time_ns = 0 if path.is_symlink() else status.st_mtime_ns
        found[str(path.relative_to(root))] = (status.st_mode, time_ns, content)
    return found
