"""What set-up commands made in one tree, brought into another one."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.workspace.repositories import OTHER_TASK, REF, TASK, Opened, names, write

from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.orders import SetupOrder, SetupResult
from ai_orchestrator.model.workflow import EnvironmentSpec
from ai_orchestrator.workspace.garbage import Knowledge, execute, plan, report, survey
from ai_orchestrator.workspace.setup_entries import SETUP_REST_S
from ai_orchestrator.workspace.setup_store import discard_setups, remove_broken, stored_setups
from ai_orchestrator.workspace.task_tree import GitTaskTree
from ai_orchestrator.workspace.trees import GitTrees, TreeSettings

LOCK = {"package-lock.json": "{}", "package.json": "{}"}
CI = SetupOrder((("npm", "ci"),), "work", "/work", os.environ["PATH"], None, ())
SCRIPT = replace(CI, commands=(("sh", "-c", "make things"),))
CLEAN = replace(CI, which="clean")


async def installed(opened: Opened, files: dict[str, str], order: SetupOrder = CI) -> SetupResult:
    """The commands are pretended to have run in the agent's tree; what became of the result."""
    found = await opened.tree.restore_setup(order)
    assert not found.is_done, "there was something in the cache"
    write(opened.tree.work, files)
    return await opened.tree.keep_setup(order, found.key)


async def another(opened: Opened, task: str = OTHER_TASK) -> GitTaskTree:
    """A later task, from what the user's branch is now."""
    base = await opened.trees.resolve(opened.repository.source)
    return await opened.trees.open(task, 1, opened.repository.source, base)


def kept(opened: Opened) -> list[Path]:
    """Directories in the cache."""
    folder = opened.trees.layout.setups
    return sorted(folder.iterdir()) if folder.exists() else []


async def test_both_trees_of_all_tasks_get_what_the_first_one_made(opened: Opened) -> None:
    """Content, modes, times, links and empty folders, ignored or not."""
    files = {"deps.ign/a/x": "1", "deps.ign/run": "#!", "src/new": "2"}
    found = await opened.tree.restore_setup(CI)
    write(opened.tree.work, files)
    deps = opened.tree.work / "deps.ign"
    (deps / "empty").mkdir()
    (deps / "link").symlink_to("/nowhere")
    (deps / "run").chmod(0o755)
    (deps / "a").chmod(0o555)
    os.utime(deps / "a/x", ns=(1, 10**18))
    assert (await opened.tree.keep_setup(CI, found.key)).is_done
    clean = await opened.tree.clean_checkout(opened.base)
    other = await another(opened)
    assert (await opened.tree.restore_setup(CLEAN)).is_done
    assert (await other.restore_setup(CI)).is_done
    for tree in (clean, other.work):
        assert {name: (tree / name).read_text() for name in files} == files
        assert names(tree / "deps.ign/empty") == []
        assert (tree / "deps.ign/link").readlink() == Path("/nowhere")
        assert (tree / "deps.ign/run").stat().st_mode & 0o777 == 0o755
        assert (tree / "deps.ign/a").stat().st_mode & 0o777 == 0o555
        assert (tree / "deps.ign/a/x").stat().st_mtime_ns == 10**18
        assert names(tree) == sorted([".gitignore", "a.txt", "deps.ign", "src"])


async def test_no_tree_can_write_into_what_is_kept(opened: Opened) -> None:
    """Neither the first one nor one that was restored shares a file with it."""
    await installed(opened, {"deps.ign/x": "good"})
    (opened.tree.work / "deps.ign/x").write_text("evil")
    other = await another(opened)
    assert (await other.restore_setup(CI)).is_done
    assert (other.work / "deps.ign/x").read_text() == "good"
    (other.work / "deps.ign/x").write_text("evil")
    await opened.tree.clean_checkout(opened.base)
    assert (await opened.tree.restore_setup(CLEAN)).is_done
    assert (opened.tree.work.with_name("clean") / "deps.ign/x").read_text() == "good"


async def test_the_directory_is_private(opened: Opened) -> None:
    """Whatever the modes of the files are."""
    await installed(opened, {"deps.ign/x": "1"})
    folder = opened.trees.layout.setups
    assert [path.stat().st_mode & 0o777 for path in (folder, *kept(opened))] == [0o700, 0o700]


