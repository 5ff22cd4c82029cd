"""What callers may rely on whichever spawner they were given."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ai_orchestrator.base.process import (
    Command,
    DirectSpawner,
    Exit,
    Spawner,
    SpawnError,
    run,
)

SLEEP = f"600.{uuid.uuid4().int}"
"""A number of seconds that no other process on the machine sleeps."""

Shell = Callable[..., Command]
MB = 1024 * 1024


async def result(spawner: Spawner, command: Command, limit_bytes: int = MB) -> tuple[Exit, bytes]:
    """Exit and standard output of a command that ends by itself."""
    done = await run(spawner, command, timeout_s=60, limit_bytes=limit_bytes)
    assert not done.is_timed_out
    return done.exit, done.stdout


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [("exit 0", 0, None), ("exit 77", 77, None), ("kill -9 $$", None, 9)],
    ids=["success", "status", "signal"],
)
async def test_exit_tells_status_or_signal(
    spawner: Spawner, shell: Shell, text: str, code: int | None, number: int | None
) -> None:
    """A status is a status and a signal a signal, never one disguised as the other."""
    how, _ = await result(spawner, shell(text))
    assert how == Exit(code=code, signal=number)


async def test_streams_are_kept_apart(spawner: Spawner, shell: Shell) -> None:
    """Standard output and error arrive each as it was written."""
    done = await run(spawner, shell("echo out; echo err >&2"), timeout_s=60, limit_bytes=100)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    assert not done.is_truncated


async def test_200_kb_of_input_arrive(spawner: Spawner, shell: Shell) -> None:
    """A long prompt is read whole, then end of file, by a program that reads late."""
    text = os.urandom(100_000).hex().encode()
    _, output = await result(spawner, shell("sleep 0.1; cat", stdin=text))
    assert output == text


async def test_no_input_is_end_of_file(spawner: Spawner, shell: Shell) -> None:
    """A program that asks for input it was not given does not wait for it."""
    assert await result(spawner, shell("cat")) == (Exit(0, None), b"")


async def test_5_mb_of_output_arrive(spawner: Spawner, shell: Shell) -> None:
    """Nothing is lost of a fast writer's output."""
    _, output = await result(spawner, shell("head -c 5242880 /dev/zero"), limit_bytes=10 * MB)
    assert len(output) == 5 * MB


async def test_private_output_arrives_whole_and_is_not_opened_by_others(
    spawner: Spawner, shell: Shell
) -> None:
    """All of it up to the end, though the program ends at once; a child finds it by its pid."""
    child = 'sh -c "echo forged > /proc/$$/fd/1" 2>/dev/null || echo refused'
    command = replace(shell(f"head -c {5 * MB} /dev/zero; {child}"), is_output_private=True)
    how, out = await result(spawner, command, limit_bytes=6 * MB)
    assert how == Exit(code=0, signal=None)
    assert out == bytes(5 * MB) + b"refused\n"


async def test_output_is_cut_at_the_limit_and_drained(spawner: Spawner, shell: Shell) -> None:
    """The program ends by itself with all written, though most of it was dropped."""
    text = "head -c 1000000 /dev/zero; echo done >&2"
    done = await run(spawner, shell(text), timeout_s=60, limit_bytes=1000)
    assert (len(done.stdout), done.stderr) == (1000, b"done\n")
    assert done.is_truncated
    assert done.exit.is_success


async def test_slow_reader_makes_the_program_wait(spawner: Spawner, shell: Shell) -> None:
    """What nobody asks for stays with the program, not in our memory."""
    process = await spawner.start(shell("head -c 5242880 /dev/zero; echo all written >&2"))
    chunks = process.stdout()
    assert len(await anext(chunks)) <= 65536
    how = await process.stop(0)
    errors = [chunk async for chunk in process.stderr()]
    assert (how.is_success, errors) == (False, [])


