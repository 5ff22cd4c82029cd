"""What a person waits for at the command line: help, the first task, the next ones, the demo."""

from __future__ import annotations

import sys

from bench.figures import Beside, Figure, median
from bench.place import PROGRAM, DataPlace, Place, run_quietly, timed_ms, timed_s

HELP_RUNS = 10
FIRST_RUNS, COLD_RUNS, WARM_RUNS = 3, 5, 7


def help_text(place: Place) -> list[Figure]:
    """The whole process of `--help`, beside an interpreter that does nothing."""
    del place
    bare, whole = [], []
    for number in range(HELP_RUNS + 1):
        times = (
            timed_ms(lambda: run_quietly([sys.executable, "-c", "pass"])),
            timed_ms(lambda: run_quietly([str(PROGRAM), "--help"])),
        )
        if number > 0:  # the first one fills the page cache
            bare.append(times[0])
            whole.append(times[1])
    beside = Beside("bare interpreter", median(bare))
    return [Figure("--help", median(whole), "ms", goal=120.0, beside=beside)]


def client(place: Place) -> list[Figure]:
    """From `run` to the shell's next prompt, with an agent that takes no time."""
    first = [_first_s(place, number) for number in range(FIRST_RUNS)]
    data = place.data("client")
    try:
        _run(place, data)
        warm = [timed_s(lambda: _run(place, data)) for _ in range(WARM_RUNS)]
        cold = [_cold_s(place, data) for _ in range(COLD_RUNS)]
    finally:
        data.stop()
    beside = Beside("warm", median(warm))
    return [
        Figure("run, warm", median(warm), "s", goal=0.3),
        Figure("run, cold: the runner is started", median(cold), "s", goal=1.5, beside=beside),
        Figure("run, first ever: empty data directory", median(first), "s", 3.0, beside),
    ]


def demo(place: Place) -> list[Figure]:
    """A whole task with a scripted model: implement, verify, review, refine, approve."""
    data = place.data("demo")
    try:
        took_s = timed_s(lambda: data.run("demo", "--plain", "--directory", str(data.root / "d")))
    finally:
        data.stop()
    return [Figure("demo", took_s, "s", goal=20.0)]


def _first_s(place: Place, number: int) -> float:
    data = place.data(f"first-{number}")
    try:
        return timed_s(lambda: _run(place, data))
    finally:
        data.stop()


def _cold_s(place: Place, data: DataPlace) -> float:
    data.stop()
    return timed_s(lambda: _run(place, data))


def _run(place: Place, data: DataPlace) -> None:
    data.run(
        *("run", "-c", str(place.configuration()), "-w", "one"),
        *("--repo", str(place.repository(10)), "--sandbox", "off", "--allow-unverified"),
        *("--plain", "Say hello in out.txt"),
    )
