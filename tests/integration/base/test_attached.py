"""A program that has the person's terminal, and gives it back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.server import wait_for

from ai_orchestrator.base.attached import run_attached
from ai_orchestrator.base.command import SpawnError

LIMIT_S = 60.0
ENV = {"PATH": "/usr/bin:/bin"}
CALL = """
import sys
from pathlib import Path
from ai_orchestrator.base.attached import run_attached
print("code", run_attached(("sh", "-c", sys.argv[1]), {"PATH": "/usr/bin:/bin"}, Path("/")))
"""


class Screen:
    """A terminal with a command on it that runs a script attached."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self._shown = b""

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """The command; the terminal is its own, so that Ctrl-C reaches it."""
        return subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-c", CALL, script],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
        )

    def types(self, text: str) -> None:
        """Keys."""
        os.write(self.ours, text.encode())

    def shows(self, text: str) -> None:
        """Returns once the text has been printed."""
        os.set_blocking(self.ours, False)
        wait_for(lambda: text in self._read(), f"{text!r} on the terminal")

    def _read(self) -> str:
        with contextlib.suppress(OSError):  # nothing to read, or everybody has hung up
            self._shown += os.read(self.ours, 65536)
        return self._shown.decode()

    @property
    def has_echo(self) -> bool:
        """What is typed is shown."""
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def close(self) -> None:
        """Hangs up."""
        for number in (self.ours, self.theirs):
            os.close(number)


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A terminal."""
    made = Screen()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)], ids=repr
)
def test_the_end_is_told(script: str, code: int) -> None:
    """By status or by signal."""
    assert run_attached(("sh", "-c", script), ENV, Path("/")) == code


def test_directory_and_environment_are_what_was_given(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whole; the standard streams are ours."""
    script = "pwd; env | cut -d= -f1 | sort | tr '\\n' ' '"
    assert run_attached(("sh", "-c", script), {**ENV, "A": "b"}, tmp_path) == 0
    where, names = capfd.readouterr().out.splitlines()
    assert where == str(tmp_path)
    assert names.split() == ["A", "PATH", "PWD"]


@pytest.mark.parametrize(
    ("program", "directory", "stage"),
    [("/nonexistent/x", "/", "program"), ("/bin/true", "/nonexistent", "directory")],
)
def test_what_cannot_be_started_says_why(program: str, directory: str, stage: str) -> None:
    """Program or directory."""
    with pytest.raises(SpawnError, match=stage):
        run_attached((program,), ENV, Path(directory))


def test_the_program_talks_to_the_person(screen: Screen) -> None:
    """It asks, reads a line, and sees a terminal."""
    command = screen.start("test -t 0 && test -t 1 && echo code? && read -r c && echo got=$c")
    screen.shows("code?")
    screen.types("1234\n")
    screen.shows("got=1234")
    screen.shows("code 0")
    assert command.wait(LIMIT_S) == 0


def test_ctrl_c_is_the_programs(screen: Screen) -> None:
    """It decides what becomes of it, and we tell its end."""
    command = screen.start("trap 'echo bye; exit 5' INT; echo up; read -r x; exit 6")
    screen.shows("up")
    screen.types("\x03")
    screen.shows("bye")
    screen.shows("code 5")
    assert command.wait(LIMIT_S) == 0


def test_sigterm_ends_the_program_too(screen: Screen) -> None:
    """It does not stay behind at the terminal."""
    command = screen.start("trap 'echo told; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    screen.shows("up")
    command.send_signal(signal.SIGTERM)
    screen.shows("told")
    screen.shows("code 5")
    assert command.wait(LIMIT_S) == 0


def test_the_terminal_is_as_it_was(screen: Screen) -> None:
    """Though the program died in the middle of a hidden question."""
    command = screen.start("stty -echo; echo up; read -r x; kill -9 $$")
    screen.shows("up")
    wait_for(lambda: not screen.has_echo, "the echo to be off")
    screen.types("\n")
    screen.shows("code -9")
    assert command.wait(LIMIT_S) == 0
    assert screen.has_echo
