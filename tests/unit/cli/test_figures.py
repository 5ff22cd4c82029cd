"""Numbers as people read them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.cli.memory import START

from ai_orchestrator.cli import figures
from ai_orchestrator.model.agent import Usage


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0s"),
        (0.44, "0.4s"),
        (9.99, "10s"),
        (12.9, "12s"),
        (192, "3m12s"),
        (7_500, "2h05m"),
    ],
)
def test_duration_has_the_precision_that_matters(seconds: float, text: str) -> None:
    """Tenths below ten seconds, minutes above an hour."""
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "unmeasured"),
        (Decimal(0), "$0.00"),
        (Decimal("0.0031"), "$0.0031"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_money_tells_unmeasured_from_nothing(usd: Decimal | None, text: str) -> None:
    """Small amounts keep their digits."""
    assert figures.money(usd) == text


def test_partly_measured_usage_says_which_part() -> None:
    """Each figure for itself."""
    assert figures.usage(Usage(5, None, None, None)) == (
        "5 tokens in, unmeasured out, cost unmeasured"
    )


@pytest.mark.parametrize(
    ("used", "text", "column"),
    [
        pytest.param(
            Usage(1_000, 20, None, Decimal("0.42"), is_cost_whole=False),
            "1,000 tokens in, 20 out, cost at least $0.42",
            ">= $0.42",
            id="cost",
        ),
        pytest.param(
            Usage(1_000, 20, None, Decimal("0.42"), is_tokens_whole=False),
            "at least 1,000 tokens in, 20 out, cost $0.42",
            "$0.42",
            id="tokens",
        ),
        pytest.param(
            Usage(is_tokens_whole=False, is_cost_whole=False),
            "tokens unmeasured, cost unmeasured",
            "unmeasured",
            id="nothing",
        ),
    ],
)
def test_a_partly_measured_sum_is_told_as_a_lower_bound(
    used: Usage, text: str, column: str
) -> None:
    """What a run did not tell is not taken for zero."""
    assert (figures.usage(used), figures.cost(used)) == (text, column)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59, "59s"), (60, "1m"), (7_300, "2h"), (200_000, "2d")]
)
def test_age_is_in_its_largest_unit(seconds: int, text: str) -> None:
    """A clock that runs ahead shows as now."""
    assert figures.age(START, START + timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (3_400_000, "3.4 MB"), (2e13, "20.0 TB")]
)
def test_size_is_decimal(count: float, text: str) -> None:
    """As disks are sold."""
    assert figures.size(int(count)) == text
