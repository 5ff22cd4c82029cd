"""Any verdict is read back from any prose, and any text is read without an error."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ai_orchestrator.model.review import Finding, Severity, Verdict
from ai_orchestrator.review.fingerprint import fingerprint, normal_claim, similarity
from ai_orchestrator.review.verdict import (
    VerdictProblem,
    judge,
    parse_rejections,
    parse_suggestions,
    parse_verdict,
)

clean = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=40
)
findings = st.builds(
    Finding,
    severity=st.sampled_from(Severity),
    claim=clean,
    file=st.one_of(st.none(), clean),
    line=st.one_of(st.none(), st.integers(1, 10**6)),
    evidence=st.one_of(st.just(""), clean),
)
verdicts = st.one_of(
    st.builds(Verdict, st.just("approve"), st.lists(findings, max_size=3).map(tuple)),
    st.builds(
        Verdict,
        st.just("request_changes"),
        st.lists(findings, min_size=1, max_size=3).map(tuple),
    ),
)
prose = st.text(max_size=80).map(lambda text: text.replace("{", "(").replace('"', "'"))
jsonish = st.text(alphabet='{}[]":, `~\\\n\tjsonverdictapprovefindings0', max_size=200)


def as_json(verdict: Verdict, *, indent: int | None) -> str:
    """The verdict as an agent writes it."""
    listed = [
        {
            "severity": finding.severity.value,
            "claim": finding.claim,
            "file": finding.file,
            "line": finding.line,
            "evidence": finding.evidence,
        }
        for finding in verdict.findings
    ]
    return json.dumps({"verdict": verdict.verdict, "findings": listed}, indent=indent)


@given(verdicts, prose, prose, st.sampled_from(["{}", "\n```json\n{}\n```\n", "~~~\n{}"]))
def test_verdict_is_read_back_from_prose(
    verdict: Verdict, before: str, after: str, wrapping: str
) -> None:
    """Whatever stands around it."""
    indent = None if wrapping == "{}" else 2
    text = wrapping.replace("{}", as_json(verdict, indent=indent))
    assert parse_verdict(before + text + after) == verdict


@given(verdicts, verdicts, prose)
def test_last_of_two_verdicts_counts(first: Verdict, last: Verdict, between: str) -> None:
    """The later one is the answer."""
    text = as_json(first, indent=None) + between + as_json(last, indent=2)
    assert parse_verdict(text) == last


@given(verdicts, st.integers(1, 30))
def test_verdict_that_is_cut_off_is_none(verdict: Verdict, missing: int) -> None:
    """A truncated answer is a problem, never half a verdict."""
    text = as_json(verdict, indent=None)
    assert isinstance(parse_verdict(text[: max(0, len(text) - missing)]), VerdictProblem)


@given(st.one_of(st.text(), jsonish))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """A value or a problem with a sentence."""
    for parsed in (parse_verdict(text), parse_suggestions(text)):
        if isinstance(parsed, VerdictProblem):
            assert parsed.reason.endswith(".")
    parse_rejections(text)


@given(verdicts, st.sampled_from(Severity))
def test_raising_the_bar_never_takes_an_approval_away(verdict: Verdict, bar: Severity) -> None:
    """What passes under a strict bar passes under a milder one."""
    if judge(verdict, bar).is_approval:
        milder = [one for one in Severity if one.rank >= bar.rank]
        assert all(judge(verdict, one).is_approval for one in milder)


@given(findings, findings)
def test_similarity_is_symmetric_and_at_most_one(left: Finding, right: Finding) -> None:
    """And equal fingerprints are as similar as can be."""
    value = similarity(left, right)
    assert value == similarity(right, left)
    assert 0.0 <= value <= 1.0
    if fingerprint(left) == fingerprint(right):
        assert value == 1.0


@given(st.text(max_size=60))
def test_normal_form_of_a_claim_is_stable(claim: str) -> None:
    """Normalising twice changes nothing more."""
    once = normal_claim(claim)
    assert normal_claim(once) == once