@pytest.mark.parametrize(
    ("order", "change", "serves"),
    [
        (CI, {"src/b.py": "b = 2\n"}, True),
        (CI, {"package-lock.json": "{ }"}, False),
        (CI, {"web/package.json": "{}"}, False),
        (CI, {"web/requirements-dev.txt": "x"}, False),
        (CI, {"package.json": '{"scripts": {"postinstall": "node build.js"}}'}, False),
        (SCRIPT, {"src/b.py": "b = 2\n"}, False),
        (replace(SCRIPT, files=()), {"src/b.py": "b = 2\n"}, True),
        (replace(SCRIPT, files=("src/*.py",)), {"src/b.py": "b = 2\n"}, False),
        (replace(CI, commands=(("sh", "src/b.py"),), files=()), {"src/b.py": "exit\n"}, False),
    ],
    ids=[
        "sources beside npm ci",
        "lock file",
        "a new manifest below",
        "requirements below",
        "a script that npm runs",
        "sources beside a script",
        "sources that do not count",
        "sources that count",
        "the script itself",
    ],
)
async def test_what_counts_decides_whether_it_is_run_again(
    opened: Opened, order: SetupOrder, change: dict[str, str], *, serves: bool
) -> None:
    """In the verifiers' tree, on a commit of the agent."""
    opened.repository.commit(LOCK)
    tree = await another(opened)
    opened = replace(opened, tree=tree, base=tree.base)
    assert (await installed(opened, {"deps.ign/x": "1"}, order)).is_done
    write(tree.work, change)
    made = await tree.commit(REF, tree.base, "m")
    await tree.clean_checkout(made.commit)
    found = await tree.restore_setup(replace(order, which="clean"))
    assert found.is_done is serves
    assert not found.trouble


async def test_only_what_descends_from_its_base_is_served(opened: Opened) -> None:
    """Not a branch of its own, whose files may have turned the installer elsewhere."""
    opened.repository.git("checkout", "-q", "-b", "stranger")
    opened.repository.commit({"venv.py": "evil"})
    stranger = await another(opened)
    await installed(replace(opened, tree=stranger), {"deps.ign/x": "evil"})
    assert not (await opened.tree.restore_setup(CI)).is_done
    opened.repository.git("checkout", "-q", "main")
    opened.repository.git("merge", "-q", "--ff-only", "stranger")
    opened.repository.commit({"more.txt": "x"})
    later = await another(opened, "t-01arz3ndektsv4rrffq69g5fax")
    assert (await later.restore_setup(CI)).is_done


@pytest.mark.parametrize(
    "other",
    [
        replace(CI, commands=(("npm", "ci"), ("npm", "install"))),
        replace(CI, seen_at="/elsewhere"),
        replace(CI, path_env="/usr/bin"),
    ],
    ids=["other commands", "without the sandbox", "other tools"],
)
async def test_other_circumstances_are_another_set_up(opened: Opened, other: SetupOrder) -> None:
    """Beside the files of the commit."""
    tool = opened.repository.path.parent / "bin" / "npm"
    write(tool.parent, {tool.name: "#!/bin/sh\n"})
    tool.chmod(0o755)
    order = replace(CI, path_env=f"{tool.parent}:/usr/bin")
    other = replace(other, path_env=order.path_env) if other.path_env == CI.path_env else other
    await installed(opened, {"deps.ign/x": "1"}, order)
    assert not (await opened.tree.restore_setup(other)).is_done
    assert (await opened.tree.restore_setup(order)).is_done


async def test_a_new_version_of_a_tool_is_another_set_up(opened: Opened) -> None:
    """It shows by the program's time."""
    tool = opened.repository.path.parent / "bin" / "npm"
    write(tool.parent, {tool.name: "#!/bin/sh\n"})
    tool.chmod(0o755)
    order = replace(CI, path_env=f"{tool.parent}:/usr/bin")
    await installed(opened, {"deps.ign/x": "1"}, order)
    os.utime(tool, ns=(1, 1))
    assert not (await opened.tree.restore_setup(order)).is_done


