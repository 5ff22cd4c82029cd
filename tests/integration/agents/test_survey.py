"""What the survey finds of installed programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.agents import survey as surveying
from ai_orchestrator.agents.accounts import LoginPlaces
from ai_orchestrator.agents.survey import AgentStatus, survey
from ai_orchestrator.base.process import DirectSpawner
from ai_orchestrator.model.workflow import AgentSpec

LOG_IN = "ai-orchestrator agents login mine"
KEYS = {"ANTHROPIC_API_KEY": "k"}


async def look(tmp_path: Path, *agents: AgentSpec) -> list[AgentStatus]:
    """The states of these agents, with nothing but `bin` on PATH."""
    return await survey(
        agents,
        (),
        path_env=f"{tmp_path / 'bin'}:/usr/bin:/bin",
        places=LoginPlaces(tmp_path, tmp_path / "accounts"),
        credentials=KEYS,
        spawner=DirectSpawner(),
    )


def install(tmp_path: Path, name: str, script: str) -> None:
    """A program on PATH."""
    path = tmp_path / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_a_tested_version_with_a_key_is_ready(tmp_path: Path) -> None:
    """Version, account, place."""
    install(tmp_path, "claude", "echo '2.1.330 (Claude Code)'")
    (status,) = await look(tmp_path, AgentSpec("mine", "claude", ()))
    assert status == AgentStatus(
        name="mine",
        driver="claude",
        is_ready=True,
        version="2.1.330",
        account="env",
        detail=f"found at {tmp_path}/bin/claude",
        next_command="",
        found=f"{tmp_path}/bin/claude",
        is_tested=True,
    )


async def test_another_version_is_ready_and_said(tmp_path: Path) -> None:
    """It may work; who looks should know."""
    install(tmp_path, "claude", "echo 9.0.0-beta.1.")
    (status,) = await look(tmp_path, AgentSpec("mine", "claude", ()))
    assert (status.is_ready, status.is_tested, status.version) == (True, False, "9.0.0-beta.1")
    assert "tested with 2.1.330" in status.detail


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "echo none"], ids=repr)
async def test_a_broken_program_is_not_ready(tmp_path: Path, script: str) -> None:
    """It would not run either."""
    install(tmp_path, "claude", script)
    (status,) = await look(tmp_path, AgentSpec("mine", "claude", ()))
    assert (status.is_ready, status.version) == (False, None)
    assert status.next_command == "npm install -g @anthropic-ai/claude-code"


async def test_a_program_that_hangs_does_not_hold_the_survey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended after its time."""
    monkeypatch.setattr(surveying, "VERSION_TIMEOUT_S", 0.3)
    install(tmp_path, "claude", "sleep 600")
    (status,) = await look(tmp_path, AgentSpec("mine", "claude", ()))
    assert not status.is_ready


async def test_a_missing_program_says_how_to_install_it(tmp_path: Path) -> None:
    """The next command to type."""
    (status,) = await look(tmp_path, AgentSpec("mine", "codex", ()))
    assert (status.is_ready, status.found) == (False, None)
    assert status.next_command == "npm install -g @openai/codex"


async def test_a_program_without_an_account_says_how_to_log_in(tmp_path: Path) -> None:
    """It is there, in a tested version, and of no use yet."""
    install(tmp_path, "codex", "echo codex-cli 0.169.0")
    (status,) = await look(tmp_path, AgentSpec("mine", "codex", ()))
    assert (status.is_ready, status.is_tested, status.next_command) == (False, True, LOG_IN)


async def test_an_unknown_driver_does_not_spoil_the_others(tmp_path: Path) -> None:
    """Each is judged by itself, in the order given."""
    states = await look(
        tmp_path,
        AgentSpec("a", "cluade", ()),
        AgentSpec("b", "command", ("true",)),
        AgentSpec("c", "builtin", ()),
    )
    assert [state.name for state in states] == ["a", "b", "c"]
    assert [state.is_ready for state in states] == [False, True, True]
    assert "mean 'claude'" in states[0].detail
