"""Runs agents: finds, seats, starts, listens, stops, concludes. Fits `running.ports.AgentHost`.

    host = ProcessAgentHost(
        spawner, clock, cache=data / "cache", homes=homes, logs=logs, enclosure=enclosure
    )
    result = await host.run(order, on_event)

What a program needs is said by its driver, when to stop it by `watch`, how it ended by
`conclude`. Nothing of it is left running when `run` returns, raises or is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from ai_orchestrator.agents import cache, usage
from ai_orchestrator.agents.base import Driver, FoundProgram, Launch, Listening
from ai_orchestrator.agents.conclude import conclude, nothing_left
from ai_orchestrator.agents.files import read_bounded, write_below
from ai_orchestrator.agents.raw_log import LogKeeping, RawLog
from ai_orchestrator.agents.registry import driver
from ai_orchestrator.agents.seat import (
    CACHE_DIR,
    STATE_FOLDER,
    Placement,
    account_directory,
    in_sandbox,
    lay_out,
    on_host,
    sessions_folder,
)
from ai_orchestrator.agents.session import Session
from ai_orchestrator.agents.turns import TurnLimitError
from ai_orchestrator.agents.vendor_home import VendorHome, VendorHomes
from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.command import Command, Spawner
from ai_orchestrator.base.errors import BadInputError, EnvironmentProblemError
from ai_orchestrator.base.sandbox import (
    bubblewrap_argv,
    read_host_layout,
)
from ai_orchestrator.model.agent import AgentResult, Usage
from ai_orchestrator.model.orders import AgentEventSink, AgentOrder
from ai_orchestrator.model.workflow import LEAST_TIME_S, AgentSpec

log = logging.getLogger(__name__)

LIMIT_RESULT_FILE_BYTES = 2**20
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class _Ready:
    """All that is settled before the start."""

    driver: Driver
    placement: Placement
    launch: Launch
    command: Command
    earlier: Usage | None


class Bubblewrap(Protocol):
    """The program that makes sandboxes, one for agents and the repository's commands alike."""

    bubblewrap: Path | None
    """None: it does not work here."""
    why_not: str

    async def look_again(self) -> Path | None:
        """The same, tried out once more where it did not work."""
        ...


class ProcessAgentHost:
    """Runs each order as a process tree of its own.

    `cache`: a directory of ours that outlives tasks. `homes`: the logins that we keep.
    `logs`: where raw output goes.
    """

    def __init__(
        self,
        spawner: Spawner,
        clock: Clock,
        *,
        cache: Path,
        homes: VendorHomes,
        logs: LogKeeping,
        enclosure: Bubblewrap,
    ) -> None:
        self._spawner = spawner
        self._clock = clock
        self._cache = cache
        self._homes = homes
        self._logs = logs
        self._enclosure = enclosure

    async def check(self, agents: Sequence[AgentSpec], path_env: str) -> None:
        """Raises `AgentMissingError` for the first of the agents that is not installed."""
        for agent in agents:
            await asyncio.to_thread(driver(agent.driver).find, agent.command, path_env)

    async def run(self, order: AgentOrder, on_event: AgentEventSink) -> AgentResult:
        """How the run ended; never raises for what the agent did.

        With a login that we keep it waits for its turn, at most as long as it may run, and the
        task's time goes on meanwhile. Raises `BadInputError` for an order that cannot be expressed,
        `EnvironmentProblemError` where the machine lacks something, `TemporaryError` where the
        guardian was lost. Cancelling the awaiting task stops the agent's whole tree first.
        """
        spent = nothing_left(order.limits)
        if spent is not None:
            return spent
        login = driver(order.agent.driver).login
        home = self._homes.home(account_directory(order, login), login)
        if home is None:
            return await self._run(order, on_event, None)
        limit_s = order.limits.timeout_s
        began_s = self._clock.monotonic_s()
        try:
            async with home.lent(limit_s=limit_s, on_event=on_event):
                in_time = _after_wait(order, self._clock.monotonic_s() - began_s)
                return await self._run(in_time, home.seeing(on_event), home)
        except TurnLimitError:
            why = f"the account {home.name!r} was in use for {limit_s:g} s"
            return AgentResult.not_started("limit", f"not started: {why}")

    async def _run(
        self,
        order: AgentOrder,
        on_event: AgentEventSink,
        home: VendorHome | None,
    ) -> AgentResult:
        ready = await self._make_ready(order, home)
        parser = ready.driver.parser(Listening(order, self._clock, ready.earlier))
        look = (lambda: None) if home is None else home.look
        raw_log = RawLog(partial(self._logs.open, order.key), self._logs.new_redaction, look)
        try:
            session = Session(order.limits, parser, raw_log, self._clock, on_event)
            await session.hold(self._spawner, ready.command)
            files = await _result_files(ready.launch)
            ending = await session.end(files, ready.driver.exit_kinds)
        finally:
            if not raw_log.is_closed:
                await asyncio.to_thread(raw_log.close)
        result = conclude(session.tally, ending)
        if parser.thread_usage is not None and result.session_id is not None:
            known = order.paths.conversation, result.session_id, parser.thread_usage
            await asyncio.to_thread(_store_usage, *known)
        return result

    async def _make_ready(self, order: AgentOrder, home: VendorHome | None) -> _Ready:
        chosen = driver(order.agent.driver)
        _check_options(order, chosen)
        found = await asyncio.to_thread(chosen.find, order.agent.command, order.path_env)
        filled = await self._filled_cache(chosen, found)
        bubblewrap = await self._bubblewrap_for(order)
        if bubblewrap is None:
            placement = on_host(order, chosen, found)
        else:
            placement = in_sandbox(order, chosen, found, filled)
        launch = chosen.launch(order, placement.seat)
        earlier = await asyncio.to_thread(_lay_out, launch, placement, order, chosen)
        if home is not None:
            sessions = None if placement.seat.is_sandboxed else sessions_folder(order, chosen.login)
            await home.show_sessions(sessions)
        command = Command(
            argv=_argv(launch, placement, bubblewrap),
            cwd=placement.cwd,
            env={
                **_environment(order, placement),
                **_cache_variable(chosen, filled, placement),
                **launch.env,
            },
            tree=order.key.tree,
            stdin=launch.stdin,
            is_output_private=chosen.name != "command",
        )
        return _Ready(chosen, placement, launch, command, earlier)

    async def _filled_cache(self, chosen: Driver, found: FoundProgram) -> Path | None:
        preparation = chosen.preparation
        if preparation is None:
            return None
        return await cache.filled(self._cache, chosen.name, found, preparation, self._spawner)

    async def _bubblewrap_for(self, order: AgentOrder) -> Path | None:
        """The program that makes the sandbox, or None where the order may and must do without."""
        mode, network = order.containment.sandbox, order.containment.network
        if mode == "off":
            return None
        # With best-effort a prompt may already say where the tree is seen: then it stays so.
        look = self._enclosure
        program = await look.look_again() if mode == "required" else look.bubblewrap
        if program is not None:
            return program
        if mode == "best-effort" and network == "open":
            return None
        needs = "a sandbox" if mode == "required" else f"network: {network}"
        way_out = "best-effort" if mode == "required" else "off"
        raise EnvironmentProblemError(
            f"agent {order.agent.name} must run with {needs}, but bubblewrap does not work here: "
            f"{look.why_not}",
            hint=f"Install bubblewrap, or accept less with --sandbox {way_out}.",
        )


