"""What a prompt tells: step, markers, working directory, conversation."""

from __future__ import annotations

import pytest

from ai_orchestrator.scripted.conversation import ModelRequest, Turn, TurnKind
from ai_orchestrator.scripted.prompt import (
    FreeMarker,
    StepMarker,
    conversation_id,
    select,
    working_directory,
)
from ai_orchestrator.scripted.scenario import DialectName


def asked(*turns: Turn | str, system: str = "", session: str = "") -> ModelRequest:
    """A request with that history; a bare text is the user's."""
    history = tuple(Turn(TurnKind.USER, turn) if isinstance(turn, str) else turn for turn in turns)
    return ModelRequest(
        dialect=DialectName.CHAT, model="m", turns=history, system=system, session=session
    )


CALL, RESULT = Turn(TurnKind.TOOL_CALL), Turn(TurnKind.TOOL_RESULT)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        pytest.param(
            "Step: implement (iteration 1)\nDo it.", StepMarker("implement", 1), id="first-line"
        ),
        pytest.param(
            "You are here.\n\nStep: ship/review.2 (iteration 12)\n",
            StepMarker("ship/review.2", 12),
            id="later",
        ),
        pytest.param("the Step: implement (iteration 1)", None, id="not-at-the-line-start"),
        pytest.param("Step: Implement (iteration 1)", None, id="upper-case"),
        pytest.param("Step: implement (iteration one)", None, id="no-number"),
    ],
)
def test_step_line_is_found(text: str, step: StepMarker | None) -> None:
    """Only a line of its own, as the orchestrator writes it, names a step."""
    assert select(asked(text)).step == step


@pytest.mark.parametrize(
    ("path", "names"),
    [("implement", "implement"), ("ship/loop/review.2", "review.2 review"), ("a/b-c", "b-c")],
)
def test_rules_may_call_a_step_by_its_last_component(path: str, names: str) -> None:
    """With and without the number of a repeat."""
    assert set(StepMarker(path, 1).names) == set(names.split())


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("[[plain]]", FreeMarker("plain", "")),
        ("Please [[write:/a/b c.txt]] now", FreeMarker("write", "/a/b c.txt")),
        ("[[bash:[ -f x ] && echo 1]]", FreeMarker("bash", "[ -f x ] && echo 1")),
        ("[[hang]] then [[err:429]]", FreeMarker("err", "429")),
        ("if [[ -f x ]]; then", None),
        ("[[unknown:x]]", None),
    ],
)
def test_free_markers_are_found(text: str, marker: FreeMarker | None) -> None:
    """The last one counts; what looks like a shell's test is none."""
    assert select(asked(text)).marker == marker


def test_last_marked_text_selects_and_results_are_counted_from_it() -> None:
    """Reminders that agents mix into the history do not hide the prompt."""
    selection = select(
        asked(
            "[[plain]]", CALL, RESULT, "Step: a (iteration 1)", CALL, RESULT, "a reminder", RESULT
        )
    )
    assert (selection.step, selection.marker) == (StepMarker("a", 1), None)
    assert (selection.prompt, selection.results) == ("Step: a (iteration 1)", 2)


def test_without_any_marker_the_last_text_is_the_prompt() -> None:
    """What the log shows then is what the user said last."""
    selection = select(asked("one", "two"))
    assert (selection.prompt, selection.step, selection.marker) == ("two", None, None)


@pytest.mark.parametrize(
    ("system", "earlier", "expected"),
    [
        pytest.param(" - Primary working directory: /home/a b\n - x", "", "/home/a b", id="claude"),
        pytest.param("* Current working directory: /home/c\n", "", "/home/c", id="copilot"),
        pytest.param("", "<environment_context>\n  <cwd>/home/x</cwd>", "/home/x", id="codex"),
        pytest.param("", "- **Workspace Directories:**\n  - /home/g\n", "/home/g", id="gemini"),
        pytest.param("", "", "/default", id="nobody-says"),
    ],
)
def test_working_directory_is_what_the_agent_tells(
    system: str, earlier: str, expected: str
) -> None:
    """Each agent has its own way to tell the model where it is."""
    prompt = "Step: a (iteration 1)"
    assert working_directory(asked(earlier, prompt, system=system), prompt, "/default") == expected


def test_working_directory_of_the_orchestrators_prompt_wins() -> None:
    """The prompt's own line is more to be trusted than the agent's."""
    prompt = "Step: a (iteration 1)\nWorking directory: /srv/tree\nDo it."
    request = asked(prompt, system="Working directory: /elsewhere")
    assert working_directory(request, prompt, "/default") == "/srv/tree"


def test_conversation_is_the_same_from_the_first_to_the_last_request() -> None:
    """The first prompt identifies it, whatever is added later."""
    first = conversation_id(asked("<context>", "[[plain]]"), [])
    later = conversation_id(asked("<context>", "[[plain]]", CALL, RESULT, "[[hang]]"), [])
    assert first == later
    assert conversation_id(asked("<context>", "[[hang]]"), []) != first


def test_conversation_is_the_agents_session_where_it_names_one() -> None:
    """Side questions of a session have another first text, and belong to it all the same."""
    main = conversation_id(asked("[[plain]]"), ["s-1"])
    assert conversation_id(asked("Make a title."), ["s-1"]) == main
    assert conversation_id(asked("[[plain]]"), ["s-2"]) != main
    assert conversation_id(asked("[[plain]]", session="s-1"), []) != conversation_id(
        asked("[[plain]]", session="s-2"), []
    )
