"""A kept login in runs of a fake vendor's program, in the sandbox and without it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agents.bench import until
from tests.integration.agents.conftest import Stage
from tests.support.vendor_login import LOGIN_FILE, claude_program, log_in

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.base.process import Command, GuardedSpawner, Process
from ai_orchestrator.model.agent import AgentEvent, AgentResult, WaitSeen
from ai_orchestrator.model.ids import StepKey
from ai_orchestrator.model.orders import AgentOrder, AttemptPaths
from ai_orchestrator.model.workflow import AgentSpec, Limits

OLD, NEW = "sk-ant-oat01-old-0123456789", "sk-ant-oat01-new-0123456789"


class Tasks:
    """Several tasks on one stage, each with its own conversation."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.state = log_in(stage.root / "accounts", "work", OLD)
        self.events: dict[str, list[AgentEvent]] = {}

    def order(self, task: str, script: str, **changes: object) -> AgentOrder:
        """A run of the task that does what the script says."""
        root = self.stage.root / task
        program = claude_program(root / "bin", run=script)
        asked = self.stage.order("claude", "", **changes)
        paths = AttemptPaths(root / "work", root / "home", root / "tmp", root / "conversation")
        for path in (paths.work, paths.home, paths.tmp, paths.conversation):
            path.mkdir(parents=True, exist_ok=True)
        letter = task[-1]
        return replace(
            asked,
            key=StepKey(f"t-{letter * 26}", 1, "implement", 1, 1),
            agent=AgentSpec("claude", "claude", (str(program),)),
            paths=paths,
            account_env={"CLAUDE_CONFIG_DIR": str(self.state)},
        )

    async def run(self, task: str, script: str, **changes: object) -> AgentResult:
        """Its result; it must have ended well."""
        seen = self.events.setdefault(task, [])
        result = await self.stage.host.run(self.order(task, script, **changes), seen.append)
        assert result.error_kind is None, result.message
        return result

    def start(self, task: str, script: str) -> asyncio.Task[AgentResult]:
        """A run under way."""
        return asyncio.create_task(self.run(task, script))

    def wrote(self, task: str, name: str) -> str:
        """What the task's agent left in its tree."""
        return (self.stage.root / task / "work" / name).read_text()

    @property
    def login(self) -> str:
        """The file that the vendor's program keeps."""
        return (self.state / LOGIN_FILE).read_text()


@pytest.fixture(params=["sandboxed", "stage"], ids=["sandbox", "no-sandbox"])
def tasks(request: pytest.FixtureRequest) -> Tasks:
    """In the sandbox and without it."""
    return Tasks(request.getfixturevalue(request.param))


@pytest.fixture
def inside(sandboxed: Stage) -> Tasks:
    """In the sandbox."""
    return Tasks(sandboxed)


async def test_a_run_sees_its_login_and_renews_it_by_rename(tasks: Tasks) -> None:
    """The program replaces the file, which a bind of the file alone would refuse."""
    await tasks.run("one", f"cat $state/{LOGIN_FILE} > seen; write_token {NEW}")
    assert OLD in tasks.wrote("one", "seen")
    assert NEW in tasks.login
    await tasks.run("two", f"cat $state/{LOGIN_FILE} > seen")
    assert NEW in tasks.wrote("two", "seen")


LEAVES = """
mkdir -p $state/projects/-work $state/file-history
echo one-said > $state/projects/-work/one.jsonl
echo one-wrote > $state/file-history/copy
echo one-asked > $state/history.jsonl
echo '{"hooks": {}}' > $state/settings.json
"""
LOOKS = "find -L $state -type f > seen; cat $(find -L $state -type f) >> seen"


async def test_no_task_sees_anothers_sessions_or_traps(tasks: Tasks) -> None:
    """Only its own conversation, which goes on."""
    await tasks.run("one", LEAVES)
    await tasks.run("two", LOOKS)
    assert "one" not in tasks.wrote("two", "seen")
    assert tasks.wrote("two", "seen").count("\n") == 1, "the login and nothing else"
    await tasks.run("one", LOOKS)
    assert "one-said" in tasks.wrote("one", "seen")
    assert "settings.json" not in tasks.wrote("one", "seen")
    assert [path.name for path in tasks.state.iterdir()] == [LOGIN_FILE]


async def test_in_the_sandbox_it_is_at_one_fixed_path(inside: Tasks) -> None:
    """The same for every account on every host; the folder of accounts is not there."""
    await inside.run("one", f"echo $state > seen; ls {inside.state.parent} >> seen 2>&1 || :")
    first, second = inside.wrote("one", "seen").splitlines()
    assert first == "/home/agent/.account"
    assert "No such file" in second


async def test_without_the_account_it_is_not_seen(inside: Tasks) -> None:
    """A task that has a key sees no login at all."""
    order = inside.order("one", "ls -d $HOME/.account > seen 2>&1; cat $state/* >> seen 2>&1; :")
    order = replace(order, account_env={"ANTHROPIC_API_KEY": "k"})
    result = await inside.stage.host.run(order, lambda _: None)
    assert result.error_kind is None, result.message
    assert OLD not in inside.wrote("one", "seen")
    assert "/.account': No such file" in inside.wrote("one", "seen")


