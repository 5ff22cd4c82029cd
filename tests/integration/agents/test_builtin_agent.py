"""The built-in agent in the sandbox, against the scripted model."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.bench import Bench, make_bench

from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.model.agent import RetrySeen, ToolSeen, Usage
from ai_orchestrator.model.orders import Containment
from ai_orchestrator.model.workflow import Limits
from ai_orchestrator.scripted.scenario import Action, ProviderError, Rule, Say, Scenario, When
from ai_orchestrator.scripted.scenario import Usage as Cost
from ai_orchestrator.scripted.server import ScriptedServer

COST = Cost(111, 22, 11)


async def test_it_writes_a_file_and_says_so(builtin: Bench) -> None:
    """Tools, text, turns and usage."""
    result = await builtin.run("Write it [[write:d/hello.txt]]")
    assert result.error_kind is None, result.message
    assert (builtin.root / "work" / "d" / "hello.txt").is_file()
    assert result.usage == Usage(222, 44, 22)
    assert (result.turns, result.tool_calls, result.model) == (2, 1, "scripted-1")


async def test_it_continues_a_conversation(builtin: Bench) -> None:
    """The model is shown what was said before."""
    first = await builtin.run("The animal is a zebra [[plain:one]]")
    second = await builtin.run("And now [[plain:two]]", resume_session=first.session_id)
    assert (second.session_id, second.final_text) == (first.session_id, "two")
    assert second.usage == Usage(111, 22, 11)


async def test_it_can_be_continued_though_nothing_was_answered(builtin: Bench) -> None:
    """A quota ended the first try."""
    first = await builtin.run("x [[err:401]]")
    second = await builtin.run("again [[plain:two]]", resume_session=first.session_id)
    assert second.error_kind is None, second.message


async def test_a_lost_session_is_an_error(builtin: Bench) -> None:
    """It does not begin afresh in silence."""
    result = await builtin.run("x [[plain]]", resume_session="a" * 32)
    assert result.error_kind == "agent"
    assert "no session" in result.message


@pytest.mark.parametrize(("status", "kind"), [(401, "auth"), (429, "quota"), (500, "overloaded")])
async def test_failures_of_the_model_have_their_kind(
    builtin: Bench, status: int, kind: str
) -> None:
    """401 at once, the others after some tries."""
    result = await builtin.run(f"x [[err:{status}]]")
    assert result.error_kind == kind
    retries = [event for event in builtin.events if isinstance(event, RetrySeen)]
    assert len(retries) == (0 if status == 401 else 3)


@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_a_hiccup_is_sat_out(api: str, spawner: GuardedSpawner, tmp_path: Path) -> None:
    """As long as the provider says, in both dialects."""
    reply = (Action(ProviderError(429, reset_s=0.0), COST, times=2), Action(Say("fine"), COST))
    scenario = Scenario("hiccup", "", "/work", COST, (Rule(When(), reply),))
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as server:
        bench = make_bench("builtin", server.url, tmp_path, spawner, tmp_path, "required")
        account = {
            "AI_ORCHESTRATOR_MODEL_URL": server.url + ("/v1" if api == "openai" else ""),
            "AI_ORCHESTRATOR_MODEL_API": api,
            "AI_ORCHESTRATOR_MODEL_KEY": "k",
        }
        result = await bench.run("Step: implement (iteration 1)", account_env=account)
    assert (result.error_kind, result.final_text) == (None, "fine"), result.message
    assert sum(isinstance(event, RetrySeen) for event in bench.events) == 2


async def test_turns_are_bounded(builtin: Bench) -> None:
    """A model that never ends does not cost for ever."""
    limits = Limits(timeout_s=60.0, stall_s=30.0, max_turns=3)
    result = await builtin.run("x [[loop:true]]", limits=limits)
    assert (result.error_kind, result.turns) == ("limit", 3)


async def test_a_reviewer_looks_and_does_not_touch(builtin: Bench) -> None:
    """Its commands run on a read-only tree."""
    containment = Containment("required", "read-only", "open")
    result = await builtin.run("x [[bash:touch here; echo looked]]", containment=containment)
    assert result.error_kind is None, result.message
    assert not (builtin.root / "work" / "here").exists()
    assert [event.name for event in builtin.events if isinstance(event, ToolSeen)] == ["run", "run"]


async def test_an_endpoint_that_is_not_there_is_overloaded(builtin: Bench) -> None:
    """After its tries; the message names the endpoint."""
    account = {"AI_ORCHESTRATOR_MODEL_URL": "http://127.0.0.1:9/v1"}
    result = await builtin.run("x", account_env=account)
    assert result.error_kind == "overloaded"
    assert "127.0.0.1:9" in result.message
