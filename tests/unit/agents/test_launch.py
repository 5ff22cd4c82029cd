"""The command line, environment and prompt that each driver makes of an order. Nothing is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.agents.orders import order, seat

from ai_orchestrator.agents.base import Driver, Launch
from ai_orchestrator.agents.builtin import BuiltinDriver
from ai_orchestrator.agents.claude import ClaudeDriver
from ai_orchestrator.agents.codex import CodexDriver
from ai_orchestrator.agents.command import CommandDriver
from ai_orchestrator.agents.copilot import CopilotDriver
from ai_orchestrator.agents.gemini import GeminiDriver
from ai_orchestrator.agents.registry import DRIVERS, driver
from ai_orchestrator.base.errors import BadInputError, NotFoundError
from ai_orchestrator.model.orders import Containment
from ai_orchestrator.model.workflow import AgentSpec, Limits

# The type checker proves here that each class fits the port.
ALL: dict[str, Driver] = {
    "builtin": BuiltinDriver(),
    "claude": ClaudeDriver(),
    "codex": CodexDriver(),
    "command": CommandDriver(),
    "copilot": CopilotDriver(),
    "gemini": GeminiDriver(),
}
VENDORS = ["claude", "codex", "copilot", "gemini"]
READ_ONLY = Containment("off", "read-only", "open")


def launch(
    name: str, /, *, is_sandboxed: bool = True, account: Path | None = None, **changes: object
) -> Launch:
    """How the agent would be started."""
    seated = seat(is_sandboxed=is_sandboxed, account=account)
    return ALL[name].launch(order(name, **changes), seated)


def after(argv: tuple[str, ...], flag: str) -> str:
    """The value of a flag, in either form."""
    for index, argument in enumerate(argv):
        if argument == flag:
            return argv[index + 1]
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2]
    raise AssertionError(f"{flag} is not in {argv}")


def codex_settings(made: Launch) -> dict[str, object]:
    """What `-c` sets."""
    given = [value for flag, value in zip(made.argv, made.argv[1:], strict=False) if flag == "-c"]
    return {name: json.loads(value) for name, _, value in (one.partition("=") for one in given)}


def test_every_driver_is_registered_and_named_like_its_line() -> None:
    """Files, registry and names agree."""
    assert DRIVERS.keys() == ALL.keys()
    for name, made in ALL.items():
        assert made.name == driver(name).name == name


def test_an_unknown_driver_is_told_with_the_known_ones() -> None:
    """And with the nearest."""
    with pytest.raises(NotFoundError, match=r"'cluade'.*Known: builtin, claude.*mean 'claude'"):
        driver("cluade")


@pytest.mark.parametrize("agent", sorted(ALL))
def test_the_prompt_is_never_an_argument(agent: str) -> None:
    """200 KB do not fit there, and everybody on the machine could read it."""
    made = launch(agent, prompt="SECRET-PROMPT " * 20_000)
    assert not any("SECRET-PROMPT" in argument for argument in made.argv)
    assert made.stdin.startswith(b"SECRET-PROMPT")


@pytest.mark.parametrize("agent", sorted(ALL))
@pytest.mark.parametrize("prompt", ["", " \n", "half \ud83d emoji"], ids=repr)
def test_a_prompt_that_cannot_be_sent_is_refused(agent: str, prompt: str) -> None:
    """Before anything is started."""
    with pytest.raises(BadInputError):
        launch(agent, prompt=prompt)


@pytest.mark.parametrize(
    ("agent", "flag", "sandboxed", "careful", "read_only"),
    [
        ("claude", "--permission-mode", "bypassPermissions", "acceptEdits", "dontAsk"),
        ("gemini", "--approval-mode", "yolo", "auto_edit", "plan"),
    ],
)
def test_permissions_follow_the_sandbox(
    agent: str, flag: str, sandboxed: str, careful: str, read_only: str
) -> None:
    """Inside it the vendor's own prompts are off, outside its careful mode is on."""
    assert after(launch(agent).argv, flag) == sandboxed
    assert after(launch(agent, is_sandboxed=False).argv, flag) == careful
    outside = launch(agent, is_sandboxed=False, containment=READ_ONLY)
    assert after(outside.argv, flag) == read_only


def test_codex_permissions_are_settings() -> None:
    """`exec resume` knows no flag for them and forgets those of the first run."""
    modes = [
        codex_settings(launch("codex"))["sandbox_mode"],
        codex_settings(launch("codex", is_sandboxed=False))["sandbox_mode"],
        codex_settings(launch("codex", is_sandboxed=False, containment=READ_ONLY))["sandbox_mode"],
        codex_settings(launch("codex", resume_session="abc"))["sandbox_mode"],
    ]
    assert modes == ["danger-full-access", "workspace-write", "read-only", "danger-full-access"]


