"""The durable engine on a real SQLite file, in processes that can be killed."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
DEADLINE_S = 30.0


class EngineProcess:
    """A running program and the lines that it has said."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())

    def until(self, wanted: str) -> None:
        """Waits for a line."""
        while wanted not in self.said:
            self.said.append(self._lines.get(timeout=DEADLINE_S))

    def tell(self, line: str) -> None:
        """Gives the program a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """Leaves nothing of it behind."""
        self.kill()
        self._reader.join(DEADLINE_S)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()

    def leave(self) -> list[str]:
        """Ends it in good order; everything it has said."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(DEADLINE_S)
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return self.said


Start = Callable[..., EngineProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts programs in the test's directory; none is left afterwards."""
    started: list[EngineProcess] = []

    def begin(*arguments: str) -> EngineProcess:
        process = EngineProcess(tmp_path, *arguments)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.close()


def test_a_committed_task_runs_to_its_end(start: Start) -> None:
    """What was enqueued in a committed transaction runs at once."""
    engine = start("--enqueue", "t1")
    engine.until("ended t1 6")


@pytest.mark.parametrize("failing", [("--fail-starting", "t1"), ("--fail-looking",)], ids=repr)
def test_a_claimed_task_that_could_not_be_started_is_tried_again(
    start: Start, failing: tuple[str, ...]
) -> None:
    """The claim is committed: neither it nor those beside it may wait for the next process."""
    engine = start("--enqueue", "t1", "t2", "t3", *failing)
    engine.until("failed t1-a1")
    for task in ("t1", "t2", "t3"):
        engine.until(f"ended {task} 6")


def test_a_claimed_task_that_could_not_be_started_counts_as_running(
    start: Start, tmp_path: Path
) -> None:
    """Where one task runs at a time, none passes the one whose turn it is."""
    engine = start("--enqueue", "t1", "t2", "--max-tasks", "1", "--fail-starting", "t1")
    engine.until("ended t2 6")
    assert engine.said.index("ended t1 6") < engine.said.index("first t2")


def test_a_task_whose_transaction_was_rolled_back_never_runs(start: Start) -> None:
    """Acceptance and enqueuing are one transaction."""
    engine = start("--enqueue", "t1", "--roll-back", "t2")
    engine.until("rolled-back t2")
    engine.until("ended t1 6")
    assert not any("first t2" in line for line in engine.leave())


def test_a_finished_step_is_not_run_again_after_a_kill(start: Start, tmp_path: Path) -> None:
    """The next process goes on at the step that was interrupted."""
    (tmp_path / "t1.hold").touch()
    first = start("--enqueue", "t1")
    first.until("second t1")
    first.kill()
    (tmp_path / "t1.hold").unlink()
    second = start()
    second.until("ended t1 6")
    assert "first t1" not in second.said
    assert "second t1" in second.said


@pytest.mark.parametrize("point", ["before", "acted", "recorded"])
@pytest.mark.parametrize("step", ["first", "second", "third"])
def test_a_kill_at_any_journal_point_loses_nothing(start: Start, point: str, step: str) -> None:
    """Killed at the point, the task ends all the same in the next process."""
    first = start("--enqueue", "t1", "--die-at", f"{point}:{step}")
    first.process.wait(DEADLINE_S)
    start().until("ended t1 6")


def test_cancelling_interrupts_the_running_step(start: Start, tmp_path: Path) -> None:
    """The action sees a cancellation, so that it can stop what it started."""
    (tmp_path / "t1.hold").touch()
    engine = start("--enqueue", "t1")
    engine.until("second t1")
    engine.tell("cancel t1")
    engine.until("interrupted t1")
    assert "ended t1 6" not in engine.leave()


def test_a_drained_process_leaves_the_task_to_the_next_one(start: Start, tmp_path: Path) -> None:
    """The step in mid-run is let finish, the next one is left to the newer process."""
    (tmp_path / "t1.hold").touch()
    old = start("--enqueue", "t1")
    old.until("second t1")
    old.tell("drain")
    (tmp_path / "t1.hold").unlink()
    old.until("drained")
    assert "ended t1 6" not in old.leave()
    new = start("--release", "1.0.1", "--unfinished", "t1:1.0.0:1")
    new.until("ended t1 6")
    assert "second t1" not in new.said


def test_an_older_epoch_begins_anew_and_a_newer_one_is_left_alone(
    start: Start, tmp_path: Path
) -> None:
    """Steps that no longer fit are not replayed; what we cannot finish is refused."""
    (tmp_path / "t1.hold").touch()
    old = start("--enqueue", "t1")
    old.until("second t1")
    old.kill()
    (tmp_path / "t1.hold").unlink()
    refusing = start("--release", "0.9", "--epoch", "0", "--unfinished", "t1:1.0.0:1")
    refusing.until("adoption t1 refuse")
    assert "ended t1 6" not in refusing.leave()
    new = start("--release", "2.0", "--epoch", "2", "--unfinished", "t1:1.0.0:1")
    new.until("ended t1 6")
    assert "first t1" in new.said


def test_no_more_tasks_run_at_a_time_than_allowed(start: Start, tmp_path: Path) -> None:
    """The limit holds although two are asked for at once."""
    (tmp_path / "t1.hold").touch()
    engine = start("--max-tasks", "1", "--enqueue", "t1", "t2")
    engine.until("second t1")
    assert "first t2" not in engine.said
    (tmp_path / "t1.hold").unlink()
    engine.until("ended t2 6")
    assert engine.said.index("ended t1 6") < engine.said.index("first t2")
