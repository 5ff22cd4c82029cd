"""The language of `when` and `until`: a closed grammar over a few facts, never evaluated as code.

Loading a workflow parses every condition, so that a wrong one is refused before a task starts;
the plan evaluates the frozen text against the facts of the moment. Pure.

    condition  := both ("or" both)*
    both       := negation ("and" negation)*
    negation   := "not" negation | comparison
    comparison := operand (("==" | "!=" | "<" | "<=" | ">" | ">=") operand)?
    operand    := NAME | NUMBER | "true" | "false" | "(" condition ")"
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, assert_never, cast

from ai_orchestrator.base.errors import BadInputError, shorten

MAX_CHARS = 500  # a guess: the longest useful condition has some 80
MAX_DEPTH = 30
MAX_DIGITS = 9

Kind = Literal["number", "truth"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition may ask about, as it is when it is asked."""

    iteration: int
    """Round of the loop, from 1; 1 outside a loop."""
    open_findings: int
    """Open findings at or above the bar."""
    failed_verifiers: int
    """Verifiers that were not green at their last run."""
    verified: bool
    """The tree as it is now passed the verifiers."""
    approved: bool
    """Every reviewer's last word is an approval of the tree as it is now."""
    changed: bool
    """The tree differs from the one the task started from."""


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """The name of a field of `Facts`."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a truth."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Compare:
    """Two numbers compared, or two truths for being the same or not."""

    operator: Operator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Join:
    """Two truths of which both must hold (`and`), or at least one (`or`)."""

    word: Literal["and", "or"]
    left: Expression
    right: Expression


Expression = Number | Truth | Fact | Not | Compare | Join


class ConditionError(BadInputError):
    """A text that is no condition. `position` is the character, from 0, where it goes wrong."""

    code = "condition"

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{problem} (character {position + 1} of '{shorten(text)}')")
        self.position = position
        self.problem = problem


FACT_KINDS: Mapping[str, Kind] = {
    "iteration": "number",
    "open_findings": "number",
    "failed_verifiers": "number",
    "verified": "truth",
    "approved": "truth",
    "changed": "truth",
}
"""Every name that a condition may use, with what it is."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|[<>()]))"
)
_COMPARISONS: Mapping[str, Operator] = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_RESERVED = frozenset({"and", "or", "not", "true", "false"})


@lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """The condition's meaning; raises `ConditionError` for anything that is not one."""
    reader = _Reader(text)
    expression = reader.condition(0)
    reader.expect_end()
    reader.expect_kind(expression, "truth", 0)
    return expression


def evaluate(expression: Expression, facts: Facts) -> bool:
    """Whether the condition holds. The expression comes from `parse`, so it is a truth."""
    return bool(_value(expression, facts))


def unparse(expression: Expression) -> str:
    """A text that parses to the same expression."""
    match expression:
        case Number(value):
            return str(value)
        case Truth(value):
            return "true" if value else "false"
        case Fact(name):
            return name
        case Not(operand):
            return f"not {_operand_text(operand)}"
        case Compare(sign, left, right):
            return f"{_operand_text(left)} {sign} {_operand_text(right)}"
        case Join(word, left, right):
            return f"{_operand_text(left)} {word} {_operand_text(right)}"
        case _:
            assert_never(expression)


def _operand_text(expression: Expression) -> str:
    text = unparse(expression)
    return text if isinstance(expression, Number | Truth | Fact) else f"({text})"


def _value(expression: Expression, facts: Facts) -> int | bool:
    match expression:
        case Number(number):
            return number
        case Truth(truth):
            return truth
        case Fact(name):
            return cast("int | bool", getattr(facts, name))
        case Not(operand):
            return not _value(operand, facts)
        case Compare(sign, left, right):
            return _COMPARE[sign](_value(left, facts), _value(right, facts))
        case Join(word, left, right):
            is_decided = bool(_value(left, facts)) is (word == "or")
            return word == "or" if is_decided else bool(_value(right, facts))
        case _:
            assert_never(expression)


