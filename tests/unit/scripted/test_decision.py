"""What the scripted model does with a request."""

from __future__ import annotations

import json

import msgspec
import pytest

from ai_orchestrator.scripted.conversation import ModelRequest, Tool, Turn, TurnKind
from ai_orchestrator.scripted.decision import (
    MARKER_CONTENT,
    Break,
    Decision,
    Place,
    Refusal,
    Silence,
    Speech,
    decide,
)
from ai_orchestrator.scripted.scenario import DialectName, Finding, Scenario, Usage
from ai_orchestrator.scripted.scenario_file import parse_scenario
from ai_orchestrator.scripted.tools import ToolCall

SCENARIO = parse_scenario(
    """
name: story
usage: {input: 10, output: 2}
rules:
  - when: {step: implement, iteration: 1}
    reply:
      - read: a
      - run: make
        usage: {input: 20, output: 4, cached: 5}
        delay_s: 0.5
      - say: First round.
  - when: {step: implement}
    reply: [{say: Later round.}]
  - when: {step: review, dialect: gemini}
    reply: [{hang: true}]
  - when: {step: review, model: strict}
    reply: [{cut: true}]
  - when: {step: review}
    reply: [{say: Looks good.}]
  - when: {step: flaky}
    reply:
      - error: {status: 500}
        times: 1
      - run: make
      - error: {status: 429, reset_s: 30}
        times: 2
      - say: At last.
  - when: {step: denied}
    reply: [{error: {status: 401}}]
""",
    origin="story.yaml",
)
EMPTY = Scenario("empty", "", "/work", Usage(), ())
TOOLS = (
    Tool("run", {"properties": {"command": {"type": "string"}}}),
    Tool("read", {"properties": {"path": {"type": "string"}}}),
    Tool("write", {"properties": {"path": {}, "content": {}}}),
)


def request(prompt: str, results: int = 0, tools: tuple[Tool, ...] = TOOLS) -> ModelRequest:
    """A request of an agent that was told `prompt` and has `results` tool results since."""
    used = [Turn(TurnKind.TOOL_CALL), Turn(TurnKind.TOOL_RESULT)] * results
    return ModelRequest(
        dialect=DialectName.CHAT,
        model="scripted-1",
        turns=(Turn(TurnKind.USER, prompt), *used),
        tools=tools,
    )


def decision(
    prompt: str, results: int = 0, tools: tuple[Tool, ...] = TOOLS, scenario: Scenario = SCENARIO
) -> Decision:
    """The decision alone."""
    return decide(scenario, request(prompt, results, tools), frozenset()).decision


@pytest.mark.parametrize(
    ("step", "iteration", "expected"),
    [
        pytest.param("implement", 1, ToolCall("read", {"path": "a"}), id="exact"),
        pytest.param(
            "ship/loop/implement", 1, ToolCall("read", {"path": "a"}), id="last-component"
        ),
        pytest.param("implement.2", 3, Speech("Later round."), id="repeat"),
        pytest.param("implement", 2, Speech("Later round."), id="any-iteration"),
        pytest.param("review", 9, Speech("Looks good."), id="another-step"),
    ],
)
def test_rule_is_selected_by_step_and_iteration(
    step: str, iteration: int, expected: Decision
) -> None:
    """The first rule whose conditions all hold is played."""
    assert decision(f"Task.\nStep: {step} (iteration {iteration})\n") == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dialect": DialectName.GEMINI}, Silence),
        ({"model": "strict"}, Break),
        ({}, Speech),
    ],
    ids=["dialect", "model", "neither"],
)
def test_rule_is_selected_by_dialect_and_model(
    change: dict[str, object], expected: type[Decision]
) -> None:
    """The same step can go differently for two agents or two models."""
    asked = msgspec.structs.replace(request("Step: review (iteration 1)"), **change)
    assert isinstance(decide(SCENARIO, asked, frozenset()).decision, expected)


@pytest.mark.parametrize(("results", "action"), [(0, 0), (1, 1), (2, 2), (3, 2), (9, 2)], ids=str)
def test_position_is_the_number_of_tool_results(results: int, action: int) -> None:
    """One action per model call; past the end the last one is repeated."""
    choice = decide(SCENARIO, request("Step: implement (iteration 1)", results), frozenset())
    assert choice.place == Place(0, action)


def test_usage_and_delay_are_those_of_the_action() -> None:
    """The scenario's own usage is for actions that have none."""
    choices = [
        decide(SCENARIO, request("Step: implement (iteration 1)", results), frozenset())
        for results in (0, 1)
    ]
    assert [(choice.usage, choice.delay_s) for choice in choices] == [
        (Usage(10, 2), 0.0),
        (Usage(20, 4, 5), 0.5),
    ]


def test_failure_with_times_is_left_out_when_it_is_spent() -> None:
    """A reply goes on as if the failure were not there."""
    prompt, first, second = "Step: flaky (iteration 1)", Place(5, 0), Place(5, 2)
    seen = [
        decide(SCENARIO, request(prompt, results), spent).decision
        for results, spent in [(0, set()), (0, {first}), (1, {first}), (1, {first, second})]
    ]
    assert seen == [
        Refusal(500, "internal server error: the scenario says so.", 1.0),
        ToolCall("run", {"command": "make"}),
        Refusal(429, "rate limit reached: the scenario says so. Try again in 30 s.", 30.0),
        Speech("At last."),
    ]


