"""Properties of the condition language: printing round-trips, and garbage is refused in one way."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ai_orchestrator.workflows.condition import (
    FACT_KINDS,
    Compare,
    ConditionError,
    Expression,
    Fact,
    Facts,
    Join,
    Not,
    Number,
    Operator,
    Truth,
    evaluate,
    parse,
    unparse,
)

NUMBERS = st.one_of(
    st.integers(0, 999).map(Number),
    st.sampled_from([Fact(name) for name, kind in FACT_KINDS.items() if kind == "number"]),
)
ORDERS: list[Operator] = ["==", "!=", "<", "<=", ">", ">="]
SAMES: list[Operator] = ["==", "!="]
SIMPLE_TRUTHS: st.SearchStrategy[Expression] = st.one_of(
    st.booleans().map(Truth),
    st.sampled_from([Fact(name) for name, kind in FACT_KINDS.items() if kind == "truth"]),
    st.builds(Compare, st.sampled_from(ORDERS), NUMBERS, NUMBERS),
)
TRUTHS = st.recursive(
    SIMPLE_TRUTHS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Join, st.sampled_from(["and", "or"]), inner, inner),
        st.builds(Compare, st.sampled_from(SAMES), inner, inner),
    ),
    max_leaves=6,
)
FACTS = st.builds(
    Facts,
    iteration=st.integers(1, 9),
    open_findings=st.integers(0, 9),
    failed_verifiers=st.integers(0, 9),
    verified=st.booleans(),
    approved=st.booleans(),
    changed=st.booleans(),
)


@given(TRUTHS, FACTS)
def test_printed_condition_parses_to_itself(expression: Expression, facts: Facts) -> None:
    """Printing loses nothing, neither the tree nor its meaning."""
    again = parse(unparse(expression))
    assert again == expression
    assert evaluate(again, facts) is evaluate(expression, facts)


@given(st.text(max_size=60))
@example("0٣")
@example("verified\x00")
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    """Whatever a file says, the only error is `ConditionError`, with a position in the text."""
    expression, position = _parsed(text)
    assert 0 <= position <= len(text)
    if expression is not None:
        assert parse(unparse(expression)) == expression


def _parsed(text: str) -> tuple[Expression | None, int]:
    try:
        return parse(text), 0
    except ConditionError as error:
        return None, error.position


WORDS = st.lists(
    st.sampled_from([*FACT_KINDS, *ORDERS, "and", "or", "not", "true", "false", "(", ")", "1"]),
    max_size=12,
).map(" ".join)


@given(WORDS, FACTS)
def test_words_of_the_language_are_evaluated_or_refused(text: str, facts: Facts) -> None:
    """What parses can always be evaluated, to a bool."""
    try:
        expression = parse(text)
    except ConditionError:
        return
    assert isinstance(evaluate(expression, facts), bool)
