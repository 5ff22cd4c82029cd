"""A step's life in a tree: start, lend, change, record, look at the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import (
    KEY,
    NEXT_REF,
    REF,
    TASK,
    Opened,
    git,
    write,
)

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.orders import StepCommit
from ai_orchestrator.model.task import FileChange
from ai_orchestrator.workspace.git import GitFailedError

MESSAGE = "Subject\n\nAI-Orchestrator-Step: implement\n"


async def test_a_changed_tree_becomes_a_commit_under_its_ref(opened: Opened) -> None:
    """New, changed and deleted files are in the commit, with their numbers."""
    write(opened.tree.work, {"new.txt": "1\n2\n", "a.txt": "two\n", "x.ign": "no"})
    (opened.tree.work / "src/b.py").unlink()
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert (made.is_changed, made.files, made.insertions, made.deletions) == (True, 3, 3, 2)
    assert opened.files(made.commit) == ["100644 .gitignore", "100644 a.txt", "100644 new.txt"]
    assert opened.git("rev-parse", REF, f"{REF}^") == f"{made.commit}\n{opened.base}"
    assert opened.git("rev-parse", f"{REF}^{{tree}}") == made.tree
    assert opened.git("log", "-1", "--format=%an %(trailers)", REF) == (
        "AI Agents Orchestrator AI-Orchestrator-Step: implement"
    )


async def test_an_unchanged_tree_makes_no_commit_and_the_ref_names_the_parent(
    opened: Opened,
) -> None:
    """A step that changed nothing has its input's commit."""
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert made == StepCommit(opened.base, made.tree, is_changed=False)
    assert opened.git("rev-parse", REF) == opened.base


async def test_recording_twice_gives_the_same_commit(opened: Opened) -> None:
    """A step that is entered again after a kill finds what it had recorded."""
    write(opened.tree.work, {"a.txt": "two\n"})
    first = await opened.tree.commit(REF, opened.base, MESSAGE)
    again = await (await opened.again()).commit(REF, opened.base, MESSAGE)
    assert again == first


async def test_recording_again_after_another_change_replaces_the_commit(opened: Opened) -> None:
    """The ref names what the tree is now."""
    write(opened.tree.work, {"a.txt": "two\n"})
    first = await opened.tree.commit(REF, opened.base, MESSAGE)
    write(opened.tree.work, {"a.txt": "three\n"})
    second = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert second.commit != first.commit
    assert opened.git("show", f"{REF}:a.txt") == "three"


async def test_a_changed_step_can_follow_an_interrupted_unchanged_one(opened: Opened) -> None:
    """A ref that names the parent is no commit of this step."""
    await opened.tree.point(REF, opened.base)
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert made.is_changed
    assert opened.git("rev-parse", f"{REF}^") == opened.base


async def test_find_tells_what_a_ref_holds(opened: Opened) -> None:
    """With a parent it tells whether and how much the commit differs."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert await opened.tree.find(REF, opened.base) == made
    assert await opened.tree.find(REF) == StepCommit(made.commit, made.tree, is_changed=False)
    assert await opened.tree.find(NEXT_REF, opened.base) is None


async def test_point_refuses_a_commit_that_does_not_exist(opened: Opened) -> None:
    """A ref never names what is not there."""
    with pytest.raises(GitFailedError):
        await opened.tree.point(REF, "1" * 40)


async def test_start_from_removes_what_is_unknown_and_keeps_what_is_ignored(
    opened: Opened,
) -> None:
    """Caches survive from step to step, leftovers do not."""
    write(opened.tree.work, {"a.txt": "two\n", "left/over.txt": "x", "cache.ign": "keep"})
    (opened.tree.work / "src/b.py").unlink()
    assert not await opened.tree.is_at(opened.base)
    await opened.tree.start_from(opened.base)
    assert await opened.tree.is_at(opened.base)
    assert not (opened.tree.work / "left").exists()
    assert (opened.tree.work / "cache.ign").read_text() == "keep"
    assert (opened.tree.work / "src/b.py").read_text() == "b = 1\n"


async def test_start_from_moves_between_commits(opened: Opened) -> None:
    """Back to the base and forward again."""
    write(opened.tree.work, {"src/new/c.py": "c\n"})
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    await opened.tree.start_from(opened.base)
    assert not (opened.tree.work / "src/new").exists()
    await opened.tree.start_from(made.commit)
    assert (opened.tree.work / "src/new/c.py").read_text() == "c\n"


async def test_is_at_sees_a_change_that_hides_its_time(opened: Opened) -> None:
    """Size and mtime can be forged, ctime cannot."""
    path = opened.tree.work / "a.txt"
    await opened.tree.is_at(opened.base)
    before = path.stat()
    path.write_text("eno\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not await opened.tree.is_at(opened.base)


async def test_the_agents_git_works_and_knows_the_commit(opened: Opened) -> None:
    """Status is clean, history is there, and the agent may commit."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    await opened.tree.lend_git(made.commit)
    work = opened.tree.work
    assert git(work, "status", "--porcelain=v2", "--branch").splitlines() == [
        f"# branch.oid {made.commit}",
        "# branch.head work",
    ]
    assert git(work, "log", "--format=%s") == "Subject\nChange"
    write(work, {"agent.txt": "x"})
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "mine")
    assert git(work, "log", "-1", "--format=%s") == "mine"


