"""Scenario files: what is read, and how faults are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.base.errors import NotFoundError
from ai_orchestrator.scripted.scenario import Edit, ProviderError, Usage, Verdict
from ai_orchestrator.scripted.scenario_file import (
    LIMIT_BYTES,
    ScenarioError,
    find_scenario,
    load_scenario,
    parse_scenario,
    shipped_scenarios,
)

RULE = """
name: one
rules:
  - when: {step: implement}
    reply:
"""


def parsed_action(action: str) -> str:
    """A scenario with one rule whose first action is `action`."""
    return f"{RULE}      - {action}\n      - say: Done.\n"


@pytest.mark.parametrize("name", ["demo", "never_passes"])
def test_shipped_scenarios_can_be_played(name: str) -> None:
    """Each file that comes with the package is valid and bears its file's name."""
    assert load_scenario(find_scenario(name)).name == name


def test_every_shipped_file_is_a_scenario() -> None:
    """No file in the folder is broken, whoever adds it."""
    assert {load_scenario(path).name for path in shipped_scenarios().values()} == set(
        shipped_scenarios()
    )


def test_values_are_read() -> None:
    """Usage, delay and times arrive with their action; the scenario's usage fills the gaps."""
    scenario = parse_scenario(
        "name: x\nusage: {input: 7, output: 3}\nrules:\n  - when: {}\n    reply:\n"
        "      - error: {status: 429, reset_s: 30}\n        times: 2\n"
        "      - say: Hello\n        usage: {input: 5, output: 1, cached: 4}\n"
        "        delay_s: 0.5\n",
        origin="x.yaml",
    )
    failure, speech = scenario.rules[0].reply
    assert (failure.play, failure.times, failure.usage) == (
        ProviderError(429, 30.0),
        2,
        Usage(7, 3),
    )
    assert (speech.usage, speech.delay_s, speech.times) == (Usage(5, 1, 4), 0.5, None)
    assert scenario.root == "/work"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("rules: []", 1, "name: has to be a text, not None", id="no-name"),
        pytest.param("[1, 2]", 1, "the document: has to be a mapping", id="a-list"),
        pytest.param("", 1, "the document: has to be a mapping", id="empty"),
        pytest.param("name: x\nruls: []\n", 2, "Did you mean 'rules'?", id="unknown-key"),
        pytest.param("name: x\nrules: {}\n", 2, "rules: has to be a list", id="rules-no-list"),
        pytest.param("name: x\nroot: work\n", 2, "absolute path, not 'work'", id="relative-root"),
        pytest.param(
            "name: x\nrules:\n  - when: {stap: x}\n    reply: []\n",
            3,
            "rules[0].when.stap: unknown. Known: step, iteration, dialect, model."
            " Did you mean 'step'?",
            id="unknown-condition",
        ),
        pytest.param(
            "name: x\nrules:\n  - when: {dialect: openai}\n    reply: []\n",
            3,
            "rules[0].when: Invalid enum value 'openai'",
            id="unknown-dialect",
        ),
        pytest.param(
            "name: x\nrules:\n  - when: {}\n    reply: []\n",
            4,
            "rules[0].reply: has no action",
            id="empty-reply",
        ),
        pytest.param(
            parsed_action("wirte: {path: a, content: b}"),
            6,
            "rules[0].reply[0].wirte: unknown. Known: write, edit, run, read, say, verdict, error,"
            " hang, cut, usage, delay_s, times. Did you mean 'write'?",
            id="unknown-action",
        ),
        pytest.param(
            parsed_action("{run: ls, read: a}"), 6, "needs exactly one of", id="two-actions"
        ),
        pytest.param(parsed_action("{delay_s: 1}"), 6, "needs exactly one of", id="no-action"),
        pytest.param(
            parsed_action("write: {path: a}"),
            6,
            "rules[0].reply[0].write: Object missing required field `content`",
            id="missing-field",
        ),
        pytest.param(parsed_action("run: [ls]"), 6, "run: has to be a text", id="wrong-type"),
        pytest.param(
            parsed_action("error: {status: 418}"), 6, "Invalid enum value 418", id="unknown-status"
        ),
        pytest.param(
            parsed_action("hang: false"), 6, "hang: has one value only: true", id="hang-false"
        ),
        pytest.param(
            parsed_action('edit: {path: a, old: "x", new: "y\\n"}'),
            6,
            "old has to be whole lines",
            id="half-a-line",
        ),
        pytest.param(
            parsed_action('edit: {path: a, old: "x\\n", new: "y"}'),
            6,
            "new has to be whole lines",
            id="half-a-new-line",
        ),
        pytest.param(
            parsed_action("{run: ls, usage: {input: 1, cached: 2}}"),
            6,
            "cached (2) is a part of input (1)",
            id="more-cached-than-input",
        ),
        pytest.param(
            parsed_action("{run: ls, usage: {output: -1}}"),
            6,
            "token counts are not negative",
            id="negative-usage",
        ),
        pytest.param(
            parsed_action("{run: ls, delay_s: -1}"),
            6,
            "seconds from 0 to 3600",
            id="negative-delay",
        ),
        pytest.param(
            parsed_action("{run: ls, times: 2}"), 6, "only for the failures", id="times-of-a-run"
        ),
        pytest.param(
            parsed_action("{hang: true, times: 0}"), 6, "whole number from 1 on", id="zero-times"
        ),
        pytest.param(
            parsed_action("say: Early."), 6, "what follows is never reached", id="say-in-the-middle"
        ),
        pytest.param(
            parsed_action("hang: true"), 6, "reached only with `times: N`", id="hang-in-the-middle"
        ),
        pytest.param(
            f"{RULE}      - run: ls\n", 6, "last action has to end the turn", id="open-end"
        ),
        pytest.param(
            f"{RULE}      - {{hang: true, times: 1}}\n",
            6,
            "last action has to end the turn",
            id="passing-failure-at-the-end",
        ),
        pytest.param(
            parsed_action("verdict: {verdict: maybe}"),
            6,
            "Invalid enum value 'maybe'",
            id="verdict",
        ),
        pytest.param(
            parsed_action("verdict: {verdict: approve, findings: [{sevrity: low}]}"),
            6,
            "findings[0].sevrity: unknown. Known: severity, file, claim, evidence, line."
            " Did you mean 'severity'?",
            id="unknown-field-of-a-finding",
        ),
    ],
)
def test_fault_is_reported_with_its_place(text: str, line: int, message: str) -> None:
    """The error names the file, the line, the place, what is wrong and what is known."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, origin="x.yaml")
    assert str(caught.value).startswith(f"x.yaml:{line} ")
    assert message in str(caught.value)


def test_rule_behind_a_wider_one_is_refused() -> None:
    """A rule that an earlier one always wins against can only be a mistake."""
    reply = "reply: [{say: Done.}]"
    text = (
        f"name: x\nrules:\n  - when: {{step: review}}\n    {reply}\n"
        f"  - when: {{step: review, iteration: 2}}\n    {reply}\n"
    )
    with pytest.raises(ScenarioError, match=r"x.yaml:5 rules\[1\]: never reached: rules\[0\]"):
        parse_scenario(text, origin="x.yaml")


@pytest.mark.parametrize("text", ["a: [", "\tx: 1", "a: *missing", "a: !!python/name:os.system"])
def test_what_is_not_yaml_is_reported_as_such(text: str) -> None:
    """The YAML reader's own message is passed on; nothing of Python can be made by a file."""
    with pytest.raises(ScenarioError, match=r"x.yaml: not YAML: "):
        parse_scenario(text, origin="x.yaml")


