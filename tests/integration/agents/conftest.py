"""The host with real processes: fake vendors' programs, and the built-in agent."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.agents import bench
from tests.agents.bench import Bench, KeptLog
from tests.unit.agents.orders import order

from ai_orchestrator.agents.host import ProcessAgentHost
from ai_orchestrator.agents.raw_log import LogKeeping
from ai_orchestrator.agents.vendor_home import VendorHomes
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.sandbox import find_bubblewrap
from ai_orchestrator.model.agent import AgentEvent, AgentResult
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths, Containment
from ai_orchestrator.model.workflow import AgentSpec, Limits
from ai_orchestrator.scripted.scenario import Scenario, Usage
from ai_orchestrator.scripted.server import ScriptedServer
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.workflows.commands.enclosure import Enclosure
from ai_orchestrator.workspace.removal import remove_tree

SECRET = "sk-very-secret"


@pytest.fixture(scope="module")
def spawner() -> Iterator[GuardedSpawner]:
    """One guardian for a module."""
    made = GuardedSpawner()
    yield made
    made.close()


@dataclass
class Stage:
    """A host, and programs that are shell scripts under a vendor's name."""

    root: Path
    host: ProcessAgentHost
    spawner: GuardedSpawner
    logs: list[KeptLog]
    enclosure: Enclosure
    sandbox: str = "off"
    events: list[AgentEvent] = field(default_factory=list)

    def order(self, name: str, script: str, /, **changes: object) -> AgentOrder:
        """An order for a program that does what the script says."""
        program = self.root / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        paths = AttemptPaths(
            work=self.root / "work",
            home=self.root / "home",
            tmp=self.root / "tmp",
            conversation=self.root / "conversation",
        )
        for path in (paths.work, paths.home, paths.tmp, paths.conversation):
            path.mkdir(exist_ok=True)
        asked = order(
            name,
            agent=AgentSpec(name, name, (str(program),)),
            paths=paths,
            containment=Containment(self.sandbox, "write", "open"),  # type: ignore[arg-type]
            limits=Limits(timeout_s=60.0, stall_s=30.0),
        )
        return replace(asked, **changes)  # type: ignore[arg-type]  # a test's shorthand

    async def run(self, name: str, script: str, /, **changes: object) -> AgentResult:
        """The result of such an order."""
        return await self.host.run(self.order(name, script, **changes), self.events.append)


@pytest.fixture
def stage(spawner: GuardedSpawner, tmp_path: Path) -> Stage:
    """A stage without sandbox."""
    logs: list[KeptLog] = []
    redactor = Redactor()
    redactor.add("the test", {"SECRET": SECRET})

    def open_log(_: object) -> KeptLog:
        logs.append(KeptLog())
        return logs[-1]

    enclosure = bench.enclosure_here()
    host = ProcessAgentHost(
        spawner,
        SystemClock(),
        cache=tmp_path / "cache",
        homes=VendorHomes(tmp_path / "accounts", discard=remove_tree, learn=redactor.add),
        logs=LogKeeping(open_log, redactor.new_stream),
        enclosure=enclosure,
    )
    return Stage(tmp_path, host, spawner, logs, enclosure)


@pytest.fixture
def sandboxed(stage: Stage) -> Stage:
    """The same in the sandbox."""
    if find_bubblewrap("/usr/bin:/usr/local/bin") is None:
        pytest.skip("bubblewrap is not installed")
    stage.sandbox = "required"
    return stage


def cat(path: Path) -> str:
    """The shell's words that print a file."""
    return f"cat {shlex.quote(str(path))}"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    """A scripted model that plays the markers of the prompt."""
    scenario = Scenario("markers", "", "/work", Usage(111, 22, 11), ())
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as made:
        yield made


@pytest.fixture
def builtin(server: ScriptedServer, spawner: GuardedSpawner, tmp_path: Path) -> Bench:
    """The built-in agent in the sandbox."""
    if find_bubblewrap("/usr/bin:/usr/local/bin") is None:
        pytest.skip("bubblewrap is not installed")
    return bench.make_bench("builtin", server.url, tmp_path, spawner, tmp_path, "required")
