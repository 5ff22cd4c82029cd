"""The server over real connections: four dialects, streamed and whole, and every failure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h11
import httpx
import pytest

from ai_orchestrator.base.errors import EnvironmentProblemError
from ai_orchestrator.scripted.decision import Refusal, Speech
from ai_orchestrator.scripted.request_log import LIMIT_PROMPT_CHARS, read_log
from ai_orchestrator.scripted.scenario_file import parse_scenario
from ai_orchestrator.scripted.server import ScriptedServer
from ai_orchestrator.scripted.wire import LIMIT_BODY_BYTES

Ask = Callable[..., Coroutine[Any, Any, Any]]

SCENARIO = parse_scenario(
    """
name: story
usage: {input: 111, output: 22, cached: 11}
rules:
  - when: {step: implement}
    reply:
      - write: {path: a.txt, content: "one\\ntwo\\n"}
      - say: Written. And a second sentence, so that a stream has something to cut in pieces.
  - when: {step: slow}
    reply: [{say: Late., delay_s: 0.05}]
  - when: {step: limited}
    reply:
      - error: {status: 429, reset_s: 30}
        times: 2
      - say: Through.
""",
    origin="story.yaml",
)
TOOLS = {"write": {"path": {"type": "string"}, "content": {"type": "string"}}}
IMPLEMENT = "Step: implement (iteration 1)"


class FixedClock:
    """New Year's Eve, a minute before midnight."""

    def now(self) -> datetime:
        """Always the same."""
        return datetime(2026, 12, 31, 23, 59, tzinfo=UTC)

    def monotonic_s(self) -> float:
        """Nothing asks for it."""
        raise NotImplementedError


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The request log of the test's server."""
    return tmp_path / "requests.jsonl"


@pytest.fixture
async def server(log: Path) -> AsyncIterator[ScriptedServer]:
    """A server in the test's own event loop."""
    async with ScriptedServer(SCENARIO, log=log, clock=FixedClock()) as running:
        yield running


async def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as `condition` holds; five seconds are plenty."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_dialect_carries_a_tool_call_and_a_text(
    server: ScriptedServer, ask: Ask, *, is_stream: bool
) -> None:
    """One agent's turn: a tool call, its result, an end; the same in pieces and in one."""
    call = await ask(server.url, [IMPLEMENT], TOOLS, is_stream=is_stream)
    assert (call.tool, call.arguments) == ("write", {"path": "a.txt", "content": "one\ntwo\n"})
    end = await ask(server.url, [IMPLEMENT, (call, "ok")], TOOLS, is_stream=is_stream)
    assert end.text.startswith("Written. And a second sentence,")
    assert call.usage == end.usage == (111, 22, 11)


async def test_freeform_tool_call_over_responses(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    """Codex's apply_patch arrives as one text, in deltas and whole."""
    response = await http.post(
        f"{server.url}/v1/responses",
        json={
            "model": "gpt-5.5",
            "stream": True,
            "input": IMPLEMENT,
            "tools": [{"type": "custom", "name": "apply_patch"}],
        },
    )
    patch = "*** Begin Patch\\n*** Add File: a.txt\\n+one\\n+two\\n*** End Patch"
    assert "event: response.custom_tool_call_input.delta\n" in response.text
    assert '"type":"custom_tool_call"' in response.text
    assert f'"input":"{patch}"' in response.text


async def test_stream_usage_of_chat_is_sent_only_when_asked_for(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    """Some clients trip over a chunk without choices that they did not ask for."""
    body = {
        "model": "m",
        "stream": True,
        "messages": [{"role": "user", "content": "[[plain]]"}],
    }
    response = await http.post(f"{server.url}/v1/chat/completions", json=body)
    assert "usage" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_errors_have_their_status(server: ScriptedServer, post: Ask, status: int) -> None:
    """In every dialect, also where a stream was asked for."""
    response = await post(server.url, f"[[err:{status}]]")
    assert response.status_code == status
    assert "the scenario says so" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "error"),
    [
        pytest.param(
            "/v1/messages",
            {
                "model": "m",
                "messages": [{"role": "user", "content": "Step: limited (iteration 1)"}],
            },
            {
                "retry-after": "30",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-12-31T23:59:30Z",
                "anthropic-ratelimit-tokens-reset": "2026-12-31T23:59:30Z",
            },
            {"type": "rate_limit_error"},
            id="anthropic",
        ),
        pytest.param(
            "/v1/responses",
            {"model": "m", "input": "Step: limited (iteration 1)"},
            {"retry-after": "30", "x-ratelimit-reset-requests": "30s"},
            {"type": "requests", "code": "rate_limit_exceeded"},
            id="responses",
        ),
        pytest.param(
            "/v1/chat/completions",
            {
                "model": "m",
                "messages": [{"role": "user", "content": "Step: limited (iteration 1)"}],
            },
            {"retry-after": "30", "x-ratelimit-remaining-requests": "0"},
            {"type": "requests", "code": "rate_limit_exceeded"},
            id="chat",
        ),
        pytest.param(
            "/v1beta/models/m:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "Step: limited (iteration 1)"}]}]},
            {"retry-after": "30"},
            {
                "status": "RESOURCE_EXHAUSTED",
                "code": 429,
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}
                ],
            },
            id="gemini",
        ),
    ],
)
async def test_rate_limit_says_when_it_ends_in_each_vendors_way(
    server: ScriptedServer,
    http: httpx.AsyncClient,
    path: str,
    body: dict[str, Any],
    headers: dict[str, str],
    error: dict[str, Any],
) -> None:
    """Headers and body are what the vendor's own client looks for."""
    tool = {"name": "t", "type": "function", "function": {"name": "t"}}
    tools = {"functionDeclarations": [{"name": "t"}]} if "contents" in body else tool
    response = await http.post(server.url + path, json={**body, "tools": [tools]})
    assert response.status_code == 429
    assert headers.items() <= dict(response.headers).items()
    assert error.items() <= response.json()["error"].items()