def _after_wait(order: AgentOrder, waited_s: float) -> AgentOrder:
    """With what the task's time has left for the run."""
    left_s = max(order.remaining_s - waited_s, LEAST_TIME_S)
    limits = msgspec.structs.replace(order.limits, timeout_s=min(order.limits.timeout_s, left_s))
    return replace(order, limits=limits)


def _check_options(order: AgentOrder, chosen: Driver) -> None:
    unknown = sorted(set(order.agent.options) - chosen.known_options)
    if unknown:
        known = ", ".join(sorted(chosen.known_options)) or "none"
        raise BadInputError(
            f"agents.{order.agent.name}.options: driver {chosen.name!r} has no option "
            f"{', '.join(map(repr, unknown))}. Known: {known}."
        )


def _argv(launch: Launch, placement: Placement, bubblewrap: Path | None) -> tuple[str, ...]:
    if placement.sandbox is None or bubblewrap is None:
        return launch.argv
    return bubblewrap_argv(
        placement.sandbox, launch.argv, bubblewrap=bubblewrap, host=read_host_layout()
    )


def _environment(order: AgentOrder, placement: Placement) -> dict[str, str]:
    """All that an agent gets: nothing is inherited from the orchestrator."""
    seat = placement.seat
    return {
        "PATH": order.path_env,
        "HOME": str(seat.home),
        "TMPDIR": str(seat.tmp),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        **order.extra_env,
        **order.account_env,
    }


def _cache_variable(chosen: Driver, filled: Path | None, placement: Placement) -> dict[str, str]:
    preparation = chosen.preparation
    if preparation is None or filled is None:
        return {}
    place = CACHE_DIR if placement.seat.is_sandboxed else filled
    return {preparation.variable: str(place)}


def _lay_out(
    launch: Launch, placement: Placement, order: AgentOrder, chosen: Driver
) -> Usage | None:
    """The conversation's figures before; makes the directories and files of the start. Blocks."""
    earlier = _earlier(order)
    lay_out(placement, order, chosen.login)
    for path, content in launch.home_files.items():
        write_below(order.paths.home, path, content)
    for path, content in launch.state_files.items():
        write_below(order.paths.conversation / STATE_FOLDER, path, content)
    for path in launch.result_files.values():
        path.unlink(missing_ok=True)
    return earlier


async def _result_files(launch: Launch) -> dict[str, bytes]:
    return await asyncio.to_thread(_read_files, launch) if launch.result_files else {}


def _read_files(launch: Launch) -> dict[str, bytes]:
    read = {
        name: read_bounded(path, LIMIT_RESULT_FILE_BYTES)
        for name, path in launch.result_files.items()
    }
    return {name: content for name, content in read.items() if content is not None}


def _store_usage(conversation: Path, session_id: str, thread: Usage) -> None:
    """Keeps the figures, where the disk has room: the answer is there, and was paid for."""
    try:
        usage.store(conversation, session_id, thread)
    except OSError as error:
        log.warning(
            "%s: the conversation's figures are not kept, so its next run is counted from its "
            "beginning: %s",
            conversation,
            error,
        )


def _earlier(order: AgentOrder) -> Usage | None:
    """What the conversation had used before, so that only the difference is counted."""
    if order.resume_session is None or not order.prior_usage_session:
        return None
    return usage.load(order.paths.conversation, order.resume_session)
