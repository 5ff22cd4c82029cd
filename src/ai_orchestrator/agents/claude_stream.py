"""What Claude Code says: `--output-format stream-json --verbose --include-partial-messages`.

Facts observed with 2.1.330 (docs/reference/agents.md): a failed request ends in `subtype:success`
with `is_error:true`, so `subtype` decides nothing; the usage of an `assistant` event is that of
its start; `total_cost_usd` and `modelUsage` count over the whole conversation, `usage` and
`model_usage_since_last_result` over this run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from ai_orchestrator.agents.stream import Dialect, cut, read_as, summary
from ai_orchestrator.agents.usage import largest, measured, money, since
from ai_orchestrator.base.clock import Clock
from ai_orchestrator.model.agent import (
    AgentEvent,
    EndSeen,
    ErrorKind,
    RetrySeen,
    SessionSeen,
    TextSeen,
    ToolSeen,
    Usage,
    UsageSeen,
)


class _Tokens(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0

    @property
    def usage(self) -> Usage:
        fresh = max(self.input_tokens, 0) + max(self.cache_creation_input_tokens, 0)
        cached = max(self.cache_read_input_tokens, 0)
        return measured(fresh + cached, self.output_tokens, cached)


class _ModelTokens(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cost_usd: Decimal = msgspec.field(default=Decimal(0), name="costUSD")

    @property
    def usage(self) -> Usage:
        fresh = max(self.input_tokens, 0) + max(self.cache_creation_input_tokens, 0)
        cached = max(self.cache_read_input_tokens, 0)
        return measured(fresh + cached, self.output_tokens, cached, self.cost_usd)


class _System(msgspec.Struct, frozen=True):
    subtype: str = ""
    session_id: str = ""
    model: str | None = None
    claude_code_version: str | None = None
    attempt: int = 0
    max_retries: int = 0
    retry_delay_ms: float | None = None
    error_status: int | None = None
    error: str | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, object] = {}
    tool_use_id: str = ""
    is_error: bool | None = None


class _Message(msgspec.Struct, frozen=True):
    id: str = ""
    content: list[_Block] | str = ""
    usage: _Tokens | None = None


class _Turn(msgspec.Struct, frozen=True):
    message: _Message
    parent_tool_use_id: str | None = None
    is_api_error_message: bool = False
    error: str | None = None


class _Delta(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""


class _Raw(msgspec.Struct, frozen=True):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: _Tokens | None = None


class _Partial(msgspec.Struct, frozen=True):
    event: _Raw
    parent_tool_use_id: str | None = None


class _LimitInfo(msgspec.Struct, frozen=True, rename="camel"):
    status: str = ""
    resets_at: float | None = None


class _RateLimit(msgspec.Struct, frozen=True):
    rate_limit_info: _LimitInfo = _LimitInfo()


class _Result(msgspec.Struct, frozen=True):
    is_error: bool
    session_id: str = ""
    result: str | None = None
    subtype: str = ""
    terminal_reason: str | None = None
    api_error_status: int | None = None
    errors: list[str] = []
    num_turns: int | None = None
    usage: _Tokens = _Tokens()
    total_cost_usd: Decimal | None = None
    model_usage_since_last_result: dict[str, _ModelTokens] = {}


_LIMIT_REASONS = frozenset({"max_turns", "budget_exhausted"})
_LIMIT_SUBTYPES = frozenset({"error_max_turns", "error_max_budget_usd"})
_RESET_IN_TEXT = re.compile(r"limit reached\|(\d{9,11})\b")
_THINKING = ("thinking_delta", "signature_delta")
_AUTH_STATUS = (401, 403)
_OVERLOADED_FROM = 500


class ClaudeDialect(Dialect):
    """See `stream.Dialect`."""

    def __init__(self, clock: Clock, earlier: Usage | None) -> None:
        self._clock = clock
        self._earlier = earlier
        self._cost: Decimal | None = None
        self._calls: dict[str, Usage] = {}
        self._counted = Usage()
        """The sum of `_calls`."""
        self._current = ""
        self._thinking: str | None = None
        self._spoken: set[str] = set()
        self._resets_at: float | None = None
        self._api_error: str | None = None

    def read(self, kind: str, line: str) -> Iterator[AgentEvent]:
        """See `stream.Dialect.read`."""
        match kind:
            case "system":
                yield from self._system(read_as(_System, line))
            case "stream_event":
                yield from self._partial(read_as(_Partial, line))
            case "assistant":
                yield from self._assistant(read_as(_Turn, line))
            case "user":
                yield from self._user(read_as(_Turn, line))
            case "rate_limit_event":
                yield from self._rate_limit(read_as(_RateLimit, line))
            case "result":
                yield from self._result(read_as(_Result, line))
            case _:
                pass

    @property
    def thread_usage(self) -> Usage | None:
        """The conversation's cost so far."""
        return None if self._cost is None else Usage(cost_usd=self._cost)

    def _system(self, event: _System) -> Iterator[AgentEvent]:
        if event.subtype == "init" and event.session_id:
            yield SessionSeen(event.session_id, event.model, event.claude_code_version)
        if event.subtype == "api_retry":
            delay_s = None if event.retry_delay_ms is None else event.retry_delay_ms / 1000
            said = f"attempt {event.attempt} of {event.max_retries}: {event.error or 'no answer'}"
            yield RetrySeen(event.error_status, said, delay_s)

    def _partial(self, event: _Partial) -> Iterator[AgentEvent]:
        raw = event.event
        if raw.type == "message_start" and raw.message is not None:
            self._current = raw.message.id
            yield from self._count(raw.message.id, raw.message.usage)
        elif raw.type == "message_delta":
            yield from self._count(self._current, raw.usage)
        elif raw.delta is not None and raw.delta.type in _THINKING:
            yield from self._think()
        elif event.parent_tool_use_id is None:
            yield from self._speak(raw.delta)

    def _think(self) -> Iterator[AgentEvent]:
        """That a call is answered, once: before its first word it may think for minutes."""
        if self._current != self._thinking:
            self._thinking = self._current
            yield UsageSeen(largest(self._counted, Usage(0, 0, 0)), max(len(self._calls), 1))

    def _speak(self, delta: _Delta | None) -> Iterator[AgentEvent]:
        if delta is not None and delta.type == "text_delta" and delta.text:
            yield TextSeen(delta.text, is_delta=self._current in self._spoken)
            self._spoken.add(self._current)

    def _assistant(self, event: _Turn) -> Iterator[AgentEvent]:
        message = event.message
        self._api_error = event.error
        yield from self._count(message.id, message.usage)
        for block in _blocks(message):
            if block.type == "tool_use":
                yield ToolSeen(block.id, block.name, "start", summary(block.input))
            elif block.type == "text" and block.text and self._is_news(event):
                yield TextSeen(block.text)

    def _is_news(self, event: _Turn) -> bool:
        """Text of the agent itself that did not come in pieces already."""
        is_own = event.parent_tool_use_id is None and not event.is_api_error_message
        return is_own and event.message.id not in self._spoken

    def _user(self, event: _Turn) -> Iterator[AgentEvent]:
        for block in _blocks(event.message):
            if block.type == "tool_result":
                yield ToolSeen(block.tool_use_id, "", "error" if block.is_error else "ok")

    def _rate_limit(self, event: _RateLimit) -> Iterator[AgentEvent]:
        info = event.rate_limit_info
        if info.status == "rejected" and info.resets_at is not None:
            self._resets_at = info.resets_at
        return iter(())

    def _result(self, event: _Result) -> Iterator[AgentEvent]:
        yield UsageSeen(self._total(event), event.num_turns)
        text = event.result or ""
        if not event.is_error:
            yield EndSeen(None, final_text=text)
            return
        if (found := _RESET_IN_TEXT.search(text)) is not None:
            self._resets_at = float(found[1])
        reset_s = self._reset_s()
        message = cut(text or "; ".join(event.errors) or event.subtype)
        yield EndSeen(_kind(event, self._api_error, reset_s), message, reset_s=reset_s)

    def _count(self, message_id: str, tokens: _Tokens | None) -> Iterator[AgentEvent]:
        """Adds a model call's figures; each call reports several times, growing."""
        if not message_id or tokens is None:
            return
        known = self._calls.get(message_id, Usage(0, 0, 0))
        grown = largest(known, tokens.usage)
        if grown != known:
            self._calls[message_id] = grown
            self._counted = self._counted.plus(since(grown, known))
            yield UsageSeen(self._counted, len(self._calls))

    def _total(self, event: _Result) -> Usage:
        """The run's figures: the larger of what was seen call by call and what the end reports."""
        self._cost = money(event.total_cost_usd)
        parts = Usage()
        for model in event.model_usage_since_last_result.values():
            parts = parts.plus(model.usage)
        # A run that hits its budget reports no tokens at its end, though it spent some.
        usage = largest(largest(self._counted, event.usage.usage), parts)
        if parts.cost_usd is not None or self._cost is None:
            return usage
        cost = since(Usage(cost_usd=self._cost), self._earlier).cost_usd
        return msgspec.structs.replace(usage, cost_usd=cost)

    def _reset_s(self) -> float | None:
        if self._resets_at is None:
            return None
        return max(0.0, self._resets_at - self._clock.now().timestamp())


def _blocks(message: _Message) -> list[_Block]:
    return [] if isinstance(message.content, str) else message.content


def _kind(event: _Result, api_error: str | None, reset_s: float | None) -> ErrorKind:
    status = event.api_error_status
    if event.terminal_reason in _LIMIT_REASONS or event.subtype in _LIMIT_SUBTYPES:
        return "limit"
    if status in _AUTH_STATUS or api_error == "authentication_failed":
        return "auth"
    if reset_s is not None:
        return "quota"
    if status == 429 or (status is not None and status >= _OVERLOADED_FROM):
        return "overloaded"
    if event.terminal_reason == "api_error" and status is None:
        return "overloaded"  # no answer at all: the network
    return "agent"
