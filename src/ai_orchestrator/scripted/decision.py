"""Decides what the scripted model does with a request. Pure: nothing is remembered, nothing sent.

Called by `server` for each request. The decision depends on the scenario, the request's own
history and, for failures with `times`, on which of those the server has already used up.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import assert_never

import msgspec

from ai_orchestrator.scripted.conversation import ModelRequest
from ai_orchestrator.scripted.prompt import (
    FreeMarker,
    Selection,
    StepMarker,
    select,
    working_directory,
)
from ai_orchestrator.scripted.sample import sample
from ai_orchestrator.scripted.scenario import (
    Cut,
    Edit,
    Hang,
    Play,
    ProviderError,
    Read,
    Run,
    Say,
    Scenario,
    ToolUse,
    Usage,
    Verdict,
    Write,
)
from ai_orchestrator.scripted.tools import ToolCall, tool_call


class Speech(msgspec.Struct, frozen=True, tag="say", tag_field="kind"):
    """The model says something and ends its turn."""

    text: str
    is_auxiliary: bool = False
    """An answer to a side question, from no rule."""


class Refusal(msgspec.Struct, frozen=True, tag="error", tag_field="kind"):
    """The provider answers with an HTTP error."""

    status: int
    message: str
    reset_s: float = 0.0


class Silence(msgspec.Struct, frozen=True, tag="hang", tag_field="kind"):
    """The provider never answers."""


class Break(msgspec.Struct, frozen=True, tag="cut", tag_field="kind"):
    """The connection breaks in the middle of this text."""

    text: str


Decision = Speech | ToolCall | Refusal | Silence | Break


class Place(msgspec.Struct, frozen=True):
    """Where in a scenario a decision comes from."""

    rule: int
    """Index in the scenario's rules."""
    action: int
    """Index in the rule's reply."""


class Choice(msgspec.Struct, frozen=True):
    """A decision with all that the server needs to carry it out and to log it."""

    decision: Decision
    selection: Selection
    usage: Usage
    delay_s: float = 0.0
    place: Place | None = None
    """None when the decision comes from no rule: a marker, a side question."""
    times: int | None = None
    """How often the failure at `place` is given; None: for ever."""


MARKER_CONTENT = "written by the scripted model\n"
"""What the marker `[[write:PATH]]` writes."""

_SIDE_ANSWER = "Scripted conversation"  # reads well as a title, which is what is asked for most

_FAILURES = {
    401: "invalid API key: the scenario says so",
    429: "rate limit reached: the scenario says so",
    500: "internal server error: the scenario says so",
}

_MARKER_ERRORS: dict[str, tuple[Play, ...]] = {
    "401": (ProviderError(401),),
    "429": (ProviderError(429),),
    "500": (ProviderError(500),),
}


def decide(scenario: Scenario, request: ModelRequest, spent: Collection[Place]) -> Choice:
    """What the model does with `request`.

    `spent` are the places whose failures have been given as often as their `times` says.
    """
    selection = select(request)
    side_answer = _side_answer(request)
    if side_answer is not None:
        return Choice(side_answer, selection, scenario.usage)
    rule = _matching_rule(scenario, request, selection.step)
    if rule is not None:
        return _play_rule(scenario, rule, request, selection, spent)
    decision = _without_rule(scenario, request, selection)
    return Choice(decision, selection, scenario.usage)


def _side_answer(request: ModelRequest) -> Speech | None:
    """The answer to a question that is not part of the work; it plays no action."""
    if request.limit_tokens == 1:  # Claude Code asks so whether its key is any good
        return Speech("OK", is_auxiliary=True)
    if request.reply_schema is not None and not request.tools:
        return Speech(json.dumps(sample(request.reply_schema)), is_auxiliary=True)
    return None


def _matching_rule(
    scenario: Scenario, request: ModelRequest, step: StepMarker | None
) -> int | None:
    if step is None:
        return None
    for index, rule in enumerate(scenario.rules):
        when = rule.when
        if (
            when.step in {None, *step.names}
            and when.iteration in {None, step.iteration}
            and when.dialect in {None, request.dialect}
            and when.model in {None, request.model}
        ):
            return index
    return None


