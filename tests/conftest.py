"""What every test stands on."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.support.server import processes_naming, wait_for


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No process works on what the tests made, once the last of them has ended."""
    yield
    made = f"{tmp_path_factory.getbasetemp()}/"
    wait_for(lambda: not processes_naming(made), f"the end of every process that names {made}")


def pytest_configure() -> None:
    """Ctrl-C means something, also where a shell or nohup started the tests in the background.

    Such a shell has SIGINT and SIGQUIT ignored, and what a program is started with its children
    inherit: a test that interrupts one would wait for nothing (POSIX, Shell Command Language 2.11).
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
