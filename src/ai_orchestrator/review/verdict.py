"""A reviewer's answer made into a value, or into what is wrong with it.

The workflow parses every answer here, once. A problem is told to the agent, which is asked again;
prose such as "REJECT" or "looks good" is never a verdict, in neither direction.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from ai_orchestrator.model.review import Finding, Severity, Verdict
from ai_orchestrator.review.answer import Absent, Broken, JsonObject, is_object, last_object

MAX_FINDINGS = 100
"""A guess: more than anybody acts on in one round, and it bounds the ledger."""
CLAIM_CHARS = 1_000
EVIDENCE_CHARS = 1_500
"""Longer text is cut, so that a finding fits into one event of 16 KB."""
PATH_CHARS = 400

FINDING_SHAPE = (
    '{"severity": "low|medium|high|critical", "claim": "what is wrong", '
    '"file": "path or null", "line": 12, "evidence": "how you know"}'
)
VERDICT_SHAPE = f'{{"verdict": "approve|request_changes", "findings": [{FINDING_SHAPE}]}}'
SUGGESTIONS_SHAPE = f'{{"suggestions": [{FINDING_SHAPE}]}}'
REJECTIONS_SHAPE = '{"rejected": [{"id": "id of the finding", "reason": "why it is not so"}]}'
"""What prompts show as the object to answer with."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SEVERITIES = ", ".join(Severity)
_VERDICTS: dict[str, Literal["approve", "request_changes"]] = {
    "approve": "approve",
    "request_changes": "request_changes",
}


@dataclass(frozen=True, slots=True)
class VerdictProblem:
    """An answer that is none. `reason` is one sentence, told to the agent with the next asking."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """The implementer's word that a finding is not so. `id` is the ledger's fingerprint."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a verdict comes to under the bar. `note` says where word and findings disagree."""

    is_approval: bool
    note: str = ""


class _ContentError(Exception):
    """What is wrong with an object, as a sentence; never leaves this module."""


def parse_verdict(text: str) -> Verdict | VerdictProblem:
    """The verdict in an answer: its last JSON object with a verdict, strict on content."""
    value = last_object(text, ("verdict",))
    if isinstance(value, Absent | Broken):
        return _unreadable(value, VERDICT_SHAPE)
    try:
        return _verdict(value)
    except _ContentError as error:
        return VerdictProblem(str(error))


def parse_suggestions(text: str) -> tuple[Finding, ...] | VerdictProblem:
    """The suggestions in an answer, perhaps none; strict like `parse_verdict`."""
    value = last_object(text, ("suggestions",))
    if isinstance(value, Absent | Broken):
        return _unreadable(value, SUGGESTIONS_SHAPE)
    try:
        return _findings(value, "suggestions")
    except _ContentError as error:
        return VerdictProblem(str(error))


def parse_rejections(text: str) -> tuple[Rejection, ...]:
    """What the implementer rejected, each with a reason.

    An unreadable answer, or a rejection without a reason, rejects nothing: the finding stays open.
    """
    value = last_object(text, ("rejected",))
    if isinstance(value, Absent | Broken):
        return ()
    items = value["rejected"]
    if not isinstance(items, list):
        return ()
    found = [_rejection(item) for item in items[:MAX_FINDINGS]]
    return tuple(rejection for rejection in found if rejection is not None)


def judge(verdict: Verdict, bar: Severity, *, min_open_findings: int = 1) -> Judgement:
    """Whether the verdict lets the work pass: by its findings, with its word as the second look.

    An approval that lists findings at or above the bar contradicts itself and is none. A request
    for changes whose findings are all below the bar blocks nothing.
    """
    blocking = sum(finding.severity.rank >= bar.rank for finding in verdict.findings)
    is_approval = blocking < min_open_findings
    if verdict.is_approval == is_approval:
        return Judgement(is_approval)
    if is_approval:
        return Judgement(
            is_approval=True,
            note=(
                f"The reviewer asked for changes, but {blocking} of {len(verdict.findings)} "
                f"findings are at or above {bar}, fewer than the {min_open_findings} that block."
            ),
        )
    return Judgement(
        is_approval=False,
        note=(
            f"The reviewer approved, but lists {blocking} findings at or above {bar}: "
            "that contradicts itself and does not count as an approval."
        ),
    )


