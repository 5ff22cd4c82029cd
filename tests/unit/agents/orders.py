"""Orders and recordings for the tests of drivers and parsers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ai_orchestrator.agents.base import FoundProgram, Listening, Seat, StreamParser
from ai_orchestrator.agents.conclude import Ending, StopCause, Tally, conclude
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.base.command import Exit
from ai_orchestrator.model.agent import AgentEvent, AgentResult, Usage
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths, Containment
from ai_orchestrator.model.workflow import AgentSpec, Limits

RECORDINGS = Path(__file__).resolve().parents[2] / "data" / "recordings"
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HOST = Path("/host")


class StandingClock:
    """It is always the same time."""

    def now(self) -> datetime:
        """Half past nothing."""
        return NOW

    def monotonic_s(self) -> float:
        """Zero."""
        return 0.0


def order(name: str, /, **changes: object) -> AgentOrder:
    """An order for the agent with the defaults of a step that writes."""
    made = AgentOrder(
        key=StepKey("t-" + "0" * 26, 1, "implement", 1, 1),
        agent=AgentSpec(name, name, ()),
        prompt="Do it.",
        limits=Limits(),
        paths=AttemptPaths(
            work=HOST / "work",
            home=HOST / "home",
            tmp=HOST / "tmp",
            conversation=HOST / "conversation",
        ),
        containment=Containment("required", "write", "open"),
        path_env="/usr/bin:/bin",
        account_env={},
        extra_env={},
        model=None,
        resume_session=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test's shorthand


def seat(*, is_sandboxed: bool = True, account: Path | None = None) -> Seat:
    """A seat in the sandbox, or on the host."""
    inside = Path("/home/agent")
    return Seat(
        program=("/bin/program", "script"),
        work=Path("/work") if is_sandboxed else HOST / "work",
        home=inside if is_sandboxed else HOST / "home",
        tmp=Path("/tmp") if is_sandboxed else HOST / "tmp",
        conversation=inside / ".conversation" if is_sandboxed else HOST / "conversation" / "state",
        account=account,
        is_sandboxed=is_sandboxed,
    )


FOUND = FoundProgram(("/opt/x/program",), (Path("/opt/x/program"),), "/opt/x/program")


def parser(agent: str, earlier: Usage | None = None) -> StreamParser:
    """A fresh parser of the agent."""
    return driver(agent).parser(Listening(order(agent), StandingClock(), earlier))


def events_of(agent: str, stream: bytes, earlier: Usage | None = None) -> list[AgentEvent]:
    """All that the agent's parser makes of a stream."""
    made = parser(agent, earlier)
    return made.feed(stream) + made.finish({}, Exit(0, None))


def ending(code: int | None = 0, stop: StopCause | None = None, stderr: str = "") -> Ending:
    """A process that ended so."""
    how = Exit(code, None if code is not None else 15)
    return Ending(how, stop, 1.5, stderr, {41: "auth"})


def concluded(events: list[AgentEvent], how: Ending | None = None) -> AgentResult:
    """The result of these events."""
    tally = Tally()
    for event in events:
        tally.add(event)
    return conclude(tally, how or ending())


def replayed(agent: str, name: str, code: int = 0) -> AgentResult:
    """The result of a recorded run that ended with this exit code."""
    stream = (RECORDINGS / agent / f"{name}.out").read_bytes()
    return concluded(events_of(agent, stream), ending(code))
