"""Runs a program that talks to the person at this terminal, and waits for its end.

Only for a vendor's own login (`services/login.py`): it asks, opens a browser, reads a code. Such a
child needs our terminal, which the spawners of `process.py` take from theirs; it belongs to no task
and ends with the command that started it. Like that module this one may start processes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ai_orchestrator.base.command import Command, Stage, spawn_error

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def run_attached(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
    """The program's exit status, or the negative number of the signal that ended it.

    It shares our standard streams and our process group: Ctrl-C reaches it and it decides, while we
    go on waiting. SIGTERM and SIGHUP are passed on to it. The terminal's mode is restored after it.
    Raises `SpawnError` where it cannot be started.
    """
    command = Command(tuple(argv), cwd, env, tree="attached")
    sys.stdout.flush()
    sys.stderr.flush()
    with _terminal_restored(), _signals() as passing:
        try:
            process = subprocess.Popen(list(command.argv), env=dict(env), cwd=cwd)
        except OSError as error:
            is_directory = str(error.filename) == str(cwd)  # subprocess says which it was
            stage: Stage = "directory" if is_directory else "program"
            raise spawn_error(command, stage, error.errno or 0) from error
        passing.to(process)
        return process.wait()


class _Passing:
    """Passes signals on to a process; one that came before there was any is kept for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """The process to pass signals on to, those that came already first."""
        self._process = process
        while self._early:
            process.send_signal(self._early.pop(0))

    def receive(self, number: int, _: FrameType | None) -> None:
        """A handler of signals."""
        if number not in _PASSED_ON:
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


@contextmanager
def _signals() -> Iterator[_Passing]:
    """While it holds, no signal ends us: those of `_PASSED_ON` go where `to` says.

    Handlers and not SIG_IGN, which the child would inherit. Outside of the main thread, where
    Python receives no signals, nothing is changed.
    """
    passing = _Passing()
    if threading.current_thread() is not threading.main_thread():
        yield passing
        return
    numbers = (signal.SIGINT, *_PASSED_ON)
    before = {number: signal.getsignal(number) for number in numbers}
    mine = [number for number in numbers if before[number] is not signal.SIG_IGN]
    try:
        for number in mine:
            signal.signal(number, passing.receive)
        yield passing
    finally:
        for number in mine:
            signal.signal(number, before[number])


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """A program that dies in the middle of a question leaves the terminal without echo."""
    try:
        mode = termios.tcgetattr(0)
    except termios.error:  # standard input is no terminal
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):  # it has gone meanwhile
            termios.tcsetattr(0, termios.TCSADRAIN, mode)
