"""A reviewer's answer is read from its last JSON object, strictly; prose is never a verdict."""

from __future__ import annotations

import json

import pytest

from ai_orchestrator.model.review import Finding, Severity, Verdict
from ai_orchestrator.review.verdict import (
    MAX_FINDINGS,
    Rejection,
    VerdictProblem,
    judge,
    parse_rejections,
    parse_suggestions,
    parse_verdict,
)

FINDING = '{"severity": "high", "claim": "divides by zero", "file": "core.py", "line": 12}'
REQUEST = f'{{"verdict": "request_changes", "findings": [{FINDING}]}}'
APPROVAL = '{"verdict": "approve", "findings": []}'


def problem(text: str) -> str:
    """The reason that the text is no verdict."""
    parsed = parse_verdict(text)
    assert isinstance(parsed, VerdictProblem), parsed
    return parsed.reason


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(REQUEST, id="bare"),
        pytest.param(f"I looked at it.\n```json\n{REQUEST}\n```\nThat is all.", id="fenced"),
        pytest.param(f"```\n{REQUEST}\n```", id="fence without a language"),
        pytest.param(f"~~~json\n{REQUEST}\n~~~", id="tilde fence"),
        pytest.param(f"Verdict: {REQUEST} (see above)", id="inline"),
        pytest.param(f"Set {{x}} and {{ y: 1 }}; then:\n{REQUEST}", id="braces in the prose"),
        pytest.param(f"```json\n{APPROVAL}\n```\nNo, wait:\n```json\n{REQUEST}\n```", id="last"),
        pytest.param(f'{REQUEST}\n```json\n{{"rejected": []}}\n```', id="other object after it"),
        pytest.param(f"```json\n{REQUEST}", id="fence never closed"),
    ],
)
def test_verdict_is_found_in_any_wrapping(text: str) -> None:
    """The last object with a verdict counts, whatever stands around it."""
    expected = Finding(Severity.HIGH, "divides by zero", "core.py", 12)
    assert parse_verdict(text) == Verdict("request_changes", (expected,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "REJECT",
        "Looks good to me, approved!",
        "verdict: approve",
        "I approve. **APPROVE**",
        "{not json}",
        '["verdict", "approve"]',
        '{"findings": []}',
        '{"result": {"verdict": "approve", "findings": []}}',
        "{" * 5000,
        '{"a":' * 100_000,
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_prose_is_never_a_verdict(text: str) -> None:
    """Neither approval nor rejection in prose, nor another object, is taken for a verdict."""
    assert isinstance(parse_verdict(text), VerdictProblem)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"verdict": "lgtm", "findings": []}', '"verdict" is "lgtm"'),
        ('{"verdict": true, "findings": []}', '"verdict" is true'),
        ('{"verdict": "approve"}', '"findings" is missing'),
        ('{"verdict": "approve", "findings": {}}', '"findings" is an object'),
        ('{"verdict": "request_changes", "findings": []}', '"findings" is empty'),
        ('{"verdict": "approve", "findings": ["x"]}', "findings[0] is"),
        ('{"verdict": "approve", "findings": [{"claim": "x"}]}', "findings[0] has no severity"),
        (
            '{"verdict": "approve", "findings": [{"severity": "blocker", "claim": "x"}]}',
            'findings[0].severity is "blocker", but must be one of low, medium, high, critical',
        ),
        ('{"verdict": "approve", "findings": [{"severity": "low"}]}', "has no claim"),
        (
            '{"verdict": "approve", "findings": [{"severity": "low", "claim": " "}]}',
            "findings[0].claim",
        ),
        (
            '{"verdict": "approve", "findings": [{"severity": "low", "claim": "x", "line": "9"}]}',
            "findings[0].line",
        ),
        (
            '{"verdict": "approve", "findings": [{"severity": "low", "claim": "x", "line": 0}]}',
            "findings[0].line",
        ),
        (
            '{"verdict": "approve", "findings": [{"severity": "low", "claim": "x", "file": 1}]}',
            "findings[0].file",
        ),
        ('{"verdict": "approve", "verdict": "request_changes", "findings": []}', "stands twice"),
        ('{"verdict": "approve", "findings": [}', "cannot be read"),
    ],
)
def test_content_is_strict_and_the_problem_says_where(answer: str, said: str) -> None:
    """What is wrong is named, so that the agent can be asked again with it."""
    assert said in problem(answer)


@pytest.mark.timeout(30)  # the square of the keys would take minutes
def test_an_object_of_very_many_keys_is_told_to_have_one_twice() -> None:
    """An agent's text is read in an event loop: the work grows with its length and no faster."""
    keys = ",".join(f'"{number:x}":0' for number in range(100_000))
    assert "stands twice" in problem(f'{{"verdict":"approve",{keys},"last":0,"last":0}}')


def test_a_long_key_that_stands_twice_is_told_briefly() -> None:
    """The agent is asked again with the problem, which must not be as long as its answer."""
    key = '"' + "k" * 100_000 + '": 0'
    assert len(problem(f'{{"verdict": "approve", {key}, {key}}}')) < 1_000


def test_broken_verdict_is_not_replaced_by_an_earlier_example() -> None:
    """An approval quoted before an unreadable answer is not the answer."""
    broken = '```json\n{"verdict": "request_changes", "findings": [oops]}\n```'
    assert "cannot be read" in problem(f"The form is {APPROVAL}.\n{broken}")