async def test_what_an_agent_commits_itself_is_recorded_as_files(opened: Opened) -> None:
    """Its own history goes with the next lent `.git`; the content stays."""
    await opened.tree.lend_git(opened.base)
    write(opened.tree.work, {"agent.txt": "x"})
    git(opened.tree.work, "add", "-A")
    git(opened.tree.work, "commit", "-q", "-m", "mine")
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    await opened.tree.lend_git(made.commit)
    assert "100644 agent.txt" in opened.files(made.commit)
    assert git(opened.tree.work, "log", "--format=%s") == "Subject\nChange"


async def test_diff_lists_files_with_status_and_numbers(opened: Opened) -> None:
    """A rename is one change, a binary file has no numbers."""
    (opened.tree.work / "src/b.py").rename(opened.tree.work / "src/c.py")
    (opened.tree.work / "bin").write_bytes(b"\0\1\2")
    (opened.tree.work / "a.txt").unlink()
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    diff = await opened.tree.diff(opened.base, made.commit)
    assert diff.files == (
        FileChange("a.txt", "deleted", 0, 1),
        FileChange("bin", "added"),
        FileChange("src/c.py", "renamed", 0, 0, "src/b.py"),
    )
    assert diff.stat == "3 files changed, 0 insertions(+), 1 deletion(-)"


@pytest.mark.parametrize(
    "name", ["-rf", "new\nline", "ümlaut", "tab\tname", 'quo"te', "a\\b", "  blanks  ", ":(top)x"]
)
async def test_strange_names_are_recorded_and_shown(opened: Opened, name: str) -> None:
    """Any name that a file system takes is a name."""
    (opened.tree.work / name).write_text("x\n")
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    diff = await opened.tree.diff(opened.base, made.commit)
    assert diff.files == (FileChange(name, "added", 1, 0),)
    assert await opened.tree.read_file(made.commit, name) == b"x\n"


async def test_a_name_that_is_not_utf8_is_recorded_and_shown_escaped(opened: Opened) -> None:
    """JSON can carry no stray bytes, so the shown name spells them out."""
    (opened.tree.work / "caf\udce9").write_text("x\n")
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    diff = await opened.tree.diff(opened.base, made.commit)
    assert [change.path for change in diff.files] == ["caf\\xe9"]
    assert await opened.tree.read_file(made.commit, "caf\udce9") == b"x\n"


async def test_patch_is_cut_at_its_limit(opened: Opened) -> None:
    """A long patch says that it was cut."""
    write(opened.tree.work, {"a.txt": "two\n" * 1000})
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    whole, is_cut = await opened.tree.patch(opened.base, made.commit, limit_bytes=1 << 20)
    assert (whole.count(b"\n+two"), is_cut) == (1000, False)
    assert await opened.tree.patch(opened.base, made.commit, limit_bytes=50) == (whole[:50], True)


async def test_a_written_patch_can_be_applied(opened: Opened, tmp_path: Path) -> None:
    """Binary files included."""
    (opened.tree.work / "bin").write_bytes(bytes(range(256)))
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    await opened.tree.write_patch(opened.base, made.commit, tmp_path / "patch")
    opened.repository.git("apply", str(tmp_path / "patch"))
    assert (opened.repository.path / "bin").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("path", ["missing.txt", "src", "src/missing.py", "a.txt/below"])
async def test_read_file_gives_none_for_what_is_no_file(opened: Opened, path: str) -> None:
    """A folder and a missing file alike."""
    assert await opened.tree.read_file(opened.base, path) is None


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "src/../../x", ".git/config"])
async def test_read_file_refuses_what_leads_out_of_the_repository(
    opened: Opened, path: str
) -> None:
    """Only plain relative paths are looked up."""
    with pytest.raises(BadInputError):
        await opened.tree.read_file(opened.base, path)


async def test_attempt_paths_exist_and_show_the_agent_all_objects(opened: Opened) -> None:
    """HOME and TMPDIR belong to the attempt, the conversation to role, agent and account."""
    paths = opened.tree.attempt_paths(KEY, role="implementer", agent="claude", account="work")
    assert paths.work == opened.tree.work
    assert paths.home.is_dir()
    assert paths.tmp.is_dir()
    assert paths.conversation.parts[-4:] == ("agents", TASK, "a1", "implementer-claude-work")
    alternates = Path(opened.tree.repository / "objects/info/alternates").read_text().split()
    assert paths.read_only == (Path(alternates[0]), opened.tree.repository / "objects")


async def test_discarding_an_attempt_keeps_its_conversation(opened: Opened) -> None:
    """The next attempt of the role goes on with it."""
    paths = opened.tree.attempt_paths(KEY, role="reviewer", agent="codex", account=None)
    write(paths.home, {"cache": "x"})
    write(paths.conversation, {"session": "y"})
    opened.tree.discard_attempt(KEY)
    opened.tree.discard_attempt(KEY)
    assert not paths.home.exists()
    assert (paths.conversation / "session").read_text() == "y"


async def test_ten_thousand_files_are_recorded(opened: Opened) -> None:
    """Many files are a matter of time only."""
    for number in range(10_000):
        if number % 100 == 0:
            (opened.tree.work / f"d{number}").mkdir()
        (opened.tree.work / f"d{number - number % 100}" / str(number)).touch()
    made = await opened.tree.commit(REF, opened.base, MESSAGE)
    assert made.files == 10_000
