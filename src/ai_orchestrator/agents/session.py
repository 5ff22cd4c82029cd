"""One run of one agent from start to end: listens to it, stops it, reaps it. Called by `host`.

The watch says when to stop; here is how: events go to the sink in order, the tree is stopped
whole, clean-up is bounded and not interrupted by a cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

from ai_orchestrator.agents.base import StreamParser
from ai_orchestrator.agents.conclude import Ending, StopCause, Tally
from ai_orchestrator.agents.raw_log import LogWriter, RawLog
from ai_orchestrator.agents.watch import Watch
from ai_orchestrator.base.beside import until_done
from ai_orchestrator.base.clock import Clock
from ai_orchestrator.base.command import Command, Exit, Process, Spawner
from ai_orchestrator.model.agent import AgentEvent, ErrorKind
from ai_orchestrator.model.orders import AgentEventSink
from ai_orchestrator.model.workflow import Limits

STOP_GRACE_S = 3.0
"""A guess: the slowest of the agents took 0.4 s to end after TERM."""
DRAIN_LIMIT_S = 5.0
"""When the tree has ended its pipes are at end of file, unless somebody outside holds one."""


class Session:
    """A run. `hold` it to its end, then ask how it `end`ed."""

    def __init__(
        self,
        limits: Limits,
        parser: StreamParser,
        log: RawLog,
        clock: Clock,
        on_event: AgentEventSink,
    ) -> None:
        self.tally = Tally()
        self._parser = parser
        self._log = log
        self._writer = LogWriter(log)
        self._clock = clock
        self._on_event = on_event
        self._began_s = clock.monotonic_s()
        self._watch = Watch(limits, self._began_s)
        self._stop: StopCause | None = None
        self._stop_wanted = asyncio.Event()
        self._exit: Exit | None = None

    async def hold(self, spawner: Spawner, command: Command) -> None:
        """Starts the command and returns when no process of its tree is left."""
        process = await spawner.start(command)
        tasks = _Tasks()
        tasks.add(self._listen(process.stdout(), self._parser.feed, is_stderr=False))
        tasks.add(self._listen(process.stderr(), self._parser.feed_stderr, is_stderr=True))
        writing = asyncio.create_task(self._writer.run())
        ending = asyncio.create_task(process.wait())
        try:
            await self._until_end_or_cause(ending, tasks)
            if self._stop is None:
                self._exit = await ending
            else:
                self._exit = await _stopped(process)
            await tasks.finish(DRAIN_LIMIT_S)
            await self._writer.end()
            await writing
        except BaseException:
            await _stopped(process)
            raise
        finally:
            await _cancelled(ending, writing, *tasks.all)

    async def end(self, files: Mapping[str, bytes], kinds: Mapping[int, ErrorKind]) -> Ending:
        """What is known of the process, after the last events have gone to the sink."""
        assert self._exit is not None, "hold comes before end"
        self._take(self._parser.finish(files, self._exit))
        return Ending(
            exit=self._exit,
            stop=self._stop,
            duration_s=self._clock.monotonic_s() - self._began_s,
            stderr_tail=self._log.stderr_tail,
            exit_kinds=kinds,
        )

    async def _until_end_or_cause(self, ending: asyncio.Task[Exit], tasks: _Tasks) -> None:
        """Returns when the process has ended or there is a reason to stop it."""
        wanted = asyncio.create_task(self._stop_wanted.wait())
        try:
            while self._stop is None and not ending.done():
                tasks.raise_failure()
                now_s = self._clock.monotonic_s()
                self._want_stop(self._watch.overdue(now_s))
                if self._stop is None:
                    await asyncio.wait(
                        (wanted, ending, *tasks.running),
                        timeout=max(self._watch.deadline_s() - now_s, 0.0),
                        return_when=asyncio.FIRST_COMPLETED,
                    )
        finally:
            await _cancelled(wanted)

    async def _listen(
        self,
        chunks: AsyncIterator[bytes],
        hear: Callable[[bytes], list[AgentEvent]],
        *,
        is_stderr: bool,
    ) -> None:
        async for chunk in chunks:
            self._watch.heard(self._clock.monotonic_s())
            self._take(hear(chunk))
            await self._writer.put(chunk, is_stderr=is_stderr)

    def _take(self, events: list[AgentEvent]) -> None:
        for event in events:
            self.tally.add(event)
            self._on_event(event)
            self._want_stop(self._watch.saw(event, self.tally, self._clock.monotonic_s()))

    def _want_stop(self, cause: StopCause | None) -> None:
        """The first cause counts; none once the process has ended."""
        if cause is None or self._stop is not None or self._exit is not None:
            return
        self._stop = cause
        self._stop_wanted.set()


class _Tasks:
    """The readers of a run."""

    def __init__(self) -> None:
        self.all: list[asyncio.Task[None]] = []

    def add(self, work: Coroutine[None, None, None]) -> None:
        """Starts one."""
        self.all.append(asyncio.create_task(work))

    @property
    def running(self) -> list[asyncio.Task[None]]:
        """Those that have not ended."""
        return [task for task in self.all if not task.done()]

    def raise_failure(self) -> None:
        """Raises what made one of them fail: a defect of a parser or of the sink."""
        for task in self.all:
            if task.done():
                task.result()

    async def finish(self, limit_s: float) -> None:
        """Waits for all to end, bounded; raises what made one fail."""
        await asyncio.wait(self.all, timeout=limit_s)
        self.raise_failure()


async def _stopped(process: Process) -> Exit:
    """The tree's end, also when cancelled meanwhile; `stop` is bounded, and so is this."""
    stopping = asyncio.create_task(process.stop(STOP_GRACE_S))
    if await until_done(stopping):
        raise asyncio.CancelledError
    return stopping.result()


async def _cancelled(*tasks: asyncio.Task[None] | asyncio.Task[Exit] | asyncio.Task[bool]) -> None:
    """Returns when the tasks have ended; what they were about no longer matters."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
