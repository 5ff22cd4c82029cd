"""The built-in agent's parts: tools, dialects, conversation, flags."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from ai_orchestrator.agents.builtin_loop import tools
from ai_orchestrator.agents.builtin_loop.__main__ import UsageError, choose_model, parse
from ai_orchestrator.agents.builtin_loop.conversation import (
    FORGOTTEN,
    LIMIT_CHARS,
    Call,
    Conversation,
    Result,
    Turn,
    UnknownSessionError,
    load,
    new_conversation,
    save,
    shortened,
)
from ai_orchestrator.agents.builtin_loop.dialects import AnswerError, Model, reply, request
from ai_orchestrator.agents.builtin_loop.tools import ToolError, offered

WRITING = offered(is_read_only=False, may_run=True)
CALL = Call("c1", "read", {"path": "a"})
TALK = [
    Turn("user", "hi"),
    Turn("assistant", "", (CALL,)),
    Turn("tools", results=(Result("c1", "x", is_error=True),)),
]


def use(root: Path, name: str, **arguments: object) -> str:
    """What a tool says."""
    return tools.call(WRITING, root.resolve(), name, arguments)


def test_files_are_written_read_and_edited(tmp_path: Path) -> None:
    """Line ends stay as they are."""
    use(tmp_path, "write", path="d/a.txt", content="one\r\ntwo\n")
    use(tmp_path, "edit", path="d/a.txt", old="two", new="three")
    assert (tmp_path / "d" / "a.txt").read_bytes() == b"one\r\nthree\n"
    assert use(tmp_path, "read", path="d") == "a.txt"
    assert "three" in use(tmp_path, "read", path="d/a.txt")


@pytest.mark.parametrize("old", ["x", "absent", ""])
def test_an_edit_must_be_unique(old: str, tmp_path: Path) -> None:
    """Twice, never or nowhere: nothing is changed."""
    (tmp_path / "a").write_text("x x")
    with pytest.raises(ToolError, match="has to be there once"):
        use(tmp_path, "edit", path="a", old=old, new="y")
    assert (tmp_path / "a").read_text() == "x x"


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "link/x", "a\0b"], ids=repr)
@pytest.mark.parametrize("name", ["read", "write", "edit", "search"])
def test_paths_outside_are_refused(name: str, path: str, tmp_path: Path) -> None:
    """By any way out."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    given = {"path": path, "content": "c", "old": "o", "new": "n", "pattern": "p"}
    with pytest.raises(ToolError):
        use(root, name, **given)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "x").exists()


def test_a_command_gives_output_and_exit_code(tmp_path: Path) -> None:
    """Both streams; it runs in the tree."""
    said = use(tmp_path, "run", command="echo out; echo err >&2; touch here; exit 3")
    assert said == "out\nerr\n\n[exit code 3]"
    assert (tmp_path / "here").exists()


def test_a_command_does_not_get_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's account is not for what it runs."""
    for name in tools.SECRETS:
        monkeypatch.setenv(name, "sk-secret")
    assert "sk-secret" not in use(tmp_path, "run", command="env")


def test_a_command_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all it started."""
    monkeypatch.setattr(tools, "RUN_TIMEOUT_S", 0.2)
    said = use(tmp_path, "run", command="echo started; sleep 600 & sleep 600")
    assert said.startswith("started\n")
    assert "[ended after 0.2 s]" in said


def test_long_output_keeps_both_ends(tmp_path: Path) -> None:
    """The error stands at the end."""
    said = use(tmp_path, "run", command="echo first; yes x | head -200000; echo last")
    assert len(said) < tools.LIMIT_OUTPUT_CHARS + 200
    assert said.startswith("first\n")
    assert "bytes left out" in said
    assert "last\n\n[exit code 0]" in said


def test_a_search_without_an_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model may try another one; the file can still be searched."""
    (tmp_path / "a").write_text("a" * 60 + "!")
    monkeypatch.setattr(tools, "SEARCH_TIMEOUT_S", 0.2)
    with pytest.raises(ToolError, match=r"stopped after 0\.2 s"):
        use(tmp_path, "search", pattern="(a+)+$")
    monkeypatch.undo()
    assert use(tmp_path, "search", pattern="a!$").startswith("a:1: aaa")