def _verdict(value: JsonObject) -> Verdict:
    word = value["verdict"]
    if not isinstance(word, str) or word.strip().lower() not in _VERDICTS:
        raise _ContentError(
            f'"verdict" is {_shown(word)}, but must be "approve" or "request_changes".'
        )
    verdict = Verdict(_VERDICTS[word.strip().lower()], _findings(value, "findings"))
    if not verdict.is_approval and not verdict.findings:
        raise _ContentError(
            '"verdict" is "request_changes", but "findings" is empty: say at least one thing '
            "that must change, or approve."
        )
    return verdict


def _findings(value: JsonObject, key: str) -> tuple[Finding, ...]:
    if key not in value:
        raise _ContentError(f'"{key}" is missing: give a list, which may be empty.')
    items = value[key]
    if not isinstance(items, list):
        raise _ContentError(f'"{key}" is {_shown(items)}, but must be a list.')
    if len(items) > MAX_FINDINGS:
        raise _ContentError(
            f'"{key}" has {len(items)} entries: give the {MAX_FINDINGS} that matter most.'
        )
    return tuple(_finding(item, f"{key}[{index}]") for index, item in enumerate(items))


def _finding(item: object, where: str) -> Finding:
    if not is_object(item):
        raise _ContentError(f"{where} is {_shown(item)}, but must be an object: {FINDING_SHAPE}.")
    return Finding(
        severity=_severity(item, where),
        claim=_text(item, "claim", where, CLAIM_CHARS),
        file=_file(item, where),
        line=_line(item, where),
        evidence=_evidence(item, where),
    )


def _severity(item: JsonObject, where: str) -> Severity:
    if "severity" not in item:
        raise _ContentError(f"{where} has no severity: give one of {_SEVERITIES}.")
    word = item["severity"]
    if not isinstance(word, str) or word.strip().lower() not in set(Severity):
        raise _ContentError(
            f"{where}.severity is {_shown(word)}, but must be one of {_SEVERITIES}."
        )
    return Severity(word.strip().lower())


def _text(item: JsonObject, key: str, where: str, limit_chars: int) -> str:
    if key not in item:
        raise _ContentError(f"{where} has no {key}: say what is wrong in one sentence.")
    text = item[key]
    if not isinstance(text, str) or not _clean(text, limit_chars):
        raise _ContentError(f"{where}.{key} is {_shown(text)}, but must be a text.")
    return _clean(text, limit_chars)


def _file(item: JsonObject, where: str) -> str | None:
    path = item.get("file")
    if path is None:
        return None
    if not isinstance(path, str):
        raise _ContentError(f"{where}.file is {_shown(path)}, but must be a path or null.")
    return _clean(path, PATH_CHARS) or None


def _line(item: JsonObject, where: str) -> int | None:
    line = item.get("line")
    if line is None:
        return None
    if isinstance(line, bool) or not isinstance(line, int) or not 1 <= line <= 2**31:
        raise _ContentError(
            f"{where}.line is {_shown(line)}, but must be a line number from 1, or null."
        )
    return line


def _evidence(item: JsonObject, where: str) -> str:
    evidence = item.get("evidence")
    if evidence is None:
        return ""
    if not isinstance(evidence, str):
        raise _ContentError(f"{where}.evidence is {_shown(evidence)}, but must be a text.")
    return _clean(evidence, EVIDENCE_CHARS)


def _rejection(item: object) -> Rejection | None:
    if not is_object(item):
        return None
    identity, reason = item.get("id"), item.get("reason")
    if not isinstance(identity, str) or not isinstance(reason, str):
        return None
    if not _clean(identity, CLAIM_CHARS) or not _clean(reason, CLAIM_CHARS):
        return None
    return Rejection(_clean(identity, CLAIM_CHARS), _clean(reason, CLAIM_CHARS))


def _unreadable(value: Absent | Broken, shape: str) -> VerdictProblem:
    if isinstance(value, Broken):
        return VerdictProblem(f"The last JSON object cannot be read: {value.why}.")
    return VerdictProblem(
        f"There is no JSON object of the form {shape} in the answer; prose does not count."
    )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else _cut(json.dumps(value), 60)


def _clean(text: str, limit_chars: int) -> str:
    """Text that every terminal and database takes: no control characters, no half characters."""
    whole = text.encode("utf-8", "replace").decode()
    return _cut(_CONTROLS.sub(" ", whole).strip(), limit_chars)


def _cut(text: str, limit_chars: int) -> str:
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"
