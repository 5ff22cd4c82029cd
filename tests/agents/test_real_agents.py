"""What the drivers promise, shown with the vendors' own programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.agents.bench import DEADLINE_S, Bench, until
from tests.agents.conftest import CACHED, INPUT, OUTPUT

from ai_orchestrator.model.agent import RetrySeen, SandboxMode, ToolSeen
from ai_orchestrator.model.orders import Containment
from ai_orchestrator.model.workflow import Limits

pytestmark = pytest.mark.agents

BOTH_WAYS = pytest.mark.parametrize("sandbox", ["required", "off"])
LONG_SLEEP = "sleep 987.5"


async def test_a_plain_answer_comes_with_its_usage(bench: Bench) -> None:
    """Text, tokens, session, model; the exit code and the terminal event agree."""
    result = await bench.run("Say hello [[plain:Hello there]]")
    assert (result.error_kind, result.message) == (None, "")
    assert result.final_text == "Hello there"
    assert result.usage.input_tokens == INPUT
    assert result.usage.output_tokens == OUTPUT
    assert result.usage.cached_tokens == CACHED
    assert (result.exit_code, result.turns) == (0, 1)
    assert result.session_id


@BOTH_WAYS
async def test_a_file_is_written(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode
) -> None:
    """In the sandbox, and without it in the vendor's careful mode."""
    bench = make_bench(sandbox)
    result = await bench.run(f"Write it [[write:{bench.seen_work}/hello.txt]]")
    assert result.error_kind is None, result.message
    assert (bench.root / "work" / "hello.txt").is_file()
    assert [event.phase for event in bench.events if isinstance(event, ToolSeen)] == ["start", "ok"]
    assert (result.tool_calls, result.turns) == (1, 2)
    assert result.usage.total_tokens == 2 * (INPUT + OUTPUT)


@BOTH_WAYS
async def test_a_conversation_continues_in_the_next_attempt(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode
) -> None:
    """Another attempt has another HOME; history, session id and the run's own usage are right."""
    bench = make_bench(sandbox)
    first = await bench.run("Remember the zebra [[plain:one]]")
    second = await bench.run(
        "Now this [[plain:two]]", resume_session=first.session_id, prior_usage_session=True
    )
    assert second.error_kind is None, second.message
    assert second.session_id == first.session_id
    assert second.final_text == "two"
    assert second.usage.total_tokens == INPUT + OUTPUT
    assert first.usage.cost_usd == second.usage.cost_usd
    last = bench.requests().splitlines()[-1]
    assert "two" in last


async def test_a_session_that_does_not_exist_is_a_failure(bench: Bench) -> None:
    """Nothing starts afresh in silence."""
    result = await bench.run(
        "Go on [[plain]]", resume_session="11111111-1111-4111-8111-111111111111"
    )
    assert result.error_kind in ("agent", "crash")
    assert "session" in result.message.lower() or "thread" in result.message.lower()


async def test_a_refused_account_ends_the_run_at_once(bench: Bench) -> None:
    """401 is final, also where the program would try ten times more."""
    result = await bench.run("x [[err:401]]")
    assert result.error_kind == "auth", result.message
    assert result.duration_s < DEADLINE_S


async def test_a_rate_limit_is_not_taken_for_an_answer(bench: Bench) -> None:
    """429 to the end: overloaded or a quota with its reset, never success."""
    result = await bench.run("x [[err:429]]", limits=Limits(timeout_s=90.0, stall_s=60.0))
    assert result.error_kind in ("overloaded", "quota"), result.message
    assert not result.is_success


async def test_a_silent_model_is_noticed(bench: Bench) -> None:
    """No word for the stall time: the tree is stopped and the run is stalled."""
    result = await bench.run("x [[hang]]", limits=Limits(timeout_s=60.0, stall_s=5.0))
    assert result.error_kind == "stalled", result.message
    assert result.message == "nothing heard for 5 s"


async def test_the_wall_clock_ends_a_run(bench: Bench) -> None:
    """The step's timeout holds whatever the program does."""
    result = await bench.run("x [[hang]]", limits=Limits(timeout_s=5.0, stall_s=60.0))
    assert result.error_kind == "limit", result.message


async def test_no_more_turns_than_allowed(bench: Bench) -> None:
    """By the vendor's own limit or by our count."""
    limits = Limits(timeout_s=60.0, stall_s=30.0, max_turns=3)
    result = await bench.run("x [[loop:echo again]]", limits=limits)
    assert result.error_kind == "limit", result.message
    assert result.turns is not None
    assert result.turns <= 5