def test_search_finds_lines(tmp_path: Path) -> None:
    """Not in .git, not in binaries."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("needle")
    (tmp_path / "bin").write_bytes(b"\0needle")
    (tmp_path / "a.py").write_text("x\nneedle = 1\n")
    assert use(tmp_path, "search", pattern="need.e") == "a.py:2: needle = 1"
    assert use(tmp_path, "search", pattern="absent") == "no match"
    with pytest.raises(ToolError, match="no regular expression"):
        use(tmp_path, "search", pattern="(")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("read", {}), ("write", {"path": "a"}), ("read", {"path": 3}), ("nosuch", {})],
)
def test_a_wrong_call_is_told_to_the_model(
    name: str, arguments: dict[str, object], tmp_path: Path
) -> None:
    """It can do better the next time."""
    with pytest.raises(ToolError):
        tools.call(WRITING, tmp_path.resolve(), name, arguments)


def test_a_missing_file_is_told_to_the_model(tmp_path: Path) -> None:
    """As a tool's answer, not as a crash."""
    with pytest.raises(ToolError, match="does not exist"):
        use(tmp_path, "read", path="none")


def test_read_only_offers_nothing_that_writes() -> None:
    """Commands only where the tree is guarded otherwise."""
    assert set(offered(is_read_only=True, may_run=True)) == {"read", "run", "search"}
    assert set(offered(is_read_only=True, may_run=False)) == {"read", "search"}


def test_chat_completions_are_asked() -> None:
    """Tool results answer their calls by id."""
    asked = request(Model("openai", "http://h/v1", "m", "k"), "sys", TALK, tuple(WRITING.values()))
    assert asked.url == "http://h/v1/chat/completions"
    assert asked.headers == {"authorization": "Bearer k"}
    messages = json.loads(json.dumps(asked.body))["messages"]
    assert [one["role"] for one in messages] == ["system", "user", "assistant", "tool"]
    assert messages[2]["tool_calls"][0]["function"]["arguments"] == '{"path": "a"}'
    assert messages[3] == {"role": "tool", "tool_call_id": "c1", "content": "error: x"}


def test_messages_are_asked() -> None:
    """Anthropic takes results as the user's blocks."""
    asked = request(Model("anthropic", "http://h", "m", "k"), "sys", TALK, tuple(WRITING.values()))
    assert asked.url == "http://h/v1/messages"
    assert asked.headers["x-api-key"] == "k"
    body = json.loads(json.dumps(asked.body))
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"][0]["is_error"] is True
    assert body["tools"][0]["input_schema"]["required"] == ["path"]