async def test_environment_is_what_was_given(spawner: Spawner, tmp_path: Path) -> None:
    """Nothing of ours is inherited but the mark of the tree."""
    command = Command(("/usr/bin/env",), tmp_path, {"A": "1", "B": "x=y\n"}, "t")
    _, output = await result(spawner, command)
    lines = [line for line in output.split(b"\n") if not line.startswith(b"AI_ORCHESTRATOR_TREE=")]
    assert sorted(lines) == [b"", b"", b"A=1", b"B=x=y"]


async def test_directory_is_what_was_given(spawner: Spawner, tmp_path: Path) -> None:
    """The program starts where it was told."""
    _, output = await result(spawner, Command(("/bin/pwd",), tmp_path, {}, "t"))
    assert output.decode().strip() == str(tmp_path)


async def test_child_has_default_signals_and_only_its_descriptors(spawner: Spawner) -> None:
    """Neither ignored signals nor open files of ours reach a program."""
    text = "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd"
    _, output = await result(spawner, Command(("/bin/sh", "-c", text), Path("/"), {}, "t"))
    blocked, ignored, *fds = output.decode().split("\n")
    ours_to_set = 0x7FFFFFFF  # 32 and 33 are the C library's own, which sets them as it needs
    assert (int(blocked.split()[1], 16) | int(ignored.split()[1], 16)) & ours_to_set == 0
    assert set(fds) <= {"0", "1", "2", "3", ""}  # 3 is the directory that ls reads


