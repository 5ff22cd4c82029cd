"""What the command line needs beyond a backend; fits `cli.needs.Services` by structure.

Every import that costs time stands in the method that needs it: `--help` and completion pay for
none of them.
"""

# ruff: noqa: PLC0415  # lazy on purpose, see above
from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from ai_orchestrator import __version__
from ai_orchestrator.config.agents_found import may_lack_programs
from ai_orchestrator.config.environment import Environment
from ai_orchestrator.config.paths import data_directory, socket_path

if TYPE_CHECKING:
    from ai_orchestrator.agents.accounts import LoginPlaces
    from ai_orchestrator.agents.survey import AgentStatus
    from ai_orchestrator.client.backend import HttpBackend
    from ai_orchestrator.client.local_runner import LocalRunner
    from ai_orchestrator.client.transport import Transport
    from ai_orchestrator.config.resolve import Resolution
    from ai_orchestrator.config.trust import TrustRecord
    from ai_orchestrator.model.backend import Backend
    from ai_orchestrator.model.task import ResolvedConfig, RunOptions, ServerInfo, TaskRequest
    from ai_orchestrator.services.application import Applied
    from ai_orchestrator.services.catalogue import WorkflowListing
    from ai_orchestrator.services.doctor import Check
    from ai_orchestrator.services.login import PreparedLogin
    from ai_orchestrator.services.planning import Plan
    from ai_orchestrator.wiring.demo import DemoRun

ApplyMode = Literal["branch", "merge", "new-directory"]


class Settings(Protocol):
    """Which server a command talks to; `cli.settings.CliSettings` fits it."""

    @property
    def cwd(self) -> Path: ...  # noqa: D102  # described in cli.settings
    @property
    def data_dir(self) -> Path | None: ...  # noqa: D102
    @property
    def server(self) -> str | None: ...  # noqa: D102
    @property
    def config_file(self) -> Path | None: ...  # noqa: D102
    @property
    def in_process(self) -> bool: ...  # noqa: D102
    @property
    def may_start(self) -> bool: ...  # noqa: D102
    @property
    def is_looking(self) -> bool: ...  # noqa: D102


class Place(Protocol):
    """Where configuration is looked for; `cli.settings.ConfigPlace` fits it."""

    @property
    def cwd(self) -> Path: ...  # noqa: D102
    @property
    def config_file(self) -> Path | None: ...  # noqa: D102
    @property
    def repository(self) -> Path | None: ...  # noqa: D102
    @property
    def data_dir(self) -> Path | None: ...  # noqa: D102
    @property
    def has_no_repository(self) -> bool: ...  # noqa: D102