async def test_what_was_furnished_is_never_kept(opened: Opened) -> None:
    """It may be secret, and lie in the same folder as what the commands made."""
    opened.repository.write({".env": "KEY=1\n", "conf/local": "2\n", "data.ign/x": "3\n"})
    spec = EnvironmentSpec(copy=(".env", "conf/local"), link=("data.ign",))
    brought = await opened.tree.furnish(opened.repository.path, spec)
    order = replace(CI, furnished=brought.paths)
    assert (await installed(opened, {"conf/made": "4\n", "deps.ign/x": "5\n"}, order)).is_done
    files = kept(opened)[0] / "files"
    assert sorted(str(path.relative_to(files)) for path in files.rglob("*")) == [
        *("conf", "conf/made", "deps.ign", "deps.ign/x")
    ]
    other = await another(opened)
    await other.furnish(opened.repository.path, spec)
    assert (await other.restore_setup(order)).is_done
    assert names(other.work / "conf") == ["local", "made"]
    assert (other.work / ".env").read_text() == "KEY=1\n"


async def test_what_was_furnished_counts(opened: Opened) -> None:
    """The commands may have read it."""
    spec = EnvironmentSpec(copy=(".env",))
    opened.repository.write({".env": "KEY=1\n"})
    brought = await opened.tree.furnish(opened.repository.path, spec)
    order = replace(CI, furnished=brought.paths)
    await installed(opened, {"deps.ign/x": "1"}, order)
    opened.repository.write({".env": "KEY=12\n"})
    other = await another(opened)
    await other.furnish(opened.repository.path, spec)
    assert not (await other.restore_setup(order)).is_done


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({}, "left nothing"),
        ({"deps.ign/x": "1", "src/b.py": "b = 3\n"}, "src/b.py, which git tracks"),
        ({"deps.ign/x": "1", ".env": "KEY=2222\n"}, "changed what copy: brought"),
    ],
    ids=["nothing", "a tracked file", "a furnished file"],
)
async def test_what_a_restored_tree_would_lack_is_not_kept(
    opened: Opened, made: dict[str, str], reason: str
) -> None:
    """Then the commands run for each tree, and the reason is said."""
    opened.repository.write({".env": "KEY=1\n"})
    spec = EnvironmentSpec(copy=(".env",))
    brought = await opened.tree.furnish(opened.repository.path, spec)
    result = await installed(opened, made, replace(CI, furnished=brought.paths))
    assert not result.is_done
    assert reason in result.reason
    assert not result.trouble
    assert kept(opened) == []


async def test_a_filled_submodule_is_not_kept(opened: Opened) -> None:
    """Git does not look into it."""
    opened.repository.git("update-index", "--add", "--cacheinfo", f"160000,{opened.base},module")
    opened.repository.git("commit", "-q", "-m", "module")
    (opened.repository.path / "module").mkdir()
    tree = await another(opened)
    result = await installed(replace(opened, tree=tree), {"module/x": "1", "deps.ign/x": "1"})
    assert "module, which git tracks" in result.reason


async def test_an_interrupted_set_up_leaves_nothing(opened: Opened) -> None:
    """Neither in the tree of the next try, nor in what is kept of that."""
    opened.repository.write({".env": "KEY=1\n"})
    await opened.tree.furnish(opened.repository.path, EnvironmentSpec(copy=(".env",)))
    write(opened.tree.work, {"deps.ign/half": "1", "src/half": "1"})
    result = await installed(opened, {"deps.ign/x": "1"}, replace(CI, furnished=(".env",)))
    assert result.is_done
    assert names(opened.tree.work) == [".env", ".gitignore", "a.txt", "deps.ign", "src"]
    assert names(kept(opened)[0] / "files") == ["deps.ign"]
    assert names(kept(opened)[0] / "files/deps.ign") == ["x"]


@pytest.mark.parametrize("obstacle", ["file", "link"])
async def test_nothing_is_written_over_or_through_what_the_commit_has(
    opened: Opened, obstacle: str
) -> None:
    """An agent may commit something in the place of what would be restored."""
    outside = opened.repository.path.parent / "outside"
    outside.mkdir()
    await installed(opened, {"src/deps.ign/x": "1", "more.ign": "2"})
    shutil.rmtree(opened.tree.work / "src")
    if obstacle == "link":
        (opened.tree.work / "src").symlink_to(outside)
    else:
        write(opened.tree.work, {"src": "a file"})
    made = await opened.tree.commit(REF, opened.base, "m")
    clean = await opened.tree.clean_checkout(made.commit)
    found = await opened.tree.restore_setup(CLEAN)
    assert not found.is_done
    assert "src/deps.ign is there already" in found.trouble
    assert names(clean) == [".gitignore", "a.txt", "src"]
    assert names(outside) == []


