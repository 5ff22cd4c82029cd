"""What a measurement came to, how it is judged, and how it is shown. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["PASS", "FAIL", "not measured", ""]
Unit = Literal["ms", "s"]
BUSY_LOAD_PER_CPU = 0.75
"""A guess: above this, others had the processor for a good part of the time."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What a figure is compared with; measured in the same run, in the figure's unit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A time, the most that it may be, and what it stands beside.

    Without a goal it is shown and judged by nobody. Without a value `why_not` says what was in the
    way of measuring it.
    """

    name: str
    value: float | None
    unit: Unit
    goal: float | None = None
    beside: Beside | None = None
    why_not: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the goal was met; empty where there is none."""
        if self.value is None:
            return "not measured"
        if self.goal is None:
            return ""
        return "PASS" if self.value <= self.goal else "FAIL"

    @property
    def has_missed(self) -> bool:
        """There is a goal, and it was not shown to be met."""
        return self.goal is not None and self.verdict != "PASS"


@dataclass(frozen=True, slots=True)
class Machine:
    """What else went on while it was measured."""

    cpus: int
    load_before: float
    load_after: float

    @property
    def is_busy(self) -> bool:
        """Others had the processor too: the times are too long, the ratios less so."""
        return self.load_before > BUSY_LOAD_PER_CPU * self.cpus


def median(values: Sequence[float]) -> float:
    """The median. Raises `ValueError` where nothing was measured."""
    if not values:
        raise ValueError("nothing was measured")
    return statistics.median(values)


def table(figures: Sequence[Figure]) -> str:
    """One line per figure, in columns."""
    rows = [("figure", "median", "goal", "", "beside it"), *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(_line(row, widths) for row in rows)


def summary(figures: Sequence[Figure], machine: Machine) -> str:
    """How many goals were met, and what to think of the times."""
    wanted = [figure for figure in figures if figure.goal is not None]
    missed = [figure for figure in wanted if figure.has_missed]
    counts = f"{len(wanted) - len(missed)} of {len(wanted)} goals met"
    load = (
        f"load {machine.load_before:.2f} before, {machine.load_after:.2f} after, "
        f"{machine.cpus} processors"
    )
    if not machine.is_busy:
        return f"{counts}; {load}."
    return (
        f"{counts}; {load}.\nThe machine was busy before the start: these times are too long. "
        "The ratios in the last column are what can be compared."
    )


def as_document(figures: Sequence[Figure], machine: Machine) -> dict[str, object]:
    """For programs: everything, with the verdicts."""
    listed: list[Mapping[str, object]] = [
        {**asdict(figure), "verdict": figure.verdict} for figure in figures
    ]
    return {"machine": {**asdict(machine), "is_busy": machine.is_busy}, "figures": listed}


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    value = "" if figure.value is None else _amount(figure.value, figure.unit)
    goal = "" if figure.goal is None else f"<= {_amount(figure.goal, figure.unit)}"
    return figure.name, value, goal, figure.verdict, figure.why_not or _ratio(figure)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, value, goal, verdict, rest = row
    columns = (
        name.ljust(widths[0]),
        value.rjust(widths[1]),
        goal.rjust(widths[2]),
        verdict.ljust(widths[3]),
        rest,
    )
    return "  ".join(columns).rstrip()


def _ratio(figure: Figure) -> str:
    if figure.beside is None or figure.value is None:
        return ""
    other = f"{figure.beside.name} {_amount(figure.beside.value, figure.unit)}"
    if figure.beside.value <= 0:
        return other
    return f"{figure.value / figure.beside.value:.2g} x {other}"


def _amount(value: float, unit: Unit) -> str:
    return f"{value:.1f} ms" if unit == "ms" else f"{value:.2f} s"