async def test_two_tasks_take_turns(tasks: Tasks) -> None:
    """The second says that it waits, and begins when the first has ended."""
    first = tasks.start("one", "touch up; until test -e go; do sleep 0.02; done")
    root = tasks.stage.root
    await until((root / "one" / "work" / "up").exists)
    second = tasks.start("two", "touch up")
    await until(lambda: tasks.events.get("two") == [WaitSeen("work")])
    assert not (root / "two" / "work" / "up").exists()
    (root / "one" / "work" / "go").touch()
    await asyncio.gather(first, second)
    assert tasks.events["two"][:2] == [WaitSeen("work"), WaitSeen("work", is_over=True)]
    assert not any(isinstance(event, WaitSeen) for event in tasks.events["one"])
    assert (root / "two" / "work" / "up").exists()


async def test_a_wait_in_vain_is_a_limit(inside: Tasks) -> None:
    """It never began, so it used nothing."""
    first = inside.start("one", "touch up; until test -e go; do sleep 0.02; done")
    await until((inside.stage.root / "one" / "work" / "up").exists)
    order = inside.order("two", "touch up", limits=Limits(timeout_s=0.1))
    result = await inside.stage.host.run(order, lambda _: None)
    assert (result.error_kind, result.usage.total_tokens) == ("limit", 0)
    assert "account 'work' was in use" in result.message
    (inside.stage.root / "one" / "work" / "go").touch()
    await first


async def test_the_tasks_time_goes_on_in_a_wait(inside: Tasks) -> None:
    """A run that may last as long as it likes ends with the task's time."""
    first = inside.start("one", "touch up; until test -e go; do sleep 0.02; done")
    root = inside.stage.root
    await until((root / "one" / "work" / "up").exists)
    forever = Limits(timeout_s=3600.0, stall_s=3600.0)
    order = inside.order("two", "sleep 3600", limits=forever, remaining_s=3.0)
    waits: list[AgentEvent] = []
    second = asyncio.create_task(inside.stage.host.run(order, waits.append))
    await until(lambda: WaitSeen("work") in waits)
    (root / "one" / "work" / "go").touch()
    await first
    assert (await second).error_kind == "limit"


async def test_a_run_that_need_not_wait_has_its_least_time(inside: Tasks) -> None:
    """As with any other account, however little is left of the task's time."""
    order = inside.order("one", "touch up", remaining_s=0.0)
    assert (await inside.stage.host.run(order, lambda _: None)).error_kind is None


async def test_nobody_logged_in_is_said_before_the_start(inside: Tasks) -> None:
    """With what to type."""
    (inside.state / LOGIN_FILE).unlink()
    with pytest.raises(EnvironmentProblemError, match="ai-orchestrator agents login work"):
        await inside.run("one", "touch up")
    assert not (inside.stage.root / "one" / "work" / "up").exists()


TELLS = f"""
cat $state/{LOGIN_FILE} >&2
write_token {NEW}
cat $state/{LOGIN_FILE} >&2
token=$(cut -d '"' -f 6 $state/{LOGIN_FILE})
echo "{{\\"type\\":\\"system\\",\\"subtype\\":\\"init\\",\\"session_id\\":\\"$token\\"}}"
"""


async def test_the_login_is_in_no_log(tasks: Tasks) -> None:
    """Neither the old one nor the one that it was renewed to while it ran."""
    await tasks.run("one", TELLS)
    (log,) = tasks.stage.logs
    assert log.content.count(b"[redacted:accessToken") == 3
    assert OLD.encode() not in log.content
    assert NEW.encode() not in log.content


class Recording:
    """A spawner that remembers its commands."""

    def __init__(self, spawner: GuardedSpawner) -> None:
        self._spawner = spawner
        self.commands: list[Command] = []

    async def start(self, command: Command) -> Process:
        """As the other does."""
        self.commands.append(command)
        return await self._spawner.start(command)


async def test_the_login_is_in_no_command_line(tasks: Tasks) -> None:
    """Nor in an environment: all that is handed over is a directory."""
    recording = Recording(tasks.stage.spawner)
    tasks.stage.host._spawner = recording
    await tasks.run("one", "")
    assert recording.commands
    for command in recording.commands:
        assert OLD not in str(command)
    assert str(tasks.state) in str(recording.commands[-1])


async def test_a_link_in_place_of_the_sessions_leads_nowhere(inside: Tasks, tmp_path: Path) -> None:
    """Left by an agent that ran without the sandbox, say."""
    (inside.state / "projects").symlink_to(tmp_path)
    await inside.run("one", "mkdir -p $state/projects/-work; echo x > $state/projects/-work/s")
    assert not (tmp_path / "-work").exists()
    sessions = inside.stage.root / "one" / "conversation" / "sessions"
    assert (sessions / "projects" / "-work" / "s").read_text() == "x\n"


REPLACES = """
rm -rf $HOME/.conversation/projects $HOME/.conversation/sessions 2>/dev/null
for name in projects sessions; do ln -s VICTIM $HOME/.conversation/$name; done
echo said > $state/projects/session.jsonl
{ rmdir $state/projects || mv $state/projects $state/old; } 2>/dev/null
ln -sn VICTIM $state/projects 2>/dev/null; :
"""


async def test_a_link_in_the_conversation_is_not_bound_next_time(
    inside: Tasks, tmp_path: Path
) -> None:
    """An agent's second attempt reaches no more of the machine than its first."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for _ in range(2):
        await inside.run("one", REPLACES.replace("VICTIM", str(victim)))
    assert list(victim.iterdir()) == []
    sessions = inside.stage.root / "one" / "conversation" / "sessions"
    assert (sessions / "projects" / "session.jsonl").read_text() == "said\n"
