"""What verifier results come to: green, red, or nothing to go by. Pure.

The plan asks after every run of the verifiers, and once before the first agent is paid for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ai_orchestrator.model.review import VerifierResult
from ai_orchestrator.review.rounds import VerificationState

Baseline = Literal["expect-green", "expect-red"]

_VOLATILE = re.compile(
    r"0x[0-9a-fA-F]+"  # addresses
    r"|\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|sec|secs|seconds?|minutes?)\b"  # durations
    r"|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(?:[.,]\d+)?"  # dates and times
    r"|\bpid \d+|/tmp/[\w./-]+"
)


@dataclass(frozen=True, slots=True)
class Verification:
    """`none` only where there is no verifier. `reason` is a sentence for people."""

    state: VerificationState
    reason: str


@dataclass(frozen=True, slots=True)
class BaselineProblem:
    """Why the base is no ground to start from. `output` is what the verifiers printed."""

    reason: str
    hint: str
    output: str


def verification(
    results: Sequence[VerifierResult],
    base_results: Sequence[VerifierResult],
    *,
    is_red_base_allowed: bool,
) -> Verification:
    """The state of a commit by its verifiers' results.

    Green when every verifier is; with `is_red_base_allowed` also when each that is not green was
    not green on the base either. A base that was expected to be red excuses nothing.
    """
    if not results:
        return Verification("none", "There is no verifier.")
    red = [result for result in results if not result.is_green]
    if not red:
        return Verification("green", _all_pass(results))
    excused = excused_by_base(red, base_results) if is_red_base_allowed else ()
    worse = [result for result in red if result.name not in excused]
    if worse:
        return Verification("red", f"{_named(worse)}: {_how(worse[0])}.")
    return Verification(
        "green", f"No worse than the base, on which {_named(red)} as well (--allow-red-base)."
    )


def excused_by_base(
    red: Sequence[VerifierResult], base_results: Sequence[VerifierResult]
) -> frozenset[str]:
    """Names of red verifiers that are no worse than on the base.

    A verifier that came to an end there and does not any more (time limit, signal) is worse; one
    that has no result there has nothing to be excused by.
    """
    base = {result.name: result for result in base_results}
    return frozenset(
        result.name
        for result in red
        if result.name in base
        and not base[result.name].is_green
        and (result.code is not None or base[result.name].code is None)
    )


def baseline_problem(
    base_results: Sequence[VerifierResult], *, baseline: Baseline, is_red_base_allowed: bool
) -> BaselineProblem | None:
    """What is wrong with the base, None when work may start. No verifier: nothing is wrong."""
    red = [result for result in base_results if not result.is_green]
    if baseline == "expect-red":
        return _nothing_red(base_results) if base_results and not red else None
    if not red or is_red_base_allowed:
        return None
    return BaselineProblem(
        f"{_named(red)} on the base already, before any agent: {_how(red[0])}.",
        "Repair the base, or its `setup:`; or run with --allow-red-base (the result may then be "
        "no worse than the base); or set `baseline: expect-red` where this task is to repair it.",
        "\n\n".join(_shown(result) for result in red),
    )


def failure_signature(results: Sequence[VerifierResult]) -> str:
    """Equal for two runs that failed alike, whatever the time they took; empty when all is green.

    So that a round that brought ten failing tests down to two does not count as a standstill.
    """
    red = [result for result in results if not result.is_green]
    if not red:
        return ""
    parts = (f"{one.name}\0{one.code}\0{_VOLATILE.sub('', one.output)}" for one in red)
    text = "\0".join(sorted(parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _nothing_red(base_results: Sequence[VerifierResult]) -> BaselineProblem:
    return BaselineProblem(
        "The workflow says `baseline: expect-red`, but on the base nothing fails: "
        f"{_all_pass(base_results)[:-1].lower()}.",
        "Use `baseline: expect-green` where the task does not begin with a failing verifier.",
        "",
    )


def _all_pass(results: Sequence[VerifierResult]) -> str:
    names = ", ".join(result.name for result in results)
    verb = "Verifier passes" if len(results) == 1 else f"All {len(results)} verifiers pass"
    return f"{verb}: {names}."


def _named(results: Sequence[VerifierResult]) -> str:
    names = ", ".join(result.name for result in results)
    return f"{names} fails" if len(results) == 1 else f"{names} fail"


def _how(result: VerifierResult) -> str:
    if result.is_timed_out:
        return f"{result.name} did not end within its time limit ({result.duration_s:.0f} s)"
    if result.code is None:
        return f"{result.name} was ended by a signal"
    return f"{result.name} ended with exit code {result.code}"


def _shown(result: VerifierResult) -> str:
    return f"$ {' '.join(result.argv)}\n{result.output.rstrip()}\n({_how(result)})"