async def test_failure_with_times_ends_after_so_many(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    """Twice refused, then answered: the same request each time, as an agent would retry."""
    body = {
        "model": "m",
        "input": "Step: limited (iteration 1)",
        "tools": [{"type": "function", "name": "t"}],
    }
    url = f"{server.url}/v1/responses"
    assert [(await http.post(url, json=body)).status_code for _ in range(4)] == [429, 429, 200, 200]


async def test_cut_stream_breaks_in_the_middle(
    server: ScriptedServer, post: Ask, *, is_stream: bool
) -> None:
    """The client sees a beginning and no end."""
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        await post(server.url, "[[cut]]", is_stream=is_stream)


async def test_cut_stream_has_begun(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    """A cut is no refusal: the status and a part of the text did arrive."""
    body = {"model": "m", "stream": True, "input": "[[cut]]"}
    received: list[bytes] = []

    async def receive() -> None:
        async with http.stream("POST", f"{server.url}/v1/responses", json=body) as response:
            assert response.status_code == 200
            async for chunk in response.aiter_bytes():
                received.append(chunk)  # noqa: PERF401 - the loop is broken off

    with pytest.raises(httpx.RemoteProtocolError):
        await receive()
    assert b"response.created" in b"".join(received)
    assert b"response.completed" not in b"".join(received)


async def test_hang_lasts_until_the_client_goes(
    server: ScriptedServer, log: Path, post: Ask
) -> None:
    """The server says nothing, and keeps nothing when the client has left."""
    asking = asyncio.create_task(post(server.url, "[[hang]]"))
    await until(lambda: log.exists() and len(read_log(log)) == 1)
    assert server.connection_count == 1
    asking.cancel()
    await until(lambda: server.connection_count == 0)


async def test_closing_ends_a_hang(log: Path, post: Ask) -> None:
    """A test that forgets a hanging client does not hang itself."""
    async with ScriptedServer(SCENARIO, log=log) as server:
        asking = asyncio.create_task(post(server.url, "[[hang]]"))
        await until(lambda: log.exists() and len(read_log(log)) == 1)
    with pytest.raises(httpx.HTTPError):
        await asking


async def test_delayed_answer_arrives(server: ScriptedServer, ask: Ask) -> None:
    """The delay is part of the action."""
    answer = await ask(server.url, ["Step: slow (iteration 1)"], TOOLS)
    assert answer.text == "Late."


async def test_prompt_of_200_kilobytes(server: ScriptedServer, ask: Ask, log: Path) -> None:
    """Large prompts are answered like small ones; the log keeps the beginning."""
    prompt = f"{IMPLEMENT}\n" + "word " * 40_000
    answer = await ask(server.url, [prompt], TOOLS)
    assert answer.tool == "write"
    assert read_log(log)[0].prompt == prompt[:LIMIT_PROMPT_CHARS]


async def test_concurrent_requests_do_not_wait_for_each_other(
    server: ScriptedServer, ask: Ask, post: Ask
) -> None:
    """Twenty agents at once, one of them hanging."""
    hanging = asyncio.create_task(post(server.url, "[[hang]]"))
    answers = await asyncio.gather(
        *(ask(server.url, [f"[[plain:Answer {number}.]]"]) for number in range(20))
    )
    assert [answer.text for answer in answers] == [f"Answer {number}." for number in range(20)]
    hanging.cancel()


async def test_connection_is_kept_for_the_next_request(server: ScriptedServer) -> None:
    """Also after an error and after a request that was sent before the answer to the last one."""
    body = b'{"model":"m","input":"[[plain:Kept.]]"}'
    head = f"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n" + head + body + head + body)
    writer.write_eof()
    async with asyncio.timeout(5):
        received = await reader.read()
    writer.close()
    assert received.count(b"HTTP/1.1 404") == 1
    assert received.count(b"HTTP/1.1 200") == 2


async def test_client_that_waits_for_permission_gets_it(server: ScriptedServer) -> None:
    """`curl` asks before it sends a large body."""
    client = h11.Connection(h11.CLIENT)
    body = b'{"model":"m","input":"[[plain]]"}'
    request = h11.Request(
        method="POST",
        target="/v1/responses",
        headers=[("host", "x"), ("content-length", str(len(body))), ("expect", "100-continue")],
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(client.send(request) or b"")
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        writer.write(body)
        assert b"HTTP/1.1 200" in await reader.readuntil(b"200")
    writer.close()


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/messages/batches", {"type": "error"}),
        ("/v1beta/models/m:embedContent", {}),
        ("/v1/embeddings", {}),
        ("/", {}),
    ],
)
async def test_unknown_address_is_a_404_in_the_vendors_shape(
    server: ScriptedServer, http: httpx.AsyncClient, path: str, shape: dict[str, str]
) -> None:
    """The message names what was asked for."""
    response = await http.post(server.url + path, json={})
    assert response.status_code == 404
    assert f"not found: POST {path}" in response.json()["error"]["message"]
    assert shape.items() <= response.json().items()