def test_copilot_permissions() -> None:
    """Outside the sandbox it writes files and runs nothing."""
    assert "--allow-all-tools" in launch("copilot").argv
    assert "--allow-tool=write" in launch("copilot", is_sandboxed=False).argv
    outside = launch("copilot", is_sandboxed=False, containment=READ_ONLY).argv
    assert {"--deny-tool=write", "--deny-tool=shell"} <= set(outside)


@pytest.mark.parametrize(
    ("agent", "wanted"),
    [
        ("claude", ("--resume=abc",)),
        ("gemini", ("--resume=abc",)),
        ("copilot", ("--resume=abc",)),
        ("builtin", ("--resume=abc",)),
        ("codex", ("abc", "-")),
    ],
)
def test_a_session_is_continued(agent: str, wanted: tuple[str, ...]) -> None:
    """By its id."""
    assert set(wanted) <= set(launch(agent, resume_session="abc").argv)


def test_codex_resumes_by_its_subcommand() -> None:
    """Flags come between it and the session."""
    argv = launch("codex", resume_session="abc").argv
    assert argv[2:4] == ("exec", "resume")
    assert argv[-2:] == ("abc", "-")


def test_a_new_copilot_session_has_our_id() -> None:
    """Another attempt, another conversation; the same attempt, the same."""
    first = after(launch("copilot").argv, "--session-id")
    assert first == after(launch("copilot").argv, "--session-id")
    assert "--session-id" not in " ".join(launch("copilot", resume_session="abc").argv)


@pytest.mark.parametrize("agent", VENDORS)
def test_state_goes_to_the_conversation_or_the_account(agent: str) -> None:
    """The vendor's own variable says where."""
    made = ALL[agent]
    assert made.login.state_variable is not None
    there = made.launch(order(agent), seat()).env[made.login.state_variable]
    assert there == "/home/agent/.conversation"
    account = made.launch(order(agent), seat(account=Path("/home/agent/.account")))
    assert account.env[made.login.state_variable] == "/home/agent/.account"


@pytest.mark.parametrize("agent", [*VENDORS, "builtin"])
def test_the_model_of_the_step_comes_before_that_of_the_agent(agent: str) -> None:
    """And without either the program's own choice stands."""
    flag = "-m" if agent == "codex" else "--model"
    spec = AgentSpec(agent, agent, (), model="of-agent")
    assert after(launch(agent, agent=spec).argv, flag) == "of-agent"
    assert after(launch(agent, agent=spec, model="of-step").argv, flag) == "of-step"
    assert not any(flag in argument for argument in launch(agent).argv)


def test_claude_limits_are_passed_on() -> None:
    """It can hold to them itself; others are counted by the host."""
    argv = launch("claude", limits=Limits(max_turns=7, max_cost_usd=1.5)).argv
    assert {"--max-turns=7", "--max-budget-usd=1.5"} <= set(argv)


def test_claude_takes_no_prompt_for_a_command() -> None:
    """`/help` would be answered by the program, as a success."""
    assert launch("claude", prompt="/help me").stdin == b"\n/help me"


def test_claude_reads_nothing_that_the_repository_configures() -> None:
    """But its CLAUDE.md."""
    made = launch("claude")
    assert {"--setting-sources=user", "--strict-mcp-config", "--add-dir=/work"} <= set(made.argv)
    assert made.env["CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"] == "1"


def test_claude_is_told_of_the_sandbox_only_in_it() -> None:
    """As root it refuses to skip its prompts elsewhere."""
    assert launch("claude").env["IS_SANDBOX"] == "1"
    assert "IS_SANDBOX" not in launch("claude", is_sandboxed=False).env


def test_codex_takes_another_endpoint_as_a_provider() -> None:
    """It ignores OPENAI_BASE_URL."""
    account = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    settings = codex_settings(launch("codex", account_env=account))
    assert settings["model_provider"] == "orchestrator"
    assert settings["model_providers.orchestrator.base_url"] == "http://127.0.0.1:1/v1"
    assert "model_provider" not in codex_settings(launch("codex"))