_COMPARE: Mapping[Operator, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _kind(expression: Expression) -> Kind:
    match expression:
        case Number():
            return "number"
        case Fact(name):
            return FACT_KINDS[name]
        case Truth() | Not() | Compare() | Join():
            return "truth"
        case _:
            assert_never(expression)


_KIND_NAMES: Mapping[Kind, str] = {"number": "a number", "truth": "true or false"}


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    position: int
    is_word: bool


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        if len(text) > MAX_CHARS:
            raise self._error(MAX_CHARS, f"a condition has at most {MAX_CHARS} characters")
        self._tokens = self._tokenise()
        self._next = 0

    def condition(self, depth: int) -> Expression:
        """`both ("or" both)*`."""
        self._check_depth(depth)
        start = self._position()
        left = self._both(depth)
        while self._take("or"):
            left = Join("or", *self._truths(left, start, self._both, depth))
        return left

    def _both(self, depth: int) -> Expression:
        start = self._position()
        left = self._negation(depth)
        while self._take("and"):
            left = Join("and", *self._truths(left, start, self._negation, depth))
        return left

    def _truths(
        self, left: Expression, start: int, read: Callable[[int], Expression], depth: int
    ) -> tuple[Expression, Expression]:
        self.expect_kind(left, "truth", start)
        start = self._position()
        right = read(depth)
        self.expect_kind(right, "truth", start)
        return left, right

    def _negation(self, depth: int) -> Expression:
        self._check_depth(depth)
        if not self._take("not"):
            return self._comparison(depth)
        start = self._position()
        operand = self._negation(depth + 1)
        self.expect_kind(operand, "truth", start)
        return Not(operand)

    def _comparison(self, depth: int) -> Expression:
        start = self._position()
        left = self._operand(depth)
        token = self._peek()
        if token is None or token.text not in _COMPARISONS:
            return left
        self._next += 1
        right_start = self._position()
        right = self._operand(depth)
        sign = _COMPARISONS[token.text]
        if sign in ("==", "!="):
            self.expect_kind(right, _kind(left), right_start)
        else:
            self.expect_kind(left, "number", start)
            self.expect_kind(right, "number", right_start)
        return Compare(sign, left, right)

    def _operand(self, depth: int) -> Expression:
        token = self._peek()
        if token is None:
            raise self._error(len(self._text), "something is missing at the end")
        self._next += 1
        if token.text == "(":
            inner = self.condition(depth + 1)
            if not self._take(")"):
                raise self._error(self._position(), "')' is missing")
            return inner
        if token.text in ("true", "false"):
            return Truth(token.text == "true")
        if token.text.isdigit():
            return self._number(token)
        if token.is_word and token.text not in _RESERVED:
            return self._fact(token)
        raise self._error(token.position, f"a name or a number is expected, not '{token.text}'")

    def _number(self, token: _Token) -> Number:
        if len(token.text) > MAX_DIGITS:
            raise self._error(token.position, f"a number has at most {MAX_DIGITS} digits")
        return Number(int(token.text))

    def _fact(self, token: _Token) -> Fact:
        if token.text in FACT_KINDS:
            return Fact(token.text)
        close = difflib.get_close_matches(token.text, FACT_KINDS, n=1)
        guess = f" Did you mean '{close[0]}'?" if close else ""
        known = ", ".join(FACT_KINDS)
        raise self._error(
            token.position, f"no name '{shorten(token.text)}'. Known: {known}.{guess}"
        )

    def expect_end(self) -> None:
        """Nothing is left over."""
        token = self._peek()
        if token is not None:
            raise self._error(token.position, f"'{token.text}' does not belong here")

    def expect_kind(self, expression: Expression, wanted: Kind, position: int) -> None:
        """The expression is a number, or a truth, as wanted."""
        found = _kind(expression)
        if found != wanted:
            raise self._error(
                position,
                f"'{unparse(expression)}' is {_KIND_NAMES[found]}, "
                f"but {_KIND_NAMES[wanted]} is needed here",
            )

    def _tokenise(self) -> list[_Token]:
        tokens = []
        position = 0
        end = len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                start = position + len(self._text[position:]) - len(self._text[position:].lstrip())
                raise self._error(start, f"unexpected character {self._text[start]!r}")
            kind = match.lastgroup or ""
            tokens.append(_Token(match[kind], match.start(kind), kind == "word"))
            position = match.end()
        return tokens

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.text != text:
            return False
        self._next += 1
        return True

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _position(self) -> int:
        token = self._peek()
        return len(self._text) if token is None else token.position

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._error(self._position(), f"nested deeper than {MAX_DEPTH}")

    def _error(self, position: int, problem: str) -> ConditionError:
        return ConditionError(self._text, position, problem)
