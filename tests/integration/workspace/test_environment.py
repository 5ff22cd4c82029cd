"""Files that git ignores, brought from the user's checkout into a tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.workspace.repositories import KEY, REF, Opened, git, names, write

from ai_orchestrator.base.errors import BadInputError
from ai_orchestrator.model.workflow import EnvironmentSpec


def copying(*patterns: str) -> EnvironmentSpec:
    """Only `copy:`."""
    return EnvironmentSpec(copy=patterns)


async def test_copied_files_are_there_and_never_recorded(opened: Opened) -> None:
    """Also when the repository does not ignore them."""
    opened.repository.write({".env": "KEY=1\n", "conf/x.local": "2\n", "conf/[y] #.local": "3\n"})
    done = await opened.tree.furnish(opened.repository.path, copying(".env*", "conf/*.local", "no"))
    assert done.paths == (".env", "conf/[y] #.local", "conf/x.local")
    assert done.unmatched == ("no",)
    assert (opened.tree.work / "conf/x.local").read_text() == "2\n"
    write(opened.tree.work, {"conf/other": "work\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    assert [entry for entry in opened.files(made.commit) if "conf" in entry] == [
        "100644 conf/other"
    ]
    await opened.tree.start_from(opened.base)
    assert (opened.tree.work / ".env").exists()
    await opened.tree.lend_git(opened.base)
    assert git(opened.tree.work, "status", "--porcelain") == ""


async def test_a_copied_folder_keeps_its_links_as_links(opened: Opened) -> None:
    """What they lead to is not copied."""
    opened.repository.write({"deps.ign/pkg/x.py": "x\n"})
    (opened.repository.path / "deps.ign/link").symlink_to("/etc")
    await opened.tree.furnish(opened.repository.path, copying("deps.ign"))
    assert (opened.tree.work / "deps.ign/pkg/x.py").read_text() == "x\n"
    assert (opened.tree.work / "deps.ign/link").readlink() == Path("/etc")


async def test_linked_folders_are_shown_to_the_sandbox_read_only(opened: Opened) -> None:
    """Also after the task was opened again."""
    opened.repository.write({"cache.ign/x": "x"})
    checkout = opened.repository.path
    await opened.tree.furnish(checkout, EnvironmentSpec(link=("cache.ign",)))
    assert (opened.tree.work / "cache.ign").readlink() == checkout / "cache.ign"
    again = await opened.again()
    paths = again.attempt_paths(KEY, role="r", agent="a", account=None)
    assert paths.read_only[-1] == checkout / "cache.ign"
    assert (await again.commit(REF, opened.base, "m")).commit == opened.base


async def test_what_an_agent_did_to_a_copy_stays(opened: Opened) -> None:
    """The environment is brought once, not at each step."""
    opened.repository.write({".env": "KEY=1\n"})
    await opened.tree.furnish(opened.repository.path, copying(".env"))
    write(opened.tree.work, {".env": "KEY=2\n"})
    await opened.tree.furnish(opened.repository.path, copying(".env"))
    assert (opened.tree.work / ".env").read_text() == "KEY=2\n"


async def test_the_verifiers_tree_can_be_furnished_too(opened: Opened) -> None:
    """After each clean checkout."""
    opened.repository.write({".env": "KEY=1\n"})
    clean = await opened.tree.clean_checkout(opened.base)
    await opened.tree.furnish(opened.repository.path, copying(".env"), which="clean")
    assert names(clean) == [".env", ".gitignore", "a.txt", "src"]
    assert names(opened.tree.work) == [".gitignore", "a.txt", "src"]


async def test_a_tracked_file_is_refused(opened: Opened) -> None:
    """Copying it would change the start behind git's back."""
    with pytest.raises(BadInputError, match=r"a\.txt is tracked"):
        await opened.tree.furnish(opened.repository.path, copying("*.txt"))


async def test_a_link_out_of_the_checkout_is_refused(opened: Opened) -> None:
    """A pattern means files of the project."""
    (opened.repository.path / ".env").symlink_to("/etc/passwd")
    with pytest.raises(BadInputError, match="leads out"):
        await opened.tree.furnish(opened.repository.path, copying(".env"))
    assert not (opened.tree.work / ".env").exists()


async def test_nothing_is_written_through_a_link_in_the_tree(opened: Opened) -> None:
    """The repository, or an agent, may have put one where a folder belongs."""
    outside = opened.repository.path.parent / "outside"
    outside.mkdir()
    opened.repository.write({"conf/x.local": "2\n"})
    (opened.tree.work / "conf").symlink_to(outside)
    with pytest.raises(BadInputError, match="conf is no folder"):
        await opened.tree.furnish(opened.repository.path, copying("conf/*.local"))
    assert names(outside) == []
