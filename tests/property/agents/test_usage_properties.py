"""Differences of figures that count over a conversation."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.agents.usage import largest, since
from ai_orchestrator.model.agent import Usage

COUNTS = st.none() | st.integers(0, 10**9)
MONEY = st.none() | st.decimals(0, 1000, places=6)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, MONEY)


@given(runs=st.lists(st.builds(Usage, *[st.integers(0, 10**6)] * 3), min_size=1, max_size=6))
def test_the_differences_add_up(runs: list[Usage]) -> None:
    """Nothing is counted twice or lost over the runs of a conversation."""
    thread, counted, earlier = Usage(0, 0, 0), Usage(0, 0, 0), None
    for run in runs:
        thread = thread.plus(run)
        counted = counted.plus(since(thread, earlier))
        earlier = thread
    assert counted == thread


@given(thread=USAGES, earlier=USAGES)
def test_a_difference_is_never_negative_nor_invented(thread: Usage, earlier: Usage) -> None:
    """Unmeasured stays unmeasured; a counter that went back has started anew."""
    got = since(thread, earlier)
    for field in ("input_tokens", "output_tokens", "cached_tokens", "cost_usd"):
        now, used = getattr(thread, field), getattr(got, field)
        assert (used is None) == (now is None)
        assert used is None or Decimal(0) <= used <= now


@given(left=USAGES, right=USAGES)
def test_the_largest_is_at_least_both(left: Usage, right: Usage) -> None:
    """Field by field, in either order."""
    got = largest(left, right)
    assert got == largest(right, left)
    assert largest(got, left) == got
