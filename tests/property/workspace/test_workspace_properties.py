"""Laws of the parsers and planners of the workspace, and of git's names in a real tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.model.task import FileChange
from ai_orchestrator.workspace.diff import DIFF_ARGUMENTS, Status, parse_changes, shown
from ai_orchestrator.workspace.environment import exclude_lines
from ai_orchestrator.workspace.garbage import Knowledge, MirrorFound, Survey, TaskFound, plan
from ai_orchestrator.workspace.layout import conversation_name
from ai_orchestrator.workspace.source import parse_status

PATHS = st.binary(min_size=1, max_size=20).filter(lambda path: b"\0" not in path)
COUNTS = st.one_of(st.none(), st.integers(0, 10**9))
LETTERS: dict[Status, bytes] = {
    "added": b"A",
    "modified": b"M",
    "deleted": b"D",
    "renamed": b"R100",
    "type-changed": b"T",
}
NAMES = st.from_regex(r"[ab][ab._-]{0,5}", fullmatch=True).filter(lambda name: ".." not in name)
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@st.composite
def differences(draw: st.DrawFn) -> tuple[bytes, list[FileChange]]:
    """What git would print for some changes, and the changes."""
    raw, numbers, changes = b"", b"", list[FileChange]()
    for path in draw(st.lists(PATHS, max_size=8, unique=True)):
        status = draw(st.sampled_from(sorted(LETTERS)))
        old = draw(PATHS) if status == "renamed" else None
        counts = draw(st.one_of(st.none(), st.tuples(*[st.integers(0, 10**6)] * 2)))
        paths = path + b"\0" if old is None else old + b"\0" + path + b"\0"
        raw += b":100644 100755 " + b"a" * 40 + b" " + b"0" * 40 + b" " + LETTERS[status]
        raw += b"\0" + paths
        numbers += b"-\t-\t" if counts is None else b"%d\t%d\t" % counts
        numbers += paths if old is None else b"\0" + paths
        plus, minus = (None, None) if counts is None else counts
        shown_old = None if old is None else shown(old)
        changes.append(FileChange(shown(path), status, plus, minus, shown_old))
    return raw + numbers, changes


@given(differences())
def test_any_difference_is_read_back(case: tuple[bytes, list[FileChange]]) -> None:
    """Whatever bytes the names are made of."""
    output, changes = case
    assert parse_changes(output) == changes


@given(st.lists(st.tuples(st.sampled_from("1?u"), PATHS), max_size=10))
def test_any_status_is_counted(entries: list[tuple[str, bytes]]) -> None:
    """Each record counts once, and its name is kept."""
    before = {"1": b"1 .M N... 1 1 1 a b ", "?": b"? ", "u": b"u UU N... 1 1 1 1 a b c "}
    status = parse_status(b"".join(before[kind] + path + b"\0" for kind, path in entries))
    named = [(kind, os.fsdecode(path)) for kind, path in entries]
    assert status.untracked == sum(kind == "?" for kind, _ in named)
    assert status.conflicts == tuple(path for kind, path in named if kind == "u")
    assert sorted(status.changed) == sorted(path for kind, path in named if kind != "?")


@given(st.tuples(NAMES, NAMES, st.none() | NAMES), st.tuples(NAMES, NAMES, st.none() | NAMES))
def test_conversations_never_share_a_folder(
    one: tuple[str, str, str | None], two: tuple[str, str, str | None]
) -> None:
    """Role, agent and account together are the name."""
    assert (conversation_name(*one) == conversation_name(*two)) is (one == two)


TASKS = st.lists(st.sampled_from([f"t-{n}" for n in range(6)]), unique=True)
KNOWLEDGE = st.builds(Knowledge, st.booleans(), st.booleans(), st.booleans())


@given(TASKS, st.dictionaries(st.sampled_from([f"t-{n}" for n in range(6)]), KNOWLEDGE), st.data())
def test_nothing_that_may_be_wanted_is_planned_for_removal(
    tasks: list[str], known: dict[str, Knowledge], data: st.DataObject
) -> None:
    """Each task goes or stays with a reason; what it stands on stays with it."""
    force = data.draw(st.booleans())
    users = frozenset(data.draw(st.lists(st.sampled_from(["t-0", "t-1", "t-2"]))))
    mirror = MirrorFound("m", 5, data.draw(st.floats(0, 10**8)), users)
    found = tuple(TaskFound(task, 10, data.draw(st.integers(0, 10))) for task in tasks)
    made = plan(Survey(found, (mirror,)), known, force=force)
    gone = {task.task_id for task in made.tasks}
    assert gone | set(made.kept) == set(tasks)
    assert not gone & set(made.kept)
    for task_id in gone:
        knowledge = known.get(task_id)
        assert knowledge.is_final if knowledge else force
        assert force or knowledge is None or knowledge.is_applied or not knowledge.has_changes
    for task in made.trees:
        assert task.task_id in made.kept
        assert known[task.task_id].is_final
    assert not (made.mirrors and users & set(made.kept))


@settings(max_examples=25, deadline=None)
@given(
    st.sets(
        st.text(
            st.characters(exclude_characters="\0/", exclude_categories=["Cs"]),
            min_size=1,
            max_size=12,
        ).filter(lambda name: name not in (".", "..") and name.lower() != ".git"),
        min_size=1,
        max_size=6,
    )
)
def test_real_names_are_excluded_literally_and_only_they(names: set[str]) -> None:
    """What `info/exclude` says about a name is what was meant."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        _git(tree, "init", "-q")
        usable = {name for name in names if _touch(tree / name) and name.isprintable()}
        (tree / ".git/info/exclude").write_bytes(exclude_lines(sorted(usable)))
        others = _git(tree, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
        seen = {os.fsdecode(name).removesuffix("/") for name in others if name}
        assert not seen & usable
        assert seen == {path.name for path in tree.iterdir() if path.name != ".git"} - usable


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(PATHS.filter(lambda path: b"/" not in path), st.binary(max_size=30)))
def test_a_difference_that_git_prints_is_read_whole(files: dict[bytes, bytes]) -> None:
    """Each added file once, with its name."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        _git(tree, "init", "-q")
        index = b"".join(
            b"100644 "
            + _git(tree, "hash-object", "-w", "--stdin", stdin=content).strip()
            + b"\t"
            + name
            + b"\0"
            for name, content in files.items()
            if name not in (b".", b"..") and b"git" not in name.lower()
        )
        empty = _git(tree, "mktree", "-z").strip().decode()
        _git(tree, "update-index", "-z", "--index-info", stdin=index)
        full = _git(tree, "write-tree").strip().decode()
        changes = parse_changes(_git(tree, *DIFF_ARGUMENTS, empty, full))
        wanted = {shown(name) for name in _git(tree, "ls-files", "-z").split(b"\0") if name}
        assert {change.path for change in changes} == wanted
        assert all(change.status == "added" for change in changes)


def _touch(path: Path) -> bool:
    try:
        path.touch()
    except OSError:
        return False
    return True


def _git(tree: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", *arguments],
        cwd=tree,
        env=ENVIRONMENT,
        input=stdin,
        check=True,
        capture_output=True,
    ).stdout