@BOTH_WAYS
async def test_cancelling_leaves_no_process(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode
) -> None:
    """A tool was running: neither it nor its agent is there afterwards."""
    bench = make_bench(sandbox)
    running = bench.start(f"x [[bash:{LONG_SLEEP}]]")
    if sandbox == "off" and bench.agent in ("claude", "copilot", "gemini"):  # careful: no commands
        await until(lambda: bool(bench.events))
    else:
        await until(lambda: sleepers() != [])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sleepers() == []
    assert bench.spawner.trees() == ()


async def test_a_long_prompt_arrives_whole(bench: Bench) -> None:
    """200 KB, more than an argument may hold."""
    prompt = "[[plain:ok]]\n" + "long words " * 20_000 + "\nthe very last word"
    result = await bench.run(prompt)
    assert result.error_kind is None, result.message
    assert result.final_text == "ok"


@pytest.mark.parametrize("start", ["-", "--help", "/help", "@README.md", '"'], ids=repr)
async def test_a_prompt_is_no_option_and_no_command(bench: Bench, start: str) -> None:
    """Whatever it begins with, it reaches the model."""
    result = await bench.run(f"{start} [[plain:it arrived]]")
    assert result.error_kind is None, result.message
    assert result.final_text == "it arrived"


@BOTH_WAYS
async def test_a_read_only_agent_changes_nothing(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode
) -> None:
    """By the mount in the sandbox, by the vendor's mode without it."""
    bench = make_bench(sandbox)
    result = await bench.run(
        f"Write it [[write:{bench.seen_work}/hello.txt]]",
        containment=Containment(sandbox, "read-only", "open"),
    )
    assert result.exit_code is not None
    assert not (bench.root / "work" / "hello.txt").exists()


@BOTH_WAYS
async def test_what_the_repository_brings_along_does_not_run(
    make_bench: Callable[[SandboxMode], Bench], sandbox: SandboxMode
) -> None:
    """Hooks and MCP servers of the work tree stay off."""
    bench = make_bench(sandbox)
    plant_traps(bench.root / "work", bench.seen_work)
    result = await bench.run("Say hello [[plain:hello]]")
    assert result.error_kind is None, result.message
    assert not list((bench.root / "work").glob("TRAP*"))


async def test_the_raw_output_is_logged(bench: Bench) -> None:
    """What the program printed can be read afterwards."""
    await bench.run("Say hello [[plain:the words]]")
    assert b"the words" in bench.logs[0].content


async def test_a_failing_model_is_overloaded(bench: Bench) -> None:
    """500 to the end; retries are told where the program tells them."""
    result = await bench.run("x [[err:500]]", limits=Limits(timeout_s=90.0, stall_s=60.0))
    assert result.error_kind == "overloaded", result.message
    if bench.agent != "gemini":
        assert any(isinstance(event, RetrySeen) for event in bench.events)


def plant_traps(work: Path, seen: str) -> None:
    """Hooks and servers as a hostile repository would bring them, for each agent."""
    hook = {"type": "command", "name": "x", "command": f"touch {seen}/TRAP-hook"}
    server = {"x": {"command": "touch", "args": [f"{seen}/TRAP-mcp"]}}
    start = {"SessionStart": [{"matcher": "*", "hooks": [hook]}]}
    copilot_hook = {"type": "command", "bash": f"touch {seen}/TRAP-hook"}
    files: dict[str, object] = {
        ".claude/settings.json": {"hooks": {"SessionStart": [{"hooks": [hook]}]}},
        ".mcp.json": {"mcpServers": server},
        ".gemini/settings.json": {"mcpServers": server, "hooks": start},
        ".github/hooks/x.json": {"version": 1, "hooks": {"sessionStart": [copilot_hook]}},
        ".vscode/mcp.json": {"servers": server},
    }
    texts = {name: json.dumps(content) for name, content in files.items()}
    texts[".codex/config.toml"] = (
        f'[mcp_servers.x]\ncommand = "touch"\nargs = ["{seen}/TRAP-mcp"]\n'
    )
    for name, text in texts.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)


def sleepers() -> list[psutil.Process]:
    """The tool's processes that are alive."""
    wanted = LONG_SLEEP.split()
    return [
        process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == wanted
    ]


async def test_a_long_answer_arrives_whole(bench: Bench) -> None:
    """140 KB, more than a pipe holds, and the program ends right after it."""
    answer = " ".join(str(number) for number in range(25_000))
    result = await bench.run(f"[[plain:{answer}]]")
    assert result.error_kind is None, result.message
    assert result.final_text.strip() == answer.strip()
