"""Signals as bytes in a pipe, so that one poll waits for them beside sockets, without races.

Used by the guardian and its keepers, which are single-threaded; imports next to nothing.
"""

from __future__ import annotations

import os
import signal

IGNORED = (signal.SIGINT, signal.SIGHUP)
"""Ctrl-C and a closed terminal are for the owner to act on; the end of its socket tells us."""

IGNORED_BY_US_OR_OTHERS = (*IGNORED, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM)
"""What we, Python, nohup or a shell's `&` may have set to ignore, which exec would hand on."""


class SignalPipe:
    """SIGCHLD, SIGALRM and SIGTERM, each as a byte of its number; replaces an earlier one."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
            signal.signal(number, _be_woken)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def fileno(self) -> int:
        """What to poll for reading."""
        return self._read

    def drain(self) -> bytes:
        """The numbers of the signals that came since the last call; each may stand for several."""
        try:
            return os.read(self._read, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the descriptors back; only in a fork, which makes a pipe of its own."""
        os.close(self._read)
        os.close(self._write)


def _be_woken(_number: int, _frame: object) -> None:
    """Nothing: the byte that the C handler wrote into the pipe is all that is wanted."""