def test_codex_takes_its_login_to_another_endpoint() -> None:
    """Where no key was sent; a key comes first."""
    account = {"CODEX_HOME": "/a", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    provider = "model_providers.orchestrator"
    settings = codex_settings(launch("codex", account=Path("/a"), account_env=account))
    assert settings[f"{provider}.requires_openai_auth"] is True
    assert f"{provider}.env_key" not in settings
    account["OPENAI_API_KEY"] = "k"
    settings = codex_settings(launch("codex", account=Path("/a"), account_env=account))
    assert settings[f"{provider}.env_key"] == "OPENAI_API_KEY"
    assert f"{provider}.requires_openai_auth" not in settings


def test_codex_gets_its_key_under_its_own_name() -> None:
    """`codex exec` does not read OPENAI_API_KEY."""
    assert launch("codex", account_env={"OPENAI_API_KEY": "k"}).env["CODEX_API_KEY"] == "k"
    own = {"OPENAI_API_KEY": "k", "CODEX_API_KEY": "c"}
    assert "CODEX_API_KEY" not in launch("codex", account_env=own).env


def test_gemini_settings_are_ours_unless_the_account_is_a_directory() -> None:
    """The user's own file is not touched."""
    made = launch("gemini", limits=Limits(max_turns=5))
    settings = json.loads(made.state_files[Path(".gemini/settings.json")])
    assert settings["model"]["maxSessionTurns"] == 5
    assert settings["privacy"]["usageStatisticsEnabled"] is False
    assert settings["security"]["auth"]["selectedType"] == "gemini-api-key"
    account = ALL["gemini"].launch(order("gemini"), seat(account=Path("/home/agent/.account")))
    assert account.state_files == {}


def test_gemini_takes_googles_key_except_for_vertex() -> None:
    """It reads GOOGLE_API_KEY for Vertex alone."""
    key = {"GOOGLE_API_KEY": "k"}
    assert launch("gemini", account_env=key).env["GEMINI_API_KEY"] == "k"
    vertex = launch("gemini", account_env={**key, "GOOGLE_GENAI_USE_VERTEXAI": "true"})
    assert "GEMINI_API_KEY" not in vertex.env
    auth = json.loads(vertex.state_files[Path(".gemini/settings.json")])["security"]["auth"]
    assert auth["selectedType"] == "vertex-ai"


def test_gemini_runs_without_its_relauncher_and_with_blocking_output() -> None:
    """Signals reach it, and the end of a long stream is not lost."""
    made = launch("gemini")
    assert made.env["GEMINI_CLI_NO_RELAUNCH"] == "true"
    assert made.argv[1] == "--require=/home/agent/gemini-stdout.cjs"
    assert b"setBlocking" in made.home_files[Path("gemini-stdout.cjs")]


def test_copilot_is_offline_with_a_model_of_ones_own() -> None:
    """Nothing else is asked then."""
    own = {"COPILOT_PROVIDER_BASE_URL": "http://127.0.0.1:1"}
    assert launch("copilot", account_env=own).env["COPILOT_OFFLINE"] == "true"
    assert "COPILOT_OFFLINE" not in launch("copilot", account_env={"GH_TOKEN": "t"}).env


def test_the_built_in_agent_runs_nothing_where_nothing_guards_the_tree() -> None:
    """In the sandbox a reviewer may run commands: the tree is read-only."""
    assert "--read-only" not in launch("builtin").argv
    inside = launch("builtin", containment=Containment("required", "read-only", "open")).argv
    outside = launch("builtin", is_sandboxed=False, containment=READ_ONLY).argv
    assert ("--read-only" in inside, "--no-run" in inside) == (True, False)
    assert ("--read-only" in outside, "--no-run" in outside) == (True, True)


def test_a_command_takes_its_prompt_from_a_file_where_it_says_so() -> None:
    """Then standard input is empty."""
    there = seat()
    program = ("/bin/tool", "--model={model}", "--message-file", "{prompt_file}")
    made = CommandDriver().launch(
        order("command", prompt="do it", model="m"),
        type(there)(
            program=program,
            work=there.work,
            home=there.home,
            tmp=there.tmp,
            conversation=there.conversation,
            account=None,
            is_sandboxed=True,
        ),
    )
    assert made.argv == ("/bin/tool", "--model=m", "--message-file", "/home/agent/prompt.txt")
    assert (made.stdin, made.home_files) == (b"", {Path("prompt.txt"): b"do it"})


def test_a_command_has_no_conversations() -> None:
    """Going on with one would begin afresh in silence."""
    with pytest.raises(BadInputError, match="no conversations"):
        launch("command", resume_session="abc")


def test_a_command_needs_a_command() -> None:
    """And the built-in agent none."""
    with pytest.raises(BadInputError, match="no command"):
        CommandDriver().find((), "/usr/bin")
    with pytest.raises(BadInputError, match="takes no command"):
        BuiltinDriver().find(("python3",), "/usr/bin")
