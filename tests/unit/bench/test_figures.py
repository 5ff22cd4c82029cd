"""How figures are judged and shown."""

from __future__ import annotations

import json

import pytest
from bench.figures import Beside, Figure, Machine, Verdict, as_document, median, summary, table

QUIET = Machine(cpus=2, load_before=0.2, load_after=1.0)
BUSY = Machine(cpus=2, load_before=3.0, load_after=3.0)


@pytest.mark.parametrize(
    ("figure", "verdict", "has_missed"),
    [
        pytest.param(Figure("a", 30.0, "ms", goal=30.0), "PASS", False, id="at-the-goal"),
        pytest.param(Figure("a", 30.1, "ms", goal=30.0), "FAIL", True, id="above-it"),
        pytest.param(Figure("a", 30.1, "ms"), "", False, id="without-a-goal"),
        pytest.param(Figure("a", None, "ms", goal=1.0), "not measured", True, id="not-measured"),
        pytest.param(Figure("a", None, "ms"), "not measured", False, id="nor-wanted"),
        pytest.param(Figure("a", -0.5, "ms", goal=30.0), "PASS", False, id="less-than-nothing"),
    ],
)
def test_figure_is_judged_by_its_goal(
    figure: Figure, verdict: Verdict, *, has_missed: bool
) -> None:
    """What could not be measured was not shown to be met."""
    assert figure.verdict == verdict
    assert figure.has_missed is has_missed


def test_table_shows_value_goal_verdict_and_ratio() -> None:
    """One line per figure, the columns below each other."""
    lines = table(
        [
            Figure("step", 24.0, "ms", goal=30.0, beside=Beside("git", 3.0)),
            Figure("demo", None, "s", goal=20.0, why_not="no bubblewrap"),
        ]
    ).splitlines()
    assert lines[1].split() == [
        "step",
        "24.0",
        "ms",
        "<=",
        "30.0",
        "ms",
        "PASS",
        *["8", "x", "git", "3.0", "ms"],
    ]
    assert lines[2].endswith("not measured  no bubblewrap")
    assert len({line.index("<=") for line in lines[1:]}) == 1


def test_figure_beside_nothing_has_no_ratio() -> None:
    """A time of 0 beside it is shown and not divided by."""
    text = table([Figure("step", 24.0, "ms", beside=Beside("git", 0.0))])
    assert text.endswith("git 0.0 ms")


@pytest.mark.parametrize(
    ("machine", "is_told"),
    [pytest.param(QUIET, False, id="quiet"), pytest.param(BUSY, True, id="busy")],
)
def test_busy_machine_is_told(machine: Machine, *, is_told: bool) -> None:
    """Times of a busy machine are not to be quoted."""
    text = summary([Figure("a", 1.0, "ms", goal=2.0), Figure("b", 3.0, "ms", goal=2.0)], machine)
    assert text.startswith("1 of 2 goals met; load")
    assert ("was busy" in text) is is_told


def test_document_for_programs_holds_verdicts_and_the_load() -> None:
    """It is JSON, with everything the table is made from."""
    figures = [Figure("step", 24.0, "ms", goal=30.0, beside=Beside("git", 3.0))]
    document = json.loads(json.dumps(as_document(figures, BUSY)))
    assert document["machine"]["is_busy"] is True
    assert document["figures"][0]["verdict"] == "PASS"
    assert document["figures"][0]["beside"] == {"name": "git", "value": 3.0}


def test_median_of_nothing_is_an_error() -> None:
    """A measurement that measured nothing must not look like a good one."""
    with pytest.raises(ValueError, match="nothing was measured"):
        median([])