class Arguments(Protocol):
    """Everything that `run` was told; `cli.settings.RunArguments` fits it."""

    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def options(self) -> RunOptions: ...  # noqa: D102
    @property
    def repository(self) -> str | None: ...  # noqa: D102
    @property
    def ref(self) -> str | None: ...  # noqa: D102
    @property
    def include_dirty(self) -> bool: ...  # noqa: D102
    @property
    def workflow(self) -> str | None: ...  # noqa: D102
    @property
    def output(self) -> Path | None: ...  # noqa: D102
    @property
    def idempotency_key(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class LocalServices:
    """The services of one command, on this machine."""

    environment: Environment

    @classmethod
    def of_process(cls) -> LocalServices:
        """For the environment of this process."""
        return cls(Environment.of_process())

    # -- servers

    def open_backend(self, settings: Settings) -> Backend:
        """The server at `settings.server`, else the runner of the data directory.

        For a command that only looks, its files where no runner can be had.
        """
        from ai_orchestrator.client.backend import HttpBackend
        from ai_orchestrator.client.transport import TcpTransport

        if settings.server is not None:
            return HttpBackend(TcpTransport(settings.server))
        if settings.in_process:
            return self._in_process(settings)
        runner = self._runner(settings)
        if not settings.may_start:
            return HttpBackend(runner.transport())

        def revive() -> Transport:
            return runner.ensure_anew()[0]

        if settings.is_looking:
            return self._for_looking(runner, revive)
        return HttpBackend(runner.ensure()[0], revive)

    def _for_looking(self, runner: LocalRunner, revive: Callable[[], Transport]) -> Backend:
        from ai_orchestrator.base.errors import EnvironmentProblemError, UnreachableError
        from ai_orchestrator.client.backend import HttpBackend

        try:
            return HttpBackend(revive(), revive)
        except UnreachableError:
            reason = EnvironmentProblemError(
                f"the runner of {runner.data_dir} holds its lock and does not answer.",
                hint="See `ai-orchestrator doctor`.",
            )
        except EnvironmentProblemError as error:
            reason = error
        from ai_orchestrator.services.read_only import ReadOnlyBackend

        return ReadOnlyBackend(runner.data_dir, reason)

    def _data_dir(self, settings: Settings) -> Path:
        return settings.data_dir or data_directory(self.environment)

    def _runner(self, settings: Settings) -> LocalRunner:
        from ai_orchestrator.client.local_runner import LocalRunner, tell_on_stderr

        data_dir = self._data_dir(settings)
        return LocalRunner(
            data_dir=data_dir,
            socket=socket_path(data_dir, self.environment),
            release=__version__,
            variables=self.environment.variables,
            tell=tell_on_stderr,
        )

    def _in_process(self, settings: Settings) -> HttpBackend:
        from ai_orchestrator.client.backend import HttpBackend
        from ai_orchestrator.client.transport import UnixTransport
        from ai_orchestrator.wiring.serving import ServedInThread, Serving

        data_dir = self._data_dir(settings)
        socket = socket_path(data_dir, self.environment)
        served = ServedInThread(Serving(data_dir, socket, idle_s=None))
        self._runner(settings).take_over()
        served.start()
        return HttpBackend(UnixTransport(socket), on_close=served.close)

    # -- tasks

    def prepare_request(self, arguments: Arguments) -> tuple[TaskRequest, tuple[str, ...]]:
        """The request, with configuration, PATH and credentials resolved, and notes for people."""
        from ai_orchestrator.config.credentials import pick_credentials
        from ai_orchestrator.model.task import TaskRequest
        from ai_orchestrator.services.repository import Wanted, repository_source

        settings = arguments.settings
        source = repository_source(
            Wanted(
                cwd=settings.cwd,
                repository=arguments.repository,
                new_directory=arguments.output,
                ref=arguments.ref,
                include_dirty=arguments.include_dirty,
            )
        )
        top = Path(source.path) if source.path is not None else None
        resolution = self._resolve(top, settings.config_file, settings.data_dir)
        request = TaskRequest(
            task=arguments.task,
            repository=source,
            config=resolution.config,
            workflow=arguments.workflow,
            options=arguments.options,
            path=self.environment.get("PATH") or "",
            home=str(self.environment.home),
            credentials=pick_credentials(self.environment, resolution.config),
            idempotency_key=arguments.idempotency_key,
        )
        return request, resolution.notes

    def credentials(self, place: Place) -> dict[str, str]:
        """The credentials that a task would be sent with from here."""
        from ai_orchestrator.config.credentials import pick_credentials

        return pick_credentials(self.environment, self._resolve_at(place).config)

    def plan(self, request: TaskRequest, data_dir: Path | None) -> Plan:
        """What would run. Reads only; runs no agent and no verifier."""
        import asyncio

        from ai_orchestrator.services.planning import plan

        return asyncio.run(plan(request, self._login_places(data_dir)))

    def require_agents(self, request: TaskRequest) -> None:
        """Nothing, where the programs of the agents that would work are on this machine."""
        if may_lack_programs(request.config.document, self.environment):
            from ai_orchestrator.services.required_agents import require_agents

            require_agents(request)

    def apply_task(
        self,
        backend: Backend,
        task_id: str,
        *,
        repository: Path | None,
        mode: ApplyMode,
        attempt: int | None = None,
    ) -> Applied:
        """Brings a task's final commit into a repository and marks the task as applied."""
        import asyncio

        from ai_orchestrator.services.application import Application

        return asyncio.run(
            Application(
                backend, task_id, repository, mode, self.environment.variables, attempt
            ).apply()
        )

    def task_repository(self, backend: Backend, task_id: str) -> Path | None:
        """The task's own bare repository; None when it is on another machine."""
        from ai_orchestrator.workspace.layout import DataLayout

        layout = DataLayout(Path(backend.info().data_directory))
        repository = layout.attempt(task_id, 1).repository  # all attempts share it
        return repository if repository.is_dir() else None

    # -- configuration

    def _resolve(
        self, repository: Path | None, config_file: Path | None, data_dir: Path | None
    ) -> Resolution:
        from ai_orchestrator.config.resolve import ResolveRequest, resolve
        from ai_orchestrator.workflows.loading.built_in import built_in_text

        return resolve(
            ResolveRequest(
                environment=self.environment,
                built_in=built_in_text(),
                repository=repository,
                config_file=config_file,
                data_directory=data_dir,
            )
        )

    def _resolve_at(self, place: Place) -> Resolution:
        from ai_orchestrator.services.repository import find_repository

        top = None if place.has_no_repository else find_repository(place.repository or place.cwd)
        return self._resolve(top, place.config_file, place.data_dir)

    def check_config(self, place: Place) -> Sequence[str]:
        """Every problem of configuration and workflows; none: valid."""
        from ai_orchestrator.config.problems import ConfigError
        from ai_orchestrator.workflows.loading.load import check

        try:
            resolution = self._resolve_at(place)
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        return [str(problem) for problem in check(resolution.config)]

    def config_notes(self, place: Place) -> Sequence[str]:
        """What people should know about configuration and workflows; none where they are wrong."""
        from ai_orchestrator.config.problems import ConfigError
        from ai_orchestrator.workflows.loading.load import remarks, workflow_names

        try:
            resolution = self._resolve_at(place)
            told = remarks(resolution.config, workflow_names(resolution.config))
        except ConfigError:
            return ()
        return (*resolution.notes, *told)

    def config_origins(self, place: Place) -> ResolvedConfig:
        """The merged configuration and where each value came from."""
        return self._resolve_at(place).config

    def init_config(self, path: Path | None, *, is_forced: bool) -> Path:
        """Writes the commented example configuration and returns where."""
        from ai_orchestrator.config.paths import user_config_file
        from ai_orchestrator.services.configuration import write_example
        from ai_orchestrator.workflows.loading.built_in import built_in_text

        target = path or user_config_file(self.environment)
        return write_example(target, built_in_text(), is_forced=is_forced, is_private=path is None)

    def trust_repository(self, path: Path, data_dir: Path | None) -> TrustRecord:
        """Records trust in the configuration that the repository carries now."""
        from ai_orchestrator.base.clock import SystemClock
        from ai_orchestrator.config.paths import trust_file
        from ai_orchestrator.config.trust import TrustStore
        from ai_orchestrator.services.configuration import trust

        store = TrustStore(trust_file(data_dir or data_directory(self.environment)))
        return trust(path, store, SystemClock().now())

    def list_workflows(self, place: Place) -> Sequence[WorkflowListing]:
        """All workflows, the default first."""
        from ai_orchestrator.services.catalogue import catalogue

        return catalogue(self._resolve_at(place).config)

    # -- the machine

    def survey_agents(self, place: Place) -> Sequence[AgentStatus]:
        """The enabled agents of the configuration in its order; asks each for its version."""
        import asyncio

        from ai_orchestrator.services.agents import survey_configured

        places = self._login_places(place.data_dir)
        config = self._resolve_at(place).config
        return asyncio.run(survey_configured(config, self.environment, places))

    def prepare_login(self, name: str, place: Place) -> PreparedLogin:
        """A vendor's login, ready to be made for an account or an agent of the configuration."""
        from ai_orchestrator.config.credentials import pick_credentials
        from ai_orchestrator.services.login import Machine, prepare_login
        from ai_orchestrator.workflows.loading.load import agent_specs

        config = self._resolve_at(place).config
        machine = Machine(
            self.environment,
            place.data_dir or data_directory(self.environment),
            self._login_places(place.data_dir),
            pick_credentials(self.environment, config),
        )
        return prepare_login(name, *agent_specs(config), machine)

    def _login_places(self, data_dir: Path | None) -> LoginPlaces:
        from ai_orchestrator.agents.accounts import LoginPlaces
        from ai_orchestrator.agents.vendor_home import ACCOUNTS_FOLDER

        kept = (data_dir or data_directory(self.environment)) / ACCOUNTS_FOLDER
        if data_dir is None:
            return LoginPlaces(self.environment.home, kept)
        words = ("ai-orchestrator", "--data-dir", str(data_dir), "agents", "login")
        return LoginPlaces(self.environment.home, kept, shlex.join(words))

    def doctor(self, settings: Settings, place: Place) -> Iterable[Check]:
        """The checks as they finish. Never raises for what a check finds."""
        from ai_orchestrator.services.doctor import examine

        def look() -> ServerInfo | None:
            return self._runner(settings).look()

        def survey() -> Sequence[AgentStatus]:
            return self.survey_agents(place)

        return examine(self._data_dir(settings), self.environment, look, survey)

    def run_demo(
        self, settings: Settings, *, directory: Path | None, agents: Sequence[str]
    ) -> AbstractContextManager[DemoRun]:
        """A small repository with a task, and a scripted model to do it: no key, no network."""
        from ai_orchestrator.wiring.demo import demo

        return demo(self.environment, settings.cwd, directory, tuple(agents))
