"""Ctrl-C, SIGTERM and closed pipes, with real processes and a real terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.cli.memory import SHORT

TOP = Path(__file__).parents[3]
LIMIT_S = 30

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the program over a scenario; whatever is left of it is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, terminal: int | None = None) -> subprocess.Popen[str]:
        output = subprocess.PIPE if terminal is None else terminal
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.cli.program", *words],
            cwd=TOP,
            text=True,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=output,
            stderr=output,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def until_it_waits(process: subprocess.Popen[str]) -> None:
    """Returns when the program waits for its server."""
    assert process.stderr is not None
    for line in process.stderr:
        if "WAITING" in line:
            return
    pytest.fail("it ended before it waited")


def test_sigint_without_a_terminal_cancels(start: Start) -> None:
    """Nobody can be asked: the task is stopped and its end is waited for."""
    process = start("waits", "run", "t")
    until_it_waits(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 4
    assert "cancelling" in out
    assert "cancelled" in out


def test_sigterm_detaches(start: Start) -> None:
    """A supervisor that stops the client does not stop the work."""
    process = start("waits", "run", "t")
    until_it_waits(process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0
    assert f"ai-orchestrator tasks watch {SHORT}" in out


def test_sigint_of_a_watcher_only_stops_watching(start: Start) -> None:
    """The task belongs to somebody else."""
    process = start("waits", "tasks", "watch", SHORT)
    until_it_waits(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0
    assert "goes on without this command" in out


def test_sigint_before_acceptance_exits_130(start: Start) -> None:
    """Nothing was started, so nothing is left."""
    process = start("deaf", "run", "t", "--json")
    until_it_waits(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130
    assert '"code":"interrupted"' in out
    assert "Traceback" not in err


def test_sigint_during_the_hand_over_counts_after_it(start: Start) -> None:
    """A task that was just accepted is not lost sight of: it is cancelled by name."""
    process = start("slow", "run", "t")
    until_it_waits(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 4
    assert f"task {SHORT} accepted" in out


def test_closed_pipe_is_quiet(start: Start) -> None:
    """`tasks logs | head` prints no error and exits 0."""
    process = start("endless", "tasks", "logs", SHORT)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line\n"
    process.stdout.close()

    assert process.wait(timeout=LIMIT_S) == 0
    assert process.stderr.read() == ""


def test_a_problem_that_nobody_reads_keeps_its_exit_code(start: Start) -> None:
    """`tasks show nope --json` into a closed pipe."""
    process = start("waits", "tasks", "show", "no id", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    assert process.wait(timeout=LIMIT_S) == 2
    assert "Traceback" not in process.stderr.read()


class Screen:
    """A pseudo-terminal with the program on it."""

    def __init__(self, start: Start, *words: str) -> None:
        self._master, slave = pty.openpty()
        self.process = start(*words, terminal=slave)
        os.close(slave)
        self.seen = ""

    def until(self, text: str) -> None:
        """Reads until the text was shown; pytest's time limit is the deadline."""
        while text not in self.seen:
            self.seen += os.read(self._master, 65_536).decode("utf-8", "replace")

    def rest(self) -> str:
        """Everything up to the end of the program."""
        try:
            while chunk := os.read(self._master, 65_536):
                self.seen += chunk.decode("utf-8", "replace")
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(self._master)
        self.process.wait(timeout=LIMIT_S)
        return self.seen

    def type(self, text: str) -> None:
        """Keys."""
        os.write(self._master, text.encode())


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        pytest.param("d\n", 0, "goes on without this command", id="detach"),
        pytest.param("what?\nc\n", 4, "cancelled", id="cancel-after-nonsense"),
    ],
)
def test_sigint_on_a_terminal_asks(start: Start, answer: str, code: int, told: str) -> None:
    """The live view makes room for the question, and the answer is followed."""
    screen = Screen(start, "waits", "--term", "xterm-256color", "run", "t")
    screen.until("WAITING")
    screen.process.send_signal(signal.SIGINT)
    screen.until("Detach or cancel? [d/c]")
    screen.type(answer)

    assert told in screen.rest()
    assert screen.process.returncode == code


def test_second_sigint_cancels(start: Start) -> None:
    """Without a word."""
    screen = Screen(start, "waits", "--term", "xterm-256color", "run", "t")
    screen.until("WAITING")
    screen.process.send_signal(signal.SIGINT)
    screen.until("Detach or cancel? [d/c]")
    screen.process.send_signal(signal.SIGINT)

    assert "cancelled" in screen.rest()
    assert screen.process.returncode == 4


def test_live_view_shows_panel_and_story(start: Start) -> None:
    """Colours, the running step with its agent, the figures, and the lines of the story."""
    screen = Screen(start, "waits", "--term", "xterm-256color", "run", "t")
    screen.until("tokens in")

    assert "\x1b[" in screen.seen
    assert "started: claude" in screen.seen
    assert "▶ " in screen.seen
    screen.process.send_signal(signal.SIGTERM)
    assert "goes on without this command" in screen.rest()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--term", "dumb", "run", "t"), id="dumb"),
        pytest.param(("--no-color", "run", "t"), id="no-color"),
    ],
)
def test_simple_terminals_get_plain_lines(start: Start, words: tuple[str, ...]) -> None:
    """No escape sequence at all."""
    seen = Screen(start, "ends", *words).rest()

    assert "started: claude" in seen
    assert "\x1b" not in seen
    assert "▶" not in seen


def test_plain_on_a_terminal_keeps_colour_but_no_panel(start: Start) -> None:
    """`--plain` is about redrawing."""
    seen = Screen(start, "ends", "--term", "xterm", "run", "t", "--plain").rest()

    assert "\x1b[32msucceeded" in seen
    assert "▶" not in seen