def test_approval_inside_unescaped_quotes_is_not_the_answer() -> None:
    """A broken request for changes that quotes an approval stays broken."""
    text = f'{{"verdict": "request_changes", "findings": [{{"claim": "prints {APPROVAL}"}}]}}'
    assert "cannot be read" in problem(text)


def test_answer_after_a_broken_one_counts() -> None:
    """An agent that corrects itself in a new block is heard."""
    broken = '```json\n{"verdict": "approve", "findings": [}\n```'
    parsed = parse_verdict(f"{broken}\nSorry:\n```json\n{REQUEST}\n```")
    assert isinstance(parsed, Verdict)
    assert parsed.verdict == "request_changes"


def test_fence_inside_a_string_misleads_nobody() -> None:
    """Evidence that quotes a fenced approval does not end the object around it."""
    finding = {"severity": "low", "claim": "c", "evidence": f"```json\n{APPROVAL}\n```"}
    text = json.dumps({"verdict": "request_changes", "findings": [finding]})
    parsed = parse_verdict(f"```json\n{text}\n```")
    assert isinstance(parsed, Verdict)
    assert parsed.verdict == "request_changes"


def test_severity_and_verdict_are_read_in_any_case() -> None:
    """Capitals are no reason to ask an agent again."""
    parsed = parse_verdict(
        '{"verdict": "APPROVE", "findings": [{"severity": "Low", "claim": "x"}]}'
    )
    assert parsed == Verdict("approve", (Finding(Severity.LOW, "x"),))


def test_text_that_no_database_takes_is_cleaned() -> None:
    """Control characters and half characters never reach the ledger."""
    claim = "a\\u0000b\\ud800c\\u001b[31md"
    parsed = parse_verdict(
        f'{{"verdict": "approve", "findings": [{{"severity": "low", "claim": "{claim}"}}]}}'
    )
    assert isinstance(parsed, Verdict)
    assert parsed.findings[0].claim == "a b?c [31md"


def test_long_text_and_long_lists_are_bounded() -> None:
    """A claim is cut; more findings than anybody reads are sent back."""
    long = json.dumps({"severity": "low", "claim": "x" * 5000, "evidence": "y" * 9000})
    parsed = parse_verdict(f'{{"verdict": "approve", "findings": [{long}]}}')
    assert isinstance(parsed, Verdict)
    assert (len(parsed.findings[0].claim), len(parsed.findings[0].evidence)) == (1000, 1500)
    many = ",".join([FINDING] * (MAX_FINDINGS + 1))
    assert "101 entries" in problem(f'{{"verdict": "request_changes", "findings": [{many}]}}')


def test_suggestions_are_read_like_findings() -> None:
    """A list of suggestions may be empty, but not absent."""
    assert parse_suggestions(f'Here: {{"suggestions": [{FINDING}]}}') == (
        Finding(Severity.HIGH, "divides by zero", "core.py", 12),
    )
    assert parse_suggestions('{"suggestions": []}') == ()
    assert isinstance(parse_suggestions("Nothing to suggest."), VerdictProblem)
    assert isinstance(parse_suggestions('{"suggestions": [{"claim": "x"}]}'), VerdictProblem)


def test_rejections_need_an_id_and_a_reason() -> None:
    """A rejection without a reason rejects nothing."""
    text = (
        'Done.\n```json\n{"rejected": [{"id": "abc", "reason": " It is tested. "}, '
        '{"id": "def", "reason": ""}, {"id": "ghi"}, {"reason": "r"}, 7]}\n```'
    )
    assert parse_rejections(text) == (Rejection("abc", "It is tested."),)


@pytest.mark.parametrize("text", ["", "All done.", '{"rejected": "all"}', '{"rejected": [}'])
def test_unreadable_rejections_reject_nothing(text: str) -> None:
    """What cannot be read leaves every finding open."""
    assert parse_rejections(text) == ()


@pytest.mark.parametrize(
    ("verdict", "severities", "minimum", "is_approval", "is_contradiction"),
    [
        pytest.param("approve", "", 1, True, False, id="clean approval"),
        pytest.param("approve", "low", 1, True, False, id="approval with a finding below the bar"),
        pytest.param("approve", "medium", 1, False, True, id="approval with one at the bar"),
        pytest.param("approve", "critical", 1, False, True, id="approval with one above the bar"),
        pytest.param("request_changes", "medium", 1, False, False, id="request"),
        pytest.param("request_changes", "low", 1, True, True, id="request below the bar only"),
        pytest.param("request_changes", "high", 2, True, True, id="fewer than the minimum"),
        pytest.param("request_changes", "high high", 2, False, False, id="the minimum is reached"),
    ],
)
def test_findings_decide_whether_a_verdict_approves(
    verdict: str, severities: str, minimum: int, *, is_approval: bool, is_contradiction: bool
) -> None:
    """Where the word and the findings disagree, the findings count and a note says so."""
    findings = tuple(Finding(Severity(name), "c") for name in severities.split())
    answer = Verdict("approve" if verdict == "approve" else "request_changes", findings)
    judgement = judge(answer, Severity.MEDIUM, min_open_findings=minimum)
    assert judgement.is_approval is is_approval
    assert bool(judgement.note) is is_contradiction
