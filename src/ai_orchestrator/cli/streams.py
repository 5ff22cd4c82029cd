"""The standard streams as commands find them, whatever the process was started with.

`main` calls this first. A stream that was closed (`>&-`) is /dev/null from then on, so that
nothing that is opened later takes its number. An error while writing gets a name: every command
prints, and an `OSError` of a print looks like one of anything else.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from ai_orchestrator.base.errors import EnvironmentProblemError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_NUMBERS = (0, 1, 2)


class OutputLostError(EnvironmentProblemError):
    """What was to be printed could not be: stdout is full, or its device failed."""


def prepare_streams() -> None:
    """Opens what is closed, and replaces stdout and stderr by streams that can say what failed.

    stderr drops what it cannot write: there is nowhere left to say so.
    """
    _open_closed()
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # kept open
    sys.stdout = _text(_Stdout(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Stderr(2, "w", closefd=False), sys.stderr, is_unbuffered=True)


def drop_output() -> None:
    """Lets everything that is still to be printed go nowhere, the interpreter's last flush too."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_closed() -> None:
    for number in _NUMBERS:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # noqa: FBT003  # its only way


class _Stdout(io.FileIO):
    """Names what failed. A closed pipe is no failure of ours: `| head`."""

    def write(self, data: Buffer, /) -> int:
        """As `FileIO` does."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(f"stdout cannot be written: {error.strerror}.") from error


class _Stderr(io.FileIO):
    """Takes everything."""

    def write(self, data: Buffer, /) -> int:
        """As `FileIO` does; what cannot be written counts as written."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, before: object, *, is_unbuffered: bool = False) -> io.TextIOWrapper:
    """The stream in the encoding that Python chose for the one before."""
    encoding = before.encoding if isinstance(before, io.TextIOWrapper) else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="replace",
        line_buffering=is_unbuffered or raw.isatty(),
        write_through=is_unbuffered,
    )