@pytest.mark.parametrize("damage", ["cut off", "gone", "unreadable"])
async def test_what_is_damaged_is_not_used_and_not_used_again(opened: Opened, damage: str) -> None:
    """A power cut leaves files without their content."""
    await installed(opened, {"deps.ign/x": "1234", "deps.ign/y": "1"})
    entry = kept(opened)[0]
    if damage == "unreadable":
        (entry / "entry.json").write_text("{")
    elif damage == "gone":
        (entry / "files/deps.ign/y").unlink()
    else:
        (entry / "files/deps.ign/x").write_text("")
    other = await another(opened)
    found = await other.restore_setup(CI)
    assert not found.is_done
    assert bool(found.trouble) is (damage != "unreadable")
    assert "deps.ign" not in names(other.work)
    remove_broken(opened.trees.layout.setups, opened.trees.trash)
    assert kept(opened) == []


async def test_a_pipe_in_it_is_said_and_nothing_is_kept(opened: Opened) -> None:
    """It could not be restored."""
    found = await opened.tree.restore_setup(CI)
    write(opened.tree.work, {"deps.ign/x": "1"})
    os.mkfifo(opened.tree.work / "deps.ign/pipe")
    result = await opened.tree.keep_setup(CI, found.key)
    assert "is a pipe, a socket or a device" in result.trouble
    assert kept(opened) == []