OPENAI = {
    "choices": [
        {
            "message": {
                "content": None,
                "tool_calls": [
                    {"id": "c", "function": {"name": "read", "arguments": '{"path": "a"}'}},
                    {"id": "d", "function": {"name": "read", "arguments": "[broken"}},
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
    },
}
ANTHROPIC = {
    "content": [
        {"type": "text", "text": "hm"},
        {"type": "tool_use", "id": "c", "name": "read", "input": {"path": "a"}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 3,
        "cache_read_input_tokens": 1,
        "cache_creation_input_tokens": 1,
        "output_tokens": 2,
    },
}


def test_answers_become_turns() -> None:
    """With the same usage, whatever the vendor counts apart."""
    ours = reply(Model("openai", "", "", ""), OPENAI)
    theirs = reply(Model("anthropic", "", "", ""), ANTHROPIC)
    assert ours.turn.calls[0] == theirs.turn.calls[0] == Call("c", "read", {"path": "a"})
    assert ours.turn.calls[1].problem == "the arguments are no JSON object"
    for one in (ours, theirs):
        assert (one.input_tokens, one.output_tokens, one.cached_tokens) == (5, 2, 1)


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "answer", [{}, {"choices": []}, {"choices": [3]}, {"content": [{"no": 1}]}], ids=repr
)
def test_an_answer_of_another_shape_is_refused(api: str, answer: dict[str, object]) -> None:
    """Never taken for an empty answer."""
    with pytest.raises(AnswerError):
        reply(Model(api, "", "", ""), answer)


def test_a_conversation_is_kept(tmp_path: Path) -> None:
    """And is the same when it is loaded."""
    talk = new_conversation()
    for turn in TALK:
        talk.add(turn)
    save(tmp_path, talk)
    assert load(tmp_path, talk.id) == talk


@pytest.mark.parametrize("session", ["../../etc/passwd", "0" * 32, ""], ids=repr)
def test_an_unknown_session_is_an_error(session: str, tmp_path: Path) -> None:
    """Also one that is a path."""
    with pytest.raises(UnknownSessionError):
        load(tmp_path, session)


def test_a_broken_session_is_an_error(tmp_path: Path) -> None:
    """It does not begin afresh in silence."""
    (tmp_path / f"session-{'a' * 32}.json").write_text('{"turns": [{}]}')
    with pytest.raises(UnknownSessionError, match="unreadable"):
        load(tmp_path, "a" * 32)


def test_old_results_are_forgotten_first() -> None:
    """The latest one stays whole, and so does what the user said."""
    long = "x" * (LIMIT_CHARS // 2)
    turns = [Turn("user", "the task")]
    turns += [Turn("tools", results=(Result(str(i), long, is_error=False),)) for i in range(4)]
    kept = shortened(turns)
    assert kept[0].text == "the task"
    assert [turn.results[0].text == FORGOTTEN for turn in kept[1:]] == [True, True, True, False]
    assert Conversation("x", kept).turns == kept


@pytest.mark.parametrize(
    ("flags", "env", "api", "url", "key"),
    [
        ({"url": "http://h/v1/"}, {}, "openai", "http://h/v1", ""),
        (
            {"url": "http://h", "api": "anthropic"},
            {"ANTHROPIC_API_KEY": "k"},
            "anthropic",
            "http://h",
            "k",
        ),
        (
            {},
            {"AI_ORCHESTRATOR_MODEL_URL": "http://m/v1", "AI_ORCHESTRATOR_MODEL_KEY": "k"},
            "openai",
            "http://m/v1",
            "k",
        ),
        ({}, {"OPENAI_API_KEY": "k"}, "openai", "https://api.openai.com/v1", "k"),
        (
            {},
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://a"},
            "anthropic",
            "http://a",
            "k",
        ),
    ],
)
def test_the_model_is_chosen(
    flags: dict[str, str], env: dict[str, str], api: str, url: str, key: str
) -> None:
    """Flags before the environment, our names before the vendors'."""
    model = choose_model(flags, env)
    assert (model.api, model.url, model.key) == (api, url, key)


@pytest.mark.parametrize("arguments", [["--nosuch=1"], ["word"], ["--max-turns=many"]], ids=repr)
def test_wrong_flags_are_told(arguments: list[str]) -> None:
    """With the known ones."""
    with pytest.raises(UsageError):
        parse(arguments)


def test_no_model_is_told() -> None:
    """With what to set."""
    with pytest.raises(UsageError, match="AI_ORCHESTRATOR_MODEL_URL"):
        choose_model({}, {"PATH": os.defpath})
    with pytest.raises(UsageError, match="Known: openai, anthropic"):
        choose_model({"url": "u", "api": "grpc"}, {})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("run", {"command": "echo \0"}),
        ("run", {"command": "echo \ud800"}),
        ("search", {"pattern": "a{99999999999}"}),
        ("search", {"pattern": "(" * 5000 + ")" * 5000}),
        ("write", {"path": "half", "content": "\ud800"}),
        ("write", {"path": "\ud800", "content": "x"}),
        ("write", {"path": "pipe", "content": "x"}),
        ("edit", {"path": "pipe", "old": "a", "new": "b"}),
        ("edit", {"path": "binary", "old": "a", "new": "b"}),
        ("read", {"path": "pipe"}),
        ("read", {"path": "x" * 5000}),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)
def test_what_a_tool_cannot_do_is_told_to_the_model(
    tmp_path: Path, name: str, arguments: dict[str, str]
) -> None:
    """Whatever it asks for, the agent goes on."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"a\xff")
    with pytest.raises(ToolError):
        use(tmp_path, name, **arguments)


def test_a_daemon_that_holds_the_output_holds_nobody_up(tmp_path: Path) -> None:
    """The command has ended; what it started is ended with the agent's tree."""
    said = use(tmp_path, "run", command="echo up; setsid sleep 617.25 & echo $! > pid")
    try:
        assert said.startswith("up\n")
        assert "goes on" in said
        assert said.endswith("[exit code 0]")
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_all_that_a_command_prints_before_its_end_is_read(tmp_path: Path) -> None:
    """Also when it has closed its output long before, and when it printed much at its end."""
    assert use(tmp_path, "run", command="exec >&- 2>&-; sleep 0.05; exit 3") == "\n[exit code 3]"
    said = use(tmp_path, "run", command="seq 1 20000; echo last")
    assert said.endswith("20000\nlast\n\n[exit code 0]")
