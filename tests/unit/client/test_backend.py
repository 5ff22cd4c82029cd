"""The client against servers that answer oddly, or stop answering."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ai_orchestrator.base.errors import OrchestratorError, UnreachableError
from ai_orchestrator.client.backend import MAX_REVIVALS, HttpBackend
from ai_orchestrator.client.errors import RemoteError
from ai_orchestrator.client.transport import TcpTransport, UnixTransport

JSON = "application/json"


def event(seq: int) -> bytes:
    """A line of the stream."""
    return (
        b'{"v":1,"seq":%d,"id":"e%d","ts":"2026-01-31T09:05:00Z","project":"default","task":"t",'
        b'"task_attempt":1,"type":"agent.text","data":{"type":"agent.text","text":"x"}}\n'
        % (seq, seq)
    )


def answer(body: bytes, status: str = "200 OK", kind: str = JSON) -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked(*chunks: bytes, is_whole: bool = True) -> bytes:
    """A stream; one that is not whole ends as if the server had been killed."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if is_whole else b"")


class Server:
    """Gives each connection the next of its answers, then hangs up."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.transport = UnixTransport(path)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for text in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(65_536).decode()
                self.requests.append(asked.split(" HTTP")[0])
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

    def close(self) -> None:
        """Nobody listens any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10.0)


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, ended afterwards."""
    servers: list[Server] = []

    def start(*answers: bytes) -> Server:
        servers.append(Server(tmp_path / f"s{len(servers)}", list(answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_a_problem_becomes_an_error_with_the_servers_words(serve: Serve) -> None:
    """Code, status, exit code and hint are the server's."""
    body = (
        b'{"title":"conflict","status":409,"code":"conflict","detail":"it runs","hint":"wait",'
        b'"exit_code":2,"errors":["one","two"]}'
    )
    server = serve(answer(body, "409 Conflict", "application/problem+json"))
    with pytest.raises(RemoteError, match="it runs") as caught:
        HttpBackend(server.transport).task("t-1")
    error = caught.value
    assert (error.code, error.http_status, error.exit_code, error.hint, error.details) == (
        "conflict",
        409,
        2,
        "wait",
        ("one", "two"),
    )


def test_an_answer_that_is_no_problem_is_shown_as_it_is(serve: Serve) -> None:
    """Something else may sit at that address."""
    server = serve(answer(b"<html>no such page</html>", "404 Not Found", "text/html"))
    with pytest.raises(RemoteError, match="no such page") as caught:
        HttpBackend(server.transport).info()
    assert (caught.value.http_status, caught.value.exit_code) == (404, 70)


def test_names_are_quoted(serve: Serve) -> None:
    """An id is a part of a path, whatever is in it."""
    server = serve(answer(b"null"))
    HttpBackend(server.transport).delete("a/b ?c", force=True)
    assert server.requests == ["DELETE /api/v1/tasks/a%2Fb%20%3Fc?force=true"]


def test_a_whole_stream_is_read_to_its_end(serve: Serve) -> None:
    """Events may be cut across chunks; blank lines say that the server lives."""
    lines = event(1) + b"\n" + event(2)
    server = serve(chunked(lines[:50], lines[50:]))
    assert [one.seq for one in HttpBackend(server.transport).events("t")] == [1, 2]
    assert server.requests == ["GET /api/v1/tasks/t/events?after=0&follow=false"]


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(chunked(event(1), event(2), is_whole=False), id="between-lines"),
        pytest.param(chunked(event(1), event(2), event(3)[:40], is_whole=False), id="in-a-line"),
        pytest.param(chunked(event(1), event(2), is_whole=False) + b"ff\r\n{", id="in-a-chunk"),
    ],
)
def test_a_stream_that_breaks_is_taken_up_after_the_last_event(serve: Serve, cut: bytes) -> None:
    """From the server that was started instead; nothing is told twice, nothing is lost."""
    first, second = serve(cut), serve(chunked(event(3)))
    revived: list[bool] = []

    def revive() -> UnixTransport:
        revived.append(True)
        return second.transport

    events = HttpBackend(first.transport, revive).events("t", follow=True)
    assert [one.seq for one in events] == [1, 2, 3]
    assert revived == [True]
    assert second.requests == ["GET /api/v1/tasks/t/events?after=2&follow=true"]


def test_a_stream_that_breaks_is_an_error_where_nobody_revives(serve: Serve) -> None:
    """Never mistaken for the end."""
    server = serve(chunked(event(1), is_whole=False))
    events = HttpBackend(server.transport).events("t", follow=True)
    assert next(events).seq == 1
    with pytest.raises(UnreachableError):
        next(events)


def test_servers_that_break_each_time_are_given_up(serve: Serve) -> None:
    """What crashes on every start must not be started for ever."""
    broken = chunked(is_whole=False)
    server = serve(*[broken] * (MAX_REVIVALS + 1))
    events = HttpBackend(server.transport, lambda: server.transport).events("t", follow=True)
    with pytest.raises(UnreachableError):
        next(events)
    assert len(server.requests) == MAX_REVIVALS + 1


def test_what_nobody_heard_is_said_to_the_next_server(serve: Serve, tmp_path: Path) -> None:
    """A runner may end when idle between a look and a request."""
    living = serve(answer(b"[]"))
    backend = HttpBackend(UnixTransport(tmp_path / "nobody"), lambda: living.transport)
    assert backend.tasks() == []


def test_a_look_that_was_dropped_is_made_again(serve: Serve) -> None:
    """A runner that leaves may drop who has just connected."""
    dying, living = serve(b""), serve(answer(b"[]"))
    assert HttpBackend(dying.transport, lambda: living.transport).tasks() == []


def test_what_may_have_been_heard_is_not_said_twice(serve: Serve) -> None:
    """A task must not be submitted twice because an answer was lost."""
    dying = serve(b"")
    living = serve(answer(b"null"))
    backend = HttpBackend(dying.transport, lambda: living.transport)
    with pytest.raises(UnreachableError):
        backend.mark_applied("t", "branch")
    assert living.requests == []


def test_nobody_there_is_told_with_the_address(tmp_path: Path) -> None:
    """Exit code 7."""
    with pytest.raises(UnreachableError, match="nobody") as caught:
        HttpBackend(UnixTransport(tmp_path / "nobody")).info()
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("url", ["ftp://host", "host:5001", "http://", "unix:/x"])
def test_an_address_that_is_none_is_bad_input(url: str) -> None:
    """Exit code 2, with an example."""
    with pytest.raises(OrchestratorError, match="http or https") as caught:
        HttpBackend(TcpTransport(url)).info()
    assert caught.value.exit_code == 2
