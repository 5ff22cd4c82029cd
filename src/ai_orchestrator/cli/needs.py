"""What the command line needs beyond a `Backend`; `wiring.services()` returns it.

`wiring` lies below this package and cannot import it, so everything here is a Protocol that its
values fit by structure. Each method does one thing that a person asked for; commands only print
what comes back. All raise `OrchestratorError`s, and nothing else that a person could cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ai_orchestrator.cli.settings import CliSettings, ConfigPlace, RunArguments
    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.review import Verifier
    from ai_orchestrator.model.task import ResolvedConfig, TaskRequest
    from ai_orchestrator.model.workflow import WorkflowSpec

ApplyMode = Literal["branch", "merge", "new-directory"]
"""branch: make the task's branch; merge: and merge it into what is checked out;
new-directory: make a new repository with the result."""

CheckLevel = Literal["ok", "warn", "fail"]


class AgentStatus(Protocol):
    """One agent of the configuration, as `agents` shows it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def driver(self) -> str:
        """claude, codex, gemini, copilot, builtin or command."""
        ...

    @property
    def is_ready(self) -> bool:
        """A step that names it could start now."""
        ...

    @property
    def version(self) -> str | None:
        """What the program says of itself; None when it was not found or not asked."""
        ...

    @property
    def account(self) -> str:
        """Name and kind of the account that would be used, `` when there is none."""
        ...

    @property
    def detail(self) -> str:
        """One sentence: why it is ready or not."""
        ...

    @property
    def next_command(self) -> str:
        """What to type to make it ready, `` when nothing is to be done."""
        ...


class LoginResult(Protocol):
    """What came of a vendor's login."""

    @property
    def is_ready(self) -> bool:
        """The login is kept now."""
        ...

    @property
    def problem(self) -> str:
        """One sentence, where it is not; the one before stays."""
        ...

    @property
    def note(self) -> str:
        """What keeps the login from being used, `` where nothing does."""
        ...


class PreparedLogin(Protocol):
    """A vendor's login that can be made."""

    @property
    def account(self) -> str:
        """The account that will hold it."""
        ...

    @property
    def agent_name(self) -> str:
        """The agent that logs in."""
        ...

    @property
    def command(self) -> str:
        """What will be run, for people."""
        ...

    @property
    def directory(self) -> Path:
        """Where the login will be."""
        ...

    def run(self, arguments: Sequence[str]) -> LoginResult:
        """Runs it at this terminal with further arguments of the vendor's.

        Raises `TemporaryError` while a task works with the account.
        """
        ...


class WorkflowListing(Protocol):
    """One workflow that `run -w` accepts."""

    @property
    def spec(self) -> WorkflowSpec:
        """The whole workflow, checked, with the agents that `run` would choose."""
        ...

    @property
    def origin(self) -> str:
        """`built-in`, or the file and line it comes from."""
        ...

    @property
    def is_default(self) -> bool:
        """`run` without `-w` takes this one."""
        ...

    @property
    def lack(self) -> str:
        """Why `run` could not take it on this machine, `` where it could."""
        ...


class Plan(Protocol):
    """What `run` would do with a request; nothing was started for it."""

    @property
    def spec(self) -> WorkflowSpec:
        """The workflow as it would be frozen, with the flags applied."""
        ...

    @property
    def repository(self) -> str:
        """Path or URL that the work would start from."""
        ...

    @property
    def base_commit(self) -> str | None:
        """The commit it would start from; None for a repository yet to be made or fetched."""
        ...

    @property
    def verifiers(self) -> Sequence[Verifier] | None:
        """Those that would run; None when they can be known only once the task has started."""
        ...

    @property
    def agents(self) -> Sequence[AgentStatus]:
        """The agents that its steps name, in the order of the steps."""
        ...


class TrustRecord(Protocol):
    """What `trust` recorded."""

    @property
    def repository(self) -> str:
        """Absolute path of the repository."""
        ...

    @property
    def files(self) -> Sequence[str]:
        """Paths in it that are used from now on, as long as they stay as they are."""
        ...

    @property
    def digest(self) -> str:
        """The digest that the trust is bound to."""
        ...


class Check(Protocol):
    """One line of `doctor`."""

    @property
    def name(self) -> str:
        """What was looked at, in two or three words."""
        ...

    @property
    def level(self) -> CheckLevel:
        """fail: tasks can not run; warn: some can not, or with less protection."""
        ...

    @property
    def detail(self) -> str:
        """What was found, and why it matters."""
        ...

    @property
    def next_command(self) -> str:
        """What to type next, `` when nothing is to be done."""
        ...


class Applied(Protocol):
    """What `apply` did to a repository."""

    @property
    def repository(self) -> str:
        """Absolute path of the repository that was written."""
        ...

    @property
    def commit(self) -> str:
        """The commit that arrived."""
        ...

    @property
    def branch(self) -> str:
        """The branch that was made or moved."""
        ...

    @property
    def is_merged(self) -> bool:
        """The branch that is checked out holds the commit now."""
        ...