def test_side_question_does_not_meet_a_failure_that_counts() -> None:
    """A request without tools, such as for a title, must not use up what the work has to meet."""
    assert decision("Step: flaky (iteration 1)", tools=()) == Speech(
        "Scripted conversation", is_auxiliary=True
    )


def test_step_without_a_rule_is_refused() -> None:
    """A workflow that the scenario does not know fails at once, saying what is known."""
    assert decision("Step: document (iteration 2)") == Refusal(
        400,
        "scenario 'story' has no rule for step 'document' in iteration 2. "
        "Steps with rules: denied, flaky, implement, review.",
    )


@pytest.mark.parametrize(
    ("marker", "results", "expected"),
    [
        ("[[plain]]", 0, Speech("This is a plain answer of the scripted model.")),
        ("[[plain:Four.]]", 0, Speech("Four.")),
        ("[[write:b]]", 0, ToolCall("write", {"path": "b", "content": MARKER_CONTENT})),
        ("[[write:b]]", 1, Speech("Done: the file was written.")),
        ("[[bash:ls]]", 0, ToolCall("run", {"command": "ls"})),
        ("[[bash:ls]]", 1, Speech("Done: the command was run.")),
        ("[[loop:ls]]", 7, ToolCall("run", {"command": "ls"})),
        ("[[err:401]]", 0, Refusal(401, "invalid API key: the scenario says so.", 1.0)),
        ("[[hang]]", 0, Silence()),
        ("[[cut]]", 0, Break("The scenario breaks the connection in the middle of this text.")),
        (
            "[[err:418]]",
            0,
            Refusal(400, "marker [[err:418]] means nothing. Known errors: 401, 429, 500."),
        ),
    ],
)
def test_free_markers_work_in_every_scenario(marker: str, results: int, expected: Decision) -> None:
    """Also in one without any rule."""
    assert decision(f"Please {marker}", results, scenario=EMPTY) == expected


def test_rule_wins_over_a_marker_in_the_same_prompt() -> None:
    """A task may mention a marker; a step with a rule is played by its rule."""
    assert decision("Step: review (iteration 1)\n[[hang]]") == Speech("Looks good.")
    assert decision("Step: document (iteration 1)\n[[hang]]") == Silence()


def test_prompt_without_marker_is_told_so() -> None:
    """A person who just says hello learns what the model waits for."""
    answer = decision("Hello")
    assert isinstance(answer, Speech)
    assert "neither a line 'Step: NAME (iteration N)' nor a marker" in answer.text


def test_no_usable_tool_is_said_plainly() -> None:
    """The text names what was wanted and what was offered."""
    offered = (Tool("web_search"), Tool("think"))
    assert decision("Step: implement (iteration 1)", tools=offered) == Speech(
        "No usable tool: the scenario wants to read, offered were: web_search, think."
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"limit_tokens": 1}, "OK", id="is-the-key-any-good"),
        pytest.param(
            {"tools": (), "reply_schema": {"enum": ["user", "model"]}}, '"user"', id="next-speaker"
        ),
        pytest.param({"tools": ()}, "Scripted conversation", id="title"),
    ],
)
def test_side_questions_get_plausible_answers(change: dict[str, object], text: str) -> None:
    """They play no action, whatever prompt they quote."""
    asked = msgspec.structs.replace(request("Step: implement (iteration 1)"), **change)
    choice = decide(SCENARIO, asked, frozenset())
    assert choice.decision == Speech(text, is_auxiliary=True)


def test_schema_with_tools_is_real_work() -> None:
    """Codex passes the schema of the last message along with the tools from the start."""
    asked = msgspec.structs.replace(
        request("Step: implement (iteration 1)"), reply_schema={"type": "object"}
    )
    assert isinstance(decide(SCENARIO, asked, frozenset()).decision, ToolCall)


def test_verdict_is_the_last_thing_said() -> None:
    """A sentence, then one fenced JSON block that holds what a reviewer has to answer."""
    scenario = parse_scenario(
        "name: x\nrules:\n  - when: {}\n    reply:\n      - verdict:\n"
        "          text: Almost.\n          verdict: request_changes\n          findings:\n"
        "            - {severity: low, file: a.py, line: 3, claim: c, evidence: e}\n",
        origin="x.yaml",
    )
    spoken = decision("Step: review (iteration 1)", scenario=scenario)
    assert isinstance(spoken, Speech)
    opening, _, block = spoken.text.partition("```json\n")
    body = json.loads(block.removesuffix("```\n"))
    finding = {"severity": "low", "file": "a.py", "line": 3, "claim": "c", "evidence": "e"}
    assert opening == "Almost.\n\n"
    assert body == {"verdict": "request_changes", "findings": [finding]}
    assert msgspec.convert(body["findings"][0], Finding) == Finding("low", "a.py", "c", "e", 3)


def test_paths_hang_below_the_scenarios_root_when_nobody_names_one() -> None:
    """The root matters only to agents that want absolute paths."""
    claude = (Tool("Read", {"properties": {"file_path": {}}}),)
    assert decision("Step: implement (iteration 1)", tools=claude) == ToolCall(
        "Read", {"file_path": "/work/a"}
    )
