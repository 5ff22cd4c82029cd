"""Connections to a server: over the runner's Unix socket, or over TCP.

The standard library's HTTP client on purpose: a command line pays for each import, and this one
costs a fifth of the usual client libraries.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ai_orchestrator.base.errors import BadInputError

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
"""Servers send a blank line at least every 10 s on a stream, so silence means that it is gone."""


class Transport(Protocol):
    """Opens connections to one server."""

    @property
    def name(self) -> str:
        """The server, for messages."""
        ...

    def connect(self, read_timeout_s: float = READ_TIMEOUT_S) -> http.client.HTTPConnection:
        """A fresh connection, not yet opened; it waits so long for each piece of an answer."""
        ...


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, read_timeout_s: float) -> None:
        super().__init__("localhost", timeout=read_timeout_s)
        self._path = path
        self._read_timeout_s = read_timeout_s

    def connect(self) -> None:
        """Connects to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        self.sock.connect(str(self._path))
        self.sock.settimeout(self._read_timeout_s)


@dataclass(frozen=True, slots=True)
class UnixTransport:
    """The runner's socket."""

    path: Path

    @property
    def name(self) -> str:
        """The socket's path."""
        return str(self.path)

    def connect(self, read_timeout_s: float = READ_TIMEOUT_S) -> http.client.HTTPConnection:
        """A connection to the socket."""
        return _UnixConnection(self.path, read_timeout_s)


@dataclass(frozen=True, slots=True)
class TcpTransport:
    """A server by URL: http or https, host, port."""

    url: str

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    def connect(self, read_timeout_s: float = READ_TIMEOUT_S) -> http.client.HTTPConnection:
        """A connection to the host."""
        parts = urlsplit(self.url)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise BadInputError(
                f"--server: {self.url!r} is no http or https URL.",
                hint="Write it like http://127.0.0.1:5001.",
            )
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=read_timeout_s)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=read_timeout_s)