async def test_head_request_gets_no_body(server: ScriptedServer, http: httpx.AsyncClient) -> None:
    """Clients probe a base address that way; the connection stays usable."""
    assert (await http.head(f"{server.url}/")).status_code == 404
    assert (await http.get(f"{server.url}/v1/models")).json()["data"][0]["id"] == "scripted-1"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/messages/count_tokens", "input_tokens"),
        ("/v1beta/models/m:countTokens", "totalTokens"),
    ],
)
async def test_tokens_are_counted(
    server: ScriptedServer, http: httpx.AsyncClient, path: str, key: str
) -> None:
    """By the rule of thumb: four bytes to a token."""
    response = await http.post(server.url + path, content=b"x" * 400)
    assert response.json() == {key: 100}


async def test_malformed_and_compressed_requests_are_refused(
    server: ScriptedServer, http: httpx.AsyncClient, log: Path
) -> None:
    """With a message, and both are in the log."""
    bad = await http.post(f"{server.url}/v1/messages", content=b"{")
    packed = await http.post(
        f"{server.url}/v1/responses", content=b"x", headers={"content-encoding": "zstd"}
    )
    assert (bad.status_code, packed.status_code) == (400, 415)
    assert bad.json()["error"]["type"] == "invalid_request_error"
    assert [type(entry.decision) for entry in read_log(log)] == [Refusal, Refusal]


async def test_body_that_is_too_large_is_refused(
    server: ScriptedServer, http: httpx.AsyncClient
) -> None:
    """It is read to its end, so that the client hears the answer, but not kept."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(LIMIT_BODY_BYTES // 2**20 + 1):
            yield b" " * 2**20

    response = await http.post(f"{server.url}/v1/responses", content=body())
    assert response.status_code == 413


async def test_nonsense_ends_the_connection(server: ScriptedServer) -> None:
    """What is not HTTP gets no answer, and the next client does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await until(lambda: server.connection_count == 0)


async def test_log_tells_what_was_asked_and_answered(
    server: ScriptedServer, ask: Ask, log: Path, speaker: Any
) -> None:
    """Enough to check what an agent sent, whichever dialect it spoke."""
    call = await ask(server.url, [IMPLEMENT], TOOLS)
    await ask(server.url, [IMPLEMENT, (call, "ok")], TOOLS)
    first, second = read_log(log)
    assert (first.dialect, first.model, first.tools) == (speaker.name, "m", ("write",))
    assert first.step is not None
    assert (first.step.path, first.step.iteration) == ("implement", 1)
    assert (first.turns, second.turns, second.is_stream) == (1, 3, True)
    assert first.time == datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert first.usage == SCENARIO.usage
    assert first.conversation == second.conversation != ""
    assert isinstance(second.decision, Speech)


async def test_keys_never_reach_the_log(
    server: ScriptedServer, http: httpx.AsyncClient, log: Path
) -> None:
    """Neither from a header nor from the address; the names of the headers are there."""
    secret = "sk-very-secret"
    headers = {"authorization": f"Bearer {secret}", "x-api-key": secret, "x-goog-api-key": secret}
    address = f"{server.url}/v1beta/models/m:generateContent?key={secret}"
    await http.post(address, json={"contents": []}, headers=headers)
    await http.get(f"{server.url}/v1/models", headers=headers)
    assert secret.encode() not in log.read_bytes()
    assert all(set(headers) <= set(entry.headers) for entry in read_log(log))


def test_server_runs_in_an_event_loop_of_another_thread() -> None:
    """The durable engine runs its steps that way."""

    async def ask_once() -> int:
        async with ScriptedServer(SCENARIO) as server, httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{server.url}/v1/models", timeout=10)).status_code

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, ask_once()).result(timeout=20) == 200


async def test_port_in_use_is_reported() -> None:
    """The error says which port and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentProblemError, match=f"port {port} .*any free port"):
            async with ScriptedServer(SCENARIO, port=port):
                pass
