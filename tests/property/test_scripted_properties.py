"""Properties of the scripted model that hold for all scenarios, histories and files."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_orchestrator.scripted.conversation import MalformedRequestError
from ai_orchestrator.scripted.decision import Choice, Place, Speech, decide
from ai_orchestrator.scripted.dialects import anthropic, chat, gemini, responses
from ai_orchestrator.scripted.dialects.dialect import Dialect, Route, pieces
from ai_orchestrator.scripted.request_log import shown_target
from ai_orchestrator.scripted.sample import sample
from ai_orchestrator.scripted.scenario import Scenario
from ai_orchestrator.scripted.scenario_file import ScenarioError, parse_scenario
from ai_orchestrator.scripted.tools import ToolCall

UNTIMED = settings(deadline=None)  # the machine may be busy
STEPS = ("implement", "review", "refine")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
PATHS = st.sampled_from(["a.py", "src/b.py", "/abs/c"])
LINES = TEXTS.map(lambda text: text.replace("\n", " ") + "\n")
MIDDLES = st.one_of(
    st.builds(lambda p, c: {"write": {"path": p, "content": c}}, PATHS, TEXTS),
    st.builds(lambda p, o, n: {"edit": {"path": p, "old": o, "new": n}}, PATHS, LINES, LINES),
    st.builds(lambda c: {"run": c}, TEXTS),
    st.builds(lambda p: {"read": p}, PATHS),
    st.builds(lambda n: {"error": {"status": 500}, "times": n}, st.integers(1, 3)),
)
ENDS = st.one_of(
    st.builds(lambda t: {"say": t}, TEXTS),
    st.just({"verdict": {"verdict": "approve"}}),
    st.just({"hang": True}),
)
REPLIES = st.builds(lambda middle, end: [*middle, end], st.lists(MIDDLES, max_size=5), ENDS)
TOOLS = [
    {
        "function": {
            "name": name,
            "parameters": {"properties": {argument: {} for argument in arguments}},
        }
    }
    for name, arguments in {
        "read": ["path"],
        "write": ["path", "content"],
        "edit": ["path", "old", "new"],
        "run": ["command"],
    }.items()
]


def scenario_of(replies: dict[str, list[Any]]) -> Scenario:
    """A scenario with one rule per step, through the YAML reader."""
    rules = [{"when": {"step": step}, "reply": reply} for step, reply in replies.items()]
    return parse_scenario(yaml.safe_dump({"name": "any", "rules": rules}), origin="any")


def choice_for(scenario: Scenario, messages: list[Any], spent: set[Place]) -> Choice:
    """The decision on a history, through the reader of a dialect."""
    body = {"model": "m", "messages": messages, "tools": TOOLS}
    return decide(scenario, chat.read_request(json.dumps(body).encode(), Route()), spent)


def converse(scenario: Scenario, steps: list[str]) -> list[tuple[int, Choice]]:
    """A whole conversation: how many messages each request had, and what was decided."""
    messages: list[Any] = []
    seen: list[tuple[int, Choice]] = []
    for step in steps:
        messages.append({"role": "user", "content": f"Do it.\nStep: x/{step} (iteration 1)"})
        for _ in range(10):
            choice = choice_for(scenario, messages, set())
            seen.append((len(messages), choice))
            if not isinstance(choice.decision, ToolCall):
                messages.append({"role": "assistant", "content": "..."})
                break
            call = {"id": "c", "function": {"name": choice.decision.name, "arguments": "{}"}}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": "c", "content": "ok"})
    replayed = [(count, choice_for(scenario, messages[:count], set())) for count, _ in seen]
    assert replayed == seen
    return seen


@UNTIMED
@given(
    replies=st.fixed_dictionaries(dict.fromkeys(STEPS, REPLIES)),
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4),
)
def test_replaying_any_prefix_gives_the_same_decision(
    replies: dict[str, list[Any]], steps: list[str]
) -> None:
    """Nothing but the history says where in a scenario a conversation is."""
    assert converse(scenario_of(replies), steps)


@UNTIMED
@given(reply=REPLIES)
def test_actions_are_played_in_order_and_each_once(reply: list[Any]) -> None:
    """Up to the first thing that is no tool call, or to the end."""
    places = [choice.place for _, choice in converse(scenario_of({"review": reply}), ["review"])]
    assert places == [Place(0, index) for index in range(len(places))]
    assert len(places) <= len(reply)


@UNTIMED
@given(reply=REPLIES)
def test_spent_failures_lead_to_the_same_end_as_a_reply_without_them(reply: list[Any]) -> None:
    """A failure that was given as often as it says leaves no trace."""
    scenario = scenario_of({"review": reply})
    spent = {Place(0, index) for index, action in enumerate(reply) if "times" in action}
    without = scenario_of({"review": [action for action in reply if "times" not in action]})
    for count in range(len(reply) + 1):
        messages: list[Any] = [{"role": "user", "content": "Step: review (iteration 1)"}]
        messages += [{"role": "tool", "tool_call_id": "c", "content": "ok"}] * count
        ours = choice_for(scenario, messages, spent).decision
        assert ours == choice_for(without, messages, set()).decision


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=10,
)
KNOWN_KEYS = st.sampled_from(
    [
        *("name", "root", "usage", "rules", "when", "step", "iteration", "reply"),
        *("write", "edit", "run", "say", "verdict", "findings", "error", "hang", "cut"),
        *("times", "delay_s", "path", "content"),
    ]
)
ALMOST = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN_KEYS, inner, max_size=4),
    max_leaves=20,
)


@UNTIMED
@given(document=st.one_of(st.text(max_size=60), ALMOST.map(yaml.safe_dump)))
def test_every_file_is_a_scenario_or_a_reported_fault(document: str) -> None:
    """No content of a file brings down its reader."""
    try:
        scenario = parse_scenario(document, origin="any.yaml")
    except ScenarioError as error:
        fault = str(error)
        assert fault.startswith("any.yaml:")
    else:
        assert all(rule.reply for rule in scenario.rules)


@pytest.mark.parametrize("dialect", [anthropic, responses, chat, gemini])
@UNTIMED
@given(body=st.one_of(st.binary(max_size=40), JSON.map(lambda value: json.dumps(value).encode())))
def test_every_body_is_a_request_or_a_reported_fault(dialect: Dialect, body: bytes) -> None:
    """No client brings down the server."""
    try:
        request = dialect.read_request(body, Route())
    except MalformedRequestError:
        return
    assert isinstance(decide(scenario_of({}), request, set()).decision, Speech)


@UNTIMED
@given(schema=JSON)
def test_sample_of_any_schema_is_json(schema: object) -> None:
    """What is made up can always be sent."""
    json.dumps(sample(schema))


@UNTIMED
@given(text=st.text(max_size=3000))
def test_pieces_add_up(text: str) -> None:
    """A stream says what the whole would have said, in a bounded number of pieces."""
    cut = pieces(text)
    assert "".join(cut) == text
    assert len(cut) <= 100


@UNTIMED
@given(query=st.text(max_size=30))
def test_no_query_brings_a_secret_into_the_log(query: str) -> None:
    """Whatever else stands in an address."""
    shown = shown_target(f"/v1beta/models/m:x?{query}&key=s3cret")
    assert "s3cret" not in shown
