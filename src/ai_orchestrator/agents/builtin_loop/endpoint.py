"""One question to a model endpoint: HTTP, time limits, and what an error means.

http.client and not urllib.request, which takes 10 ms more to import. Proxies by HTTP_PROXY,
HTTPS_PROXY and NO_PROXY, as everywhere.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 600.0
"""A long answer that is not streamed takes minutes; the host's stall timer is what ends a hang."""
LIMIT_BODY_BYTES = 32 * 2**20
LIMIT_MESSAGE_CHARS = 300


class EndpointError(Exception):
    """The endpoint did not answer the question. `status` is None where it was not reached."""

    def __init__(self, message: str, status: int | None, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Request:
    """A question."""

    url: str
    headers: Mapping[str, str]
    body: Mapping[str, object]


def ask(request: Request) -> dict[str, object]:
    """The answer, a JSON object. Raises `EndpointError`."""
    try:
        status, headers, content = _exchange(request)
    except (OSError, http.client.HTTPException) as error:
        raise EndpointError(_unreached(request.url, error), None, None) from error
    if status != 200:
        raise EndpointError(_told(status, content), status, _retry_after_s(headers))
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise EndpointError(f"{request.url} answered no JSON", None, None) from error
    if not isinstance(answer, dict):
        raise EndpointError(f"{request.url} answered no JSON object", None, None)
    return answer


def _exchange(request: Request) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection, target = _connect(request.url)
    try:
        connection.connect()
        if isinstance(connection.sock, socket.socket):
            connection.sock.settimeout(ANSWER_TIMEOUT_S)
        headers = {**request.headers, "content-type": "application/json"}
        connection.request("POST", target, json.dumps(request.body).encode(), headers)
        response = connection.getresponse()
        content = response.read(LIMIT_BODY_BYTES)
        return response.status, response.headers, content
    finally:
        connection.close()


def _connect(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection to the endpoint or its proxy, and what to ask it for."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    proxy = _proxy(parts.scheme, host)
    if proxy is None:
        return kind(host, port, timeout=CONNECT_TIMEOUT_S), target
    via = urlsplit(proxy)
    connection = kind(via.hostname or "", via.port or 8080, timeout=CONNECT_TIMEOUT_S)
    if not is_secure:
        return connection, url
    connection.set_tunnel(host, port)
    return connection, target


def _proxy(scheme: str, host: str) -> str | None:
    name = f"{scheme}_proxy"
    proxy = os.environ.get(name.upper()) or os.environ.get(name)
    spared = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    is_spared = any(host == one or host.endswith("." + one) for one in _names(spared))
    return None if not proxy or is_spared or host in ("127.0.0.1", "localhost", "::1") else proxy


def _names(listed: list[str]) -> list[str]:
    return [one.strip().lstrip(".") for one in listed if one.strip()]


def _unreached(url: str, error: Exception) -> str:
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"no answer from {host}: {str(error) or type(error).__name__}"


def _told(status: int, content: bytes) -> str:
    """What the endpoint said, on one line."""
    text = content.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        pass  # then the whole body is what it said
    return f"{status}: {' '.join(text.split())[:LIMIT_MESSAGE_CHARS]}"


def _retry_after_s(headers: http.client.HTTPMessage) -> float | None:
    """Seconds of `retry-after`; None where it is missing or a date."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (TypeError, ValueError):
        return None