class DemoRun(Protocol):
    """A demo that is ready to be submitted."""

    @property
    def backend(self) -> Backend:
        """Where to submit it; closed with the demo."""
        ...

    @property
    def request(self) -> TaskRequest:
        """The task of the demo."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know before it starts: where it works, that no key is used."""
        ...


class Services(Protocol):
    """Everything a command can ask for that is not a question to a `Backend`."""

    def open_backend(self, settings: CliSettings) -> Backend:
        """The server at `settings.server`, else the runner of the data directory.

        Starts a runner where none runs, unless `settings.may_start` is False: then, with no runner
        there, it raises `UnreachableError`. With `settings.in_process` the runner lives in this
        process until `close()`. With `settings.is_looking` the files of the data directory stand in
        where no runner can be had; `info` of the backend says so then.
        """
        ...

    def prepare_request(self, arguments: RunArguments) -> tuple[TaskRequest, tuple[str, ...]]:
        """The request, with configuration, PATH and credentials resolved, and notes for people.

        Raises `BadInputError` for an unknown workflow or agent, a path that is no repository, or
        uncommitted changes without `include_dirty`.
        """
        ...

    def credentials(self, place: ConfigPlace) -> Mapping[str, str]:
        """The credentials that a task would be sent with from there."""
        ...

    def plan(self, request: TaskRequest, data_dir: Path | None) -> Plan:
        """What would run. Reads only; runs no agent and no verifier.

        `data_dir`: as in `settings.data_dir`; it may hold logins.
        """
        ...

    def require_agents(self, request: TaskRequest) -> None:
        """Nothing, where the programs of the agents that would work are on this machine.

        Raises `EnvironmentProblemError` with what to type, `BadInputError` for a configuration
        that is wrong.
        """
        ...

    def check_config(self, place: ConfigPlace) -> Sequence[str]:
        """Every problem of configuration and workflows, `file:line key: what. hint`; none: valid.

        Raises `NotFoundError` when `place.config_file` does not exist.
        """
        ...

    def config_notes(self, place: ConfigPlace) -> Sequence[str]:
        """What is right and still not what its reader would expect, a sentence each.

        A file that is not used, a key without effect, a step that is left out. None where the
        configuration is wrong: whoever needs it is told the problems.
        """
        ...

    def config_origins(self, place: ConfigPlace) -> ResolvedConfig:
        """The merged configuration and where each value came from. It holds no secret."""
        ...

    def init_config(self, path: Path | None, *, is_forced: bool) -> Path:
        """Writes the commented example configuration and returns where.

        None: the user's own file. Raises `ConflictError` when the file exists, unless forced.
        """
        ...

    def trust_repository(self, path: Path, data_dir: Path | None) -> TrustRecord:
        """Records trust in the configuration that the repository at or above `path` carries now.

        Raises `NotFoundError` when there is no repository or nothing to trust in it.
        """
        ...

    def survey_agents(self, place: ConfigPlace) -> Sequence[AgentStatus]:
        """The enabled agents of the configuration in its order; asks each for its version.

        `data_dir`: as in `settings.data_dir`; it may hold logins.
        """
        ...

    def prepare_login(self, name: str, place: ConfigPlace) -> PreparedLogin:
        """A vendor's login, ready to be made for an account or an agent of the configuration.

        Raises `NotFoundError` for an unknown name, `BadInputError` for what has no login to make,
        `EnvironmentProblemError` where the agent's program is missing.
        """
        ...

    def list_workflows(self, place: ConfigPlace) -> Sequence[WorkflowListing]:
        """All workflows, the default first. Fast enough for shell completion: starts nothing."""
        ...

    def doctor(self, settings: CliSettings, place: ConfigPlace) -> Iterable[Check]:
        """The checks as they finish. Never raises for what a check finds."""
        ...

    def apply_task(
        self,
        backend: Backend,
        task_id: str,
        *,
        repository: Path | None,
        mode: ApplyMode,
        attempt: int | None = None,
    ) -> Applied:
        """Brings a task's final commit into a repository and marks the task as applied.

        `repository` None: the one the task started from. `attempt` None: the last one. Raises
        `ConflictError` when the task has no commit to apply, the tree is dirty or the merge
        conflicts (nothing is changed then).
        """
        ...

    def task_repository(self, backend: Backend, task_id: str) -> Path | None:
        """The task's own bare repository; None when it is on another machine."""
        ...

    def run_demo(
        self, settings: CliSettings, *, directory: Path | None, agents: Sequence[str]
    ) -> AbstractContextManager[DemoRun]:
        """A small repository with a fault, and a scripted model to mend it: no key, no network.

        `directory` None: a new one under TMPDIR, kept for looking at. `agents`: the installed ones
        that do the work; none: the built-in one. Raises `BadInputError` for an unknown one.
        """
        ...