async def test_descriptors_are_passed(spawner: Spawner, shell: Shell) -> None:
    """A passed pipe can be written to, and stays open here."""
    ours, theirs = os.pipe()
    command = replace(shell(f"echo through > /proc/self/fd/{theirs}"), pass_fds={theirs: theirs})
    await result(spawner, command)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert pipe.read() == b"through\n"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("no-such-program",), "No such file or directory.*not on the command's PATH"),
        (("/nowhere/program",), "No such file or directory"),
        (("{tmp}/plain",), "Permission denied.*chmod"),
        (("{tmp}/torn",), "No such file or directory.*interpreter"),
        (("{tmp}/text",), "Exec format error.*#!"),
        (("/bin/true", "x" * 3_000_000), "Argument list too long.*standard input"),
    ],
    ids=["name", "path", "not executable", "no interpreter", "no format", "too long"],
)
async def test_program_that_cannot_start_is_an_error(
    spawner: Spawner, tmp_path: Path, argv: tuple[str, ...], expected: str
) -> None:
    """The error names the program, what is wrong and what to do; nothing is left running."""
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    for name, content in (("torn", "#!/no/such/interpreter\n"), ("text", "words\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    argv = tuple(text.format(tmp=tmp_path) for text in argv)
    with pytest.raises(SpawnError, match=f"(?s){expected}") as caught:
        await spawner.start(Command(argv, tmp_path, {"PATH": "/usr/bin:/bin"}, "t-1"))
    assert "t-1" in str(caught.value)
    assert caught.value.exit_code == 3


async def test_missing_directory_is_an_error(spawner: Spawner, tmp_path: Path) -> None:
    """It is the directory that the error names, not the program."""
    command = Command(("/bin/true",), tmp_path / "gone", {}, "t")
    with pytest.raises(SpawnError, match=f"directory '{tmp_path}/gone': No such file"):
        await spawner.start(command)


async def test_timeout_stops_the_whole_tree(
    spawner: Spawner, shell: Shell, processes_with: Callable[[str], dict[int, str]]
) -> None:
    """What was printed till then is there, and no process of the tree is."""
    command = shell(f"sleep {SLEEP}001 & echo begun; sleep {SLEEP}001")
    done = await run(spawner, command, timeout_s=0.3, limit_bytes=100)
    assert done.is_timed_out
    assert done.stdout == b"begun\n"
    assert done.exit.signal == signal.SIGTERM
    assert not processes_with(f"{SLEEP}001")


async def test_cancellation_stops_the_whole_tree(
    spawner: Spawner, shell: Shell, processes_with: Callable[[str], dict[int, str]], tmp_path: Path
) -> None:
    """A cancelled `run` goes on being cancelled, once its tree has ended."""
    command = shell(f"sleep {SLEEP}002 & echo > {tmp_path}/up; sleep {SLEEP}002")
    task = asyncio.create_task(run(spawner, command, timeout_s=60, limit_bytes=100))
    while not (tmp_path / "up").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not processes_with(f"{SLEEP}002")


async def test_cancellation_while_starting_leaves_nothing(
    spawner: Spawner, shell: Shell, processes_with: Callable[[str], dict[int, str]]
) -> None:
    """However early the caller gives up."""
    for turns in range(12):
        command = shell(f"exec sleep {SLEEP}003", tree=f"t-{turns}")
        task = asyncio.create_task(run(spawner, command, timeout_s=60, limit_bytes=100))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(30):
        while processes_with(f"{SLEEP}003"):
            await asyncio.sleep(0.01)


async def test_leftovers_are_counted_and_killed(
    spawner: Spawner, shell: Shell, processes_with: Callable[[str], dict[int, str]]
) -> None:
    """What the first process leaves behind ends before its exit is told."""
    text = f"sleep {SLEEP}004 & sleep {SLEEP}004 & exit 3"
    done = await run(spawner, shell(text), timeout_s=60, limit_bytes=100)
    assert done.exit == Exit(code=3, signal=None, leftovers=2)
    assert not processes_with(f"{SLEEP}004")


async def test_stop_lets_the_program_tidy_up(spawner: Spawner, shell: Shell) -> None:
    """TERM comes first, and who heeds it ends by itself."""
    text = "trap 'echo tidied; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    process = await spawner.start(shell(text))
    chunks = process.stdout()
    assert await anext(chunks) == b"up\n"
    assert (await process.stop(30)).code == 5
    assert await anext(chunks) == b"tidied\n"


async def test_stop_kills_what_does_not_heed(spawner: Spawner, shell: Shell) -> None:
    """After the grace comes KILL."""
    process = await spawner.start(shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
    assert await anext(process.stdout()) == b"up\n"
    assert (await process.stop(0.1)).signal == signal.SIGKILL


async def test_stop_is_idempotent_and_wait_can_be_repeated(spawner: Spawner, shell: Shell) -> None:
    """Every one who asks gets the same answer, at the same time or later."""
    process = await spawner.start(shell("exec sleep 600"))
    answers = await asyncio.gather(process.wait(), process.stop(5), process.stop(5), process.wait())
    assert {*answers, await process.stop(1), await process.wait()} == {Exit(None, signal.SIGTERM)}


async def test_stop_at_the_very_end_is_no_loss(spawner: Spawner, shell: Shell) -> None:
    """A program that ends by itself while it is being stopped is told like any other."""
    for _ in range(40):
        process = await spawner.start(replace(shell(""), argv=("/bin/true",)))
        how = await process.stop(5)
        assert how in (Exit(0, None), Exit(None, signal.SIGTERM))


async def test_cancelled_wait_disturbs_nobody(spawner: Spawner, shell: Shell) -> None:
    """Giving up waiting ends neither the program nor the waiting of others."""
    process = await spawner.start(shell("read line; exit 4", stdin=b""))
    impatient = asyncio.create_task(process.wait())
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await process.wait()).code == 4


async def test_stream_is_iterated_once(spawner: Spawner, shell: Shell) -> None:
    """A second reader would get half of the chunks: it gets an error instead."""
    process = await spawner.start(shell("exit 0"))
    assert [chunk async for chunk in process.stdout()] == []
    with pytest.raises(Exception, match="once"):
        process.stdout()
    await process.wait()


async def test_direct_spawner_refuses_to_renumber(shell: Shell) -> None:
    """It would have to fork in a process with threads."""
    with pytest.raises(Exception, match="renumber"):
        await DirectSpawner().start(replace(shell("exit 0"), pass_fds={7: 0}))


async def test_a_child_that_cannot_be_watched_is_ended(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor is left, say; nobody would wait for it."""

    def full(pid: int, _: int = 0) -> int:
        pids.append(pid)
        raise OSError(24, "Too many open files")

    pids: list[int] = []
    monkeypatch.setattr(os, "pidfd_open", full)
    with pytest.raises(SpawnError):
        await DirectSpawner().start(shell(f"sleep {SLEEP}"))
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