async def test_a_full_disk_while_keeping_is_a_note(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task goes on without a cache."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    result = await installed(opened, {"deps.ign/x": "1"})
    assert "its result is not kept: No room left on the disk" in result.trouble
    assert kept(opened) == []


async def test_a_full_disk_while_restoring_leaves_a_tree_for_the_commands(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would be worse than nothing."""
    await installed(opened, {"deps.ign/x": "1", "src/more.ign": "1"})
    other = await another(opened)

    def full(*_: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "copy_file_range", full)
    found = await other.restore_setup(CI)
    assert "could not be restored (No room left" in found.trouble
    assert names(other.work) == [".gitignore", "a.txt", "src"]
    assert names(other.work / "src") == ["b.py"]


async def test_the_one_used_longest_ago_makes_room(
    tmp_path: Path, path_env: str, opened: Opened
) -> None:
    """And what is larger than everything that may be kept is not kept at all."""
    settings = TreeSettings(setup_limit_bytes=300_000)
    trees = GitTrees(
        opened.trees.layout.root,
        DirectSpawner(),
        path_env=path_env,
        settings=settings,
    )
    tree = await trees.open(OTHER_TASK, 1, opened.repository.source, opened.base)
    opened = replace(opened, trees=trees, tree=tree)
    orders = [replace(CI, seen_at=f"/{number}") for number in range(3)]
    for number, order in enumerate(orders[:2]):
        assert (await installed(opened, {"deps.ign/x": "x" * 120_000}, order)).is_done
        os.utime(kept(opened)[-1] / "entry.json", (number, number))
    for place in kept(opened):
        os.utime(place / "entry.json", (1, 1))
    assert (await tree.restore_setup(orders[0])).is_done
    assert (await installed(opened, {"deps.ign/x": "x" * 120_000}, orders[2])).is_done
    found = [(await tree.restore_setup(order)).is_done for order in orders]
    assert found == [True, False, True]
    large = await installed(opened, {"deps.ign/x": "x" * settings.setup_limit_bytes}, orders[1])
    assert "all that is kept may take" in large.trouble
    await trees.close()


async def test_what_a_killed_process_left_half_made_goes_at_the_next_use(opened: Opened) -> None:
    """What a living one is making stays."""
    folder = opened.trees.layout.setups
    write(folder, {"dead.half/files/x": "1", "alive.half/files/x": "1"})
    descriptor = os.open(folder / "alive.half", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert (await installed(opened, {"deps.ign/x": "1"})).is_done
    os.close(descriptor)
    left = [path.name for path in kept(opened) if path.suffix == ".half"]
    assert left == ["alive.half"]


async def test_of_two_that_keep_the_same_one_stays(opened: Opened) -> None:
    """Both say that it is kept, and the next tree gets it."""
    other = await another(opened)
    first, second = await opened.tree.restore_setup(CI), await other.restore_setup(CI)
    assert first.key == second.key
    write(opened.tree.work, {"deps.ign/x": "first"})
    write(other.work, {"deps.ign/x": "second"})
    assert (await opened.tree.keep_setup(CI, first.key)).is_done
    assert (await other.keep_setup(CI, second.key)).is_done
    assert len(kept(opened)) == 1
    await other.clean_checkout(opened.base)
    assert (await other.restore_setup(CLEAN)).is_done
    assert (other.work.with_name("clean") / "deps.ign/x").read_text() == "first"


async def test_what_somebody_reads_is_not_removed(opened: Opened) -> None:
    """It goes at the next occasion."""
    await installed(opened, {"deps.ign/x": "1"})
    folder, trash = opened.trees.layout.setups, opened.trees.trash
    descriptor = os.open(kept(opened)[0], os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    discard_setups(folder, stored_setups(folder), trash)
    assert len(kept(opened)) == 1
    os.close(descriptor)
    discard_setups(folder, stored_setups(folder), trash)
    assert kept(opened) == []


async def test_a_directory_under_a_wrong_name_is_not_used(opened: Opened) -> None:
    """An entry is what its own description says."""
    await installed(opened, {"deps.ign/x": "1"})
    kept(opened)[0].rename(kept(opened)[0].with_name("0" * 32 + "-" + "0" * 16))
    assert not (await opened.tree.restore_setup(CI)).is_done


async def test_garbage_collection_removes_what_rested_and_what_is_half_made(
    opened: Opened,
) -> None:
    """A dry run says so and does nothing."""
    await installed(opened, {"deps.ign/x": "x" * 10_000})
    write(opened.trees.layout.setups, {"dead.half/files/x": "1"})
    layout = opened.trees.layout
    running = {TASK: Knowledge(is_final=False, has_changes=False, is_applied=False)}
    early = plan(survey(layout, time.time()), running, force=False)
    assert early.setups == ()
    late = plan(survey(layout, time.time() + SETUP_REST_S + 60), running, force=False)
    said = report(late, is_dry_run=True)
    assert [line for line in said.removed if line.startswith("setup npm ci at ")] != []
    assert said.freed_bytes > 10_000
    assert len(kept(opened)) == 2
    assert execute(late, layout, opened.trees.trash).removed == said.removed
    assert kept(opened) == []


KEEPER = """
import sys, threading, time
from pathlib import Path
from ai_orchestrator.workspace import copying
from ai_orchestrator.workspace.removal import Trash
from ai_orchestrator.workspace.setup_entries import SetupEntry
from ai_orchestrator.workspace.setup_store import SetupStore

copying._copy_content = lambda reading, writing: time.sleep(60)
root, tree = map(Path, sys.argv[1:])
store = SetupStore(root / "setup", Trash(root / "trash"), 1 << 30)
entry = SetupEntry("k" * 64, "c" * 40, (("npm", "ci"),), 0, 0, 0)
store.keep(entry, tree, ["deps.ign"], threading.Event())
"""


async def test_a_process_killed_while_it_keeps_leaves_nothing_in_the_end(opened: Opened) -> None:
    """While it lives its half is its own; dead, the next one removes it."""
    write(opened.tree.work, {"deps.ign/x": "1"})
    root = opened.trees.layout.root
    arguments = ("-c", KEEPER, str(root), str(opened.tree.work))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        while not list(root.glob("setup/*.half/files/deps.ign/x")):
            assert process.returncode is None
            await asyncio.sleep(0.01)
        remove_broken(root / "setup", opened.trees.trash)
        assert [path.suffix for path in kept(opened)] == [".half"]
    finally:
        process.kill()
        await process.wait()
    assert (await installed(opened, {"deps.ign/x": "1"})).is_done
    assert [path.suffix for path in kept(opened)] == [""]


async def test_a_copy_that_nobody_waits_for_ends(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops between two files, and what it had copied is gone."""
    found = await opened.tree.restore_setup(CI)
    write(opened.tree.work, {f"deps.ign/{number}": "1" for number in range(5)})
    entered, leave = threading.Event(), threading.Event()

    def slow(*_: object) -> int:
        entered.set()
        assert leave.wait(30)
        return 0

    monkeypatch.setattr(os, "copy_file_range", slow)
    keeping = asyncio.create_task(opened.tree.keep_setup(CI, found.key))
    await asyncio.to_thread(entered.wait, 30)
    keeping.cancel()
    asyncio.get_running_loop().call_later(0.05, leave.set)
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert kept(opened) == []
