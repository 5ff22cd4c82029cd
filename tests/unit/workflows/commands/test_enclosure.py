"""What a task is told, or refused, where there is no sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.sandbox import HostLayout
from ai_orchestrator.model.agent import SandboxMode
from ai_orchestrator.workflows.commands.enclosure import Enclosure

HERE = HostLayout((), (), (), ())
BWRAP = Path("/usr/bin/bwrap")


@pytest.mark.parametrize(
    ("mode", "network", "told"),
    [
        ("best-effort", "open", "run as you and with network"),
        ("off", "open", None),
        ("off", "none", "`network: none` does not hold"),
    ],
)
async def test_less_than_a_sandbox_is_said(
    mode: SandboxMode, network: str, told: str | None
) -> None:
    """Who typed `off` knows what it is, but not what else it drops."""
    said = await Enclosure(None, HERE, "not installed.").shortfall(mode, network)
    assert (said is None) if told is None else (said is not None and told in said)


@pytest.mark.parametrize(("mode", "network"), [("required", "open"), ("best-effort", "none")])
async def test_what_cannot_be_kept_is_refused(mode: SandboxMode, network: str) -> None:
    """Before an agent is paid for, with the reason."""
    with pytest.raises(EnvironmentProblemError, match=r"not installed\."):
        await Enclosure(None, HERE, "not installed.").shortfall(mode, network)


@pytest.mark.parametrize("mode", ["required", "best-effort"])
async def test_a_failure_is_not_believed_for_ever_and_a_success_is(mode: SandboxMode) -> None:
    """A task that begins later may find a sandbox; then nobody tries it out again."""
    found: list[tuple[Path | None, str]] = [(BWRAP, "")]

    async def try_out() -> tuple[Path | None, str]:
        return found.pop()

    enclosure = Enclosure(None, HERE, "busy.", try_out)
    for _ in range(2):
        assert await enclosure.shortfall(mode, "none") is None
    assert enclosure.bubblewrap == BWRAP
