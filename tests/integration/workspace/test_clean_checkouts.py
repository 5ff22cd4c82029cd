"""The verifiers' tree: equals the commit, whatever ran in it before."""

from __future__ import annotations

import pytest
from tests.integration.workspace.repositories import REF, Opened, arm, git, names, trap_of, write

from ai_orchestrator.base.errors import BadInputError


async def test_a_clean_checkout_equals_the_commit_without_ignored_files(opened: Opened) -> None:
    """The agent's ignored files and `.git` are not in it."""
    write(opened.tree.work, {"a.txt": "two\n", "x.ign": "agent's"})
    made = await opened.tree.commit(REF, opened.base, "m")
    clean = await opened.tree.clean_checkout(made.commit)
    assert (clean / "a.txt").read_text() == "two\n"
    assert names(clean) == [".gitignore", "a.txt", "src"]


async def test_what_verifiers_wrote_is_gone_at_the_next_checkout(opened: Opened) -> None:
    """Changed, new, ignored and nested files, and a `.git` of their own."""
    clean = await opened.tree.clean_checkout(opened.base)
    write(clean, {"a.txt": "changed", "new/x": "1", "cache.ign": "1", "n/.git/HEAD": "ref: x"})
    git(clean, "init", "-q")
    arm(clean / ".git")
    (clean / "src/b.py").unlink()
    (clean / "src").rmdir()
    (clean / "src").symlink_to("/etc")
    assert await opened.tree.clean_checkout(opened.base) == clean
    assert names(clean) == [".gitignore", "a.txt", "src"]
    assert (clean / "a.txt").read_text() == "one\n"
    assert names(clean / "src") == ["b.py"]
    assert not trap_of(clean / ".git").exists()


async def test_base_paths_are_as_in_the_base(opened: Opened) -> None:
    """Changed ones are restored, added ones are gone, deleted ones are back."""
    write(opened.tree.work, {"src/b.py": "evil", "src/added.py": "evil", "other.txt": "kept"})
    (opened.tree.work / "a.txt").unlink()
    made = await opened.tree.commit(REF, opened.base, "m")
    paths = ("src", "a.txt", "missing/everywhere")
    clean = await opened.tree.clean_checkout(made.commit, base_paths=paths)
    assert names(clean / "src") == ["b.py"]
    assert (clean / "src/b.py").read_text() == "b = 1\n"
    assert (clean / "a.txt").read_text() == "one\n"
    assert (clean / "other.txt").read_text() == "kept"
    assert await opened.tree.find(REF) is not None


async def test_base_paths_are_not_written_through_a_committed_link(
    opened: Opened,
) -> None:
    """A link in the place of a folder gives way to the folder; what it leads to is not touched."""
    outside = opened.repository.path.parent / "outside"
    write(outside, {"b.py": "untouched"})
    (opened.tree.work / "src/b.py").unlink()
    (opened.tree.work / "src").rmdir()
    (opened.tree.work / "src").symlink_to(outside)
    made = await opened.tree.commit(REF, opened.base, "m")
    clean = await opened.tree.clean_checkout(made.commit, base_paths=("src/b.py",))
    assert (clean / "src/b.py").read_text() == "b = 1\n"
    assert not (clean / "src").is_symlink()
    assert (outside / "b.py").read_text() == "untouched"


@pytest.mark.parametrize("path", ["", ".", "/etc/passwd", "../up", "src/../../x", ".git/hooks"])
async def test_base_paths_stay_within_the_repository(opened: Opened, path: str) -> None:
    """Nothing else is accepted."""
    with pytest.raises(BadInputError):
        await opened.tree.clean_checkout(opened.base, base_paths=(path,))


async def test_pathspec_magic_in_base_paths_is_a_name(opened: Opened) -> None:
    """A pattern is no pattern here."""
    write(opened.tree.work, {"a.txt": "two\n"})
    made = await opened.tree.commit(REF, opened.base, "m")
    clean = await opened.tree.clean_checkout(made.commit, base_paths=(":(glob)*", "*.txt"))
    assert (clean / "a.txt").read_text() == "two\n"


async def test_a_deleted_clean_tree_is_made_again(opened: Opened) -> None:
    """A verifier that removes everything has broken nothing."""
    clean = await opened.tree.clean_checkout(opened.base)
    clean.rename(clean.with_name("moved"))
    assert names(await opened.tree.clean_checkout(opened.base)) == [
        ".gitignore",
        "a.txt",
        "src",
    ]