def test_anchors_save_repetition() -> None:
    """The same reply can be used by two rules."""
    scenario = parse_scenario(
        "name: x\nrules:\n  - when: {step: a}\n    reply: &r [{say: Hi}]\n"
        "  - when: {step: b}\n    reply: *r\n",
        origin="x.yaml",
    )
    assert scenario.rules[0].reply == scenario.rules[1].reply


def test_defaults_of_a_verdict_and_of_an_edit() -> None:
    """An approval needs no findings, and an edit may delete lines."""
    scenario = parse_scenario(
        "name: x\nrules:\n  - when: {}\n    reply:\n"
        '      - edit: {path: a, old: "x\\n", new: ""}\n      - verdict: {verdict: approve}\n',
        origin="x.yaml",
    )
    plays = [action.play for action in scenario.rules[0].reply]
    assert plays == [Edit("a", "x\n", ""), Verdict("approve")]


def test_scenario_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    """A shipped name or any YAML file; everything else lists what is known."""
    own = tmp_path / "own.yaml"
    own.write_text("name: own\n")
    assert find_scenario(str(own)) == own
    assert find_scenario("demo").name == "demo.yaml"
    with pytest.raises(NotFoundError, match=r"no scenario 'dmo'. Known: .*demo.*never_passes"):
        find_scenario("dmo")


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    """Missing, too large and not text: each says which file and why."""
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (LIMIT_BYTES + 1))
    binary.write_bytes(b"name: \xff\n")
    with pytest.raises(ScenarioError, match=r"missing.yaml: cannot be read: No such file"):
        load_scenario(tmp_path / "missing.yaml")
    with pytest.raises(ScenarioError, match=r"large.yaml: 1048577 bytes"):
        load_scenario(large)
    with pytest.raises(ScenarioError, match=r"binary.yaml: not UTF-8 at byte 6"):
        load_scenario(binary)