def _play_rule(
    scenario: Scenario,
    rule: int,
    request: ModelRequest,
    selection: Selection,
    spent: Collection[Place],
) -> Choice:
    reply = scenario.rules[rule].reply
    # Side questions, asked without tools, neither meet nor spend a failure that counts.
    left = [
        Place(rule, index)
        for index, action in enumerate(reply)
        if action.times is None or (request.tools and Place(rule, index) not in spent)
    ]
    # Past the end the last action stays: agents may call a tool of their own accord.
    place = left[min(selection.results, len(left) - 1)]
    action = reply[place.action]
    decision = _decision(action.play, scenario, request, selection)
    return Choice(decision, selection, action.usage, action.delay_s, place, action.times)


def _without_rule(scenario: Scenario, request: ModelRequest, selection: Selection) -> Decision:
    if selection.marker is not None:
        plays = _marker_plays(selection.marker)
        if not plays:
            return Refusal(400, _unknown_error(selection.marker))
        play = plays[min(selection.results, len(plays) - 1)]
        return _decision(play, scenario, request, selection)
    if not request.tools:
        return Speech(_SIDE_ANSWER, is_auxiliary=True)
    if selection.step is not None:
        return Refusal(400, _no_rule(scenario, selection.step))
    return Speech(
        "This is a scripted model. The prompt has neither a line 'Step: NAME (iteration N)' "
        "nor a marker such as [[plain]], so there is nothing to play.",
        is_auxiliary=True,
    )


def _marker_plays(marker: FreeMarker) -> tuple[Play, ...]:
    """What a marker stands for; nothing when its argument makes no sense."""
    argument = marker.argument
    plays: dict[str, tuple[Play, ...]] = {
        "plain": (Say(argument or "This is a plain answer of the scripted model."),),
        "write": (Write(argument, MARKER_CONTENT), Say("Done: the file was written.")),
        "bash": (Run(argument), Say("Done: the command was run.")),
        "loop": (Run(argument),),
        "err": _MARKER_ERRORS.get(argument, ()),
        "hang": (Hang(),),
        "cut": (Cut(),),
    }
    return plays[marker.name]


def _decision(
    play: Play, scenario: Scenario, request: ModelRequest, selection: Selection
) -> Decision:
    match play:
        case Write() | Edit() | Run() | Read():
            root = working_directory(request, selection.prompt, scenario.root)
            return _tool_decision(play, request, root)
        case Say():
            return Speech(play.text)
        case Verdict():
            return Speech(spoken(play))
        case ProviderError():
            return Refusal(play.status, _failure_message(play), play.reset_s)
        case Hang():
            return Silence()
        case Cut():
            return Break("The scenario breaks the connection in the middle of this text.")
        case _:
            assert_never(play)


def _failure_message(error: ProviderError) -> str:
    message = f"{_FAILURES[error.status]}."
    return f"{message} Try again in {error.reset_s:g} s." if error.status == 429 else message


def _tool_decision(play: ToolUse, request: ModelRequest, root: str) -> Decision:
    if not request.tools:
        return Speech(_SIDE_ANSWER, is_auxiliary=True)
    call = tool_call(play, request.tools, root)
    if call is not None:
        return call
    wanted = type(play).__name__.lower()
    offered = ", ".join(tool.name for tool in request.tools)
    return Speech(f"No usable tool: the scenario wants to {wanted}, offered were: {offered}.")


def spoken(verdict: Verdict) -> str:
    """A verdict as a reviewer says it: a sentence, then a fenced JSON block as the last thing."""
    body = {"verdict": verdict.verdict, "findings": verdict.findings}
    block = msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
    return f"{verdict.text}\n\n```json\n{block}\n```\n"


def _no_rule(scenario: Scenario, step: StepMarker) -> str:
    known = sorted({f"{rule.when.step or 'any'}" for rule in scenario.rules})
    return (
        f"scenario {scenario.name!r} has no rule for step {step.path!r} in iteration "
        f"{step.iteration}. Steps with rules: {', '.join(known) or 'none'}."
    )


def _unknown_error(marker: FreeMarker) -> str:
    known = ", ".join(_MARKER_ERRORS)
    return f"marker [[{marker.name}:{marker.argument}]] means nothing. Known errors: {known}."
