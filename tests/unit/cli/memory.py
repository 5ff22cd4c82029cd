"""An in-memory `Backend` and `Services`, and builders of the values they answer with."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from ai_orchestrator.base.errors import ConflictError, NotFoundError, OrchestratorError
from ai_orchestrator.cli.app import App
from ai_orchestrator.cli.main import execute
from ai_orchestrator.cli.needs import ApplyMode
from ai_orchestrator.cli.settings import CliSettings, ConfigPlace, RunArguments
from ai_orchestrator.cli.terminal import Terminal
from ai_orchestrator.model.agent import Usage
from ai_orchestrator.model.backend import Backend
from ai_orchestrator.model.events import (
    AgentTextData,
    AgentToolData,
    AgentUsageData,
    CommitMadeData,
    Event,
    EventData,
    FindingChangedData,
    StepFinishedData,
    StepStartedData,
    TaskStateData,
    VerifierFinishedData,
)
from ai_orchestrator.model.review import (
    Finding,
    FindingState,
    LedgerEntry,
    Severity,
    Verifier,
    VerifierResult,
)
from ai_orchestrator.model.states import OutcomeCode, SuccessRule, TaskState
from ai_orchestrator.model.task import (
    Diff,
    FileChange,
    GarbageReport,
    Origin,
    RepositorySource,
    ResolvedConfig,
    ServerInfo,
    StepView,
    TaskRequest,
    TaskSummary,
    TaskView,
)
from ai_orchestrator.model.workflow import AgentSpec, AgentStep, LoopStep, ScriptStep, WorkflowSpec

TASK = "t-01jd3kq8z2v4w6x8y0a1m3k9x2"
SHORT = TASK[-8:]
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BASE = "1" * 40
FINAL = "2" * 40
USAGE = Usage(12_400, 2_310, 8_000, Decimal("0.4212"))


def event(
    seq: int,
    data: EventData,
    *,
    step: str | None = None,
    iteration: int | None = None,
    attempt: int | None = None,
    task_attempt: int = 1,
) -> Event:
    """An event one second after the one before it."""
    return Event(
        seq=seq,
        id=f"e{seq}",
        ts=START + timedelta(seconds=seq - 1),
        project="default",
        task=TASK,
        task_attempt=task_attempt,
        type=type(data).type,
        data=data,
        iteration=iteration,
        step=step,
        attempt=attempt,
    )


def entry(state: FindingState = FindingState.NEW, claim: str = "empty list divides by zero") -> Any:
    """A finding of the reviewer in the ledger."""
    return LedgerEntry(
        fingerprint=claim,
        finding=Finding(Severity.MEDIUM, claim, file="calculator/core.py", line=12),
        state=state,
        source="review",
        first_iteration=1,
        last_iteration=1,
    )


def verifier_result(*, is_green: bool) -> VerifierResult:
    """One run of the tests."""
    return VerifierResult(
        name="tests",
        argv=("pytest", "-q"),
        code=0 if is_green else 1,
        is_timed_out=False,
        duration_s=0.8,
        output="" if is_green else "FAILED test_mean\nassert 1 == 2\n",
    )


def story() -> list[Event]:
    """A whole task: implement, red, review with a finding, refine, green, approved."""
    fixed = msgspec.structs.replace(entry(), state=FindingState.FIXED)
    datas: list[tuple[EventData, str | None, int]] = [
        (TaskStateData(TaskState.RUNNING), None, 1),
        (StepStartedData("agent", agent="claude", model="opus"), "implement", 1),
        (AgentTextData("I will ", is_delta=True), "implement", 1),
        (AgentTextData("look.\nThen", is_delta=True), "implement", 1),
        (AgentToolData("1", "Edit", "start", "calculator/core.py"), "implement", 1),
        (AgentUsageData(USAGE), "implement", 1),
        (CommitMadeData("3" * 40, "refs/x", 2, 34, 2), "implement", 1),
        (StepFinishedData("succeeded", usage=USAGE, duration_s=6.0), "implement", 1),
        (VerifierFinishedData(verifier_result(is_green=False), "3" * 40), "verify", 1),
        (StepStartedData("agent", agent="codex"), "review", 1),
        (FindingChangedData(entry()), "review", 1),
        (StepFinishedData("succeeded", "request changes, 1 finding", duration_s=2.0), "review", 1),
        (StepStartedData("agent", agent="claude", how="continued"), "refine", 2),
        (StepFinishedData("succeeded", duration_s=2.0), "refine", 2),
        (FindingChangedData(fixed), "review", 2),
        (VerifierFinishedData(verifier_result(is_green=True), FINAL), "verify", 2),
        (
            TaskStateData(
                TaskState.SUCCEEDED, OutcomeCode.APPROVED_VERIFIED, "approved, tests green"
            ),
            None,
            1,
        ),
    ]
    return [
        event(seq, data, step=step, iteration=iteration, attempt=1 if step else None)
        for seq, (data, step, iteration) in enumerate(datas, start=1)
    ]


def task_view(
    state: TaskState = TaskState.SUCCEEDED,
    outcome: OutcomeCode | None = OutcomeCode.APPROVED_VERIFIED,
    *,
    reason: str = "approved, tests green",
    last_seq: int = 17,
    usage: Usage = USAGE,
) -> TaskView:
    """A task with one step, one verifier and one finding."""
    is_final = state.is_final
    return TaskView(
        summary=TaskSummary(
            id=TASK,
            title="Fix the mean",
            state=state,
            workflow="default",
            repository="/home/ann/calculator",
            created_at=START,
            updated_at=START,
            outcome=outcome if is_final else None,
            reason=reason if is_final else "",
            usage=usage,
            principal="local:ann",
        ),
        task="Fix the mean of an empty list",
        steps=(
            StepView(
                step="implement",
                iteration=1,
                attempt=1,
                kind="agent",
                outcome="succeeded",
                started_at=START,
                finished_at=START + timedelta(seconds=6),
                agent="claude",
                model="opus",
                commit="3" * 40,
                is_changed=True,
                usage=usage,
                verifiers=(verifier_result(is_green=False),),
            ),
        ),
        findings=(entry(FindingState.FIXED),),
        base_commit=BASE,
        final_commit=FINAL if state is TaskState.SUCCEEDED else None,
        verified_tree="4" * 40,
        branch=f"ai/{SHORT}-fix-the-mean",
        last_seq=last_seq,
    )


CHANGES = Diff(
    BASE,
    FINAL,
    (
        FileChange("calculator/core.py", "modified", 34, 2),
        FileChange("logo.png", "added"),
        FileChange("b.py", "renamed", 0, 0, old_path="a.py"),
    ),
    "3 files",
)
WAITING = task_view(TaskState.WAITING_APPROVAL, None)
QUEUED = task_view(TaskState.QUEUED, None, usage=Usage())


@dataclass
class Round:
    """What one stream of events brings, and how the task stands after it."""

    events: Sequence[Event | BaseException]
    view: TaskView


@dataclass
class MemoryBackend:
    """Plays rounds; remembers what it was asked."""

    rounds: list[Round] = field(default_factory=lambda: [Round(story(), task_view())])
    view: TaskView = QUEUED
    asked: list[str] = field(default_factory=list)
    resumed: tuple[str, ...] = ()
    started_at: datetime = START
    problem: OrchestratorError | None = None
    submit_problem: BaseException | None = None
    is_closed: bool = False
    request: TaskRequest | None = None
    waits: list[float] = field(default_factory=list)
    views_to_come: list[TaskView] = field(default_factory=list)
    patch_chunks: Sequence[bytes] = (b"diff --git a/x b/x\n@@ -1 +1 @@\n-ol", b"d\n+new\n")
    log_chunks: Sequence[bytes] = (b"hello \x1b[31mred\n", b"\xff\xfe bytes\n")
    changes: Diff = CHANGES
    credentials: Mapping[str, str] | None = None

    def info(self) -> ServerInfo:
        return ServerInfo(
            "0.1.0", 1, 42, "/home/ann/data", self.started_at, 1, resumed_tasks=self.resumed
        )

    def submit(self, request: TaskRequest) -> TaskView:
        self.asked.append("submit")
        if self.submit_problem is not None:
            raise self.submit_problem
        self.request = request
        return self.view

    def tasks(self, *, limit: int = 50) -> list[TaskSummary]:
        self._answer(f"tasks {limit}")
        return [self.view.summary] if limit else []

    def task(self, task_id: str, *, attempt: int | None = None) -> TaskView:
        del attempt
        self._answer(f"task {task_id}")
        if task_id not in (TASK, SHORT):
            raise NotFoundError(f"no task {task_id!r}.", hint="See: ai-orchestrator tasks")
        if self.views_to_come:
            self.view = self.views_to_come.pop(0)
        return self.view

    def events(self, task_id: str, *, after_seq: int = 0, follow: bool = False) -> Iterator[Event]:
        self._answer(f"events after {after_seq}")
        current = self.rounds.pop(0)
        for item in current.events:
            if isinstance(item, BaseException):
                raise item
            if item.seq > after_seq:
                yield item
        self.view = current.view

    def diff(self, task_id: str, *, step: str | None = None, attempt: int | None = None) -> Diff:
        self._answer(f"diff {step}" if attempt is None else f"diff {step} of {attempt}")
        return self.changes

    def patch(
        self, task_id: str, *, step: str | None = None, attempt: int | None = None
    ) -> Iterator[bytes]:
        self._answer(f"patch {step}" if attempt is None else f"patch {step} of {attempt}")
        yield from self.patch_chunks

    def bundle(
        self, task_id: str, *, attempt: int | None = None, is_whole: bool = False
    ) -> Iterator[bytes]:
        raise NotImplementedError

    def mark_applied(self, task_id: str, how: str, *, attempt: int | None = None) -> None:
        raise NotImplementedError

    def logs(self, task_id: str, *, step: str | None = None) -> Iterator[bytes]:
        self._answer(f"logs {step}")
        yield from self.log_chunks

    def cancel(self, task_id: str) -> TaskView:
        self._answer(f"cancel {task_id}")
        self.view = task_view(TaskState.CANCELLING, None)
        return self.view

    def retry(self, task_id: str, *, credentials: Mapping[str, str] | None = None) -> TaskView:
        self._answer(f"retry {task_id}")
        self.credentials = credentials
        return self.view

    def delete(self, task_id: str, *, force: bool = False) -> None:
        self._answer(f"delete {task_id} {force}")
        if not force:
            raise ConflictError("its work was not applied.", hint="Apply it, or use --force.")

    def gc(self, *, dry_run: bool, force: bool) -> GarbageReport:
        self._answer(f"gc {dry_run} {force}")
        kept = ("t-kept has changes that were not applied.",)
        return GarbageReport((SHORT,), kept, 3_400_000, dry_run)

    def close(self) -> None:
        self.is_closed = True

    def _answer(self, what: str) -> None:
        self.asked.append(what)
        if self.problem is not None:
            raise self.problem


@dataclass(frozen=True)
class Agent:
    name: str = "claude"
    driver: str = "claude"
    is_ready: bool = True
    version: str | None = "2.1.0"
    account: str = "default (env)"
    detail: str = "ANTHROPIC_API_KEY is set"
    next_command: str = ""


LOST_AGENT = Agent(
    "codex",
    "codex",
    is_ready=False,
    version=None,
    account="",
    detail="not on PATH",
    next_command="npm install -g codex",
)


def workflow(name: str = "default") -> WorkflowSpec:
    """Implement, then a loop of review and refine, with a script in front."""
    implement = AgentStep(
        "implement", "implement", "claude", "implementer", "change", "write", "implement"
    )
    review = AgentStep("review", "review", "codex", "reviewer", "verdict", "read-only", "review")
    return WorkflowSpec(
        name=name,
        description="implement, review, refine",
        success=SuccessRule.APPROVED_VERIFIED,
        steps=(
            ScriptStep("prepare", ("make", "deps")),
            implement,
            LoopStep("rounds", (review,), "approved", 3),
        ),
        agents={"claude": AgentSpec("claude", "claude", ("claude",))},
        accounts={},
        prompts={},
        verifiers=None,
        max_cost_usd=5.0,
    )


@dataclass(frozen=True)
class LoginDone:
    is_ready: bool = True
    problem: str = ""
    note: str = ""


@dataclass
class MemoryLogin:
    """A login that ends as it is told to; remembers with what it was run."""

    account: str = "work"
    agent_name: str = "claude"
    command: str = "/bin/claude auth login"
    directory: Path = Path("/home/ann/data/accounts/work")
    done: LoginDone = LoginDone()
    arguments: tuple[str, ...] | None = None

    def run(self, arguments: Sequence[str]) -> LoginDone:
        self.arguments = tuple(arguments)
        return self.done


@dataclass(frozen=True)
class Listing:
    spec: WorkflowSpec = field(default_factory=workflow)
    origin: str = "built-in"
    is_default: bool = True
    lack: str = ""


@dataclass(frozen=True)
class MemoryPlan:
    spec: WorkflowSpec = field(default_factory=workflow)
    repository: str = "/home/ann/calculator"
    base_commit: str | None = BASE
    verifiers: tuple[Verifier, ...] | None = (
        Verifier("tests", ("pytest", "-q"), is_detected=True),
    )
    agents: tuple[Agent, ...] = (Agent(), LOST_AGENT)


@dataclass(frozen=True)
class Trusted:
    repository: str = "/home/ann/calculator"
    files: tuple[str, ...] = ("config/agents.yaml",)
    digest: str = "sha256:abc"


@dataclass(frozen=True)
class MemoryCheck:
    name: str
    level: Any
    detail: str
    next_command: str = ""


@dataclass(frozen=True)
class Delivered:
    repository: str = "/home/ann/calculator"
    commit: str = FINAL
    branch: str = f"ai/{SHORT}-fix-the-mean"
    is_merged: bool = False


@dataclass(frozen=True)
class Demo:
    backend: Backend
    request: TaskRequest
    notes: tuple[str, ...] = ("no key is used",)


CONFIG = ResolvedConfig(
    {
        "agents": {"claude": {"enabled": True, "command": "claude"}},
        "workflows": {"mine": [{"agent": "claude", "task": "implement"}]},
        "settings": {"max_iterations": 3, "tags": ["a", "b"]},
    },
    {
        "agents.claude.enabled": Origin("config/agents.yaml", 3),
        "workflows.mine": Origin("config/agents.yaml", 9),
        "settings.max_iterations": Origin("flag --max-iterations"),
    },
)


@dataclass
class MemoryServices:
    """Answers from memory; remembers what it was handed."""

    backend: MemoryBackend = field(default_factory=MemoryBackend)
    settings: CliSettings | None = None
    arguments: RunArguments | None = None
    place: ConfigPlace | None = None
    applied: tuple[str, Path | None, ApplyMode] | None = None
    asked: list[str] = field(default_factory=list)
    problem: BaseException | None = None
    apply_problem: OrchestratorError | None = None
    notes: tuple[str, ...] = ()
    config_problems: tuple[str, ...] = ()
    checks: tuple[MemoryCheck, ...] = (MemoryCheck("git", "ok", "git 2.43"),)
    agents: tuple[Agent, ...] = (Agent(), LOST_AGENT)
    the_plan: MemoryPlan = field(default_factory=MemoryPlan)
    demo_agents: tuple[str, ...] | None = None
    login: MemoryLogin = field(default_factory=MemoryLogin)

    def open_backend(self, settings: CliSettings) -> Backend:
        self.asked.append("open_backend")
        self._raise()
        self.settings = settings
        return self.backend

    def prepare_request(self, arguments: RunArguments) -> tuple[TaskRequest, tuple[str, ...]]:
        self.asked.append("prepare_request")
        self._raise()
        self.arguments = arguments
        source = RepositorySource(path="/home/ann/calculator", ref=arguments.ref)
        request = TaskRequest(arguments.task, source, CONFIG, arguments.workflow, arguments.options)
        return request, self.notes

    def credentials(self, place: ConfigPlace) -> Mapping[str, str]:
        self.place = place
        return {"ANTHROPIC_API_KEY": "k"}

    def plan(self, request: TaskRequest, data_dir: Path | None) -> MemoryPlan:
        return self.the_plan

    def require_agents(self, request: TaskRequest) -> None:
        self.asked.append("require_agents")

    def check_config(self, place: ConfigPlace) -> Sequence[str]:
        self.place = place
        self._raise()
        return self.config_problems

    def config_notes(self, place: ConfigPlace) -> Sequence[str]:
        return self.notes

    def config_origins(self, place: ConfigPlace) -> ResolvedConfig:
        self.place = place
        return CONFIG

    def init_config(self, path: Path | None, *, is_forced: bool) -> Path:
        if path is not None and path.exists() and not is_forced:
            raise ConflictError(f"{path} exists.", hint="Use --force to replace it.")
        return path or Path("/home/ann/.config/ai-orchestrator/agents.yaml")

    def trust_repository(self, path: Path, data_dir: Path | None) -> Trusted:
        self._raise()
        return Trusted()

    def survey_agents(self, place: ConfigPlace) -> Sequence[Agent]:
        self.place = place
        return self.agents

    def prepare_login(self, name: str, place: ConfigPlace) -> MemoryLogin:
        self.asked.append(f"prepare_login {name} {place.data_dir}")
        self.place = place
        self._raise()
        return self.login

    def list_workflows(self, place: ConfigPlace) -> Sequence[Listing]:
        self._raise()
        self.place = place
        return (Listing(), Listing(workflow("quick"), "config/agents.yaml:9", is_default=False))

    def doctor(self, settings: CliSettings, place: ConfigPlace) -> Iterator[MemoryCheck]:
        self.settings, self.place = settings, place
        yield from self.checks

    def apply_task(
        self,
        backend: Backend,
        task_id: str,
        *,
        repository: Path | None,
        mode: ApplyMode,
        attempt: int | None = None,
    ) -> Delivered:
        del attempt
        if self.apply_problem is not None:
            raise self.apply_problem
        self.applied = (task_id, repository, mode)
        where = str(repository) if repository else "/home/ann/calculator"
        if mode == "merge":
            return Delivered(where, branch="main", is_merged=True)
        return Delivered(where)

    def task_repository(self, backend: Backend, task_id: str) -> Path | None:
        return Path("/home/ann/data/repos/x.git")

    @contextmanager
    def run_demo(
        self, settings: CliSettings, *, directory: Path | None, agents: Sequence[str]
    ) -> Iterator[Demo]:
        self.settings = settings
        self.demo_agents = tuple(agents)
        source = RepositorySource(path="/tmp/demo")
        yield Demo(self.backend, TaskRequest("mend it", source, CONFIG))
        self.backend.close()

    def _raise(self) -> None:
        if self.problem is not None:
            raise self.problem


class ManualClock:
    """Stands still."""

    def now(self) -> datetime:
        return START + timedelta(seconds=30)

    def monotonic_s(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json_lines(self) -> list[Any]:
        """Every line of stdout, parsed."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


PIPE = Terminal(is_shown=False, is_interactive=False, is_coloured=False, can_ask=False)
ASKING = Terminal(is_shown=False, is_interactive=False, is_coloured=False, can_ask=True)
SCREEN = Terminal(is_shown=True, is_interactive=False, is_coloured=True, can_ask=True)


@dataclass
class World:
    """The program with everything around it in memory."""

    services: MemoryServices = field(default_factory=MemoryServices)
    terminal: Terminal = PIPE

    @property
    def backend(self) -> MemoryBackend:
        """The backend that every command gets."""
        return self.services.backend

    def type(self, *words: str, stdin: str | bytes = "") -> Outcome:
        """Runs a command line, as a person would type it."""
        app = App(
            services=lambda: self.services,
            clock=ManualClock(),
            sleep=self.backend.waits.append,
            detect=lambda _no_color, _term: self.terminal,
        )
        typed = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
        with CliRunner().isolation(input=typed) as (out, err, _):
            code = execute(words, app)
        return Outcome(code, out.getvalue().decode(), err.getvalue().decode())
